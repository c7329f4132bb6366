"""`classface rename`, `merge`, `consent` …: who the named people are. Each act says what it did and overruled."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import click

from classface_assets.cli.options import archive_options
from classface_assets.cli.told import tell_act
from classface_assets.store.decisions import KINDS


@click.command()
@archive_options
@click.argument("old")
@click.argument("new")
def rename(archive: Any, old: str, new: str) -> None:
    """Give a person another name."""
    click.echo(f"{old} is now {archive.open_ledger().rename(old, new).person.name}.")


@click.command()
@archive_options
@click.argument("person")
@click.argument("into")
def merge(archive: Any, person: str, into: str) -> None:
    """Two names are one person: the first becomes the second. `undo` parts them again."""
    act = archive.open_ledger().merge(person, into)
    tell_act(act, f"{person} is {act.person.name} now; faces that moves: {act.faces:,}.")


@click.command()
@archive_options
@click.argument("person")
@click.option("--off", is_flag=True, help="Show the person again.")
def hide(archive: Any, person: str, off: bool) -> None:
    """Show a person in no album and no list; their faces stay theirs."""
    ledger = archive.open_ledger()
    act = ledger.show(person) if off else ledger.hide(person)
    tell_act(act, f"{act.person.name} is {'shown again' if off else 'hidden'}.")


@click.command()
@archive_options
@click.argument("people", nargs=-1, required=True, metavar="PERSON…")
def siblings(archive: Any, people: Sequence[str]) -> None:
    """These people look alike: they are told apart with more care."""
    tell_act(archive.open_ledger().siblings(people), "They are siblings.")


@click.command()
@archive_options
@click.argument("person")
@click.argument("word", type=click.Choice(["given", "withdrawn"]))
def consent(archive: Any, person: str, word: str) -> None:
    """Whether albums may show a person: `withdrawn` takes page and folder away."""
    act = archive.open_ledger().consent(person, word == "given")
    tell_act(act, f"Consent {word} for {act.person.name}.")


@click.command()
@archive_options
@click.argument("person")
@click.argument("kind", type=click.Choice(KINDS))
def kind(archive: Any, person: str, kind: str) -> None:
    """What a person is: student, staff, not a student, not a face."""
    act = archive.open_ledger().set_kind(person, kind)
    tell_act(act, f"{act.person.name} is {kind}.")


@click.command("birth-date")
@archive_options
@click.argument("person")
@click.argument("day", type=click.DateTime(["%Y-%m-%d"]))
def birth_date(archive: Any, person: str, day: datetime) -> None:
    """When a person was born, as 2011-02-03."""
    act = archive.open_ledger().birth_date(person, day.date())
    tell_act(act, f"{act.person.name} was born on {day.date()}.")


@click.command()
@archive_options
def people(archive: Any) -> None:
    """The names, and how many faces each has."""
    from classface_assets.naming import people_rows

    for name, faces, years in people_rows(archive.layout.database, archive.open_ledger().decisions()):
        click.echo(f"{name}\t{faces} {'face' if faces == 1 else 'faces'}\t{years}")


COMMANDS = (rename, merge, hide, siblings, consent, kind, birth_date, people)
