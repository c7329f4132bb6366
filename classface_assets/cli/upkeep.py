"""`classface release`, `prune` and `find-orphans`: what killed runs hold, what is no longer used, what does not fit."""

import sys
from typing import Any

import click

from classface_assets.cli.options import PACK, archive_options
from classface_assets.cli.told import tell_stopped


@click.command("release")
@archive_options
def release_command(archive: Any) -> None:
    """Free what killed runs still hold, so that nothing waits for them."""
    from classface_assets.home import open_instance, release

    with open_instance(archive.layout) as instance:
        freed = release(instance)
    for run in freed:
        click.echo(f"Freed: {run.job} {run.partition} ({run.run_id[:8]})")
    click.echo(f"Killed runs that were freed: {len(freed)}." if freed else "No killed run holds anything.")


@click.command("prune")
@archive_options
@PACK
@click.option("--keep", multiple=True, metavar="PACK", help="A further pack whose faces and vectors stay.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def prune_command(archive: Any, pack: str | None, keep: tuple[str, ...], yes: bool) -> None:
    """Remove what is no longer used: other thresholds and packs, all that was made of deleted photos, and the records
    of runs that later runs have made all anew."""
    from classface_assets import upkeep
    from classface_assets.home import open_instance
    from classface_assets.records import RecordsInUseError, forget_runs
    from classface_assets.resources import models_for
    from classface_assets.store.prune import prune
    from classface_assets.turns import turn

    with open_instance(archive.layout) as instance, turn(archive.layout, "classface prune", click.echo, wait=False):
        upkeep.at_rest(instance)
        runs, told = upkeep.old_records(instance, archive.layout)
        found = [*upkeep.unused(archive, [models_for(pack), *map(models_for, keep)]), *told]
        if not found:
            click.echo("There is nothing that is not used.")
            return
        click.echo("\n".join(upkeep.leftover_lines(found)))
        if not yes:
            click.confirm("Remove it?", abort=True)
            upkeep.at_rest(instance)
        prune(archive.layout, found)
        upkeep.forget_years(instance, archive.layout)
        try:
            forget_runs(instance, archive.layout.dagster_home, runs)
        except RecordsInUseError as error:
            click.echo(f"The records are deleted, but can still be read in their files: {error}", err=True)
    click.echo("Removed.")


@click.command("find-orphans")
@archive_options
@PACK
@click.option("--fix", is_flag=True, help="Remove what is broken and make it again.")
def find_orphans_command(archive: Any, pack: str | None, fix: bool) -> None:
    """Compare photos, faces, vectors and the database both ways; exit code 1 when something does not fit."""
    from classface_assets import upkeep
    from classface_assets.resources import models_for

    models = models_for(pack)
    found = upkeep.orphans(archive, models)
    if found and fix:
        click.echo("\n".join(upkeep.orphan_lines(found)))
        _fix(archive, models, found)
        found = upkeep.orphans(archive, models)
        click.echo("Mended." if not found else "This is left:")
    if found:
        click.echo("\n".join(upkeep.orphan_lines(found)))
        sys.exit(1)
    click.echo("Photos, faces, vectors and the database fit together.")


def _fix(archive: Any, models: Any, found: Any) -> None:
    from classface_assets import upkeep
    from classface_assets.home import prepare
    from classface_assets.running import Chain, fix, terminal, whole_line
    from classface_assets.turns import turn

    console = terminal()
    instance, _ = prepare(archive.layout)
    with instance, turn(archive.layout, "classface find-orphans --fix", whole_line(console)):
        upkeep.at_rest(instance)
        stopped = fix(Chain(instance, archive, models, console), found, console.print)
    tell_stopped(console, stopped)


COMMANDS = (release_command, prune_command, find_orphans_command)
