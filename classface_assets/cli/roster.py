"""`classface roster …`: the school's lists of students: names to complete from, and who was there in which year.

What `classface roster import` tells of a file that it read: lines for a person, the urgent ones first.
"""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click

from classface_assets.cli.common import archive_options
from classface_assets.core.names import pluralize
from classface_assets.store.roster.file import RosterFile
from classface_assets.store.roster.report import RosterReport

EXIT_NEEDS_REVIEW = 3
"""Exit code of an import that was done, and of which a person has to decide or to correct something."""


@click.group("roster")
def roster_group() -> None:
    """The school's lists of students: names, classes, siblings, consent."""


@roster_group.command("import")
@archive_options
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--year", help="The school year of rows that name none, as 2019-2020 [as FILE or its folder is named].")
@click.option("--encoding", default="", help="The encoding of a text file, as cp1250 or shift_jis [found out].")
@click.option("--consent-column", multiple=True, metavar="TITLE", help="A column that is about consent to be shown.")
@click.option("--no-consent-column", multiple=True, metavar="TITLE", help="A column that is not, as it may look.")
def import_(
    archive: Any,
    file: Path,
    year: str | None,
    encoding: str,
    consent_column: tuple[str, ...],
    no_consent_column: tuple[str, ...],
) -> None:
    """Take in FILE: CSV, xlsx, or a photographer's INDEX.TXT (PSPA).

    Columns are known by their titles: name, or last name and first name; student id, class, school year, siblings,
    consent (of everything, or of yearbook, web or album), birth date. A student who is known already, by id or else by
    name, is brought up to date; a file that was imported before changes nothing; `classface undo` takes an import back.
    The face in a portrait that a row names gets the student's name, once the photos are searched: import the file again
    when it was not so yet.

    An answer about consent that is not understood refuses, until somebody says what holds. Exit code 0: all of it was
    taken in; 3: it was taken in, but something needs a look (refused by doubt, a column that may be about consent,
    cells or rows that were left out), and is listed; 1: nothing was taken in.
    """
    from classface_assets.core.names import pluralize
    from classface_assets.store.roster.encoding import RosterError
    from classface_assets.store.roster.file import read_roster
    from classface_assets.store.roster.table import RosterOptions

    of_year = _school_year(file, year, archive.layout.year_pattern)
    found = read_roster(_read_bytes(file), of_year, RosterOptions(encoding, consent_column, no_consent_column))
    if not found.entries:
        raise RosterError("\n".join([f"No row of {file} could be taken in.", *skipped_row_lines(found)[1:]]))
    done = archive.open_ledger().import_roster(found.entries, file.name)
    if done.event is None:
        click.echo(f"All of it is known already: {pluralize(done.students, 'student')}.")
    else:
        told = f"{pluralize(done.students, 'student')}, new: {done.new:,}, changed: {done.changed:,}"
        click.echo(f"Roster: {told}. `classface undo {done.event}` takes it back.")
        if of_year and year is None:
            click.echo(
                f"Rows that name no school year are taken for {of_year}, after which the file or folder is named."
            )
    for line in (*found.notes, *done.notes, *reading_notes(found.report)):
        click.echo(line)
    for line in review_notes(found, done.import_event):
        click.echo(line, err=True)
    if any(entry.portraits for entry in found.entries):
        _label_portraits(archive, found, file, done.import_event)
    if found.needs_review:
        sys.exit(EXIT_NEEDS_REVIEW)


@roster_group.command("list")
@archive_options
@click.option("--year", help="Only who was there in this school year.")
def list_(archive: Any, year: str | None) -> None:
    """The students: name, student id, classes, birth date, consent, siblings; one a line, parted by tabs."""
    from classface_assets.store.catalog.school_years import school_year_key

    for entry in sorted(archive.open_ledger().decisions().roster, key=lambda e: e.name.casefold()):
        if year and school_year_key(year, archive.layout.year_pattern) not in entry.classes:
            continue
        classes = ", ".join(f"{key} {name}".strip() for key, name in sorted(entry.classes.items()))
        consent = _consent_text(entry)
        fields = (entry.name, entry.student_id, classes, str(entry.birth_date or ""), consent)
        click.echo("\t".join([*fields, ", ".join(entry.siblings)]))


