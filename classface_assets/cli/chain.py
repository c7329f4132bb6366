"""`classface run` and the like: the whole chain, what it found, and the school years it goes through."""

import sys
from typing import Any

import click

from classface_assets.cli.options import archive_options
from classface_assets.cli.told import tell_newer, tell_stats, tell_stopped


@click.command()
@archive_options
@click.option("--years", help="Only these school years, separated by commas [all].")
@click.option("--pack", help="Model pack: builtin, buffalo_l, … or a folder [builtin].")
@click.option("--no-wait", is_flag=True, help="Do not wait for another run of this archive: end with exit code 1.")
@click.option("--photos-are-gone", is_flag=True, help="More than half of the known photos are gone, and that is meant.")
def run(archive: Any, years: str | None, pack: str | None, no_wait: bool, photos_are_gone: bool) -> None:
    """Run the whole chain: faces, students, albums. Does only what is new."""
    from classface_assets.home import prepare, release
    from classface_assets.resources import models_for
    from classface_assets.running import Chain, chosen_years, terminal, whole_line
    from classface_assets.turns import turn

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
    click.echo(f"Albums: {(archive.layout.published_albums or archive.layout.albums) / 'index.html'}")


@click.command()
@archive_options
def stats(archive: Any) -> None:
    """What was found: files by status, faces, students named and unknown."""
    tell_stats(archive)


@click.group("years")
def years_group() -> None:
    """The school years of the photos folder."""


@years_group.command()
@archive_options
def sync(archive: Any) -> None:
    """Register every school year with Dagster, so that --partition knows it."""
    from classface_assets.home import prepare
    from classface_assets.store.years import year_folders

    instance, new = prepare(archive.layout)
    instance.dispose()
    click.echo(f"{len(year_folders(archive.layout))} school years, new: {', '.join(new) or 'none'}")


COMMANDS = (run, stats, years_group)
