"""`classface run` and `classface stats`: the whole pipeline, and what it found."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from classface_assets.cli.common import (
    archive_options,
    echo_failures,
    echo_newer_decisions,
    echo_school_year_notes,
    echo_stats,
    newer_decisions,
    quick_imports,
)
from classface_assets.cli.completion import complete_packs, complete_years
from classface_assets.cli.messages import confirm
from classface_assets.cli.output import JSON, echo_json

if TYPE_CHECKING:
    from classface_assets.defs.runner.steps import StepFailure
    from classface_assets.orchestration.resources import Archive, Models


@click.command()
@archive_options
@click.option("--years", shell_complete=complete_years, help="Only these school years, separated by commas [all].")
@click.option(
    "--pack", shell_complete=complete_packs, help="Model pack: builtin, dlib, buffalo_l, … or a folder [builtin]."
)
@click.option("--limit", type=click.IntRange(1), help="Search at most so many new photos of each school year [all].")
@click.option("--offset", type=click.IntRange(0), help="Leave out so many new photos of each school year first [0].")
@click.option(
    "--min-confidence",
    type=click.FloatRange(0, 1),
    help="Least confidence of the detector that a face is one, for these school years from now on [0.5].",
)
@click.option("--no-wait", is_flag=True, help="Do not wait for another run of this archive: end with exit code 1.")
@click.option(
    "--photos-are-gone", is_flag=True, help="More than half of the known photos were removed, and that is intended."
)
@click.option(
    "--new-ledger", is_flag=True, help="The archive has another ledger of decisions from now on, and that is intended."
)
@click.option(
    "--yes", is_flag=True, help="Do not ask: run new folders as school years, however many; take another pack."
)
@JSON
def run(archive: Archive, years: str | None, pack: str | None, no_wait: bool, **given: Any) -> None:
    """Run the whole pipeline: faces, students, albums. Only what is new is computed.

    With --limit and --offset only some of the photos are searched for faces, in the order of their paths; the next run
    without them searches the others.
    """
    with quick_imports():
        from classface_assets.core.arrays import collect_garbage_rarely
        from classface_assets.defs.runner.console import stderr_console, unwrapped_printer
        from classface_assets.defs.runner.pipeline import PipelineRunner
        from classface_assets.defs.runner.school_years import select_years
        from classface_assets.defs.runner.steps import IngestOptions
        from classface_assets.orchestration.archive_lock import archive_lock
        from classface_assets.orchestration.configured_resources import resolve_models
        from classface_assets.orchestration.instance import fail_dead_runs, prepare_instance
        from classface_assets.orchestration.records.retention import prune_records_if_due
        from classface_assets.orchestration.settings.archive_names import names_of
        from classface_assets.orchestration.updates.recorder import recorded_update
        from classface_assets.services.archive_view.pack_change import pack_change_note
        from classface_assets.services.erasure import finish_interrupted_erasures
        from classface_assets.services.first_run.settings import remember_folders_and_pack

    collect_garbage_rarely()
    console, models = stderr_console(), resolve_models(pack, archive)
    note = pack_change_note(archive.layout, models.describe(archive.layout))
    if note:
        console.print(note, soft_wrap=True)
    select_years(archive.layout, years, accept_new=True)  # a mistake ends it before anything is made
    if given["new_ledger"]:
        _accept_ledger(archive)
    archive.open_ledger().require_known()
    if not given["yes"]:
        _accept_pack(archive, models)
    accept_new = given["yes"] or _accept_new_years(archive, years)
    instance, _ = prepare_instance(archive.layout)
    with instance, archive_lock(archive.layout, "classface run", unwrapped_printer(console), wait=not no_wait):
        for dead in fail_dead_runs(instance, names_of(archive.layout)):
            console.print(f"Run {dead.run_id[:8]} ({dead.job} {dead.partition}) was killed; going on where it was.")
        finish_interrupted_erasures(archive, instance, unwrapped_printer(console))
        selected = select_years(archive.layout, years, accept_new)
        remember_folders_and_pack(archive, models)
        with recorded_update(archive, models, "classface run") as recorder:
            runner = PipelineRunner(instance, archive, models, console, recorder)
            options = IngestOptions(given["photos_are_gone"], _detection_config(given))
            failures = runner.run(selected, unwrapped_printer(console), options)
        note = prune_records_if_due(
            instance, archive.layout.dagster_home, archive.retention_days, names_of(archive.layout)
        )
        if note:
            console.print(note, soft_wrap=True)
    echo_failures(console, failures)
    if given["as_json"]:
        echo_json(_outcome(archive, failures))
        sys.exit(1 if failures else 0)
    if failures:
        sys.exit(1)
    echo_stats(archive)
    echo_newer_decisions(archive)
    echo_school_year_notes(archive)
    click.echo(f"Albums: {_albums(archive)}")


def _outcome(archive: Archive, failures: Sequence[StepFailure]) -> dict[str, object]:
    """What a run made, for programs: `counts` as of `classface stats`, null before the first publication."""
    from classface_assets.services.queries import archive_counts

    database = archive.layout.database
    return {
        "succeeded": not failures,
        "failures": [{"school_year": one.year, "job": one.job, "reason": one.reason} for one in failures],
        "counts": archive_counts(database) if database.exists() else None,
        "newer_decisions": newer_decisions(archive),
        "albums": str(_albums(archive)),
    }


def _albums(archive: Archive) -> object:
    return (archive.layout.published_albums or archive.layout.albums) / "index.html"


def _detection_config(given: Mapping[str, Any]) -> dict[str, float]:
    """Run config of the search for faces, of the options that were given."""
    key_of = {"most_photos": "limit", "skip_photos": "offset", "min_confidence": "min_confidence"}
    return {key: given[option] for key, option in key_of.items() if given[option] is not None}


def _accept_pack(archive: Archive, models: Models) -> None:
    """Ask before everything is computed again, where the archive was made with another pack."""
    from classface_assets.services.archive_view.pack_change import pack_change_question

    question = pack_change_question(archive.layout, models.describe(archive.layout))
    if question:
        click.echo(question, err=True)
        confirm(f"Take the pack {models.pack} from now on?")


def _accept_ledger(archive: Archive) -> None:
    """Take the ledger as it is as the archive's, and print who stays withheld."""
    from classface_assets.services.ledger import accept_new_ledger

    for line in accept_new_ledger(archive).refusals:
        click.echo(line)


