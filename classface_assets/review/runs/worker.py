"""One run of the pipeline in a process of its own, `python -m classface_assets.review.runs.worker`, read from stdin."""

import json
import os
import sys
from pathlib import Path

from rich.console import Console

from classface_assets.defs.runner import Chain
from classface_assets.orchestration.archive_lock import turn
from classface_assets.orchestration.instance import prepare, release
from classface_assets.orchestration.resources import Archive, Models


def main() -> None:
    """Do what is told, as the run of that id, when it is its turn; exit code 1 when it failed."""
    told = json.load(sys.stdin)
    archive, models, order = Archive(**told["archive"]), Models(**told["models"]), told["order"]
    instance, _ = prepare(archive.layout)
    with instance, Path(os.devnull).open("w") as nowhere, turn(archive.layout, "classface review", _nobody):
        release(instance)
        chain = Chain(instance, archive, models, Console(file=nowhere))
        stopped = chain.job(order["job"], order["year"], order["ops"], told["run_id"], {"classface/by": "review"})
    sys.exit(1 if stopped else 0)


def _nobody(_sentence: str) -> None:
    """The page shows a run as waiting until it has begun."""


if __name__ == "__main__":
    main()
