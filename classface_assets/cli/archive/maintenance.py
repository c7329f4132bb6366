"""`classface release`, `prune`, `find-orphans` and `forget`: dead runs, unused data, inconsistencies, and erasure."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from classface_assets.cli.common import PACK, archive_options, echo_failures
from classface_assets.cli.completion import complete_people
from classface_assets.cli.messages import confirm
from classface_assets.cli.output import JSON, echo_json

if TYPE_CHECKING:
    from classface_assets.orchestration.resources import Archive, Models
    from classface_assets.store.maintenance.integrity import Inconsistency
    from classface_assets.store.maintenance.pruning import UnusedData


@click.command("release")
@archive_options
@click.option("--rebuild", is_flag=True, help="Dagster's records are damaged: set them aside, and start new ones.")
@JSON
def release_command(archive: Archive, rebuild: bool, as_json: bool) -> None:
    """Mark killed runs as failed and free their slots, so that no other run waits for them."""
    from classface_assets.orchestration.instance import fail_dead_runs, open_instance
    from classface_assets.orchestration.settings.archive_names import names_of

    if rebuild:
        _rebuild_records(archive, as_json)
        return
    with open_instance(archive.layout) as instance:
        freed = fail_dead_runs(instance, names_of(archive.layout))
    if as_json:
        echo_json({"freed": [{"run_id": run.run_id, "job": run.job, "school_year": run.partition} for run in freed]})
        return
    for run in freed:
        click.echo(f"Freed: {run.job} {run.partition} ({run.run_id[:8]})")
    click.echo(f"Killed runs that were freed: {len(freed)}." if freed else "No killed run holds anything.")


def _rebuild_records(archive: Archive, as_json: bool) -> None:
    from classface_assets.defs.automation import ALL_YEARS_ASSETS, YEAR_ASSETS
    from classface_assets.orchestration.archive_lock import archive_lock
    from classface_assets.orchestration.instance import prepare_instance
    from classface_assets.orchestration.records.sqlite.damaged_records import set_records_aside
    from classface_assets.services.first_run.shared_dagster import layouts_sharing, show_in_dagster

    layout = archive.layout
    with archive_lock(layout, "classface release --rebuild", _echo_waiting, wait=False):
        aside = set_records_aside(layout)
        instance, years = prepare_instance(layout)
        instance.dispose()
        # Where several archives share the records, those of all were damaged.
        count = sum(show_in_dagster(one, YEAR_ASSETS, ALL_YEARS_ASSETS) for one in layouts_sharing(layout))
    if as_json:
        echo_json({"old_records": aside, "school_years": years, "outputs": count})
        return
    if aside is not None:
        click.echo(f"The old records are in {aside}; delete them when nobody needs them any more.")
    click.echo(
        f"New records of {len(years):,} school years, with {count:,} outputs that there are. Restart `dagster dev`."
    )


@click.command("prune")
@archive_options
@PACK
@click.option("--keep", multiple=True, metavar="PACK", help="A further pack whose faces and vectors stay.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@JSON
def prune_command(archive: Archive, pack: str | None, keep: tuple[str, ...], yes: bool, as_json: bool) -> None:
    """Remove what is no longer used: faces of other thresholds and packs, all data of deleted photos, old run records.

    Old are the records of runs whose outputs were all replaced by later runs, and of runs older than
    CLASSFACE_RETENTION_DAYS. Without --pack the packs stay that the archive was made with.

    With --json nothing is asked, and nothing is removed without --yes.
    """
    from classface_assets.orchestration.archive_lock import archive_lock
    from classface_assets.orchestration.configured_resources import resolve_models
    from classface_assets.orchestration.instance import open_instance, require_idle
    from classface_assets.orchestration.records.retention import prune_records
    from classface_assets.orchestration.records.run_history import RecordsInUseError, delete_run_records
    from classface_assets.orchestration.settings.archive_names import names_of
    from classface_assets.services import maintenance
    from classface_assets.services.archive_view.own_packs import own_packs
    from classface_assets.store.maintenance.pruning import prune

    layout = archive.layout
    with open_instance(layout) as instance, archive_lock(layout, "classface prune", _echo_waiting, wait=False):
        require_idle(instance, names_of(archive.layout))
        runs, run_records = maintenance.outdated_run_records(instance, layout)
        own = [] if pack else own_packs(layout, instance)
        unused = maintenance.find_unused_data(archive, [resolve_models(pack), *map(resolve_models, keep)], own)
        unused = [*unused, *run_records, *maintenance.old_run_records(instance, archive)]
        if as_json:
            echo_json(_unused_json(unused, removed=yes and bool(unused)))
            if not (yes and unused):
                return
        elif not unused:
            click.echo("There is nothing that is not used.")
            return
        else:
            click.echo("\n".join(maintenance.unused_data_lines(unused)))
        if not yes:
            confirm("Remove it?")
            require_idle(instance, names_of(archive.layout))
        prune(layout, unused)
        maintenance.delete_empty_partitions(instance, layout)
        try:
            delete_run_records(instance, layout.dagster_home, runs)
            prune_records(instance, layout.dagster_home, archive.retention_days, names_of(layout))
        except RecordsInUseError as error:
            click.echo(f"The records are deleted, but can still be read in their files: {error}", err=True)
    if not as_json:
        click.echo("Removed.")


def _unused_json(unused: Sequence[UnusedData], removed: bool) -> dict[str, object]:
    rows = [
        {"kind": one.kind, "where": one.where, "count": one.count, "bytes": one.size, "rows": one.parts is not None}
        for one in unused
    ]
    return {"removed": removed, "unused": rows, "bytes": sum(one.size for one in unused)}


def _echo_waiting(line: str) -> None:
    """What others wait for goes to standard error: standard output may be JSON."""
    click.echo(line, err=True)


@click.command("find-orphans")
@archive_options
@PACK
@click.option("--fix", is_flag=True, help="Remove what is broken and compute it again.")
@JSON
def find_orphans_command(archive: Archive, pack: str | None, fix: bool, as_json: bool) -> None:
    """Check every stored file, and that photos, faces, vectors and database fit; exit code 1 when they do not."""
    from classface_assets.orchestration.configured_resources import resolve_models
    from classface_assets.services.maintenance import checksum_note, find_inconsistencies, inconsistency_lines

    if fix and as_json:
        raise click.UsageError("--fix repairs and --json reports; use one of them.")
    models = resolve_models(pack, archive)
    report = find_inconsistencies(archive, models)
    if as_json:
        echo_json([{"kind": one.kind, "school_year": one.year, "names": one.names} for one in report.found])
        sys.exit(1 if report.found else 0)
    repaired = bool(report.found and fix)
    if repaired:
        click.echo("\n".join(inconsistency_lines(report.found)))
        _fix(archive, models, report.found)
        report = find_inconsistencies(archive, models)
    if note := checksum_note(report):
        click.echo(note)
    if report.found:
        if repaired:
            click.echo("This is left:")
        click.echo("\n".join(inconsistency_lines(report.found)))
        sys.exit(1)
    if repaired:
        click.echo("Repaired.")
    click.echo("Photos, faces, vectors and the database fit together.")


def _fix(archive: Archive, models: Models, found: Sequence[Inconsistency]) -> None:
    from classface_assets.defs.runner.console import stderr_console, unwrapped_printer
    from classface_assets.defs.runner.partial_runs import repair_and_rerun
    from classface_assets.defs.runner.pipeline import PipelineRunner
    from classface_assets.orchestration.archive_lock import archive_lock
    from classface_assets.orchestration.instance import prepare_instance, require_idle
    from classface_assets.orchestration.settings.archive_names import names_of

    console = stderr_console()
    instance, _ = prepare_instance(archive.layout)
    with instance, archive_lock(archive.layout, "classface find-orphans --fix", unwrapped_printer(console)):
        require_idle(instance, names_of(archive.layout))
        failures = repair_and_rerun(PipelineRunner(instance, archive, models, console), found, console.print)
    echo_failures(console, failures)


@click.command()
@archive_options
@click.argument("person", required=False, shell_complete=complete_people)
@PACK
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--no-run", is_flag=True, help="Leave making the albums again to the next run.")
def forget(archive: Archive, person: str | None, pack: str | None, yes: bool, no_run: bool) -> None:
    """Erase a person (name or id): vectors, faces, crops, names, training. Prints a receipt; photos are never touched.

    Their faces are never searched for again. Without a person, an erasure that was interrupted is finished.
    """
    from classface_assets.defs.runner.console import stderr_console, unwrapped_printer
    from classface_assets.defs.runner.pipeline import PipelineRunner
    from classface_assets.defs.runner.school_years import select_years
    from classface_assets.orchestration.archive_lock import archive_lock
    from classface_assets.orchestration.configured_resources import resolve_models
    from classface_assets.orchestration.instance import prepare_instance
    from classface_assets.services.erasure import erase_person, finish_erasures

    if person is not None and not yes:
        _confirm_erasure(archive, person)
    instance, _ = prepare_instance(archive.layout)
    with instance:
        receipt = erase_person(archive, instance, person) if person else finish_erasures(archive, instance)
        click.echo("\n".join(receipt.lines()))
        if no_run:
            return
        console = stderr_console()
        runner = PipelineRunner(instance, archive, resolve_models(pack, archive), console)
        with archive_lock(archive.layout, "classface forget", unwrapped_printer(console)):
            failures = runner.run(select_years(archive.layout, None), console.print)
    echo_failures(console, failures)
    sys.exit(1 if failures else 0)


def _confirm_erasure(archive: Archive, person: str) -> None:
    """Ask before somebody is erased, not before an erasure that was interrupted is finished."""
    from classface_assets.services.erasure import find_person_to_erase, unfinished_erasures
    from classface_assets.store.ledger.transaction import UnknownError

    try:
        found, faces = find_person_to_erase(archive, person)
    except UnknownError:
        if not unfinished_erasures(archive):
            raise
        return
    if not found.erased:
        confirm(f"Erase {found.name} and {len(faces):,} faces for good?")


COMMANDS = (release_command, prune_command, find_orphans_command, forget)
