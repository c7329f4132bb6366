"""Rosters as LibreOffice saves them (.ods): repeated cells and rows, formatted dates and numbers, several sheets."""

import io
import zipfile
from datetime import date

import pytest

from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets.store.roster.encoding import RosterError
from classface_assets.store.roster.file import read_roster

NAMES = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "table", "text")
)
EMPTY_REST = (
    '<table:table-row table:number-rows-repeated="1048570">'
    '<table:table-cell table:number-columns-repeated="16384"/></table:table-row>'
)


def ods(*sheets: str) -> bytes:
    """A file with the parts that LibreOffice writes first and those that are read."""
    tables = "".join(
        f'<table:table table:name="Sheet{number}">{rows}{EMPTY_REST}</table:table>'
        for number, rows in enumerate(sheets, 1)
    )
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as packed:
        packed.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet", zipfile.ZIP_STORED)
        packed.writestr("Configurations2/", "")
        packed.writestr(
            "content.xml",
            f'<?xml version="1.0" encoding="UTF-8"?><office:document-content {NAMES} office:version="1.3"><office:body>'
            f"<office:spreadsheet>{tables}</office:spreadsheet></office:body></office:document-content>",
            zipfile.ZIP_DEFLATED,
        )
        packed.writestr("META-INF/manifest.xml", "<manifest/>")
    return content.getvalue()


def row(*cells: str) -> str:
    return (
        f"<table:table-row>{''.join(cells)}<table:table-cell table:number-columns-repeated='16370'/></table:table-row>"
    )


def text(value: str, more: str = "") -> str:
    return f'<table:table-cell office:value-type="string"{more}><text:p>{value}</text:p></table:table-cell>'


def number(value: str, shown: str) -> str:
    return (
        f'<table:table-cell office:value-type="float" office:value="{value}"><text:p>{shown}</text:p>'
        "</table:table-cell>"
    )


def day(value: str, shown: str) -> str:
    return (
        f'<table:table-cell office:value-type="date" office:date-value="{value}"><text:p>{shown}</text:p>'
        "</table:table-cell>"
    )


TITLES = row(*map(text, ("Student", "ID", "Class", "School year", "DOB", "Consent")))
GAP = '<table:table-cell table:number-columns-repeated="3"/>'


def test_a_file_of_libreoffice_is_read_with_its_dates_and_numbers_from_the_sheet_that_has_names() -> None:
    anna = row(
        text("Anna<text:s/>Weiss"),
        number("17", "17,00"),
        text("3a"),
        number("2019", "2.019"),
        day("2011-02-03", "03.02.11"),
        text("Yes"),
    )
    blank = '<table:table-row table:number-rows-repeated="2"><table:table-cell/></table:table-row>'
    zoe = row(text("Zoë <text:span>Öz</text:span>"), number("18", "18"), GAP, text("No"))
    found = read_roster(ods(row(text("About this file")), TITLES + anna + blank + zoe))
    assert found.entries[0] == RosterEntry("Anna Weiss", "17", {"2019-2020": "3a"}, (), True, date(2011, 2, 3))
    assert (found.entries[1].name, found.entries[1].student_id, found.entries[1].consent) == ("Zoë Öz", "18", False)
    assert found.bad == () and found.lines == (2, 5), "lines are numbered as LibreOffice shows them"


def test_cells_that_are_repeated_are_there_that_often() -> None:
    both = row(text("Anna"), text("1"), text("3a", ' table:number-columns-repeated="2"'))
    found = read_roster(ods(row(*map(text, ("Name", "ID", "2018-2019", "2019-2020"))) + both))
    assert found.entries[0].classes == {"2018-2019": "3a", "2019-2020": "3a"}


WIDE = text("A", ' table:number-columns-repeated="16000"')
OFTEN = '<table:table-row table:number-rows-repeated="99999">'


@pytest.mark.parametrize(
    "rows", [row(text("Name", ' table:number-columns-repeated="999999999"')), f"{OFTEN}{WIDE}</table:table-row>"]
)
def test_a_few_bytes_that_say_a_million_cells_are_refused(rows: str) -> None:
    with pytest.raises(RosterError, match="of another kind"):
        read_roster(ods(rows))


def test_a_file_with_a_password_is_refused_in_a_sentence() -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as packed:
        packed.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        packed.writestr("content.xml", b"\x8f\x11 encrypted")
    with pytest.raises(RosterError, match="has a password"):
        read_roster(content.getvalue())
