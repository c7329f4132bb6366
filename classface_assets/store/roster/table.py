"""The table of a roster's file: its titles, what its columns are of, and the rows below them.

Columns are identified by their titles; whether one of yes and no is about consent may depend on its cells, too. Lines
that are no student are recognised: totals, page numbers, titles that are repeated at the head of a page.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from classface_assets.core.languages import gettext
from classface_assets.store.roster.answers import is_answer
from classface_assets.store.roster.columns import PSPA_FIELDS, Columns, identify_columns, is_header, is_pspa
from classface_assets.store.roster.consent_titles import (
    Certainty,
    ConsentColumn,
    consent_certainty,
    consent_column,
    is_unrelated,
    matches_title,
)
from classface_assets.store.roster.encoding import RosterError
from classface_assets.store.roster.reader import HEADER_SEARCH_ROWS, NumberedRow
from classface_assets.store.roster.titles import strip_accents, word_list

_DASHES = frozenset("-–—")
CONSENT = "consent"
"""What a column holds that is about consent to be shown, in `RosterOptions.columns`."""


@dataclass(frozen=True)
class RosterOptions:
    """What somebody knows of a file.

    Attributes:
        encoding: Its encoding, empty to detect it.
        consent: Titles of columns that are about consent to be shown.
        not_consent: Titles of columns that are not.
        columns: Column number -> what it holds, as somebody chose it: a field of `columns.identify_columns`, `consent`,
            or nothing. The titles are then in the first line, if no line has a title of a name.
    """

    encoding: str = ""
    consent: tuple[str, ...] = ()
    not_consent: tuple[str, ...] = ()
    columns: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RosterTable:
    """The table of a file.

    Attributes:
        header: The titles.
        columns: Column number -> field.
        consents: The columns about consent.
        lines: The rows below the titles.
        width: Number of fields that a row has at most; 0 for any number.
        unused: Titles of columns that were not used.
        yes_or_no: Those of `unused` whose cells look like answers to an unknown question.
    """

    header: tuple[str, ...]
    columns: Columns
    consents: tuple[ConsentColumn, ...]
    lines: Sequence[NumberedRow]
    width: int = 0
    unused: tuple[str, ...] = ()
    yes_or_no: tuple[str, ...] = ()

    def surplus(self, row: Sequence[str]) -> str:
        """What is wrong with a row with surplus fields, whose cells are not under their titles; empty if nothing is."""
        if not self.width or not any(field.strip() for field in row[self.width :]):
            return ""
        return gettext(
            "it has %(fields)s fields and the titles are %(titles)s: quotation marks belong around a field that holds "
            "the delimiter",
            fields=len(row),
            titles=self.width,
        )

    def answers(self, row: Sequence[str]) -> list[tuple[ConsentColumn, str]]:
        """The cells about consent that are not empty."""
        cells = [(column, row[column.place].strip()) for column in self.consents if column.place < len(row)]
        return [(column, text) for column, text in cells if text]

    def title(self, field: str) -> str:
        """The title of the column of a field, empty where there is none."""
        place = next((place for place, name in self.columns.items() if name == field), None)
        return column_title(self.header, place) if place is not None else ""


def find_table(lines: Sequence[NumberedRow], of_sheet: bool, options: RosterOptions) -> RosterTable:
    """Find the titles of a file, and what its columns hold.

    Args:
        lines: The rows of the file with their line numbers.
        of_sheet: They are of a spreadsheet, whose rows are as wide as the sheet.
        options: What somebody knows of the file.

    Raises:
        RosterError: There is no column of names, or none of a title that somebody named.
    """
    for place, (_, row) in enumerate(lines[:HEADER_SEARCH_ROWS]):
        columns = identify_columns(row)
        if is_header(columns):
            columns = _with_choices(columns, options.columns)
            return _with_consent_columns(tuple(row), columns, lines[place + 1 :], 0 if of_sheet else len(row), options)
    if is_pspa(lines[0][1]):
        return RosterTable((), _with_choices(dict(enumerate(PSPA_FIELDS)), options.columns), (), lines)
    first = lines[0][1]
    chosen = _with_choices(identify_columns(first), options.columns)
    if options.columns and is_header(chosen):
        return _with_consent_columns(tuple(first), chosen, lines[1:], 0 if of_sheet else len(first), options)
    titles = ", ".join(" ".join(title.split())[:40] for title in lines[0][1][:12] if title.strip())
    raise RosterError(
        gettext(
            "No column of names was found (the first line reads: %(titles)s); title one Name, or two Last name and "
            "First name.",
            titles=titles,
        )
    )


def _with_choices(columns: Columns, chosen: Mapping[int, str]) -> Columns:
    """What the columns hold, with what somebody chose; a field is in the column that was chosen for it alone."""
    fields = {name for name in chosen.values() if name and name != CONSENT}
    found = {place: name for place, name in columns.items() if place not in chosen and name not in fields}
    return found | {place: name for place, name in chosen.items() if name in fields}


def _with_consent_columns(
    header: tuple[str, ...], columns: Columns, lines: Sequence[NumberedRow], width: int, options: RosterOptions
) -> RosterTable:
    """Which columns are about consent, and which are used for nothing."""
    shown = [column_title(header, place) for place in range(max([len(header), *(len(row) for _, row in lines)]))]
    for title in (*options.consent, *options.not_consent):
        if not any(matches_title(column, [title]) for column in shown):
            titles = ", ".join(shown[:40])
            raise RosterError(
                gettext(
                    "There is no column titled %(title)s; the titles are: %(titles)s.", title=repr(title), titles=titles
                )
            )
    consents: list[ConsentColumn] = []
    unused, yes_or_no = [], []
    for place, title in enumerate(shown):
        cells = [row[place].strip() for _, row in lines if place < len(row) and row[place].strip()]
        titled = place < len(header) and bool(header[place].strip())
        if (choice := options.columns.get(place)) is not None:
            column = consent_column(place, title) if choice == CONSENT else None
        else:
            column = _consent_column(place, title, titled, cells, columns.get(place), options)
        if column is not None:
            consents.append(column)
            columns = {at: field for at, field in columns.items() if at != place}
            continue
        if choice is None and columns.get(place) == "file" and _look_like_answers(cells):
            columns = {at: field for at, field in columns.items() if at != place}
        if place not in columns and (titled or cells):
            unused.append(title)
            is_answered = _look_like_answers(cells, worded=True) and not is_unrelated(title)
            if choice is None and is_answered and not matches_title(title, options.not_consent):
                yes_or_no.append(title)
    return RosterTable(
        header=header,
        columns=columns,
        consents=tuple(consents),
        lines=lines,
        width=width,
        unused=tuple(unused),
        yes_or_no=tuple(yes_or_no),
    )


def _consent_column(
    place: int, title: str, titled: bool, cells: Sequence[str], field: str | None, options: RosterOptions
) -> ConsentColumn | None:
    if matches_title(title, options.consent):
        return consent_column(place, title)
    if matches_title(title, options.not_consent) or field not in (None, "file"):
        return None
    if not titled:
        return consent_column(place, title, uncertain=True) if _look_like_answers(cells, worded=True) else None
    sure = consent_certainty(title)
    answered = _look_like_answers(cells)
    if sure is Certainty.SURE and (answered or not _are_dates(cells)):
        return consent_column(place, title)
    return consent_column(place, title, uncertain=True) if sure is Certainty.ASK and answered else None


def _look_like_answers(cells: Sequence[str], worded: bool = False) -> bool:
    """Whether half of the cells are a yes or a no. `worded`: at least one of them not by a single letter or digit."""
    counts = Counter(cells)
    if {cell.casefold() for cell in counts} <= {"m", "f", "w", "d", "x"}:
        return False
    answers = [cell for cell in counts if is_answer(cell) and cell not in _DASHES]
    clear = any(len(cell) > 1 or not cell.isascii() for cell in answers)
    return bool(answers) and 2 * sum(counts[cell] for cell in answers) >= len(cells) and (clear or not worded)


def _are_dates(cells: Sequence[str]) -> bool:
    """Whether there are numbers in all cells: the days on which forms came in."""
    return bool(cells) and all(sum(c.isdigit() for c in cell) >= 3 for cell in cells)


def column_title(header: Sequence[str], place: int) -> str:
    """The title of a column, and its number where it has none."""
    title = " ".join(header[place].split()) if place < len(header) else ""
    return title[:80] or f"column {place + 1}"


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
    """Why a line is skipped.

    Args:
        row: Its cells.
        header: The titles of the columns.
        answers: Its cells in columns of consent: a line that holds a word there is never skipped.

    Returns:
        The reason; empty where the line may be a student.
    """
    cells = [cell.strip() for cell in row if cell.strip()]
    if _repeats_header(row, header):
        return gettext("the titles again")
    if any(any(c.isalpha() for c in answer) for answer in answers):
        return ""
    if not any(c.isalnum() for cell in cells for c in cell):
        return gettext("no letters")
    worded = [cell for cell in cells if any(c.isalpha() for c in cell)]
    if not worded:
        return gettext("no letters") if len(cells) == 1 else ""
    if len(worded) > _MAX_FOOTER_CELLS:
        return ""
    worded = [strip_accents(cell).strip() for cell in worded]
    if all(_TOTAL.fullmatch(cell) for cell in worded):
        return gettext("a total")
    return gettext("a footer") if all(_FOOTER.fullmatch(cell) or _TOTAL.fullmatch(cell) for cell in worded) else ""


def _repeats_header(row: Sequence[str], header: Sequence[str]) -> bool:
    titles = [(title.split(), cell.split()) for title, cell in zip(header, row, strict=False) if title.strip()]
    same = sum(title == cell for title, cell in titles)
    return bool(titles) and (same == len(titles) or (same >= 2 and same * 2 >= len(titles)))
