"""`classface release`, `prune`, `find-orphans` and `forget`: dead runs, unused data, inconsistencies, and erasure."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from classface_assets.cli.common import PACK, archive_options, echo_failures

if TYPE_CHECKING:
    from classface_assets.orchestration.resources import Archive, Models
    from classface_assets.store.maintenance.integrity import Inconsistency


@click.command("release")
@archive_options
def release_command(archive: Archive) -> None:
    """Mark killed runs as failed and free their slots, so that no other run waits for them."""
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
def prune_command(archive: Archive, pack: str | None, keep: tuple[str, ...], yes: bool) -> None:
    """Remove what is no longer used: faces of other thresholds and packs, all data of deleted photos, old run records.

    Old are the records of runs whose outputs were all replaced by later runs.
    """
    from classface_assets.orchestration.archive_lock import archive_lock
    from classface_assets.orchestration.instance import open_instance, require_idle
    from classface_assets.orchestration.resources import resolve_models
    from classface_assets.orchestration.run_history import RecordsInUseError, delete_run_records
    from classface_assets.services import maintenance
    from classface_assets.store.maintenance.pruning import prune

    layout = archive.layout
    with open_instance(layout) as instance, archive_lock(layout, "classface prune", click.echo, wait=False):
        require_idle(instance)
        runs, run_records = maintenance.outdated_run_records(instance, layout)
        unused = maintenance.find_unused_data(archive, [resolve_models(pack), *map(resolve_models, keep)])
        unused = [*unused, *run_records]
        if not unused:
            click.echo("There is nothing that is not used.")
            return
        click.echo("\n".join(maintenance.unused_data_lines(unused)))
        if not yes:
            click.confirm("Remove it?", abort=True)
            require_idle(instance)
        prune(layout, unused)
        maintenance.delete_empty_partitions(instance, layout)
        try:
            delete_run_records(instance, layout.dagster_home, runs)
        except RecordsInUseError as error:
            click.echo(f"The records are deleted, but can still be read in their files: {error}", err=True)
    click.echo("Removed.")


@click.command("find-orphans")
@archive_options
@PACK
@click.option("--fix", is_flag=True, help="Remove what is broken and compute it again.")
def find_orphans_command(archive: Archive, pack: str | None, fix: bool) -> None:
    """Compare photos, faces, vectors and the database both ways; exit code 1 when something does not fit."""
    from classface_assets.orchestration.resources import resolve_models
    from classface_assets.services.maintenance import find_inconsistencies, inconsistency_lines

    models = resolve_models(pack)
    found = find_inconsistencies(archive, models)
    if found and fix:
        click.echo("\n".join(inconsistency_lines(found)))
        _fix(archive, models, found)
        found = find_inconsistencies(archive, models)
        click.echo("Repaired." if not found else "This is left:")
    if found:
        click.echo("\n".join(inconsistency_lines(found)))
        sys.exit(1)
    click.echo("Photos, faces, vectors and the database fit together.")


def _fix(archive: Archive, models: Models, found: Sequence[Inconsistency]) -> None:
    from classface_assets.defs.runner import PipelineRunner, repair_and_rerun, stderr_console, unwrapped_printer
    from classface_assets.orchestration.archive_lock import archive_lock
    from classface_assets.orchestration.instance import prepare_instance, require_idle

    console = stderr_console()
    instance, _ = prepare_instance(archive.layout)
    with instance, archive_lock(archive.layout, "classface find-orphans --fix", unwrapped_printer(console)):
        require_idle(instance)
        failures = repair_and_rerun(PipelineRunner(instance, archive, models, console), found, console.print)
    echo_failures(console, failures)


@click.command()
@archive_options
@click.argument("person", required=False)
@PACK
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--no-run", is_flag=True, help="Leave making the albums again to the next run.")
def forget(archive: Archive, person: str | None, pack: str | None, yes: bool, no_run: bool) -> None:
    """Erase a person (name or id): vectors, faces, crops, names, training. Prints a receipt; photos are never touched.

    Their faces are never searched for again. Without a person, an erasure that was interrupted is finished.
    """
    from classface_assets.defs.runner import PipelineRunner, select_years, stderr_console, unwrapped_printer
    from classface_assets.orchestration.archive_lock import archive_lock
    from classface_assets.orchestration.instance import prepare_instance
    from classface_assets.orchestration.resources import resolve_models
    from classface_assets.services.erasure import erase_person, find_person_to_erase, finish_erasures

    if person is not None and not yes:
        found, faces = find_person_to_erase(archive, person)
        if not found.erased:
            click.confirm(f"Erase {found.name} and {len(faces):,} faces for good?", abort=True)
    instance, _ = prepare_instance(archive.layout)
    with instance:
        receipt = erase_person(archive, instance, person) if person else finish_erasures(archive, instance)
        click.echo("\n".join(receipt.lines()))
        if no_run:
            return
        console = stderr_console()
        runner = PipelineRunner(instance, archive, resolve_models(pack), console)
        with archive_lock(archive.layout, "classface forget", unwrapped_printer(console)):
            failures = runner.run(select_years(archive.layout, None), console.print)
    echo_failures(console, failures)
    sys.exit(1 if failures else 0)


COMMANDS = (release_command, prune_command, find_orphans_command, forget)
