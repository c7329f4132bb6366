"""One run of the pipeline in a process of its own, `python -m classface_assets.review.runs.worker`, read from stdin."""

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
    """Do what is told, as the run of that id, when it is its turn; exit code 1 when it failed."""
    told = json.load(sys.stdin)
    archive, models, order = Archive(**told["archive"]), Models(**told["models"]), told["order"]
    instance, _ = prepare_instance(archive.layout)
    with (
        instance,
        Path(os.devnull).open("w") as nowhere,
        archive_lock(archive.layout, "classface review", _ignore_message),
    ):
        fail_dead_runs(instance)
        chain = PipelineRunner(instance, archive, models, Console(file=nowhere))
        stopped = chain.run_job(
            order["job"], order["year"], order["ops"], run_id=told["run_id"], tags={"classface/by": "review"}
        )
    sys.exit(1 if stopped else 0)


def _ignore_message(_sentence: str) -> None:
    """The page shows a run as waiting until it has begun."""


if __name__ == "__main__":
    main()
