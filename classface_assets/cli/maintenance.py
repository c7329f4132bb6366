"""`classface release`, `prune` and `find-orphans`: what killed runs hold, what is no longer used, what does not fit.

`classface forget`: a person is taken out of everything, and a receipt says of what.
"""

import sys
from typing import Any

import click

from classface_assets.cli.common import PACK, archive_options, echo_failures


@click.command("release")
@archive_options
def release_command(archive: Any) -> None:
    """Free what killed runs still hold, so that nothing waits for them."""
    from classface_assets.orchestration.instance import fail_dead_runs, open_instance

    with open_instance(archive.layout) as instance:
        freed = fail_dead_runs(instance)
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
    from classface_assets.orchestration.archive_lock import archive_lock
    from classface_assets.orchestration.instance import open_instance
    from classface_assets.orchestration.resources import resolve_models
    from classface_assets.orchestration.run_history import RecordsInUseError, delete_run_records
    from classface_assets.services import maintenance
    from classface_assets.store.maintenance.pruning import prune

    with (
        open_instance(archive.layout) as instance,
        archive_lock(archive.layout, "classface prune", click.echo, wait=False),
    ):
        maintenance.require_idle(instance)
        runs, told = maintenance.outdated_run_records(instance, archive.layout)
        found = [*maintenance.find_unused_data(archive, [resolve_models(pack), *map(resolve_models, keep)]), *told]
        if not found:
            click.echo("There is nothing that is not used.")
            return
        click.echo("\n".join(maintenance.unused_data_lines(found)))
        if not yes:
            click.confirm("Remove it?", abort=True)
            maintenance.require_idle(instance)
        prune(archive.layout, found)
        maintenance.delete_empty_partitions(instance, archive.layout)
        try:
            delete_run_records(instance, archive.layout.dagster_home, runs)
        except RecordsInUseError as error:
            click.echo(f"The records are deleted, but can still be read in their files: {error}", err=True)
    click.echo("Removed.")


@click.command("find-orphans")
@archive_options
@PACK
@click.option("--fix", is_flag=True, help="Remove what is broken and make it again.")
def find_orphans_command(archive: Any, pack: str | None, fix: bool) -> None:
    """Compare photos, faces, vectors and the database both ways; exit code 1 when something does not fit."""
    from classface_assets.orchestration.resources import resolve_models
    from classface_assets.services import maintenance

    models = resolve_models(pack)
    found = maintenance.find_inconsistencies(archive, models)
    if found and fix:
        click.echo("\n".join(maintenance.inconsistency_lines(found)))
        _fix(archive, models, found)
        found = maintenance.find_inconsistencies(archive, models)
        click.echo("Mended." if not found else "This is left:")
    if found:
        click.echo("\n".join(maintenance.inconsistency_lines(found)))
        sys.exit(1)
    click.echo("Photos, faces, vectors and the database fit together.")


def _fix(archive: Any, models: Any, found: Any) -> None:
    from classface_assets.defs.runner import PipelineRunner, repair_and_rerun, stderr_console, unwrapped_printer
    from classface_assets.orchestration.archive_lock import archive_lock
    from classface_assets.orchestration.instance import prepare_instance
    from classface_assets.services import maintenance

    console = stderr_console()
    instance, _ = prepare_instance(archive.layout)
    with instance, archive_lock(archive.layout, "classface find-orphans --fix", unwrapped_printer(console)):
        maintenance.require_idle(instance)
        stopped = repair_and_rerun(PipelineRunner(instance, archive, models, console), found, console.print)
    echo_failures(console, stopped)


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
    from classface_assets.defs.runner import PipelineRunner, select_years, stderr_console, unwrapped_printer
    from classface_assets.orchestration.archive_lock import archive_lock
    from classface_assets.orchestration.instance import prepare_instance
    from classface_assets.orchestration.resources import resolve_models
    from classface_assets.services import erasure

    if person is not None and not yes:
        whose, faces = erasure.find_person_to_erase(archive, person)
        if not whose.erased:
            click.confirm(f"Erase {whose.name} and {len(faces):,} faces for good?", abort=True)
    instance, _ = prepare_instance(archive.layout)
    with instance:
        receipt = (
            erasure.finish_erasures(archive, instance)
            if person is None
            else erasure.erase_person(archive, instance, person)
        )
        click.echo("\n".join(receipt.lines()))
        if no_run:
            return
        console = stderr_console()
        chain = PipelineRunner(instance, archive, resolve_models(pack), console)
        with archive_lock(archive.layout, "classface forget", unwrapped_printer(console)):
            stopped = chain.run(select_years(archive.layout, None), console.print)
    echo_failures(console, stopped)
    sys.exit(1 if stopped else 0)


COMMANDS = (release_command, prune_command, find_orphans_command, forget)
