"""`classface history`, `undo`, `ledger …`: all decisions in their order, undone, and as a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

import click

from classface_assets.cli.common import archive_options

if TYPE_CHECKING:
    from classface_assets.orchestration.resources import Archive


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
def history(archive: Archive) -> None:
    """Every decision, oldest first, with who made it and when."""
    from classface_assets.store.decisions.history import history_lines

    for line in history_lines(archive.open_ledger().events()):
        click.echo(line)


@click.group("ledger")
def ledger_group() -> None:
    """The ledger of all decisions, as a file."""


@ledger_group.command("export")
@archive_options
@click.argument("file", type=click.File("wb", atomic=True, lazy=False))
def export(archive: Archive, file: BinaryIO) -> None:
    """Write every decision to FILE, one a line as JSON (- for the screen)."""
    from classface_assets.store.ledger.jsonl import to_jsonl

    events = archive.open_ledger().events()
    file.writelines(line.encode() + b"\n" for line in to_jsonl(events))
    click.echo(f"Exported: {len(events):,} decisions.", err=True)


@ledger_group.command("import")
@archive_options
@click.argument("file", type=click.File("rb"))
def import_(archive: Archive, file: BinaryIO) -> None:
    """Read an exported FILE into an empty ledger, or add to a ledger what is missing of the same one.

    People who were erased since the file was written stay erased.
    """
    from classface_assets.services.erasure import synchronize_erasures
    from classface_assets.store.ledger.jsonl import from_jsonl, import_events

    events = from_jsonl(file)
    new = import_events(archive.open_ledger(), events)
    click.echo(f"Imported: {new:,} decisions; {len(events) - new:,} were there already.")
    again, left = synchronize_erasures(archive)
    if again:
        click.echo(f"People who were erased since, and are erased in this ledger too: {again:,}.")
    if left:
        click.echo(f"Data of {left:,} erased people may remain here: `classface forget` removes it.")


COMMANDS = (undo, history, ledger_group)
