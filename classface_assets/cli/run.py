"""`classface run` and `classface stats`: the whole pipeline, and what it found."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from classface_assets.cli.common import (
    archive_options,
    echo_failures,
    echo_newer_decisions,
    echo_school_year_notes,
    echo_stats,
)

if TYPE_CHECKING:
    from classface_assets.orchestration.resources import Archive


@click.command()
@archive_options
@click.option("--years", help="Only these school years, separated by commas [all].")
@click.option("--pack", help="Model pack: builtin, dlib, buffalo_l, … or a folder [builtin].")
@click.option("--no-wait", is_flag=True, help="Do not wait for another run of this archive: end with exit code 1.")
@click.option(
    "--photos-are-gone", is_flag=True, help="More than half of the known photos were removed, and that is intended."
)
def run(archive: Archive, years: str | None, pack: str | None, no_wait: bool, photos_are_gone: bool) -> None:
    """Run the whole pipeline: faces, students, albums. Only what is new is computed."""
    from classface_assets.defs.runner import PipelineRunner, select_years, stderr_console, unwrapped_printer
    from classface_assets.orchestration.archive_lock import archive_lock
    from classface_assets.orchestration.instance import fail_dead_runs, prepare_instance
    from classface_assets.orchestration.resources import resolve_models
    from classface_assets.services.archive_view.pack_change import pack_change_note

    console, models = stderr_console(), resolve_models(pack)
    note = pack_change_note(archive.layout, models.describe(archive.layout))
    if note:
        console.print(note, soft_wrap=True)
    instance, _ = prepare_instance(archive.layout)
    with instance, archive_lock(archive.layout, "classface run", unwrapped_printer(console), wait=not no_wait):
        for dead in fail_dead_runs(instance):
            console.print(f"Run {dead.run_id[:8]} ({dead.job} {dead.partition}) was killed; going on where it was.")
        selected = select_years(archive.layout, years)
        runner = PipelineRunner(instance, archive, models, console)
        failures = runner.run(selected, console.print, photos_are_gone)
    echo_failures(console, failures)
    if failures:
        sys.exit(1)
    echo_stats(archive)
    echo_newer_decisions(archive)
    echo_school_year_notes(archive)
    click.echo(f"Albums: {(archive.layout.published_albums or archive.layout.albums) / 'index.html'}")


@click.command()
@archive_options
def stats(archive: Archive) -> None:
    """Files by status, faces, students with and without a name."""
    echo_stats(archive)


COMMANDS = (run, stats)