@roster_group.command("forget")
@archive_options
@click.argument("student")
@click.option("--yes", is_flag=True, help="Do not ask.")
def forget(archive: Any, student: str, yes: bool) -> None:
    """Take a student (name or student id) out of every roster for good. Faces go by `classface forget`."""
    if not yes:
        click.confirm(f"Take {student} out of every roster? This cannot be undone", abort=True)
    count = archive.open_ledger().remove_student(student)
    click.echo(f"{student} is on no roster any more; imports changed: {count:,}.")


COMMANDS = (roster_group,)


def _consent_text(entry: Any) -> str:
    """`no consent`, `consent, no web`, `refused by doubt: perhaps`; empty where nobody said."""
    told = [{True: "consent", False: "no consent"}[entry.consent]] if entry.consent is not None else []
    told += [purpose if given else f"no {purpose}" for purpose, given in sorted(entry.consents.items())]
    if entry.consent_in_doubt:
        told.append(f"refused by doubt: {entry.consent_in_doubt}")
    return ", ".join(told)


def _label_portraits(archive: Any, found: Any, file: Path, rows_of: int | None) -> None:
    """Tells of the portraits that the file names, and why any of them was left out."""
    from classface_assets.core.names import pluralize
    from classface_assets.services.roster_portraits import label_portraits

    if not archive.layout.database.exists():
        click.echo(
            "The photos are not searched yet: run `classface run`, then import this file again to name portraits."
        )
        return
    portraits = label_portraits(archive, found, file, rows_of)
    click.echo(f"{pluralize(len(portraits.named), 'portrait')} named, {portraits.known:,} had their name already.")
    if portraits.bad:
        click.echo(f"{pluralize(len(portraits.bad), 'portrait was', 'portraits were')} left out:", err=True)
        told = [f"  line {line}: {why}" for line, why in portraits.bad]
        click.echo("\n".join(shorten_list(told[:SHOWN_LINES], len(told))), err=True)


def _read_bytes(file: Path) -> bytes:
    """Raises RosterError when it cannot be read."""
    from classface_assets.store.roster.encoding import RosterError
    from classface_assets.store.roster.reader import MAX_BYTES

    try:
        with file.open("rb") as opened:
            return opened.read(MAX_BYTES + 1)
    except IsADirectoryError:
        raise RosterError(f"{file} is a folder; name the file in it, as {file / 'INDEX.TXT'}.") from None
    except FileNotFoundError:
        raise RosterError(f"There is no file {file}; name the school's list of students.") from None
    except OSError as error:
        raise RosterError(f"{file} cannot be read ({error.strerror}).") from None


def _school_year(file: Path, year: str | None, pattern: str) -> str:
    """What was asked for, else what the file or its folder is named after. Raises RosterError for no school year."""
    from classface_assets.core.school_years.names import first_year
    from classface_assets.store.catalog.school_years import school_year_key
    from classface_assets.store.roster.encoding import RosterError

    names = (file.stem, file.absolute().parent.name) if year is None else (year,)
    keys = (school_year_key(name, pattern) for name in names)
    found = next((key for key in keys if first_year(key) is not None), "")
    if year is not None and not found:
        raise RosterError(f"{year!r} is no school year; write it like 2019-2020.")
    return found


SHOWN_LINES = 50
"""Lines of a list that are shown, but of lists that hold a refusal, which are shown whole."""


