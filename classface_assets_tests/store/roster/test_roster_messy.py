"""Rosters as schools have them: dates of all kinds, totals and page numbers, odd titles, and ids that are none."""

from datetime import date

import pytest

from classface_assets.cli.people.roster import reading_notes, review_notes
from classface_assets.store.roster.file import RosterFile, read_roster
from classface_assets.store.roster.values import DateColumn
from classface_assets_tests.store.roster.test_roster_file import xlsx

YEAR = "2019-2020"
APRIL_3 = date(2011, 4, 3)


def read(text: str) -> RosterFile:
    return read_roster(text.encode(), YEAR)


def names(found: RosterFile) -> list[str]:
    return [entry.name for entry in found.entries]


@pytest.mark.parametrize(
    ("titles", "row", "name"),
    [
        ("LastFirst,Grade", '"Weiss, Anna",3', "Anna Weiss"),
        ('"Last, First",Grade', '"Weiss, Anna",3', "Anna Weiss"),
        ("Last Name First Name Middle,Grade", '"Weiss, Anna M",3', "Anna M Weiss"),
        ("Student Last Name,Student First Name", "Weiss,Anna", "Anna Weiss"),
        ("Legal First Name,Legal Last Name,Preferred Name", "Anna,Weiss,Annie", "Anna Weiss"),
        ("Preferred Name,Surname", "Annie,Weiss", "Annie Weiss"),
        ("Name,Surname", "Anna,Weiss", "Anna Weiss"),
        ("Full Name,Surname", '"Weiss, Anna",Weiss', "Anna Weiss"),
        ("Pupil Surname,Pupil Forename", "Weiss,Anna", "Anna Weiss"),
        ("StudentFirst,StudentLast", "Anna,Weiss", "Anna Weiss"),
        ("studentlastname,studentfirstname", "Weiss,Anna", "Anna Weiss"),
        ("Nachname des Kindes,Vorname des Kindes", "Weiss,Anna", "Anna Weiss"),
        ("Nom de l'élève,Prénom de l'élève", "Weiss,Anna", "Anna Weiss"),
        ("Nombre del alumno,Apellidos del alumno", "Anna,Weiss", "Anna Weiss"),
        ("Фамилия ученика,Имя ученика", "Белова,Анна", "Анна Белова"),
        ("生徒氏名,組", "山田花子,1", "山田花子"),
        ("Parent Last Name,Parent First Name,Student Name", "Meier,Eva,Anna Weiss", "Anna Weiss"),
        ("Mother's first name,Father's name,Last Name,First Name", "Eva,Udo,Weiss,Anna", "Anna Weiss"),
        ("Emergency contact,Emergency Contact Name,Child's Name", "Eva,Eva M,Anna Weiss", "Anna Weiss"),
        ("Name der Mutter,Nachname,Vorname,Name Vater", "Eva,Weiss,Anna,Udo", "Anna Weiss"),
        ("Class Teacher,Teacher Name,School Name,Name", "Reed,Ms Reed,Hill,Anna Weiss", "Anna Weiss"),
    ],
)
def test_students_names_are_found_whatever_the_titles_and_no_parents_are(titles: str, row: str, name: str) -> None:
    assert names(read(f"{titles}\n{row}\n")) == [name]


def test_totals_page_numbers_and_titles_that_come_again_are_no_students() -> None:
    lines = ["Name;Class;ID", "Anna Weiss;3a;7", "Page 1 of 3;;", "Name;Class;ID", "Ben Page;3b;8", "Suma;3a;9"]
    footers = [
        "Total;;",
        "Total: 25;;",
        "Summe;25;",
        "25 students;;",
        "Printed on 12/09/2019;;",
        "End of report;;",
        ";;25",
    ]
    found = read("\n".join([*lines, "Seite 2 von 3;;", *footers, "-----;---;--", "Totaro Paul;3c;10"]))
    assert names(found) == ["Anna Weiss", "Ben Page", "Suma", "Totaro Paul"] and found.bad == ()
    assert [line for line, _ in found.report.skipped] == [3, 4, *range(7, 16)]
    (note,) = [line for line in reading_notes(found.report) if "no students" in line]
    assert "the titles again: line 4" in note and "a total: lines 8, 9, 10" in note and not found.needs_review


def test_a_line_that_holds_an_answer_is_never_passed_over_in_silence() -> None:
    found = read("Name,Class,Consent\nAnna,3a,yes\nTotal,,no\n,,No\n---,,no\n")
    assert names(found) == ["Anna", "Total"] and found.entries[1].consent is False
    assert [line for line, _ in found.bad] == [4, 5] and not found.report.skipped


