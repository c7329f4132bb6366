"""`classface release`, `prune` and `find-orphans`: what killed runs hold, what is no longer used, what does not fit.

`classface forget`: a person is taken out of everything, and a receipt says of what.
"""

import sys
from typing import Any

import click

from classface_assets.cli.common import PACK, archive_options, tell_stopped


@click.command("release")
@archive_options
def release_command(archive: Any) -> None:
    """Free what killed runs still hold, so that nothing waits for them."""
    from classface_assets.orchestration.instance import open_instance, release

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
    from classface_assets.orchestration.archive_lock import turn
    from classface_assets.orchestration.instance import open_instance
    from classface_assets.orchestration.resources import models_for
    from classface_assets.orchestration.run_history import RecordsInUseError, forget_runs
    from classface_assets.services import maintenance
    from classface_assets.store.maintenance.pruning import prune

    with open_instance(archive.layout) as instance, turn(archive.layout, "classface prune", click.echo, wait=False):
        maintenance.at_rest(instance)
        runs, told = maintenance.old_records(instance, archive.layout)
        found = [*maintenance.unused(archive, [models_for(pack), *map(models_for, keep)]), *told]
        if not found:
            click.echo("There is nothing that is not used.")
            return
        click.echo("\n".join(maintenance.leftover_lines(found)))
        if not yes:
            click.confirm("Remove it?", abort=True)
            maintenance.at_rest(instance)
        prune(archive.layout, found)
        maintenance.forget_years(instance, archive.layout)
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
    from classface_assets.orchestration.resources import models_for
    from classface_assets.services import maintenance

    models = models_for(pack)
    found = maintenance.orphans(archive, models)
    if found and fix:
        click.echo("\n".join(maintenance.orphan_lines(found)))
        _fix(archive, models, found)
        found = maintenance.orphans(archive, models)
        click.echo("Mended." if not found else "This is left:")
    if found:
        click.echo("\n".join(maintenance.orphan_lines(found)))
        sys.exit(1)
    click.echo("Photos, faces, vectors and the database fit together.")


def _fix(archive: Any, models: Any, found: Any) -> None:
    from classface_assets.defs.runner import Chain, fix, terminal, whole_line
    from classface_assets.orchestration.archive_lock import turn
    from classface_assets.orchestration.instance import prepare
    from classface_assets.services import maintenance

    console = terminal()
    instance, _ = prepare(archive.layout)
    with instance, turn(archive.layout, "classface find-orphans --fix", whole_line(console)):
        maintenance.at_rest(instance)
        stopped = fix(Chain(instance, archive, models, console), found, console.print)
    tell_stopped(console, stopped)


@click.command()
@archive_options
@click.argument("person", required=False)
@PACK
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--no-run", is_flag=True, help="Leave making the albums anew to the next run.")
def forget(archive: Any, person: str | None, pack: str | None, yes: bool, no_run: bool) -> None:
    """Erase a person (name or id): vectors, faces, crops, names, training. Prints a receipt; photos are never touched.

    Their faces are never searched for again. Without a person, an erasure that was interrupted is finished.
    """
    from classface_assets.defs.runner import Chain, chosen_years, terminal, whole_line
    from classface_assets.orchestration.archive_lock import turn
    from classface_assets.orchestration.instance import prepare
    from classface_assets.orchestration.resources import models_for
    from classface_assets.services import erasure

    if person is not None and not yes:
        whose, faces = erasure.whom(archive, person)
        if not whose.erased:
            click.confirm(f"Erase {whose.name} and {len(faces):,} faces for good?", abort=True)
    instance, _ = prepare(archive.layout)
    with instance:
        receipt = erasure.finish(archive, instance) if person is None else erasure.forget(archive, instance, person)
        click.echo("\n".join(receipt.lines()))
        if no_run:
            return
        console = terminal()
        chain = Chain(instance, archive, models_for(pack), console)
        with turn(archive.layout, "classface forget", whole_line(console)):
            stopped = chain.run(chosen_years(archive.layout, None), console.print)
    tell_stopped(console, stopped)
    sys.exit(1 if stopped else 0)


COMMANDS = (release_command, prune_command, find_orphans_command, forget)
