"""One pipeline run in a process of its own: `python -m classface_assets.review.runs.worker`, requested on stdin."""

import json
import os
import sys
from pathlib import Path

from rich.console import Console

from classface_assets.defs.runner.pipeline import PipelineRunner
from classface_assets.defs.runner.school_years import select_years
from classface_assets.orchestration.archive_lock import archive_lock
from classface_assets.orchestration.instance import fail_dead_runs, prepare_instance
from classface_assets.orchestration.records.retention import prune_records_if_due
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.orchestration.school_year_runs.partitions import (
    held_back_sentence,
    held_back_years,
)
from classface_assets.orchestration.school_year_runs.years import expand_range
from classface_assets.orchestration.settings.archive_names import names_of
from classface_assets.orchestration.updates.recorder import recorded_update
from classface_assets.review.runs.launcher import COMMAND, UPDATE_JOB
from classface_assets.services.erasure import finish_interrupted_erasures
from classface_assets.services.first_run.settings import remember_folders_and_pack
from classface_assets.store.catalog.school_years import year_folders


def main() -> None:
    """Read the request of `launch` and run it once no other run holds the archive; exit code 1 if it failed."""
    request = json.load(sys.stdin)
    archive, models, spec = Archive(**request["archive"]), Models(**request["models"]), request["spec"]
    if spec["job"] == UPDATE_JOB:
        sys.exit(0 if update(archive, models, request["run_id"]) else 1)
    instance, _ = prepare_instance(archive.layout)
    with (
        instance,
        Path(os.devnull).open("w") as no_output,
        recorded_update(archive, models, COMMAND, job=spec["job"]) as recorder,
        archive_lock(archive.layout, COMMAND, recorder.wait),
    ):
        fail_dead_runs(instance, names_of(archive.layout))
        recorder.begin([], None)
        runner = PipelineRunner(instance, archive, models, Console(file=no_output), recorder)
        registered = instance.get_dynamic_partitions(names_of(archive.layout).school_years_name)
        years = expand_range(spec["year"], spec["until"] or spec["year"], registered) if spec["year"] else None
        failure = runner.run_job(
            spec["job"], years, spec["ops"], run_id=request["run_id"], tags={"classface/by": COMMAND}
        )
        prune_records_if_due(instance, archive.layout.dagster_home, archive.retention_days, names_of(archive.layout))
    sys.exit(1 if failure else 0)


def update(archive: Archive, models: Models, update_id: str) -> bool:
    """Run everything that is new, from photos to albums, once no other run holds the archive.

    What goes on, and why it failed where it did, is in the update's record.

    Returns:
        Whether all of it succeeded.
    """
    layout = archive.layout
    with Path(os.devnull).open("w") as no_output, recorded_update(archive, models, COMMAND, update_id) as recorder:
        archive.open_ledger().require_known()
        instance, _ = prepare_instance(layout)
        with instance, archive_lock(layout, COMMAND, recorder.wait):
            fail_dead_runs(instance, names_of(layout))
            finish_interrupted_erasures(archive, instance, _ignore_message)
            remember_folders_and_pack(archive, models)
            held = held_back_years(layout, year_folders(layout))
            recorder.add_problems([held_back_sentence(layout, held)] if held else [])
            runner = PipelineRunner(instance, archive, models, Console(file=no_output), recorder)
            failures = runner.run(select_years(layout, None), _ignore_message)
            prune_records_if_due(instance, layout.dagster_home, archive.retention_days, names_of(layout))
    return not failures


def _ignore_message(_message: str) -> None:
    """The page shows a run as waiting until it has begun."""


if __name__ == "__main__":
    main()
