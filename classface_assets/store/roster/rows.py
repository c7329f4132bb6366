"""Rows of a roster as students: a cell that cannot be understood costs that cell, and no refusal is ever lost."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from classface_assets.core.errors import InvalidNameError
from classface_assets.core.languages import gettext, marked
from classface_assets.core.names import MAX_NAME_LENGTH, normalize_name
from classface_assets.core.school_years.names import first_year
from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets.store.model.student_ids import normalize_student_id, repeated_ids
from classface_assets.store.roster.answers import ConsentAnswer, combine_answers
from classface_assets.store.roster.columns import Columns
from classface_assets.store.roster.report import DroppedId, UnclearRefusal, UnreadableCells
from classface_assets.store.roster.table import RosterTable, skip_reason
from classface_assets.store.roster.values import (
    DateColumn,
    clean_cell,
    parse_name,
    parse_school_years,
    parse_siblings,
    parse_student_id,
)

MAX_EXAMPLES = 5
_MAX_SHOWN = 80
_OUTCOMES = {
    "birth_date": marked("birth dates were left out"),
    "years": marked("these rows were taken in without a school year"),
    "siblings": marked("siblings were left out"),
    "student_id": marked("student ids were left out"),
    "class": marked("classes were left out"),
    "file": marked("portraits were left out"),
}
NumberedReason = tuple[int, str]
"""A line and what is wrong with it."""


@dataclass(frozen=True)
class ParsedRows:
    """The students of a table.

    Attributes:
        entries: The students.
        lines: The line of each student.
        bad: Rows that were left out.
        notes: Sentences on the file.
        skipped: Lines that are no student.
        unreadable: Cells that were left out, by column.
        dropped_ids: Student ids that stand for nobody.
        refused: Students whose answer could not be understood.
    """

    entries: tuple[RosterEntry, ...]
    lines: tuple[int, ...]
    bad: tuple[NumberedReason, ...]
    notes: tuple[str, ...]
    skipped: tuple[NumberedReason, ...]
    unreadable: tuple[UnreadableCells, ...]
    dropped_ids: tuple[DroppedId, ...]
    refused: tuple[UnclearRefusal, ...]


def parse_rows(table: RosterTable, school_year: str) -> ParsedRows:
    """Parse a student a row.

    Left out with a reason are rows without a name, and a second row of one student with another class in one year.

    Args:
        table: The table.
        school_year: The school year of rows that name none; empty where it is not known.
    """
    skipped, bad, rows = _partition_rows(table)
    fields = [(number, _fields(table.columns, row), table.answers(row)) for number, row in rows]
    born = [cells.get("birth_date", "") for _, cells, _ in fields]
    has_years = any(parse_school_years(cells.get("years", "")) for _, cells, _ in fields)
    parser = _RowParser(school_year, has_years, DateColumn.of(born, table.title("birth_date")))
    read: list[tuple[int, RosterEntry]] = []
    for number, cells, answers in fields:
        consent = combine_answers(answers)
        try:
            read.append((number, parser.parse(number, cells, consent)))
        except (ValueError, InvalidNameError) as error:
            texts = "; ".join(text for _, text in answers)[:_MAX_SHOWN]
            refusal = gettext("%(error)s (it refuses: %(answers)s)", error=error, answers=texts)
            bad.append((number, refusal if consent.refuses else str(error)))
    dropped = _invalid_ids(read)
    students = _StudentList()
    for number, entry in read:
        try:
            students.add(replace(entry, student_id="") if entry.student_id in dropped else entry, number)
        except ValueError as error:
            bad.append((number, str(error)))
    return ParsedRows(
        entries=tuple(students.entries),
        lines=tuple(students.lines),
        bad=tuple(bad),
        notes=_notes(students.entries),
        skipped=tuple(skipped),
        unreadable=parser.unreadable_cells(table),
        dropped_ids=tuple(dropped.values()),
        refused=students.unclear_refusals(),
    )


@dataclass
class _RowParser:
    """How the rows of a table are parsed, and the cells that could not be.

    `school_year`: that of rows that name none. `has_years`: whether the column of years holds school years.
    """

    school_year: str
    has_years: bool
    dates: DateColumn
    unreadable: dict[str, list[NumberedReason]] = field(default_factory=lambda: defaultdict(list))

    def parse(self, line: int, fields: Mapping[str, str], consent: ConsentAnswer) -> RosterEntry:
        """Raises ValueError or InvalidNameError where there is no valid name."""
        name = parse_name(fields)
        classes = self._classes(line, fields)
        year = max(classes, default="")
        parts = (fields.get(key, "").replace("\\", "/").strip("/") for key in ("folder", "file"))
        file = self._cell(line, "/".join(filter(None, parts)), "file") if fields.get("file") else ""
        siblings = (self._cell(line, one, "siblings") for one in parse_siblings(fields.get("siblings", "")))
        return RosterEntry(
            name,
            student_id=self._cell(line, parse_student_id(fields), "student_id"),
            classes=classes,
            siblings=tuple(filter(None, siblings)),
            consent=consent.every,
            birth_date=self._birth_date(line, fields.get("birth_date", ""), classes),
            portraits=((year, file),) if file else (),
            consents=dict(consent.single),
            consent_in_doubt=consent.doubt,
        )

    def unreadable_cells(self, table: RosterTable) -> tuple[UnreadableCells, ...]:
        return tuple(
            UnreadableCells(table.title(name) or name, _OUTCOMES[name], len(cells), tuple(cells[:MAX_EXAMPLES]))
            for name, cells in self.unreadable.items()
        )

    def _cell(self, line: int, text: str, name: str) -> str:
        """The cleaned text, empty where it is too long."""
        try:
            return clean_cell(text)
        except ValueError as error:
            self.unreadable[name].append((line, str(error)))
            return ""

    def _birth_date(self, line: int, text: str, classes: Mapping[str, str]) -> date | None:
        if not text:
            return None
        try:
            born = self.dates.day(text, self._latest_birth(classes))
        except ValueError as error:
            self.unreadable["birth_date"].append((line, str(error)))
            return None
        if born is None:
            reason = gettext("nothing shows which is the month in %(text)s; write 2011-04-03", text=text[:40])
            self.unreadable["birth_date"].append((line, reason))
        return born

    def _latest_birth(self, classes: Mapping[str, str]) -> date:
        """A day by which the students of a row were born."""
        year = first_year(max(classes, default=self.school_year))
        today = date.today()  # noqa: DTZ011 a day has no time zone
        return today if year is None else min(today, date(year + 1, 1, 1))

    def _classes(self, line: int, fields: Mapping[str, str]) -> dict[str, str]:
        """School year -> class: of the columns titled by a year, else of the last year that is named."""
        by_title = {key[3:]: self._cell(line, text, "class") for key, text in fields.items() if key.startswith("in ")}
        parts = [fields.get("grade", ""), fields.get("class", "")]
        if fields.get("years") and not self.has_years:
            parts.insert(0, fields["years"])  # `Year 7`: no school year, but a grade
        name = self._cell(line, " / ".join(dict.fromkeys(part for part in parts if part)), "class")
        years = [self.school_year] if self.school_year and not by_title else []
        if self.has_years and fields.get("years"):
            found = parse_school_years(fields["years"])
            if found is None:
                reason = gettext("%(text)s is no school year; write it like 2019-2020", text=repr(fields["years"][:60]))
                self.unreadable["years"].append((line, reason))
            years = found or []
        return {**{year: name if year == years[-1] else "" for year in years}, **by_title}


@dataclass
class _StudentList:
    """The students of a file while its rows are parsed, with the line of each."""

    entries: list[RosterEntry] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    places: dict[tuple[str, str, str], int] = field(default_factory=dict)

    def add(self, entry: RosterEntry, line: int) -> None:
        """Raises ValueError for a second row of one student and year with another class; its refusal is retained."""
        for year, name in entry.classes.items():
            student = (normalize_name(entry.name), year, normalize_student_id(entry.student_id))
            at = self.places.setdefault(student, len(self.entries))
            other = self.entries[at].classes.get(year, "") if at < len(self.entries) else name
            if name and other and name != other:
                self._retain_refusal(at, entry, line)
                values = {"class": other, "year": year, "line": self.lines[at]}
                raise ValueError(
                    gettext(
                        "student %(id)s is in %(class)s already in %(year)s (line %(line)s)",
                        id=entry.student_id,
                        **values,
                    )
                    if entry.student_id
                    else gettext(
                        "%(name)s is in %(class)s already in %(year)s (line %(line)s); student ids would tell two "
                        "apart",
                        name=entry.name,
                        **values,
                    )
                )
        self.entries.append(entry)
        self.lines.append(line)

    def unclear_refusals(self) -> tuple[UnclearRefusal, ...]:
        return tuple(
            UnclearRefusal(line, entry.name, entry.consent_in_doubt)
            for line, entry in zip(self.lines, self.entries, strict=True)
            if entry.consent_in_doubt
        )

    def _retain_refusal(self, at: int, left_out: RosterEntry, line: int) -> None:
        """Let the student who stays refuse: which of two of one name refuses cannot be known."""
        answer = left_out.consent_in_doubt or ("no" if left_out.consent is False else "")
        answer = answer or ", ".join(f"no {purpose}" for purpose, given in left_out.consents.items() if not given)
        entry = self.entries[at]
        if answer and entry.consent is not False:
            doubt = "; ".join(filter(None, (entry.consent_in_doubt, f"line {line}: {answer}")))
            self.entries[at] = replace(entry, consent_in_doubt=doubt[:MAX_NAME_LENGTH])


def _partition_rows(
    table: RosterTable,
) -> tuple[list[NumberedReason], list[NumberedReason], list[tuple[int, list[str]]]]:
    """The lines that are no students, the rows whose cells are not under their titles, and all others."""
    skipped, bad, rows = [], [], []
    for number, row in table.lines:
        if why := skip_reason(row, table.header, [text for _, text in table.answers(row)]):
            skipped.append((number, why))
        elif why := table.surplus(row):
            bad.append((number, why))
        else:
            rows.append((number, row))
    return skipped, bad, rows


def _notes(entries: Sequence[RosterEntry]) -> tuple[str, ...]:
    if entries and not any(entry.classes for entry in entries):
        return ("The file names no school year; --year 2019-2020 says which it is.",)
    return ()


def _invalid_ids(read: Sequence[tuple[int, RosterEntry]]) -> dict[str, DroppedId]:
    """The ids that stand for nobody, as they are written: of different names, and placeholders."""
    repeated = repeated_ids([(entry.student_id, entry.name) for _, entry in read])
    lines: dict[str, list[int]] = defaultdict(list)
    for number, entry in read:
        key = normalize_student_id(entry.student_id)
        if entry.student_id and (not key or key in repeated):
            lines[entry.student_id].append(number)
    return {text: DroppedId(text, tuple(numbers), not normalize_student_id(text)) for text, numbers in lines.items()}


def _fields(columns: Columns, row: Sequence[str]) -> dict[str, str]:
    return {name: row[place].strip() for place, name in columns.items() if place < len(row) and row[place].strip()}
