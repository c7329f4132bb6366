"""Rows of a roster as students: each cell understood, or the row left out with a reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from classface_assets.store.decisions import fold
from classface_assets.store.roster_columns import Columns
from classface_assets.store.roster_entry import RosterEntry
from classface_assets.store.roster_values import (
    SLASHED,
    birth_date_in,
    consent_in,
    day_comes_first,
    name_in,
    short,
    siblings_in,
)
from classface_assets.store.roster_years import school_years_in
from classface_assets.store.writing import LedgerError


@dataclass(frozen=True)
class Rows:
    """The columns of a table and its rows with their line numbers. `width`: fields a row has at most; 0: any number."""

    columns: Columns
    lines: Sequence[tuple[int, list[str]]]
    width: int = 0

    def surplus(self, row: Sequence[str]) -> str:
        """What is wrong with a row in which a delimiter was not meant as one: its cells are not under their titles."""
        if not self.width or not any(field.strip() for field in row[self.width :]):
            return ""
        told = f"it has {len(row)} fields and the titles are {self.width}"
        return f"{told}: quotation marks belong around a field that holds the delimiter"


@dataclass(frozen=True)
class Found:
    """`lines`: the line of each entry."""

    entries: tuple[RosterEntry, ...]
    lines: tuple[int, ...]
    bad: tuple[tuple[int, str], ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Reading:
    """How this table is to be read: the school year of rows that name none, and whether 3/4/2011 is in April."""

    school_year: str
    has_years: bool
    day_first: bool | None


def read_rows(rows: Rows, school_year: str) -> Found:
    """A student a row. Left out with a reason: rows without a name, with what cannot be understood, or twice with
    different classes in one year and no student id to tell them apart."""
    bad = [(number, reason) for number, row in rows.lines if (reason := rows.surplus(row))]
    told = [(number, _fields(rows.columns, row)) for number, row in rows.lines if not rows.surplus(row)]
    born = [fields.get("birth_date", "") for _, fields in told]
    years = any(school_years_in(fields.get("years", "")) for _, fields in told)
    how = _Reading(school_year, years, day_comes_first(born))
    entries: list[RosterEntry] = []
    lines: list[int] = []
    seen: dict[tuple[str, str, str], tuple[int, str]] = {}
    for number, fields in told:
        try:
            entry = _entry(fields, how)
            _once(entry, number, seen)
            entries.append(entry)
            lines.append(number)
        except (ValueError, LedgerError) as error:
            bad.append((number, str(error)))
    notes = []
    if how.day_first is None and any(map(SLASHED.fullmatch, born)):
        notes.append("Birth dates were left out: nothing shows whether 3/4/2011 is in March; write 2011-04-03.")
    if entries and not any(entry.classes for entry in entries):
        notes.append("The file names no school year; --year 2019-2020 says which it is.")
    return Found(tuple(entries), tuple(lines), tuple(bad), tuple(notes))


def _fields(columns: Mapping[int, str], row: Sequence[str]) -> dict[str, str]:
    return {field: row[place].strip() for place, field in columns.items() if place < len(row) and row[place].strip()}


def _entry(fields: Mapping[str, str], how: _Reading) -> RosterEntry:
    """Raises ValueError with what is wrong with the row, or LedgerError for the name."""
    classes = _classes(fields, how)
    year = max(classes, default="")
    file = "/".join(part for key in ("folder", "file") if (part := fields.get(key, "").replace("\\", "/").strip("/")))
    return RosterEntry(
        name_in(fields),
        short(fields.get("student_id", ""), "student id"),
        classes,
        tuple(short(one, "siblings") for one in siblings_in(fields.get("siblings", ""))),
        consent_in(fields),
        birth_date_in(fields.get("birth_date", ""), how.day_first),
        ((year, short(file, "file name")),) if fields.get("file") else (),
    )


def _classes(fields: Mapping[str, str], how: _Reading) -> dict[str, str]:
    """School year → class: of the columns titled by a year, else of the last year that is named."""
    wide = {key[3:]: short(value, "class") for key, value in fields.items() if key.startswith("in ")}
    parts = [fields.get("grade", ""), fields.get("class", "")]
    if fields.get("years") and not how.has_years:
        parts.insert(0, fields["years"])  # `Year 7`: no school year, but a grade
    name = short(" / ".join(dict.fromkeys(part for part in parts if part)), "class")
    years = [how.school_year] if how.school_year and not wide else []
    if how.has_years and fields.get("years"):
        found = school_years_in(fields["years"])
        if found is None:
            raise ValueError(f"{fields['years'][:60]!r} is no school year; write it like 2019-2020")
        years = found
    return {**{year: name if year == years[-1] else "" for year in years}, **wide}


def _once(entry: RosterEntry, number: int, seen: dict[tuple[str, str, str], tuple[int, str]]) -> None:
    """Raises ValueError for a second row of one name and year with another class, unless ids tell them apart."""
    for year, name in entry.classes.items():
        key = (fold(entry.name), year, fold(entry.student_id))
        line, other = seen.setdefault(key, (number, name))
        if name and other and name != other:
            raise ValueError(
                f"{entry.name} is in {other} already in {year} (line {line}); student ids would tell two apart"
                if not entry.student_id
                else f"student {entry.student_id} is in {other} already in {year} (line {line})"
            )