def reading_notes(report: RosterReport) -> list[str]:
    """How the file was read: its encoding, its columns, the lines that are no students."""
    told = []
    if report.guessed:
        names = f", in which names are {', '.join(report.examples)}" if report.examples else ""
        told.append(
            f"The file does not say its encoding; it was read as {report.encoding}{names}. "
            "Where that is wrong, import it again with --encoding NAME."
        )
    if report.consent:
        told.append(f"Consent was read from: {', '.join(report.consent)}.")
    elif not report.uncertain:
        told.append("The file says nothing of consent to be shown.")
    if report.unused:
        told.append(f"Columns that were not used: {', '.join(report.unused)}.")
    for dropped in (one for one in report.dropped_ids if one.is_placeholder):
        told.append(f"{dropped.student_id!r} is no student id: {_format_line_numbers(dropped.lines)}.")
    if report.skipped:
        reasons: dict[str, list[int]] = {}
        for line, reason in report.skipped:
            reasons.setdefault(reason, []).append(line)
        parts = (f"{reason}: {_format_line_numbers(lines)}" for reason, lines in reasons.items())
        told.append(
            f"{pluralize(len(report.skipped), 'line is no student', 'lines are no students')} ({'; '.join(parts)})."
        )
    return told


def review_notes(found: RosterFile, event: int | None) -> list[str]:
    """What a person has to decide or to correct. `event`: of the import, by whose number it is undone."""
    report = found.report
    told = []
    if report.refused:
        are = pluralize(len(report.refused), "student is", "students are")
        told.append(
            f"{are} refused by doubt, because the answer was not understood, until `classface consent NAME given` (or "
            "withdrawn) says what holds:"
        )
        told += [f"  line {one.line}: {one.name}: {one.answer}" for one in report.refused]
    back = f"take it back (`classface undo {event}`) and import again" if event is not None else "import again"
    for title in report.uncertain:
        told.append(
            f"Is the column '{title}' about consent? Its answers look like yes and no, and until that is said "
            f"every one that may refuse does: {back} with --consent-column '{title}' "
            f"(or --no-consent-column '{title}')."
        )
    for title in report.yes_or_no:
        told.append(
            f"The column '{title}' was not used, and its answers look like yes and no. If it is about consent to be "
            f"shown, import again with --consent-column '{title}'; --no-consent-column '{title}' ends the question."
        )
    for dropped in (one for one in report.dropped_ids if not one.is_placeholder):
        told.append(
            f"The student id {dropped.student_id} stands beside different names and was not used: "
            f"{_format_line_numbers(dropped.lines)}."
        )
    for doubt in report.unreadable:
        told.append(
            f"Column '{doubt.title}': {pluralize(doubt.cells, 'cell was', 'cells were')} not understood, and "
            f"{doubt.outcome}:"
        )
        told += shorten_list([f"  line {line}: {reason}" for line, reason in doubt.examples], doubt.cells)
    if report.garbled:
        told.append(
            f"Names look as if the file had been saved in a wrong encoding before; export it anew: "
            f"{', '.join(report.garbled[:5])}."
        )
    if report.sheets:
        told.append(
            f"Only the first sheet with a column of names was read; save each of these as a file of its own and import "
            f"it: {', '.join(report.sheets)}."
        )
    if report.replaced:
        told.append(
            f"Bytes that are no {report.encoding} were replaced by a mark; correct the names in "
            f"{_format_line_numbers(report.replaced)}."
        )
    return told + skipped_row_lines(found)


def skipped_row_lines(found: RosterFile) -> list[str]:
    """The rows that were left out: all of them where the file has answers about consent."""
    if not found.bad:
        return []
    told = [f"  line {number}: {reason}" for number, reason in found.bad]
    has_answers = bool(found.report.consent or found.report.uncertain)
    heading = f"{pluralize(len(told), 'row was', 'rows were')} left out:"
    return [heading, *(told if has_answers else shorten_list(told[:SHOWN_LINES], len(told)))]


def shorten_list(lines: Sequence[str], count: int) -> list[str]:
    """A list, and how many of `count` are not in it."""
    return [*lines, f"  … and {count - len(lines):,} more"] if count > len(lines) else list(lines)


def _format_line_numbers(numbers: Iterable[int]) -> str:
    shown = [f"{number:,}" for number in numbers]
    more = f" and {len(shown) - SHOWN_LINES:,} more" if len(shown) > SHOWN_LINES else ""
    return f"{'line' if len(shown) == 1 else 'lines'} {', '.join(shown[:SHOWN_LINES])}{more}"