def _accept_new_years(archive: Archive, years: str | None) -> bool:
    """Ask whether new folders are meant as school years where there are too many; False where none is in question."""
    from classface_assets.orchestration.school_year_runs.partitions import held_back_sentence, held_back_years
    from classface_assets.store.catalog.school_years import year_folders

    held = held_back_years(archive.layout, year_folders(archive.layout)) if years is None else []
    if held:
        click.echo(held_back_sentence(archive.layout, held), err=True)
        confirm(f"Run {len(held):,} new school years?")
    return bool(held)


@click.command()
@archive_options
@JSON
def stats(archive: Archive, as_json: bool) -> None:
    """Show files by status, faces, students with and without a name."""
    if as_json:
        from classface_assets.services.queries import archive_counts

        echo_json(archive_counts(archive.layout.database))
        return
    echo_stats(archive)


@click.command()
@archive_options
@click.option("--update", default="", help="Only what this update has made (the tag classface/update of its runs).")
@JSON
def made(archive: Archive, update: str, as_json: bool) -> None:
    """Show when each asset and school year was last made, by which run, and what it counted; no names."""
    from classface_assets.orchestration.instance import open_instance
    from classface_assets.orchestration.records.materializations import last_made
    from classface_assets.orchestration.settings.archive_names import names_of

    with open_instance(archive.layout) as instance:
        found = last_made(instance, update, names_of(archive.layout))
    if as_json:
        echo_json([asdict(one) for one in found])
        return
    for one in found:
        state = "unchanged" if one.unchanged else f"{one.numbers.get('dagster/row_count', 0):,} rows"
        click.echo("\t".join((one.asset, one.school_year or "all years", one.at, one.run_id[:8], state)))


COMMANDS = (run, stats, made)
