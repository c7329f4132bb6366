"""`classface roster …`: import, list and forget the school's rosters of students.

What an import prints of a file has two parts: how it was read, and what a person has to decide or to correct.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from classface_assets.cli.common import archive_options
from classface_assets.cli.completion import complete_years
from classface_assets.cli.messages import confirm, echo_sentence
from classface_assets.cli.output import JSON, echo_json
from classface_assets.core.names import pluralize

if TYPE_CHECKING:
    from classface_assets.orchestration.resources import Archive
    from classface_assets.store.ledger.commands.roster import RosterImportResult
    from classface_assets.store.model.roster_entry import RosterEntry
    from classface_assets.store.roster.file import RosterFile
    from classface_assets.store.roster.report import RosterReport

SHOWN_LINES = 50
"""Lines of a list that are shown; lists that contain a refusal are shown whole."""
EXIT_NEEDS_REVIEW = 3
"""Exit code of an import that was done, but about which a person has to decide or to correct something."""


@click.group("roster")
def roster_group() -> None:
    """The school's lists of students: names, classes, siblings, consent."""


@roster_group.command("import")
@archive_options
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--year",
    shell_complete=complete_years,
    help="The school year of rows that name none, such as 2019-2020 [from the name of FILE or its folder].",
)
@click.option("--encoding", default="", help="The encoding of a text file, such as cp1250 or shift_jis [detected].")
@click.option("--consent-column", multiple=True, metavar="TITLE", help="A column that is about consent to be shown.")
@click.option("--no-consent-column", multiple=True, metavar="TITLE", help="A column that is not, as it may look.")
def import_(
    archive: Archive,
    file: Path,
    year: str | None,
    encoding: str,
    consent_column: tuple[str, ...],
    no_consent_column: tuple[str, ...],
) -> None:
    """Import FILE: CSV, xlsx, ods, or a photographer's INDEX.TXT (PSPA).

    Columns are recognised by their titles: name, or last name and first name; student id, class, school year, siblings,
    consent (of everything, or of yearbook, web or album), birth date. A student who is known already, by id or else by
    name, is updated; a file that was imported before changes nothing; `classface undo` undoes an import. The face in a
    portrait that a row names gets the student's name. The photos must have been searched for faces before: if they
    were not, import the file again after the run.

    An answer about consent that is not understood counts as a refusal until somebody decides. Exit code 0: all of it
    was imported; 3: it was imported, but something needs a review (refused by doubt, a column that may be about
    consent, cells or rows that were left out), and is listed; 1: nothing was imported.
    """
    from classface_assets.store.roster.encoding import RosterError
    from classface_assets.store.roster.file import read_roster
    from classface_assets.store.roster.table import RosterOptions

    default_year = _default_school_year(file, year, archive.layout.year_pattern)
    roster = read_roster(_read_bytes(file), default_year, RosterOptions(encoding, consent_column, no_consent_column))
    if not roster.entries:
        raise RosterError("\n".join([f"No row of {file} could be imported.", *skipped_row_lines(roster)[1:]]))
    result = archive.open_ledger().import_roster(roster.entries, file.name)
    _echo_import(result, "" if year is not None else default_year)
    for line in (*roster.notes, *result.notes, *reading_notes(roster.report)):
        click.echo(line)
    for line in review_notes(roster, result.import_event):
        echo_sentence(line, err=True)
    if any(entry.portraits for entry in roster.entries):
        _label_portraits(archive, roster, file, result.import_event)
    if roster.needs_review:
        sys.exit(EXIT_NEEDS_REVIEW)


@roster_group.command("list")
@archive_options
@click.option("--year", shell_complete=complete_years, help="Only who was there in this school year.")
@JSON
def list_(archive: Archive, year: str | None, as_json: bool) -> None:
    """The students: name, student id, classes, birth date, consent, siblings; one a line, separated by tabs."""
    from classface_assets.store.catalog.school_years import school_year_key

    listed = sorted(archive.open_ledger().decisions().roster, key=lambda e: e.name.casefold())
    if year:
        key = school_year_key(year, archive.layout.year_pattern)
        listed = [entry for entry in listed if key in entry.classes]
    if as_json:
        echo_json(listed)
        return
    for entry in listed:
        classes = ", ".join(f"{key} {name}".strip() for key, name in sorted(entry.classes.items()))
        consent = _consent_text(entry)
        fields = (entry.name, entry.student_id, classes, str(entry.birth_date or ""), consent)
        click.echo("\t".join([*fields, ", ".join(entry.siblings)]))


