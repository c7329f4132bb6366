"""`classface merge …`: what people decide, from the command line. Each act says what it did and what it overrules."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import click

from classface_assets.cli_options import archive_options
from classface_assets.store.decisions import KINDS

FACES = click.argument("faces", nargs=-1, required=True, metavar="FACE…")


@click.command()
@archive_options
@click.argument("person")
@click.argument("into")
def merge(archive: Any, person: str, into: str) -> None:
    """Two names are one person: the first becomes the second. `undo` parts them again."""
    act = archive.open_ledger().merge(person, into)
    _tell(act, f"{person} is {act.person.name} now; faces that moves: {act.faces:,}.")


@click.command()
@archive_options
@click.argument("person")
@click.option("--off", is_flag=True, help="Show the person again.")
def hide(archive: Any, person: str, off: bool) -> None:
    """Show a person in no album and no list; their faces stay theirs."""
    ledger = archive.open_ledger()
    act = ledger.show(person) if off else ledger.hide(person)
    _tell(act, f"{act.person.name} is {'shown again' if off else 'hidden'}.")


@click.command()
@archive_options
@click.argument("person")
@FACES
def confirm(archive: Any, person: str, faces: Sequence[str]) -> None:
    """Yes, these faces (ids of faces or clusters) are that person."""
    act = archive.open_ledger().confirm(person, _faces(archive, faces))
    _tell(act, f"Confirmed as {act.person.name}: {act.faces:,}.")


@click.command()
@archive_options
@click.argument("person")
@FACES
def reject(archive: Any, person: str, faces: Sequence[str]) -> None:
    """No, these faces are not that person, and are never taken for them again."""
    act = archive.open_ledger().reject(person, _faces(archive, faces))
    _tell(act, f"They are not {act.person.name}.")


@click.command("take-off")
@archive_options
@FACES
def take_off(archive: Any, faces: Sequence[str]) -> None:
    """Take the name off these faces; they may be anybody's again."""
    act = archive.open_ledger().take_off(_faces(archive, faces))
    _tell(act, f"Names taken off: {act.faces:,}.")


@click.command("not-a-face")
@archive_options
@FACES
def not_a_face(archive: Any, faces: Sequence[str]) -> None:
    """These are no faces; they are left out from now on."""
    act = archive.open_ledger().not_faces(_faces(archive, faces))
    _tell(act, f"Left out: {act.faces:,}.")


@click.command()
@archive_options
@FACES
def link(archive: Any, faces: Sequence[str]) -> None:
    """These faces are one person, whoever it is."""
    _tell(archive.open_ledger().must_link(_faces(archive, faces)), "They stay together.")


@click.command()
@archive_options
@FACES
def unlink(archive: Any, faces: Sequence[str]) -> None:
    """No two of these faces are the same person."""
    _tell(archive.open_ledger().cannot_link(_faces(archive, faces)), "They stay apart.")


@click.command()
@archive_options
@click.argument("people", nargs=-1, required=True, metavar="PERSON…")
def siblings(archive: Any, people: Sequence[str]) -> None:
    """These people look alike: they are told apart with more care."""
    _tell(archive.open_ledger().siblings(people), "They are siblings.")


@click.command()
@archive_options
@click.argument("photo")
@click.option("--mirror", is_flag=True, help="It is no collage, but shows a mirror.")
@click.option("--off", is_flag=True, help="It is neither.")
def collage(archive: Any, photo: str, mirror: bool, off: bool) -> None:
    """The photo (its path below the photos folder) may show a person more than once."""
    from classface_assets.naming import photo_of

    ledger, asset_id = archive.open_ledger(), photo_of(archive.layout.database, photo)
    act = ledger.unmark_photo(asset_id) if off else ledger.mark_photo(asset_id, "mirror" if mirror else "collage")
    _tell(act, f"{photo} is {'no collage or mirror' if off else 'a mirror' if mirror else 'a collage'}.")


@click.command()
@archive_options
@click.argument("person")
@click.argument("word", type=click.Choice(["given", "withdrawn"]))
def consent(archive: Any, person: str, word: str) -> None:
    """Whether albums may show a person: `withdrawn` takes page and folder away."""
    act = archive.open_ledger().consent(person, word == "given")
    _tell(act, f"Consent {word} for {act.person.name}.")


@click.command()
@archive_options
@click.argument("person")
@click.argument("kind", type=click.Choice(KINDS))
def kind(archive: Any, person: str, kind: str) -> None:
    """What a person is: student, staff, not a student, not a face."""
    act = archive.open_ledger().set_kind(person, kind)
    _tell(act, f"{act.person.name} is {kind}.")


@click.command("birth-date")
@archive_options
@click.argument("person")
@click.argument("day", type=click.DateTime(["%Y-%m-%d"]))
def birth_date(archive: Any, person: str, day: datetime) -> None:
    """When a person was born, as 2011-02-03."""
    act = archive.open_ledger().birth_date(person, day.date())
    _tell(act, f"{act.person.name} was born on {day.date()}.")


@click.group("ledger")
def ledger_group() -> None:
    """The ledger of all decisions, as a file."""


@ledger_group.command("export")
@archive_options
@click.argument("file", type=click.File("wb", atomic=True, lazy=False))
def export(archive: Any, file: Any) -> None:
    """Write every decision to FILE, one a line as JSON (- for the screen)."""
    from classface_assets.store.transfer import to_lines

    events = archive.open_ledger().events()
    file.writelines(line.encode() + b"\n" for line in to_lines(events))
    click.echo(f"Exported: {len(events):,} decisions.", err=True)


@ledger_group.command("import")
@archive_options
@click.argument("file", type=click.File("rb"))
def import_(archive: Any, file: Any) -> None:
    """Read an exported FILE into an empty ledger, or append to one what it lacks of the same ledger.

    Who was erased since the file was written stays erased.
    """
    from classface_assets.forgetting import keep_erased
    from classface_assets.store.transfer import from_lines, import_events

    events = from_lines(file)
    new = import_events(archive.open_ledger(), events)
    click.echo(f"Imported: {new:,} decisions; {len(events) - new:,} were there already.")
    again, left = keep_erased(archive)
    if again:
        click.echo(f"People who were erased since, and are erased in this ledger too: {again:,}.")
    if left:
        click.echo(f"Of {left:,} erased people something may be left here: `classface forget` takes it out.")


COMMANDS = (
    *(merge, hide, confirm, reject, take_off, not_a_face, link, unlink, siblings, collage, consent, kind, birth_date),
    ledger_group,
)


def _faces(archive: Any, ids: Sequence[str]) -> list[Any]:
    from classface_assets.naming import faces_of

    return [face for one in ids for face in faces_of(archive.layout.database, one)]


def _tell(act: Any, told: str) -> None:
    click.echo(told)
    for note in act.notes:
        click.echo(note)
