"""Long work that somebody ordered: each in a process of its own, which outlives the server; it is worker's to do."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from classface_assets.orchestration.resources import Archive, Models


@dataclass(frozen=True)
class RunSpec:
    """A job to run, for a school year or for all, with the config of its assets."""

    job: str
    year: str | None = None
    ops: Mapping[str, Any] = field(default_factory=dict)


def launch(order: RunSpec, run_id: str, archive: "Archive", models: "Models") -> "subprocess.Popen[bytes]":
    """The process that does the order as the Dagster run of that id."""
    told = {"archive": archive.model_dump(), "models": models.model_dump(), "order": asdict(order), "run_id": run_id}
    log = archive.layout.dagster_home / "review.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "classface_assets.review.runs.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=out,
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
    assert process.stdin is not None
    process.stdin.write(json.dumps(told).encode())
    process.stdin.close()
    # Somebody must ask for the end of a child, or it stays in the list of processes.
    threading.Thread(target=process.wait, daemon=True).start()
    return process