@pytest.mark.parametrize(
    "cells",
    [
        *(["4/3/11", "3/14/11"], ["3/4/11", "14/3/11"], ["03-Apr-11", "14-Mar-11"], ["03.04.11", "14.03.11"]),
        *(["40636", "40616"], ["April 3, 2011", "March 14, 2011"], ["3. April 2011", "14. März 2011"]),
        *(["3 avril 2011", "14 mars 2011"], ["3 de abril de 2011", "14 de marzo de 2011"], ["2011/4/3", "2011.3.14"]),
        *(
            ["3 kwietnia 2011", "14 marca 2011"],
            ["3. dubna 2011", "14. března 2011"],
            ["3 апреля 2011", "14 марта 2011"],
        ),
        *(["2011年4月3日", "2011年3月14日"], ["20110403", "20110314"], ["2011-04-03 00:00:00", "2011-03-14T00:00:00"]),
        *(
            ["4/3/2011 12:00:00 AM", "3/14/2011 12:00:00 AM"],
            ["3rd Apr 2011", "14th Mar 2011"],
            ["03-04-2011", "14-03-2011"],
        ),
    ],
)
def test_a_column_of_dates_is_read_when_it_is_consistent_one_way(cells: list[str]) -> None:
    found = read("Name;DOB\n" + "".join(f"Child {n};{cell}\n" for n, cell in zip("ab", cells, strict=True)))
    assert [entry.birth_date for entry in found.entries] == [APRIL_3, date(2011, 3, 14)]
    assert not found.needs_review


def test_a_title_shows_which_part_of_a_date_comes_first() -> None:
    assert read("Name,DOB (MM/DD/YYYY)\nA,4/3/2011\n").entries[0].birth_date == APRIL_3
    assert read("Name,Geburtsdatum (TT/MM/JJJJ)\nA,3/4/2011\n").entries[0].birth_date == APRIL_3


def test_two_digits_are_of_the_last_century_in_which_a_pupil_can_be_born() -> None:
    column = DateColumn.of(["14/3/98"])
    assert column.day("14/3/11", date(2019, 9, 1)) == date(2011, 3, 14)
    assert column.day("14/3/98", date(2019, 9, 1)) == date(1998, 3, 14)
    assert column.day("14/3/11", date(1985, 9, 1)) == date(1911, 3, 14)


def test_an_unreadable_column_costs_that_column_and_is_reported_once() -> None:
    rows = "".join(f"Child {chr(97 + n)};spring {n};3a;yes\n" for n in range(20))
    found = read(f"Name;Born;Class;Consent\n{rows}")
    assert len(found.entries) == 20 and found.bad == () and all(entry.consent for entry in found.entries)
    (doubt,) = found.report.unreadable
    assert (doubt.title, doubt.cells, len(doubt.examples)) == ("Born", 20, 5)
    notes = review_notes(found, 1)
    assert notes[0] == "Column 'Born': 20 cells were not understood, and birth dates were left out:"
    assert notes[-1] == "  … and 15 more"


def test_ids_that_are_none_make_no_two_students_one() -> None:
    rows = [
        "Anna,#N/A,no",
        "Ben,N/A,yes",
        "Cem,0,",
        "Dan,-,",
        "Eve,,",
        "Fay,77,no",
        "Gus,77,yes",
        "Ida,00123,",
        "Jan,5.0,",
    ]
    found = read("Name,ID,Consent\n" + "\n".join(rows))
    assert [entry.student_id for entry in found.entries] == ["", "", "", "", "", "", "", "00123", "5"]
    assert [entry.consent for entry in found.entries][:2] == [False, True]
    assert "The student id 77 is given to different names and was not used: lines 7, 8." in review_notes(found, 1)
    assert "'#N/A' is no student id: line 2." in reading_notes(found.report)


def test_two_rows_of_one_name_with_different_ids_are_two_students() -> None:
    found = read("Name,ID,Class\nAnna,7,3a\nAnna,8,3b\nanna,008,3b\n")
    assert [entry.student_id for entry in found.entries] == ["7", "8", "008"] and not found.needs_review


def test_numbers_of_a_sheet_keep_their_zeros_and_other_sheets_with_students_are_reported() -> None:
    content = xlsx(("Student", "ID"), ("Anna", "00123"), ("Ben", 124.0))
    assert [entry.student_id for entry in read_roster(content).entries] == ["00123", "124"]
    one = xlsx(("Student", "ID"), ("Anna", "00123"), ("Ben", 124.0), first_sheet=(("Name",), ("Cem",)))
    found = read_roster(one)
    assert names(found) == ["Cem"] and found.report.sheets == ("Students",) and found.needs_review
