"""`classface run` and the like: the whole chain, and what it found."""

import sys
from typing import Any

import click

from classface_assets.cli.common import (
    archive_options,
    echo_failures,
    echo_newer_decisions,
    echo_school_year_notes,
    echo_stats,
)


@click.command()
@archive_options
@click.option("--years", help="Only these school years, separated by commas [all].")
@click.option("--pack", help="Model pack: builtin, buffalo_l, … or a folder [builtin].")
@click.option("--no-wait", is_flag=True, help="Do not wait for another run of this archive: end with exit code 1.")
@click.option("--photos-are-gone", is_flag=True, help="More than half of the known photos are gone, and that is meant.")
def run(archive: Any, years: str | None, pack: str | None, no_wait: bool, photos_are_gone: bool) -> None:
    """Run the whole chain: faces, students, albums. Does only what is new."""
    from classface_assets.defs.runner import PipelineRunner, select_years, stderr_console, unwrapped_printer
    from classface_assets.orchestration.archive_lock import archive_lock
    from classface_assets.orchestration.instance import fail_dead_runs, prepare_instance
    from classface_assets.orchestration.resources import resolve_models

    console = stderr_console()
    instance, _ = prepare_instance(archive.layout)
    with instance, archive_lock(archive.layout, "classface run", unwrapped_printer(console), wait=not no_wait):
        for freed in fail_dead_runs(instance):
            console.print(f"Run {freed.run_id[:8]} ({freed.job} {freed.partition}) was killed; going on where it was.")
        chosen = select_years(archive.layout, years)
        chain = PipelineRunner(instance, archive, resolve_models(pack), console)
        stopped = chain.run(chosen, console.print, photos_are_gone)
    echo_failures(console, stopped)
    if stopped:
        sys.exit(1)
    echo_stats(archive)
    echo_newer_decisions(archive)
    echo_school_year_notes(archive)
    click.echo(f"Albums: {(archive.layout.published_albums or archive.layout.albums) / 'index.html'}")


@click.command()
@archive_options
def stats(archive: Any) -> None:
    """What was found: files by status, faces, students named and unknown."""
    echo_stats(archive)


COMMANDS = (run, stats)
