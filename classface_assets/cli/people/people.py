"""`classface rename`, `merge`, `consent`, `student` …: decisions about named people, each with what it overruled."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from classface_assets.cli.common import archive_options, echo_result
from classface_assets.cli.completion import complete_people
from classface_assets.cli.output import JSON, echo_json
from classface_assets.store.model.person_kinds import PERSON_KINDS
from classface_assets.store.model.purposes import ALL_PURPOSES, Purpose

if TYPE_CHECKING:
    from classface_assets.orchestration.resources import Archive


@click.command()
@archive_options
@click.argument("old", shell_complete=complete_people)
@click.argument("new")
def rename(archive: Archive, old: str, new: str) -> None:
    """Give a person another name."""
    click.echo(f"{old} is now {archive.open_ledger().rename(old, new).person.name}.")


@click.command()
@archive_options
@click.argument("person", shell_complete=complete_people)
@click.argument("into", shell_complete=complete_people)
def merge(archive: Archive, person: str, into: str) -> None:
    """Two names are one person: the first becomes the second. `undo` separates them again."""
    result = archive.open_ledger().merge(person, into)
    echo_result(result, f"{person} is {result.person.name} now; faces that moves: {result.faces:,}.")


@click.command()
@archive_options
@click.argument("person", shell_complete=complete_people)
@click.option("--off", is_flag=True, help="Show the person again.")
def hide(archive: Archive, person: str, off: bool) -> None:
    """Show a person in no album and no list; their faces stay assigned to them."""
    ledger = archive.open_ledger()
    result = ledger.show(person) if off else ledger.hide(person)
    echo_result(result, f"{result.person.name} is {'shown again' if off else 'hidden'}.")


@click.command()
@archive_options
@click.argument("people", nargs=-1, required=True, metavar="PERSON…")
def siblings(archive: Archive, people: Sequence[str]) -> None:
    """These people are siblings who look similar: matching one of them takes a larger margin."""
    echo_result(archive.open_ledger().declare_siblings(people), "They are siblings.")


@click.command()
@archive_options
@click.argument("person", shell_complete=complete_people)
@click.argument("answer", type=click.Choice(["given", "withdrawn"]), required=False)
@click.option(
    "--purpose",
    "purposes",
    type=click.Choice([*(purpose.value for purpose in Purpose), ALL_PURPOSES]),
    multiple=True,
    help="What for; may be given several times [all; of the report album].",
)
@click.option("--csv", "csv_file", type=click.Path(dir_okay=False), help="Write the report's photos to a CSV file.")
@JSON
def consent(archive: Archive, person: str, answer: str | None, purposes: Sequence[str], **output: Any) -> None:
    """Whether a person may be shown: `withdrawn` removes their page, folder and photos from the albums.

    `classface consent report` lists which photos are withheld and who in them refused, which need a review, who may
    not be shown by which decision, and who has not answered. (For a person called Report, add `given` or `withdrawn`.)
    """
    if answer is None and person == "report":
        _echo_report(archive, purposes or [Purpose.ALBUM], output["csv_file"], output["as_json"])
        return
    if answer is None or output["csv_file"] is not None or output["as_json"]:
        raise click.UsageError(
            f"Type `classface consent {person} given` or `withdrawn`, or `classface consent report`."
        )
    chosen = [] if ALL_PURPOSES in purposes else [Purpose(purpose) for purpose in purposes]
    result = archive.open_ledger().set_consent(person, answer == "given", chosen)
    listed = f" ({', '.join(chosen)})" if chosen else ""
    echo_result(result, f"Consent {answer} for {result.person.name}{listed}.")


def _echo_report(archive: Archive, purposes: Sequence[str], csv_file: str | None, as_json: bool) -> None:
    from classface_assets.services.exports.consent_report import consent_report, report_lines, write_report

    chosen = list(Purpose) if ALL_PURPOSES in purposes else [Purpose(purpose) for purpose in purposes]
    reports = [consent_report(archive.layout.database, archive.open_ledger(), purpose) for purpose in chosen]
    if as_json:
        echo_json(reports)
    for number, report in enumerate([] if as_json else reports):
        click.echo("\n" * (number > 0) + "\n".join(report_lines(report)))
    if csv_file is not None:
        write_report(Path(csv_file), reports)
        click.echo(f"\nPhotos written to {csv_file}.", err=as_json)


@click.command()
@archive_options
@click.argument("person", shell_complete=complete_people)
@click.argument("kind", type=click.Choice(PERSON_KINDS))
def kind(archive: Archive, person: str, kind: str) -> None:
    """What a person is: student, staff, not a student, not a face."""
    result = archive.open_ledger().set_kind(person, kind)
    echo_result(result, f"{result.person.name} is {kind}.")


@click.command("birth-date")
@archive_options
@click.argument("person", shell_complete=complete_people)
@click.argument("day", type=click.DateTime(["%Y-%m-%d"]))
def birth_date(archive: Archive, person: str, day: datetime) -> None:
    """The date on which a person was born, such as 2011-02-03."""
    result = archive.open_ledger().set_birth_date(person, day.date())
    echo_result(result, f"{result.person.name} was born on {day.date()}.")


@click.command()
@archive_options
@JSON
def people(archive: Archive, as_json: bool) -> None:
    """List the names, and how many faces each has."""
    from classface_assets.services.queries import list_people

    if as_json:
        found = list_people(archive.layout.database, archive.open_ledger().decisions())
        echo_json([{"name": name, "faces": faces, "school_years": years} for name, faces, years in found])
        return
    for name, faces, years in list_people(archive.layout.database, archive.open_ledger().decisions()):
        click.echo(f"{name}\t{faces} {'face' if faces == 1 else 'faces'}\t{years}")


@click.command()
@archive_options
@click.argument("person", shell_complete=complete_people)
@click.argument("student")
def student(archive: Archive, person: str, student: str) -> None:
    """Set which student of the roster (a student id, or a name as "Anna Weiss (5c, 2011)") a person is.

    Needed where several students have one name: until then the person is refused what any of them was refused.
    """
    result = archive.open_ledger().link_student(person, student)
    known_by = f", id {result.person.student_id}" if result.person.student_id else ""
    echo_result(result, f"{result.person.display_name} is that student of the roster{known_by}.")


COMMANDS = (rename, merge, hide, siblings, consent, kind, birth_date, people, student)
