"""Starting a run in a process of its own, which outlives the server; the process runs `worker`."""

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


COMMAND = "classface review"
"""What the records of runs name as their origin."""
UPDATE_JOB = "update"
"""In place of a job: the whole chain, from new photos to albums; the id of the run is then that of the update."""


@dataclass(frozen=True)
class RunSpec:
    """What to run.

    Attributes:
        job: The name of the Dagster job.
        year: The school year; None for a job over all of them.
        ops: The config of its assets, by asset.
        until: The last school year of a range that begins with `year`; None for that one alone.
    """

    job: str
    year: str | None = None
    ops: Mapping[str, Any] = field(default_factory=dict)
    until: str | None = None


def launch(spec: RunSpec, run_id: str, archive: "Archive", models: "Models") -> "subprocess.Popen[bytes]":
    """Start a process that runs this as the Dagster run of that id; its output goes to `review.log`."""
    request = {"archive": archive.model_dump(), "models": models.model_dump(), "spec": asdict(spec), "run_id": run_id}
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
    process.stdin.write(json.dumps(request).encode())
    process.stdin.close()
    # A child that ended stays in the list of processes until its parent waits for it.
    threading.Thread(target=process.wait, daemon=True).start()
    return process
