"""The rows of a roster's file, of whatever kind it is: a sheet, or text in any usual delimiter and encoding.

What the rows mean belongs in `table` and `rows`.
"""

import csv
import io
import re
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from classface_assets.core.languages import gettext
from classface_assets.store.files.opendocument import is_opendocument, read_opendocument
from classface_assets.store.roster.columns import identify_columns, is_header, is_pspa
from classface_assets.store.roster.encoding import RosterError, decode_text

MAX_BYTES, MAX_UNPACKED_BYTES = 48 << 20, 512 << 20
MAX_ROW_LINES = 20
"""Lines of one row at most: a quotation mark that is open for longer was never closed."""
HEADER_SEARCH_ROWS = 10
_ZIP = b"PK\x03\x04"
_DELIMITERS = ",;\t|"
NumberedRow = tuple[int, list[str]]


@dataclass(frozen=True)
class RawRows:
    """The rows of a file.

    Attributes:
        lines: The rows that are not blank, with their line numbers.
        bad: (line, reason) of rows that cannot be read.
        encoding: As in `encoding.DecodedText`, of a text file.
        guessed: As in `encoding.DecodedText`.
        replaced: As in `encoding.DecodedText`.
        sheets: Titles of other sheets of a spreadsheet that have a column of names.
    """

    lines: list[NumberedRow]
    bad: list[tuple[int, str]]
    encoding: str = ""
    guessed: bool = False
    replaced: tuple[int, ...] = ()
    sheets: tuple[str, ...] = ()


def read_lines(content: bytes, encoding: str = "") -> RawRows:
    """The rows of a file.

    Args:
        content: The bytes of the file.
        encoding: The encoding that somebody named, empty to detect it.

    Raises:
        RosterError: The file cannot be read, or is empty.
    """
    if len(content) > MAX_BYTES:
        raise RosterError(
            gettext(
                "The file has more than %(limit)s MB; a roster is a list of names, not of pictures.",
                limit=MAX_BYTES >> 20,
            )
        )
    if content.startswith(b"\xd0\xcf\x11\xe0"):
        raise RosterError(
            gettext(
                "This is an old Excel file, or one with a password; save it as .xlsx or as CSV (UTF-8) and import that."
            )
        )
    if is_sheet(content):
        rows, others = _parse_sheet(content)
        read = RawRows(rows, [], sheets=others)
    else:
        text = decode_text(content, encoding)
        read = RawRows(*_parse_text(text.text), text.encoding, text.guessed, text.replaced)
    if not read.lines:
        raise RosterError(gettext("The file is empty; a roster has a line of column titles and one line per student."))
    return read


def is_sheet(content: bytes) -> bool:
    """Whether it is a spreadsheet of Excel or LibreOffice, whose rows are as wide as the sheet."""
    return content.startswith(_ZIP)


def _parse_text(text: str) -> tuple[list[NumberedRow], list[tuple[int, str]]]:
    """The rows, split at the delimiter with which most titles are understood."""
    lines = list(io.StringIO(text, newline=""))
    declared = re.match(r"\s*sep=(.)\s*$", lines[0]) if lines else None
    if declared:
        lines[0] = "\n"
    best = max(
        _DELIMITERS,
        key=lambda d: _delimiter_score([row for _, row in _csv_records(lines[:100], d, [])][:HEADER_SEARCH_ROWS]),
    )
    bad: list[tuple[int, str]] = []
    return list(_csv_records(lines, declared[1] if declared else best, bad)), bad


def _delimiter_score(rows: Sequence[Sequence[str]]) -> tuple[int, int, int]:
    """How well a delimiter splits the first rows: titles understood, PSPA's own, number of columns."""
    titles = [len(columns) for columns in map(identify_columns, rows) if is_header(columns)]
    return max(titles, default=0), sum(map(is_pspa, rows)), max(map(len, rows), default=0)


def _csv_records(lines: Sequence[str], delimiter: str, bad: list[tuple[int, str]]) -> Iterator[NumberedRow]:
    """(line number, fields) of every row that is not blank; line breaks within quotation marks belong to the row."""
    at = 0
    while at < len(lines):
        reader = csv.reader(lines[at : at + MAX_ROW_LINES], delimiter=delimiter)
        try:
            row = next(reader)
            length = reader.line_num
        except csv.Error as error:
            row, length = [], 1
            bad.append((at + 1, gettext("it cannot be read (%(reason)s)", reason=error)))
        if length > 1 and "".join(lines[at : at + length]).count('"') % 2:
            row, length = [], 1
            bad.append((at + 1, gettext("a quotation mark is opened in it and not closed")))
        if any(field.strip() for field in row):
            yield at + 1, row
        at += length


def _parse_sheet(content: bytes) -> tuple[list[NumberedRow], tuple[str, ...]]:
    """The rows of the first sheet that has a column of names, else of the first one; the titles of others."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            if sum(file.file_size for file in packed.infolist()) > MAX_UNPACKED_BYTES:
                raise RosterError(
                    gettext(
                        "The file unpacks to more than %(limit)s MB; save it as .xlsx or as CSV (UTF-8) and import "
                        "that.",
                        limit=MAX_UNPACKED_BYTES >> 20,
                    )
                )
            sheets = read_opendocument(packed) if is_opendocument(packed) else _excel_sheets(content)
    except RosterError:
        raise
    except Exception as error:  # openpyxl raises whatever its parsers do
        raise RosterError(
            gettext(
                "The spreadsheet is broken, has a password or is of another kind (%(kind)s); save it as .xlsx or as "
                "CSV (UTF-8) and import that.",
                kind=type(error).__name__,
            )
        ) from None
    titled = [
        (title, rows)
        for title, rows in sheets
        if any(is_header(identify_columns(row)) for _, row in rows[:HEADER_SEARCH_ROWS])
    ]
    read = next((rows for _, rows in titled or sheets if rows), [])
    return read, tuple(title for title, rows in titled[1:] if len(rows) > 1)


def _excel_sheets(content: bytes) -> list[tuple[str, list[NumberedRow]]]:
    import openpyxl

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of styles and extensions that matter to nobody here
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        sheets = [(str(sheet.title), _sheet_rows(sheet)) for sheet in book.worksheets]
        book.close()
    return sheets


def _sheet_rows(sheet: object) -> list[NumberedRow]:
    sheet.reset_dimensions()  # type: ignore[attr-defined]  # what some programs write there is wrong
    rows = enumerate(sheet.iter_rows(values_only=True), 1)  # type: ignore[attr-defined]
    texts = ((number, [_cell_text(value) for value in row]) for number, row in rows)
    return [(number, row) for number, row in texts if any(field.strip() for field in row)]


def _cell_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
