"""Runs that are less than the whole pipeline: identification, and what is run again after a repair."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from classface_assets.defs.runner.console import stderr_console, unwrapped_printer
from classface_assets.defs.runner.pipeline import PipelineRunner
from classface_assets.defs.runner.school_years import select_years
from classface_assets.defs.runner.steps import StepFailure
from classface_assets.orchestration.archive_lock import archive_lock
from classface_assets.orchestration.instance import fail_dead_runs, prepare_instance
from classface_assets.orchestration.settings.archive_names import names_of
from classface_assets.store.catalog.school_years import PhotosFolderError

if TYPE_CHECKING:
    from classface_assets.services.identity.identification import IdentificationService
    from classface_assets.store.maintenance.integrity import Inconsistency


def run_identification(
    service: IdentificationService,
    settings: Mapping[str, object],
    *,
    use_head: bool = True,
    training: Mapping[str, object] | None = None,
    command: str = "classface run",
) -> list[str]:
    """Cluster and name all faces in a Dagster run, and publish. Waits for other commands that run the archive.

    Args:
        service: With the archive and the model pack.
        settings: Run config of the assignment, by key; those that are None are left out.
        use_head: Whether a promoted projection head is used.
        training: Run config of the head's training, by key; those that are None are left out.
        command: Shown to other commands that wait for this one.

    Returns:
        Why steps failed, a sentence each.
    """
    archive = service.archive
    service.require_published()
    given = {name: value for name, value in settings.items() if value is not None}
    ops = {
        "cluster_assignments": {"config": given},
        "identities": {"config": {**given, "use_head": use_head}},
        "projection_head": {"config": {k: v for k, v in (training or {}).items() if v is not None}},
    }
    console = stderr_console()
    instance, _ = prepare_instance(archive.layout)
    with instance, archive_lock(archive.layout, command, unwrapped_printer(console)):
        fail_dead_runs(instance, names_of(archive.layout))
        failures = PipelineRunner(instance, archive, service.models, console).run_job("identify", ops=ops)
    return [failure.reason for failure in failures]


def repair_and_rerun(
    runner: PipelineRunner, found: Sequence[Inconsistency], report: Callable[[str], None]
) -> list[StepFailure]:
    """Remove what is inconsistent, then run what lacks something: school years, the students and the albums.

    Args:
        runner: Of the archive.
        found: What is inconsistent.
        report: Called with a sentence for each step.

    Returns:
        The steps that failed.
    """
    from classface_assets.services.maintenance import SUPERFLUOUS
    from classface_assets.store.maintenance.integrity import repair

    layout = runner.archive.layout
    for sentence in repair(layout, found):
        report(sentence)
    lacking = [one for one in found if one.kind not in SUPERFLUOUS]
    if not lacking:
        return []
    try:
        years = select_years(layout, None)
    except PhotosFolderError:  # their drive is away: what needs no photo is made again all the same
        years = sorted({one.year for one in lacking} - {""})
    return runner.run(years, report)
