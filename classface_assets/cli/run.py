"""`classface run` and the like: the whole chain, and what it found."""

import sys
from typing import Any

import click

from classface_assets.cli.common import archive_options, tell_newer, tell_stats, tell_stopped, tell_years


@click.command()
@archive_options
@click.option("--years", help="Only these school years, separated by commas [all].")
@click.option("--pack", help="Model pack: builtin, buffalo_l, … or a folder [builtin].")
@click.option("--no-wait", is_flag=True, help="Do not wait for another run of this archive: end with exit code 1.")
@click.option("--photos-are-gone", is_flag=True, help="More than half of the known photos are gone, and that is meant.")
def run(archive: Any, years: str | None, pack: str | None, no_wait: bool, photos_are_gone: bool) -> None:
    """Run the whole chain: faces, students, albums. Does only what is new."""
    from classface_assets.defs.runner import Chain, chosen_years, terminal, whole_line
    from classface_assets.orchestration.archive_lock import turn
    from classface_assets.orchestration.instance import prepare, release
    from classface_assets.orchestration.resources import models_for

    console = terminal()
    instance, _ = prepare(archive.layout)
    with instance, turn(archive.layout, "classface run", whole_line(console), wait=not no_wait):
        for freed in release(instance):
            console.print(f"Run {freed.run_id[:8]} ({freed.job} {freed.partition}) was killed; going on where it was.")
        chosen = chosen_years(archive.layout, years)
        chain = Chain(instance, archive, models_for(pack), console)
        stopped = chain.run(chosen, console.print, photos_are_gone)
    tell_stopped(console, stopped)
    if stopped:
        sys.exit(1)
    tell_stats(archive)
    tell_newer(archive)
    tell_years(archive)
    click.echo(f"Albums: {(archive.layout.published_albums or archive.layout.albums) / 'index.html'}")


@click.command()
@archive_options
def stats(archive: Any) -> None:
    """What was found: files by status, faces, students named and unknown."""
    tell_stats(archive)


COMMANDS = (run, stats)
