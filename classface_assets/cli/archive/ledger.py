"""`classface history`, `undo`, `ledger …`: all decisions in their order, undone, as a file, backed up and put back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from classface_assets.cli.common import archive_options
from classface_assets.cli.messages import confirm, echo_sentence
from classface_assets.cli.output import JSON, echo_json

if TYPE_CHECKING:
    from classface_assets.orchestration.resources import Archive
    from classface_assets.services.ledger import TakenOverLedger


@click.command()
@archive_options
@click.argument("event", type=int, required=False)
def undo(archive: Archive, event: int | None) -> None:
    """Undo the last decision, or the one of that number (see history)."""
    from classface_assets.store.decisions.history import event_sentences

    ledger = archive.open_ledger()
    undone = ledger.undo(event)
    events = ledger.events()
    sentence_of = dict(zip((e.id for e in events), event_sentences(events), strict=True))
    click.echo(f"Undone: {undone.id} {sentence_of[undone.id]}.")


@click.command()
@archive_options
@JSON
def history(archive: Archive, as_json: bool) -> None:
    """List every decision, oldest first, with who made it and when."""
    from classface_assets.store.decisions.history import event_sentences, history_lines
    from classface_assets.store.model.events import undone_event_ids

    if as_json:
        events = archive.open_ledger().events()
        undone = undone_event_ids(events)
        echo_json(
            [
                {"id": e.id, "at": e.at, "actor": e.actor, "kind": e.kind, "what": what, "undone": e.id in undone}
                for e, what in zip(events, event_sentences(events), strict=True)
            ]
        )
        return
    for line in history_lines(archive.open_ledger().events()):
        click.echo(line)


@click.group("ledger")
def ledger_group() -> None:
    """The ledger of all decisions, as a file, its backups, and whether it is in order."""


@ledger_group.command("export")
@archive_options
@click.argument("file", type=click.File("wb", atomic=True, lazy=False))
def export(archive: Archive, file: BinaryIO) -> None:
    """Write every decision to FILE, one a line as JSON (- for the screen)."""
    from classface_assets.store.ledger.jsonl import ExportedLedger, to_jsonl

    ledger = archive.open_ledger()
    ledger_id, events = ledger.record().ledger_id or "", ledger.events()
    file.writelines(line.encode() + b"\n" for line in to_jsonl(events, ExportedLedger(ledger_id, len(events))))
    click.echo(f"Exported: {len(events):,} decisions.", err=True)


@ledger_group.command("import")
@archive_options
@click.argument("file", type=click.File("rb"))
@click.option("--new-ledger", is_flag=True, help="The archive has another ledger from now on, and that is intended.")
def import_(archive: Archive, file: BinaryIO, new_ledger: bool) -> None:
    """Read an exported FILE into an empty ledger, or add to a ledger what is missing of the same one.

    People who were erased since the file was written stay erased, and people who may not be shown by the albums as they
    are stay withheld.
    """
    from classface_assets.services.ledger import import_ledger

    result = import_ledger(archive, file, new_ledger)
    click.echo(f"Imported: {result.new:,} decisions; {result.known:,} were there already.")
    _echo_erasures_and_refusals(result.changes)


@ledger_group.command("backup")
@archive_options
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
def backup(archive: Archive, file: Path | None) -> None:
    """Back the ledger up now, if it has new decisions; with FILE, write a copy there.

    Backups are made by themselves after each burst of decisions, and before and after each run. A copy in a FILE is
    yours to take care of: `classface forget` does not know of it.
    """
    from classface_assets.store.backups.copies import export_copy

    if file is not None:
        export_copy(archive.open_ledger(), file)
        click.echo(f"Copied to {file}.")
        return
    made = archive.back_up_ledger()
    click.echo(f"Backed up: {made.file}" if made else "There is nothing new since the last backup.")


@ledger_group.command("restore")
@archive_options
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
@click.option("--yes", is_flag=True, help="Do not ask.")
def restore(archive: Archive, file: Path | None, yes: bool) -> None:
    """Put the ledger back from its newest backup, or from FILE (a backup, or an exported ledger).

    The backup is checked first. The ledger that it replaces stays in the folder of the backups. People who were erased
    since stay erased, and people who may not be shown by the albums as they are stay withheld.
    """
    from classface_assets.services.ledger import find_backup, restore_ledger

    plan = find_backup(archive, file)
    click.echo("\n".join(plan.lines()))
    if not yes:
        confirm("Put it back?")
    restored = restore_ledger(archive, plan)
    if restored.replaced is not None:
        click.echo(f"The ledger that it replaced: {restored.replaced}")
    _echo_erasures_and_refusals(restored.changes)
    echo_sentence(f"Restored: {restored.decisions:,} decisions. `classface run` brings the albums up to date.")


@ledger_group.command("check")
@archive_options
@JSON
def check(archive: Archive, as_json: bool) -> None:
    """Check that the ledger is whole, can be replayed, is the archive's, and is backed up; exit code 1 if not."""
    from classface_assets.services.ledger import check_ledger

    report = check_ledger(archive)
    if as_json:
        echo_json(report)
    else:
        click.echo("\n".join(report.lines))
        for problem in report.problems:
            click.echo(problem, err=True)
    if report.problems:
        sys.exit(1)


def _echo_erasures_and_refusals(changes: TakenOverLedger) -> None:
    """Print who is erased in a ledger that was taken over, and who stays withheld."""
    if changes.erased_again:
        click.echo(f"People who were erased since, and are erased in this ledger too: {changes.erased_again:,}.")
    if changes.left_to_erase:
        echo_sentence(
            f"Data of {changes.left_to_erase:,} erased people may remain here: `classface forget` removes it."
        )
    for line in changes.refusals:
        click.echo(line)


COMMANDS = (undo, history, ledger_group)