@roster_group.command("forget")
@archive_options
@click.argument("student")
@click.option("--yes", is_flag=True, help="Do not ask.")
def forget(archive: Archive, student: str, yes: bool) -> None:
    """Remove a student (name or student id) from every roster for good. `classface forget` erases faces."""
    from classface_assets.services.erasure import remove_student

    if not yes:
        confirm(f"Remove {student} from every roster? This cannot be undone")
    count = remove_student(archive, student)
    click.echo(f"{student} is on no roster any more; imports changed: {count:,}.")


COMMANDS = (roster_group,)


def _consent_text(entry: RosterEntry) -> str:
    """`no consent`, `consent, no web`, `refused by doubt: perhaps`; empty where there is no answer."""
    answers = [{True: "consent", False: "no consent"}[entry.consent]] if entry.consent is not None else []
    answers += [purpose if given else f"no {purpose}" for purpose, given in sorted(entry.consents.items())]
    if entry.consent_in_doubt:
        answers.append(f"refused by doubt: {entry.consent_in_doubt}")
    return ", ".join(answers)


def _echo_import(result: RosterImportResult, guessed_year: str) -> None:
    """Print how many students are new or changed. `guessed_year`: the school year of rows that name none."""
    students = pluralize(result.students, "student")
    if result.event is None:
        click.echo(f"All of it is known already: {students}.")
        return
    echo_sentence(
        f"Roster: {students}, new: {result.new:,}, changed: {result.changed:,}. "
        f"`classface undo {result.event}` undoes the import."
    )
    if guessed_year:
        click.echo(
            f"Rows without a school year were imported for {guessed_year}, which is in the name of the file or folder."
        )


def _label_portraits(archive: Archive, roster: RosterFile, file: Path, roster_event: int | None) -> None:
    """Label the portraits that the file names, and print which were left out and why."""
    from classface_assets.services.photos.roster_portraits import label_portraits

    if not archive.layout.database.exists():
        click.echo(
            "The photos are not searched yet: run `classface run`, then import this file again to name portraits."
        )
        return
    portraits = label_portraits(archive, roster, file, roster_event)
    click.echo(f"{pluralize(len(portraits.named), 'portrait')} named, {portraits.known:,} had their name already.")
    if portraits.rejected:
        count = len(portraits.rejected)
        click.echo(f"{pluralize(count, 'portrait was', 'portraits were')} left out:", err=True)
        shown = [f"  line {line}: {reason}" for line, reason in portraits.rejected[:SHOWN_LINES]]
        click.echo("\n".join(shorten_list(shown, count)), err=True)


def _read_bytes(file: Path) -> bytes:
    """The content of the file. Raises RosterError where it cannot be read."""
    from classface_assets.store.roster.encoding import RosterError
    from classface_assets.store.roster.reader import MAX_BYTES

    try:
        with file.open("rb") as opened:
            return opened.read(MAX_BYTES + 1)
    except IsADirectoryError:
        raise RosterError(f"{file} is a folder; give the file in it, such as {file / 'INDEX.TXT'}.") from None
    except FileNotFoundError:
        raise RosterError(f"There is no file {file}; give the school's list of students.") from None
    except OSError as error:
        raise RosterError(f"{file} cannot be read ({error.strerror}).") from None


def _default_school_year(file: Path, year: str | None, pattern: str) -> str:
    """The school year of rows that name none: `year`, or that in the name of the file or its folder, or none."""
    from classface_assets.core.school_years.names import first_year
    from classface_assets.store.catalog.school_years import school_year_key
    from classface_assets.store.roster.encoding import RosterError

    names = (file.stem, file.absolute().parent.name) if year is None else (year,)
    keys = (school_year_key(name, pattern) for name in names)
    found = next((key for key in keys if first_year(key) is not None), "")
    if year is not None and not found:
        raise RosterError(f"{year!r} is no school year; write it like 2019-2020.")
    return found


def reading_notes(report: RosterReport) -> list[str]:
    """How the file was read: its encoding, its columns, the lines that are no students."""
    notes = []
    if report.guessed:
        names = f", in which names are {', '.join(report.examples)}" if report.examples else ""
        notes.append(
            f"The file does not state its encoding; it was read as {report.encoding}{names}. "
            "Where that is wrong, import it again with --encoding NAME."
        )
    if report.consent:
        notes.append(f"Consent was read from: {', '.join(report.consent)}.")
    elif not report.uncertain:
        notes.append("The file has no column about consent to be shown.")
    if report.unused:
        notes.append(f"Columns that were not used: {', '.join(report.unused)}.")
    placeholders = (
        f"{dropped.student_id!r} is no student id: {_format_line_numbers(dropped.lines)}."
        for dropped in report.dropped_ids
        if dropped.is_placeholder
    )
    return [*notes, *placeholders, *_skipped_line_notes(report)]


