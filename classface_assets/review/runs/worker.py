"""One pipeline run in a process of its own: `python -m classface_assets.review.runs.worker`, requested on stdin."""

import json
import os
import sys
from pathlib import Path

from rich.console import Console

from classface_assets.defs.runner import PipelineRunner
from classface_assets.orchestration.archive_lock import archive_lock
from classface_assets.orchestration.instance import fail_dead_runs, prepare_instance
from classface_assets.orchestration.resources import Archive, Models


def main() -> None:
    """Read the request of `launch` and run it once no other run holds the archive; exit code 1 if it failed."""
    request = json.load(sys.stdin)
    archive, models, spec = Archive(**request["archive"]), Models(**request["models"]), request["spec"]
    instance, _ = prepare_instance(archive.layout)
    with (
        instance,
        Path(os.devnull).open("w") as no_output,
        archive_lock(archive.layout, "classface review", _ignore_message),
    ):
        fail_dead_runs(instance)
        runner = PipelineRunner(instance, archive, models, Console(file=no_output))
        failure = runner.run_job(
            spec["job"], spec["year"], spec["ops"], run_id=request["run_id"], tags={"classface/by": "review"}
        )
    sys.exit(1 if failure else 0)


def _ignore_message(_message: str) -> None:
    """The page shows a run as waiting until it has begun."""


if __name__ == "__main__":
    main()
