"""The projection head on disk: its checkpoint, the report of the pack it was trained on and whether it won, and the
checkpoints of each epoch of a training.
"""

import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from classface_assets.core.atomic_files import remove_abandoned, remove_tree, temporary_path
from classface_assets.core.errors import UserError

CHECKPOINT_DIGEST, REPORT_DIGEST = "checkpoint_sha256", "sha256"
"""Keys of the report: the digests of the checkpoint, and of the report without this one."""
EPOCHS_STORED = 3
"""Checkpoints of a stage of a training that are stored, the last ones."""
FINAL_STAGE = "final"
"""The stage of a training whose head may be used; the others test it."""
_EPOCH_FILE = re.compile(r"(?P<stage>[a-z0-9-]+)-(?P<epoch>\d{4,})\.pt")


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
    content = {name: value for name, value in report.items() if name not in (CHECKPOINT_DIGEST, REPORT_DIGEST)}
    if checkpoint is not None:
        _write(path, checkpoint)
        content[CHECKPOINT_DIGEST] = sha256(checkpoint).hexdigest()
    content[REPORT_DIGEST] = _digest_of_report(content)
    _write(path.with_suffix(".json"), json.dumps(content, indent=1).encode())


@dataclass(frozen=True)
class EpochCheckpoints:
    """The checkpoints of the epochs of a training, by stage, in a folder: what a training goes on from."""

    folder: Path

    @staticmethod
    def beside(path: Path) -> "EpochCheckpoints":
        """Those that belong to the head whose checkpoint is this file."""
        return EpochCheckpoints(path.with_name(f"{path.stem}_epochs"))

    def latest(self, stage: str) -> bytes | None:
        """The last checkpoint of a stage; None before the first."""
        epochs = self._epochs(stage)
        return epochs[max(epochs)].read_bytes() if epochs else None

    def save(self, stage: str, epoch: int, content: bytes) -> None:
        """Store the checkpoint of an epoch; of the stage's others the last EPOCHS_STORED before it stay."""
        self.folder.mkdir(parents=True, exist_ok=True)
        _write(self.folder / f"{stage}-{epoch:04d}.pt", content)
        epochs = self._epochs(stage)
        for number in [n for n in epochs if n > epoch or n <= epoch - EPOCHS_STORED]:
            epochs[number].unlink()

    def prune(self) -> None:
        """Delete what a finished training needs no more: all but the last checkpoint of the final head."""
        last = self._epochs(FINAL_STAGE)
        for file in self.files():
            if file != last.get(max(last, default=-1)):
                file.unlink()

    def files(self) -> list[Path]:
        """All checkpoints, by name."""
        return sorted(self.folder.glob("*.pt")) if self.folder.is_dir() else []

    def _epochs(self, stage: str) -> dict[int, Path]:
        found = {file: _EPOCH_FILE.fullmatch(file.name) for file in self.files()}
        return {int(name["epoch"]): file for file, name in found.items() if name and name["stage"] == stage}


def checkpoint_files(path: Path) -> list[Path]:
    """The checkpoint, where one was ever trained, and its report."""
    return [file for file in (path, path.with_suffix(".json")) if file.exists()]


def damaged_head_files(path: Path) -> Iterator[tuple[Path, str]]:
    """The files of a head that are not as they were written, each with why.

    A checkpoint of an epoch is an archive with a checksum of each of its members. Files of versions that wrote no
    digests are only read.
    """
    why = _damage_of_head(path)
    if why:
        yield path.with_suffix(".json"), why
    for file in EpochCheckpoints.beside(path).files():
        try:
            with zipfile.ZipFile(file) as archive:
                member = archive.testzip()
        except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
            member = "all of it"
        if member is not None:
            yield file, "the checksum of a part of it does not match"


def delete_head(path: Path) -> None:
    """Delete a head and its report, whatever lies there; the checkpoints of its epochs stay."""
    for file in (path, path.with_suffix(".json")):
        remove_tree(file)


def _damage_of_head(path: Path) -> str:
    report_file = path.with_suffix(".json")
    if not report_file.exists() and not path.exists():
        return ""
    try:
        report = json.loads(report_file.read_bytes())
        if REPORT_DIGEST in report and report[REPORT_DIGEST] != _digest_of_report(report):
            return "its checksum does not match"
        if report["status"] != "trained":
            return ""
        found = sha256(path.read_bytes()).hexdigest()
        return "" if report.get(CHECKPOINT_DIGEST, found) == found else "the checksum of the checkpoint does not match"
    except FileNotFoundError:
        return "one of the two files is missing"
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return "it cannot be read"


def _digest_of_report(report: Mapping[str, Any]) -> str:
    content = {name: value for name, value in report.items() if name != REPORT_DIGEST}
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def load_report(path: Path) -> dict[str, Any]:
    """The report of the last training; empty where there is none that can be read, nor its checkpoint where it has one.

    Args:
        path: Where the checkpoint lies.
    """
    if _damage_of_head(path):
        return {}
    try:
        report = dict(json.loads(path.with_suffix(".json").read_text()))
    except (OSError, ValueError, TypeError):
        return {}
    return {name: value for name, value in report.items() if name not in (CHECKPOINT_DIGEST, REPORT_DIGEST)}


def load_promoted_checkpoint(path: Path, pack: str) -> bytes | None:
    """The checkpoint in use: the last one trained, if it won on held-out faces of this very model pack.

    Raises:
        CheckpointError: The files do not belong together, cannot be read, or are not as they were written.
    """
    report_file = path.with_suffix(".json")
    if not report_file.exists():
        return None
    why = _damage_of_head(path)
    try:
        report = {} if why else json.loads(report_file.read_text())
        if not why:
            return path.read_bytes() if report["promoted"] and report["pack"] == pack else None
    except (OSError, ValueError, KeyError) as error:
        why = str(error)
    raise CheckpointError(
        f"{report_file} cannot be used ({why}); `classface find-orphans --fix` deletes it and trains again."
    )


def _write(path: Path, content: bytes) -> None:
    remove_abandoned(path.parent)
    temporary = temporary_path(path)
    temporary.write_bytes(content)
    temporary.replace(path)
