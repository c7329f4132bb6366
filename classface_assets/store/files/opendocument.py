"""The sheets of an OpenDocument spreadsheet (.ods), as LibreOffice writes it: the texts of the cells of every row.

The standard: OpenDocument 1.3, part 3, chapter 9. Only values are read; formulas have theirs stored beside them.
"""

import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lxml.etree import _Element

MIME_TYPE = b"application/vnd.oasis.opendocument.spreadsheet"
MAX_REPEATS, MAX_COLUMNS, MAX_CELLS = 1000, 16_384, 4_000_000
"""Of a row or cell with a text, of a row, and of a sheet: a few bytes can say that a cell is there a million times."""
_TABLE, _OFFICE, _TEXT = (
    f"{{urn:oasis:names:tc:opendocument:xmlns:{name}:1.0}}" for name in ("table", "office", "text")
)
_CELLS = (f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell")


def is_opendocument(packed: zipfile.ZipFile) -> bool:
    """Whether a ZIP file is an OpenDocument spreadsheet."""
    return "mimetype" in packed.namelist() and packed.read("mimetype").startswith(MIME_TYPE)


def read_opendocument(packed: zipfile.ZipFile) -> list[tuple[str, list[tuple[int, list[str]]]]]:
    """The title of each sheet, and its rows with their numbers; rows without any text are left out.

    Raises:
        KeyError: It has no content.
        SyntaxError: The content is no XML (lxml's XMLSyntaxError), as in a file with a password.
        ValueError: It has more cells than any roster.
    """
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    root = etree.fromstring(packed.read("content.xml"), parser)
    return [(str(sheet.get(f"{_TABLE}name", "")), list(_rows(sheet))) for sheet in root.iter(f"{_TABLE}table")]


def _rows(sheet: "_Element") -> Iterator[tuple[int, list[str]]]:
    number, cells = 1, 0
    for row in sheet.iter(f"{_TABLE}table-row"):
        repeats, texts = _repeats(row, "rows"), _cells(row)
        if any(text.strip() for text in texts):
            cells += len(texts) * min(repeats, MAX_REPEATS)
            if cells > MAX_CELLS:
                raise ValueError(f"more than {MAX_CELLS} cells")
            for place in range(min(repeats, MAX_REPEATS)):
                yield number + place, list(texts)
        number += repeats


def _cells(row: "_Element") -> list[str]:
    """The texts of a row up to the last that is not empty."""
    texts: list[str] = []
    empty = 0
    for cell in row:
        if cell.tag not in _CELLS:
            continue
        text, repeats = _cell_text(cell), _repeats(cell, "columns")
        if not text.strip():
            empty += repeats
            continue
        if len(texts) + empty + repeats > MAX_COLUMNS:
            raise ValueError(f"more than {MAX_COLUMNS} columns")
        texts += [""] * empty + [text] * repeats
        empty = 0
    return texts


def _repeats(element: "_Element", what: str) -> int:
    text = element.get(f"{_TABLE}number-{what}-repeated", "1")
    return int(text) if text.isdecimal() else 1


def _cell_text(cell: "_Element") -> str:
    """A day as 2019-05-31 and a number without its format; else what the cell shows."""
    kind = cell.get(f"{_OFFICE}value-type")
    if kind == "date":
        return str(cell.get(f"{_OFFICE}date-value", ""))[:10]
    if kind == "float":
        value = str(cell.get(f"{_OFFICE}value", ""))
        return value.removesuffix(".0")
    return "\n".join("".join(_texts(paragraph)) for paragraph in cell.iterchildren(f"{_TEXT}p"))


def _texts(element: "_Element") -> Iterator[str]:
    """The text of a paragraph; runs of spaces, tabs and line breaks are elements in it."""
    yield element.text or ""
    for child in element:
        if child.tag == f"{_TEXT}s":
            yield " " * min(int(child.get(f"{_TEXT}c") or 1), MAX_REPEATS)
        elif child.tag == f"{_TEXT}tab":
            yield "\t"
        elif child.tag == f"{_TEXT}line-break":
            yield "\n"
        elif child.tag != f"{_OFFICE}annotation":
            yield from _texts(child)
        yield child.tail or ""