def _skipped_line_notes(report: RosterReport) -> Iterator[str]:
    """How many lines are no students, with the lines of each reason."""
    lines_by_reason: dict[str, list[int]] = defaultdict(list)
    for line, reason in report.skipped:
        lines_by_reason[reason].append(line)
    if lines_by_reason:
        reasons = "; ".join(f"{reason}: {_format_line_numbers(lines)}" for reason, lines in lines_by_reason.items())
        yield f"{pluralize(len(report.skipped), 'line is no student', 'lines are no students')} ({reasons})."


def review_notes(roster: RosterFile, event: int | None) -> list[str]:
    """What a person has to decide or to correct.

    Args:
        roster: What was read.
        event: The event of the ledger that imported it, by whose number the import is undone.
    """
    report = roster.report
    return [
        *_refusal_notes(report),
        *_consent_column_notes(report, event),
        *_cell_notes(report),
        *_file_notes(report),
        *skipped_row_lines(roster),
    ]


def _refusal_notes(report: RosterReport) -> Iterator[str]:
    """The students whose answer about consent was not understood."""
    if report.refused:
        yield (
            f"{pluralize(len(report.refused), 'student is', 'students are')} refused by doubt, because the answer was "
            "not understood, until it is set with `classface consent NAME given` (or withdrawn):"
        )
    for student in report.refused:
        yield f"  line {student.line}: {student.name}: {student.answer}"


def _consent_column_notes(report: RosterReport, event: int | None) -> Iterator[str]:
    """The columns that may be about consent."""
    again = f"undo the import (`classface undo {event}`) and import again" if event is not None else "import again"
    for title in report.uncertain:
        yield (
            f"Is the column '{title}' about consent? Its answers look like yes and no, and until that is decided "
            f"every one that may be a refusal counts as one: {again} with --consent-column '{title}' "
            f"(or --no-consent-column '{title}')."
        )
    for title in report.yes_or_no:
        yield (
            f"The column '{title}' was not used, and its answers look like yes and no. If it is about consent to be "
            f"shown, import again with --consent-column '{title}'; --no-consent-column '{title}' ends the question."
        )


def _cell_notes(report: RosterReport) -> Iterator[str]:
    """The student ids and cells that were not used."""
    for dropped in (one for one in report.dropped_ids if not one.is_placeholder):
        lines = _format_line_numbers(dropped.lines)
        yield f"The student id {dropped.student_id} is given to different names and was not used: {lines}."
    for doubt in report.unreadable:
        cells = pluralize(doubt.cells, "cell was", "cells were")
        yield f"Column '{doubt.title}': {cells} not understood, and {doubt.outcome}:"
        yield from shorten_list([f"  line {line}: {reason}" for line, reason in doubt.examples], doubt.cells)


def _file_notes(report: RosterReport) -> Iterator[str]:
    """What is wrong with the file as a whole: its encoding, and sheets that were not read."""
    if report.garbled:
        yield (
            "Names look as if the file had been saved in a wrong encoding before; export it again: "
            f"{', '.join(report.garbled[:5])}."
        )
    if report.sheets:
        yield (
            "Only the first sheet with a column of names was read; save each of these as a file of its own and import "
            f"it: {', '.join(report.sheets)}."
        )
    if report.replaced:
        yield (
            f"Bytes that are no {report.encoding} were replaced by a mark; correct the names in "
            f"{_format_line_numbers(report.replaced)}."
        )


def skipped_row_lines(roster: RosterFile) -> list[str]:
    """A heading and the rows that were left out: all of them where the file has answers about consent."""
    if not roster.bad:
        return []
    rows = [f"  line {number}: {reason}" for number, reason in roster.bad]
    has_answers = bool(roster.report.consent or roster.report.uncertain)
    heading = f"{pluralize(len(rows), 'row was', 'rows were')} left out:"
    return [heading, *(rows if has_answers else shorten_list(rows[:SHOWN_LINES], len(rows)))]


def shorten_list(lines: Sequence[str], count: int) -> list[str]:
    """These lines, and how many of `count` are missing."""
    return [*lines, f"  … and {count - len(lines):,} more"] if count > len(lines) else list(lines)


def _format_line_numbers(numbers: Iterable[int]) -> str:
    """`line 3`, `lines 3, 4 and 12 more`."""
    shown = [f"{number:,}" for number in numbers]
    more = f" and {len(shown) - SHOWN_LINES:,} more" if len(shown) > SHOWN_LINES else ""
    return f"{'line' if len(shown) == 1 else 'lines'} {', '.join(shown[:SHOWN_LINES])}{more}"
