"""A roster as a file: what is read in it, in any delimiter, encoding and language, and what is told of bad rows."""

import io
from datetime import date

import openpyxl
import pytest

from classface_assets.core.errors import UserError
from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets.store.roster.encoding import RosterError
from classface_assets.store.roster.file import RosterFile, read_roster
from classface_assets.store.roster.values import parse_school_years
from classface_assets_tests.support.helpers import ROSTER

YEAR = "2019-2020"


def read(text: str, encoding: str = "utf-8", year: str = "") -> RosterFile:
    return read_roster(text.encode(encoding), year)


def names(found: RosterFile) -> list[str]:
    return [entry.name for entry in found.entries]


def xlsx(*rows: tuple[object, ...], first_sheet: tuple[tuple[object, ...], ...] = ()) -> bytes:
    book, content = openpyxl.Workbook(), io.BytesIO()
    for row in first_sheet:
        book.active.append(row)
    sheet = book.create_sheet("Students") if first_sheet else book.active
    for row in rows:
        sheet.append(row)
    book.save(content)
    return content.getvalue()


def test_a_csv_gives_classes_and_what_else_is_known() -> None:
    anna, ben, cem = read(ROSTER).entries
    assert anna == RosterEntry("Anna Weiss", "17", {YEAR: "3a"}, ("18",), True, date(2011, 2, 3))
    assert ben == RosterEntry("Ben Weiss", "18", {YEAR: "1b"}, (), False, date(2013, 4, 3))
    assert cem == RosterEntry("Cem Öz", "19", {YEAR: "", "2020-2021": "3a"})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_delimiter_encoding_and_line_ends_are_found_out(encoding: str, delimiter: str, end: str) -> None:
    lines = ["Nachname,Vorname,Klasse,Schüler-Nr.", "Müller,Jörg,3a,7", "Weiß,Zoë,3b,8"]
    found = read(end.join(line.replace(",", delimiter) for line in lines), encoding)
    assert names(found) == ["Jörg Müller", "Zoë Weiß"] and found.bad == ()
    assert [entry.student_id for entry in found.entries] == ["7", "8"]


def test_commas_quotes_line_breaks_and_right_to_left_names_stay_names() -> None:
    text = 'name;class\r\n"Weiss; Anna";a\r\n'
    text += '"Robert ""Bob"" Smith";b\r\n"Maria\r\nLuise";c\r\nמיכל לוי;d\r\n"أحمد علي";e\r\n'
    found = read(text, "utf-8-sig", YEAR)
    assert names(found) == ["Weiss; Anna", 'Robert "Bob" Smith', "Maria Luise", "מיכל לוי", "أحمد علي"]
    assert [entry.classes[YEAR] for entry in found.entries] == list("abcde") and found.bad == ()
    assert names(read('Name\n"Weiss, Anna"\n"John Smith, Jr."\n')) == ["Anna Weiss", "John Smith, Jr."]


@pytest.mark.parametrize(
    ("header", "row", "name"),
    [
        ("LAST NAME,first name", "Weiss,Anna", "Anna Weiss"),
        ("Name,Vorname", "Weiss,Anna", "Anna Weiss"),
        ("Nom,Prénom", "Weiss,Anna", "Anna Weiss"),
        ("Nom,Classe", "Anna Weiss,3a", "Anna Weiss"),
        ("Cognome,Nome", "Weiss,Anna", "Anna Weiss"),
        ("Nome,Turma", "Anna Weiss,3a", "Anna Weiss"),
        ("Фамилия,Имя", "Иванова,Анна", "Анна Иванова"),
        ("姓,名", "山田,花子", "山田花子"),
        ("Pupil_Name,x", "Anna Weiss,", "Anna Weiss"),
    ],
)
def test_columns_are_known_by_their_titles_in_many_languages(header: str, row: str, name: str) -> None:
    assert names(read(f"{header}\n{row}\n")) == [name]


def test_titles_may_stand_below_other_lines_and_excel_may_name_the_delimiter() -> None:
    assert names(read("sep=;\nName;Class\nAnna, the first;3a\n")) == ["the first Anna"]
    assert names(read("Riverside School,,\nPrinted 2019,,\n,,\nNo.,Name,Class\n1,Anna,3a\n")) == ["Anna"]


def test_a_column_titled_by_a_school_year_holds_the_class_of_that_year() -> None:
    (anna,) = read("Name,2018/19,2019/20,2020/21\nAnna,1a,,3a\n").entries
    assert anna.classes == {"2018-2019": "1a", "2020-2021": "3a"}


def test_a_year_that_is_a_grade_is_no_school_year() -> None:
    (anna,) = read("Name,Year,Form\nAnna,7,B\n", year=YEAR).entries
    assert anna.classes == {YEAR: "7 / B"}


@pytest.mark.parametrize(
    ("text", "years"),
    [
        ("2019-2020", [2019]),
        ("2019/20", [2019]),
        ("1999-00", [1999]),
        ("2019", [2019]),
        ("2015-2018", [2015, 2016, 2017]),
        ("2017-18, 2018-19 and 2020-21", [2017, 2018, 2020]),
        ("2017-18 to 2019-20", [2017, 2018, 2019]),
        ("2017/18 – 2019/20", [2017, 2018, 2019]),
        ("Year 7", None),
        ("2019-20 in Rome", None),
        ("2020-2019", None),
        ("1950-2019", None),
        ("", None),
    ],
)
def test_school_years_are_read_as_people_write_them(text: str, years: list[int] | None) -> None:
    assert parse_school_years(text) == (None if years is None else [f"{year}-{year + 1}" for year in years])


