"""Rows of a roster as students: a cell that cannot be understood costs that cell, and no refusal is ever lost.

Lines of a roster that are no student: totals, numbers of pages, titles that stand again at the head of a page.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from classface_assets.core.names import normalize_name
from classface_assets.core.school_years.names import first_year
from classface_assets.store.ledger.transaction import LedgerError
from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets.store.model.student_ids import normalize_student_id, repeated_ids
from classface_assets.store.roster.answers import ConsentAnswer, combine_answers
from classface_assets.store.roster.columns import Columns
from classface_assets.store.roster.report import DroppedId, UnclearRefusal, UnreadableCells
from classface_assets.store.roster.table import RosterTable
from classface_assets.store.roster.titles import strip_accents, word_list
from classface_assets.store.roster.values import (
    DateColumn,
    clean_cell,
    parse_name,
    parse_school_years,
    parse_siblings,
    parse_student_id,
)


def _alternatives(words: str) -> str:
    return f"(?:{'|'.join(re.escape(word).replace('_', ' ') for word in word_list(words))})"


_PEOPLE = _alternatives(
    """students student pupils pupil children records rows entries schuler schulerinnen eleves alumnos alunni alunos
    leerlingen elever uczniow zaku учеников 名 人 명"""
)
_OF = rf"(?: (?:of|der|de|des|di|{_PEOPLE}))*"
_COUNT = r"\s*[:=]?\s*\d[\d.,\s]*"
_SUM_WORDS = _alternatives(
    """total totals subtotal grand_total summe gesamt gesamtzahl gesamtsumme insgesamt anzahl somme effectif razem
    totale totaal totalt celkem spolu osszesen toplam итого всего разом 合計 総計 总计 合计 합계 총계"""
)
# These are names of people too where no number follows.
_SUM_OR_NAME = _alternatives("sum count suma number nombre numero liczba pocet количество")
_TOTAL = re.compile(rf"(?:{_PEOPLE} )?{_SUM_WORDS}{_OF}\s*:?(?:{_COUNT}{_PEOPLE}?)?|{_SUM_OR_NAME}{_OF}{_COUNT}")
_PAGE = (
    _alternatives("page seite pagina p. strona strana stranka str. sida side sayfa oldal страница стр ページ 页 페이지")
    + r"\.?\s*[:#]?\s*\d+(?:\s*(?:of|/|von|de|sur|di|van|z|ze|av|af|из|-)\s*\d+)?"
)
_PRINTED = (
    _alternatives(
        """printed generated exported created produced report_date as_of gedruckt erstellt stand imprime genere impreso
        generado stampato afgedrukt utskriven wydrukowano vytisteno распечатано"""
    )
    + r"\b(?: (?:on|am|le|el|il|op|dnia|by|from|at))?\s*:?.*\d.*"
)
_END = (
    r"(?:\* ?)*(?:end of (?:report|list|file|document|roster|page)|ende (?:der liste|des berichts)"
    r"|fin (?:de|du) (?:la |l )?(?:liste|lista|rapport|informe|document)|fine (?:elenco|rapporto)"
    r"|koniec (?:raportu|listy)|конец (?:отчета|списка)|以上)(?: ?\*)*"
)
_NOTICE = _alternatives("confidential vertraulich confidentiel confidencial riservato copyright ©") + "(?:[ :,.-].*)?"
_FOOTER = re.compile(rf"{_PAGE}|{_PRINTED}|{_END}|{_NOTICE}|\d+ ?{_PEOPLE}(?: .*)?")

_MAX_FOOTER_CELLS = 3
"""Cells with letters that a footer has at most."""


def skip_reason(row: Sequence[str], header: Sequence[str], answers: Sequence[str]) -> str:
    """Why a line is not a student's; empty where it may be one. `answers`: its cells in columns of consent, for a line
    that holds a word there is never passed over."""
    cells = [cell.strip() for cell in row if cell.strip()]
    if _repeats_header(row, header):
        return "the titles again"
    if any(any(c.isalpha() for c in answer) for answer in answers):
        return ""
    if not any(c.isalnum() for cell in cells for c in cell):
        return "no letters"
    worded = [cell for cell in cells if any(c.isalpha() for c in cell)]
    if not worded:
        return "no letters" if len(cells) == 1 else ""
    if len(worded) > _MAX_FOOTER_CELLS:
        return ""
    worded = [strip_accents(cell).strip() for cell in worded]
    if all(_TOTAL.fullmatch(cell) for cell in worded):
        return "a total"
    return "a footer" if all(_FOOTER.fullmatch(cell) or _TOTAL.fullmatch(cell) for cell in worded) else ""


def _repeats_header(row: Sequence[str], header: Sequence[str]) -> bool:
    titles = [(title.split(), cell.split()) for title, cell in zip(header, row, strict=False) if title.strip()]
    same = sum(title == cell for title, cell in titles)
    return bool(titles) and (same == len(titles) or (same >= 2 and same * 2 >= len(titles)))


MAX_EXAMPLES = 5
_OUTCOMES = {
    "birth_date": "birth dates were left out",
    "years": "these rows were taken in without a school year",
    "siblings": "siblings were left out",
    "student_id": "student ids were left out",
    "class": "classes were left out",
    "file": "portraits were left out",
}


@dataclass(frozen=True)
class ParsedRows:
    """`lines`: the line of each entry."""

    entries: tuple[RosterEntry, ...]
    lines: tuple[int, ...]
    bad: tuple[tuple[int, str], ...]
    notes: tuple[str, ...]
    skipped: tuple[tuple[int, str], ...]
    doubts: tuple[UnreadableCells, ...]
    dropped_ids: tuple[DroppedId, ...]
    refused: tuple[UnclearRefusal, ...]


@dataclass
class _RowParser:
    """How this table is to be read, and what of it could not be. `school_year`: that of rows that name none."""

    school_year: str
    has_years: bool
    dates: DateColumn
    doubts: dict[str, list[tuple[int, str]]] = field(default_factory=lambda: defaultdict(list))

    def latest(self, classes: Mapping[str, str]) -> date:
        """A day by which the students of a row were born."""
        year = first_year(max(classes, default=self.school_year))
        today = date.today()  # noqa: DTZ011 a day has no time zone
        return today if year is None else min(today, date(year + 1, 1, 1))


@dataclass
class _StudentList:
    """The students of a file while its rows are read, with the line of each."""

    entries: list[RosterEntry] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    places: dict[tuple[str, str, str], int] = field(default_factory=dict)

    def add(self, entry: RosterEntry, line: int) -> None:
        """Raises ValueError for a second row of one student and year with another class; what it refuses is kept."""
        for year, name in entry.classes.items():
            at = self.places.setdefault(
                (normalize_name(entry.name), year, normalize_student_id(entry.student_id)), len(self.entries)
            )
            other = self.entries[at].classes.get(year, "") if at < len(self.entries) else name
            if name and other and name != other:
                self._refuse_too(at, entry, line)
                raise ValueError(
                    f"{entry.name} is in {other} already in {year} (line {self.lines[at]}); "
                    "student ids would tell two apart"
                    if not entry.student_id
                    else f"student {entry.student_id} is in {other} already in {year} (line {self.lines[at]})"
                )
        self.entries.append(entry)
        self.lines.append(line)

    def _refuse_too(self, at: int, left_out: RosterEntry, line: int) -> None:
        """Who of two of one name refuses cannot be told, so the one who is taken in does."""
        answer = left_out.consent_in_doubt or ("no" if left_out.consent is False else "")
        answer = answer or ", ".join(f"no {purpose}" for purpose, given in left_out.consents.items() if not given)
        kept = self.entries[at]
        if answer and kept.consent is not False:
            told = "; ".join(filter(None, (kept.consent_in_doubt, f"line {line}: {answer}")))
            self.entries[at] = replace(kept, consent_in_doubt=told[:255])


def parse_rows(table: RosterTable, school_year: str) -> ParsedRows:
    """A student a row. Left out with a reason: rows without a name, and a second row of one student with another
    class in one year; passed over: lines that are no student."""
    skipped, bad, told = _partition_rows(table)
    fields = [(number, _fields(table.columns, row), table.answers(row)) for number, row in told]
    born = [cells.get("birth_date", "") for _, cells, _ in fields]
    years = any(parse_school_years(cells.get("years", "")) for _, cells, _ in fields)
    how = _RowParser(school_year, years, DateColumn.of(born, table.title("birth_date")))
    read: list[tuple[int, RosterEntry]] = []
    for number, cells, answers in fields:
        consent = combine_answers(answers)
        try:
            read.append((number, _parse_entry(number, cells, consent, how)))
        except (ValueError, LedgerError) as error:
            refusing = f" (it refuses: {'; '.join(text for _, text in answers)[:80]})" if consent.refuses else ""
            bad.append((number, f"{error}{refusing}"))
    dropped = _invalid_ids(read)
    students = _StudentList()
    for number, entry in read:
        kept = replace(entry, student_id="") if entry.student_id in dropped else entry
        try:
            students.add(kept, number)
        except ValueError as error:
            bad.append((number, str(error)))
    refused = (
        UnclearRefusal(line, entry.name, entry.consent_in_doubt)
        for line, entry in zip(students.lines, students.entries, strict=True)
        if entry.consent_in_doubt
    )
    return ParsedRows(
        tuple(students.entries),
        tuple(students.lines),
        tuple(bad),
        _notes(students.entries),
        tuple(skipped),
        _unreadable_columns(how, table),
        tuple(dropped.values()),
        tuple(refused),
    )


def _partition_rows(
    table: RosterTable,
) -> tuple[list[tuple[int, str]], list[tuple[int, str]], list[tuple[int, list[str]]]]:
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
    """The ids that are none, as they are written: of different names, and placeholders."""
    repeated = repeated_ids([(entry.student_id, entry.name) for _, entry in read])
    lines: dict[str, list[int]] = defaultdict(list)
    for number, entry in read:
        if entry.student_id and (
            not normalize_student_id(entry.student_id) or normalize_student_id(entry.student_id) in repeated
        ):
            lines[entry.student_id].append(number)
    return {text: DroppedId(text, tuple(numbers), not normalize_student_id(text)) for text, numbers in lines.items()}


def _unreadable_columns(how: _RowParser, table: RosterTable) -> tuple[UnreadableCells, ...]:
    return tuple(
        UnreadableCells(table.title(name) or name, _OUTCOMES[name], len(cells), tuple(cells[:MAX_EXAMPLES]))
        for name, cells in how.doubts.items()
    )


def _fields(columns: Columns, row: Sequence[str]) -> dict[str, str]:
    return {name: row[place].strip() for place, name in columns.items() if place < len(row) and row[place].strip()}


def _parse_entry(line: int, fields: Mapping[str, str], consent: ConsentAnswer, how: _RowParser) -> RosterEntry:
    """Raises ValueError or LedgerError where there is no name that can be taken in."""
    name = parse_name(fields)
    classes = _parse_classes(line, fields, how)
    year = max(classes, default="")
    file = "/".join(part for key in ("folder", "file") if (part := fields.get(key, "").replace("\\", "/").strip("/")))
    file = _clean_or_drop(line, file, "file", how) if fields.get("file") else ""
    siblings = (_clean_or_drop(line, one, "siblings", how) for one in parse_siblings(fields.get("siblings", "")))
    return RosterEntry(
        name,
        student_id=_clean_or_drop(line, parse_student_id(fields), "student_id", how),
        classes=classes,
        siblings=tuple(filter(None, siblings)),
        consent=consent.every,
        birth_date=_parse_birth_date(line, fields.get("birth_date", ""), classes, how),
        portraits=((year, file),) if file else (),
        consents=dict(consent.single),
        consent_in_doubt=consent.doubt,
    )


def _clean_or_drop(line: int, text: str, name: str, how: _RowParser) -> str:
    try:
        return clean_cell(text)
    except ValueError as error:
        how.doubts[name].append((line, str(error)))
        return ""


def _parse_birth_date(line: int, text: str, classes: Mapping[str, str], how: _RowParser) -> date | None:
    if not text:
        return None
    try:
        born = how.dates.day(text, how.latest(classes))
    except ValueError as error:
        how.doubts["birth_date"].append((line, str(error)))
        return None
    if born is None:
        how.doubts["birth_date"].append((line, f"nothing shows which is the month in {text[:40]}; write 2011-04-03"))
    return born


def _parse_classes(line: int, fields: Mapping[str, str], how: _RowParser) -> dict[str, str]:
    """School year → class: of the columns titled by a year, else of the last year that is named."""
    wide = {
        key[3:]: _clean_or_drop(line, value, "class", how) for key, value in fields.items() if key.startswith("in ")
    }
    parts = [fields.get("grade", ""), fields.get("class", "")]
    if fields.get("years") and not how.has_years:
        parts.insert(0, fields["years"])  # `Year 7`: no school year, but a grade
    name = _clean_or_drop(line, " / ".join(dict.fromkeys(part for part in parts if part)), "class", how)
    years = [how.school_year] if how.school_year and not wide else []
    if how.has_years and fields.get("years"):
        found = parse_school_years(fields["years"])
        if found is None:
            told = f"{fields['years'][:60]!r} is no school year; write it like 2019-2020"
            how.doubts["years"].append((line, told))
        years = found or []
    return {**{year: name if year == years[-1] else "" for year in years}, **wide}
