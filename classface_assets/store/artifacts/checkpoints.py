"""The projection head on disk: its checkpoint, and the report of the pack it was trained on and whether it won."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from classface_assets.core.atomic_files import remove_abandoned, temporary_path
from classface_assets.core.errors import UserError


class CheckpointError(UserError):
    """The head's files do not belong together or cannot be read."""


def save_checkpoint(path: Path, checkpoint: bytes | None, report: Mapping[str, Any]) -> None:
    """Store a checkpoint and its report; the report is written last.

    Args:
        path: Where the checkpoint lies; the report lies beside it.
        checkpoint: None when training was skipped.
        report: The outcome of the training.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if checkpoint is not None:
        _write(path, checkpoint)
    _write(path.with_suffix(".json"), json.dumps(dict(report), indent=1).encode())


def checkpoint_files(path: Path) -> list[Path]:
    """The checkpoint, where one was ever trained, and its report."""
    return [file for file in (path, path.with_suffix(".json")) if file.exists()]


def load_promoted_checkpoint(path: Path, pack: str) -> bytes | None:
    """The checkpoint in use: the last one trained, if it won on held-out faces of this very model pack.

    Raises:
        CheckpointError: The files do not belong together or cannot be read.
    """
    report_file = path.with_suffix(".json")
    if not report_file.exists():
        return None
    try:
        report = json.loads(report_file.read_text())
        return path.read_bytes() if report["promoted"] and report["pack"] == pack else None
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(f"{report_file} cannot be used ({error}); delete it, and train again.") from None


def _write(path: Path, content: bytes) -> None:
    remove_abandoned(path.parent)
    temporary = temporary_path(path)
    temporary.write_bytes(content)
    temporary.replace(path)