def test_an_excel_file_is_read_with_its_dates_and_numbers_from_the_sheet_that_has_names() -> None:
    notes = (("About this file", "by the office"),)
    titles = ("Student", "ID", "Class", "School year", "DOB", "Consent")
    content = xlsx(
        titles, ("Anna Weiss", 17, "3a", 2019, date(2011, 2, 3), "Yes"), (), ("Zoë", 18.0), first_sheet=notes
    )
    found = read_roster(content)
    assert found.entries[0] == RosterEntry("Anna Weiss", "17", {YEAR: "3a"}, (), True, date(2011, 2, 3))
    assert found.entries[1] == RosterEntry("Zoë", "18") and found.bad == ()


def test_the_index_of_a_photographers_disc_gives_the_portrait_of_each_student() -> None:
    rows = (
        "RIVER19\tFOLDER1\t00001.JPG\t3\tWeiss\tAnna\t201\tA\tMs Reed\nRIVER19\tFOLDER1\t00002.JPG\t3\tÖz\tCem\t201\n"
    )
    titles = (
        "Volume Name\tImage Folder\tImage File Name\tGrade\tLast Name\tFirst Name\tHome Room\tPeriod\tTeacher Name\n"
    )
    for text in (rows, titles + rows):
        anna, cem = read(text, "cp1252", YEAR).entries
        assert anna == RosterEntry("Anna Weiss", "", {YEAR: "3 / 201"}, portraits=((YEAR, "FOLDER1/00001.JPG"),))
        assert cem.portraits == ((YEAR, "FOLDER1/00002.JPG"),)


def test_bad_rows_are_listed_with_line_and_reason_and_a_bad_cell_costs_that_cell_only() -> None:
    lines = [
        "Name;ID;School year;Consent;Birth date;Class",
        "Anna;1;2019;yes;2011-02-03;3a",
        ";2;2019;;;",
        "Ben;3;in Rome;;;",
        "Cem;4;2019;perhaps;;",
        "Dora;5;2019;;31.02.2011;",
        "Emil;6;2019;;2999-01-01;",
        '"two',
        'lines";7;2019;;;',
        f"{'x' * 300};8;2019;;;",
        "Gül;;2019;;;3a",
        "Gül;;2019;;;3b",
        'Hans;9;"never closed;;;',
        "Ines;10;2019;;;",
        "Joe\u0007;11;2019;;;",
        "Kim;12;2019;;;4a;and more",
    ]
    found = read("\n".join(lines))
    assert names(found) == ["Anna", "Ben", "Cem", "Dora", "Emil", "two lines", "Gül", "Ines"]
    assert dict(found.bad) == {
        3: "it has no name",
        10: "A name has at most 255 characters; this one has 300.",
        12: "Gül is in 3a already in 2019-2020 (line 11); student ids would tell two apart",
        13: "a quotation mark is opened in it and not closed",
        15: "The name 'Joe\\x07' has characters that cannot be shown; leave them out.",
        16: "it has 7 fields and the titles are 6: quotation marks belong around a field that holds the delimiter",
    }
    years, born = found.report.unreadable
    assert (years.title, years.cells) == ("School year", 1)
    assert years.examples == ((4, "'in Rome' is no school year; write it like 2019-2020"),)
    assert born.examples == (
        (6, "'31.02.2011' is no birth date; write it like 2011-02-03"),
        (7, "nobody in a school's photos was born on 2999-01-01"),
    )
    assert found.entries[1].classes == {} and found.entries[3].birth_date is None
    assert found.entries[2].consent_in_doubt == "perhaps" and found.needs_review


def test_the_day_comes_first_or_the_month_as_the_column_shows() -> None:
    assert read("Name,Born\nA,3/4/2011\nB,25/4/2011\n").entries[0].birth_date == date(2011, 4, 3)
    assert read("Name,Born\nA,3/4/2011\nB,4/25/2011\n").entries[0].birth_date == date(2011, 3, 4)
    unclear = read("Name,Born\nA,3/4/2011\n")
    assert unclear.entries[0].birth_date is None and unclear.report.unreadable[0].cells == 1
    assert "nothing shows which is the month in 3/4/2011" in unclear.report.unreadable[0].examples[0][1]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "The file is empty"),
        (b"\xef\xbb\xbf\r\n \r\n", "The file is empty"),
        (b"Class,Teacher\n3a,Ms Reed\n", r"No column of names was found \(the first line reads: Class, Teacher\)"),
        (b"PK\x03\x04 no zip at all", "The spreadsheet is broken, has a password or is of another kind"),
        (xlsx(("Name",), ("Anna",))[:-600], "The spreadsheet is broken, has a password or is of another kind"),
        (xlsx(), "The file is empty"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 xls", "an old Excel file, or one with a password"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" * 3, "The file is no list of text"),
    ],
)
def test_a_file_that_is_no_roster_ends_in_one_sentence(content: bytes, sentence: str) -> None:
    with pytest.raises(RosterError, match=sentence) as refused:
        read_roster(content)
    assert isinstance(refused.value, UserError) and "\n" not in str(refused.value)
