"""The school's rosters: files as schools and photographers really write them, and what the ledger makes of them."""

import io
import json
import sqlite3
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import openpyxl
import polars as pl
import pytest
from click.testing import CliRunner, Result

from classface_assets.cli.main import cli
from classface_assets.errors import UserError
from classface_assets.history import sentences
from classface_assets.identity.assign import ASSIGNMENTS_SCHEMA, Labels, assign_faces, settings_for
from classface_assets.identity.enrolment import Enrolment
from classface_assets.identity.knn import build_graph
from classface_assets.identity.rules import rules_for
from classface_assets.naming import faces_of
from classface_assets.review.pages.cards import near_known, roster_like
from classface_assets.review.view import View, person_rows
from classface_assets.store.carry import said
from classface_assets.store.database import query
from classface_assets.store.events import Event
from classface_assets.store.ledger import Ledger, UnknownError
from classface_assets.store.redact import redact
from classface_assets.store.replay import replay
from classface_assets.store.roster import enrolled, roster_names
from classface_assets.store.roster_entry import RosterEntry
from classface_assets.store.roster_file import RosterFile, read_roster
from classface_assets.store.roster_lines import RosterError
from classface_assets.store.roster_years import school_years_in
from classface_assets.store.shapes import flaw
from classface_assets.store.transfer import from_lines, import_events, to_lines
from classface_assets_tests.conftest import World
from classface_assets_tests.helpers import event, face

YEAR = "2019-2020"
CSV = """Name,Student ID,Class,School years,Siblings,Photo consent,Birth date
Anna Weiss,17,3a,2019-2020,18,yes,2011-02-03
Ben Weiss,18,1b,2019-2020,,no,03.04.2013
Cem Öz,19,3a,2019-20 & 2020-21,,,
"""


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(f"sqlite:///{tmp_path}/ledger.sqlite")


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


def imported(ledger: Ledger, text: str, source: str = "pupils.csv", year: str = "") -> int | None:
    return ledger.import_roster(read(text, year=year).entries, source).event


def test_a_csv_says_who_was_in_which_class_and_what_else_is_known() -> None:
    anna, ben, cem = read(CSV).entries
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
    assert school_years_in(text) == (None if years is None else [f"{year}-{year + 1}" for year in years])


def test_an_excel_file_is_read_with_its_dates_and_numbers_from_the_sheet_that_has_names() -> None:
    notes = (("About this file", "by the office"),)
    titles = ("Student", "ID", "Class", "School year", "DOB", "Consent")
    content = xlsx(
        titles, ("Anna Weiss", 17, "3a", 2019, date(2011, 2, 3), "Yes"), (), ("Zoë", 18.0), first_sheet=notes
    )
    found = read_roster(content)
    assert found.entries[0] == RosterEntry("Anna Weiss", "17", {YEAR: "3a"}, (), True, date(2011, 2, 3))
    assert found.entries[1] == RosterEntry("Zoë", "18") and found.bad == ()


def test_the_index_of_a_photographers_disc_says_who_is_in_which_portrait() -> None:
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


def test_bad_rows_are_listed_with_line_and_reason_and_good_ones_kept() -> None:
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
    assert names(found) == ["Anna", "two lines", "Gül", "Ines"]
    assert dict(found.bad) == {
        3: "it has no name",
        4: "'in Rome' is no school year; write it like 2019-2020",
        5: "its consent 'perhaps' is neither yes nor no",
        6: "'31.02.2011' is no birth date; write it like 2011-02-03",
        7: "nobody in a school's photos was born on 2999-01-01",
        10: "A name has at most 255 characters; this one has 300.",
        12: "Gül is in 3a already in 2019-2020 (line 11); student ids would tell two apart",
        13: "a quotation mark is opened in it and not closed",
        15: "The name 'Joe\\x07' has characters that cannot be shown; leave them out.",
        16: "it has 7 fields and the titles are 6: quotation marks belong around a field that holds the delimiter",
    }


def test_the_day_comes_first_or_the_month_as_the_column_shows() -> None:
    assert read("Name,Born\nA,3/4/2011\nB,25/4/2011\n").entries[0].birth_date == date(2011, 4, 3)
    assert read("Name,Born\nA,3/4/2011\nB,4/25/2011\n").entries[0].birth_date == date(2011, 3, 4)
    unclear = read("Name,Born\nA,3/4/2011\n")
    assert unclear.entries[0].birth_date is None and "nothing shows whether 3/4/2011" in unclear.notes[0]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "The file is empty"),
        (b"\xef\xbb\xbf\r\n \r\n", "The file is empty"),
        (b"Class,Teacher\n3a,Ms Reed\n", r"No column of names was found \(the first line reads: Class, Teacher\)"),
        (b"PK\x03\x04 no zip at all", "The Excel file is broken or of another kind"),
        (xlsx(("Name",), ("Anna",))[:-600], "The Excel file is broken or of another kind"),
        (xlsx(), "The file is empty"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 xls", "an old Excel file, or one with a password"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" * 3, "The file is no list of text"),
    ],
)
def test_a_file_that_is_no_roster_ends_in_one_sentence(content: bytes, sentence: str) -> None:
    with pytest.raises(RosterError, match=sentence) as told:
        read_roster(content)
    assert isinstance(told.value, UserError) and "\n" not in str(told.value)


def test_the_same_file_changes_nothing_and_a_newer_one_updates_by_id_or_name(ledger: Ledger) -> None:
    assert imported(ledger, CSV) == 1
    assert imported(ledger, CSV) is None and len(ledger.events()) == 1
    assert imported(ledger, CSV.replace(",", ";"), "other.csv") is None, "the same rows in another file"
    newer = "Name,Student ID,Class,School year\nAnna Weiss-Kern,17,4a,2020\nDora,20,1a,2020\nCEM ÖZ,,4a,2020\n"
    done = ledger.import_roster(read(newer).entries, "new.csv")
    assert (done.new, done.changed, done.students) == (1, 2, 4)
    anna, ben, cem, dora = ledger.decisions().roster
    assert (anna.name, anna.classes) == ("Anna Weiss-Kern", {YEAR: "3a", "2020-2021": "4a"})
    assert (anna.consent, anna.birth_date, anna.siblings) == (True, date(2011, 2, 3), ("18",))
    assert cem.classes == {YEAR: "", "2020-2021": "4a"} and cem.student_id == "19"
    assert (ben.name, dora.name) == ("Ben Weiss", "Dora")
    assert imported(ledger, CSV) is None, "the old file does not bring old classes back"


def test_two_students_of_one_name_are_told_apart_by_their_ids(ledger: Ledger) -> None:
    imported(ledger, "Name,ID,Class\nAnna,1,a\nAnna,2,b\n", year=YEAR)
    imported(ledger, "Name,ID,Class\nAnna,2,c\n", year="2020-2021")
    imported(ledger, "Name,Class\nAnna,d\n", year="2021-2022")
    said = [(entry.student_id, dict(entry.classes)) for entry in ledger.decisions().roster]
    assert said == [("1", {YEAR: "a"}), ("2", {YEAR: "b", "2020-2021": "c"}), ("", {"2021-2022": "d"})]


def test_an_import_is_undone_whole_and_may_be_done_again(ledger: Ledger) -> None:
    ledger.create("Ben Weiss")
    event = imported(ledger, CSV)
    assert ledger.decisions().named("ben weiss").consent is False
    ledger.undo(event)
    assert ledger.decisions().roster == () and ledger.decisions().named("ben weiss").consent is None
    assert imported(ledger, CSV) is not None and len(ledger.decisions().roster) == 3


def test_a_roster_says_of_people_when_they_were_there_and_who_are_siblings(ledger: Ledger) -> None:
    imported(ledger, CSV)
    anna, ben = (ledger.label(name, [face(name)]).person.id for name in ("anna weiss", "Ben Weiss"))
    nick = ledger.create("Benny").person.id
    ledger.merge(ben, nick)
    decisions = ledger.decisions()
    assert decisions.siblings == {anna: frozenset({nick}), nick: frozenset({anna})}
    assert decisions.persons[anna].birth_date == date(2011, 2, 3)
    assert enrolled(decisions) == {anna: frozenset({YEAR}), nick: frozenset({YEAR})}
    assert roster_names(decisions) == [("Cem Öz", (YEAR, "2020-2021"))]
    ledger.birth_date("anna weiss", date(2011, 2, 4))
    assert ledger.decisions().persons[anna].birth_date == date(2011, 2, 4), "what was said of the person counts"


def test_a_rosters_yes_does_not_lift_a_no_that_was_said_by_hand(ledger: Ledger) -> None:
    ledger.create("Anna Weiss")
    ledger.create("Ben Weiss")
    ledger.consent("Anna Weiss", False)
    ledger.consent("Ben Weiss", True)
    imported(ledger, CSV)
    assert [p.consent for p in ledger.decisions().persons.values()] == [False, False], "a later no of a roster counts"
    ledger.consent("Ben Weiss", True)
    assert [p.consent for p in ledger.decisions().persons.values()] == [False, True]


def test_who_was_erased_is_on_no_roster_and_the_ledger_has_lost_the_name(ledger: Ledger, tmp_path: Path) -> None:
    imported(ledger, CSV + "Dora,20,1a,2019,Ben Weiss;Anna Weiss,,\n")
    ben = ledger.label("Ben Weiss", [face("f")]).person.id
    ledger.erase(ben)
    assert [e.name for e in ledger.decisions().roster] == ["Anna Weiss", "Cem Öz", "Dora"]
    redact(ledger.url, {ben})
    told = "".join(to_lines(ledger.events()))
    assert "Ben Weiss" not in told and '"18"' not in told and "2013-04-03" not in told
    anna, _, dora = ledger.decisions().roster
    assert anna.siblings == () and dora.siblings == ("Anna Weiss",)
    assert b"Ben Weiss" not in (tmp_path / "ledger.sqlite").read_bytes()
    assert imported(ledger, CSV + "Dora,20,1a,2019,Ben Weiss;Anna Weiss,,\n") is None, (
        "the same file brings nobody back"
    )


def test_another_person_who_has_taken_the_name_of_an_erased_one_stays_on_the_roster(ledger: Ledger) -> None:
    imported(ledger, CSV)
    wrong = ledger.create("Anna Weiss").person.id
    ledger.rename(wrong, "Olga")
    ledger.create("Anna Weiss")
    ledger.erase(wrong)
    redact(ledger.url, {wrong})
    assert [e.name for e in ledger.decisions().roster] == ["Anna Weiss", "Ben Weiss", "Cem Öz"]


def test_a_student_is_struck_from_every_roster_and_the_ledger_stays_guarded(ledger: Ledger, tmp_path: Path) -> None:
    imported(ledger, CSV)
    imported(ledger, "Name,Class\nBen Weiss,2b\n", "next.csv", "2020-2021")
    assert ledger.strike_student("18") == 1 and ledger.strike_student("ben weiss") == 1
    assert [e.name for e in ledger.decisions().roster] == ["Anna Weiss", "Cem Öz"]
    assert list(sentences(ledger.events()))[-1] == "a student was taken out of every roster"
    assert ledger.undo().id == 2, "a student who was struck does not come back by an undo"
    with pytest.raises(UnknownError, match="no event 3 in force"):
        ledger.undo(3)
    with pytest.raises(UnknownError, match="Nobody on the roster is called 'Ben Weiss'"):
        ledger.strike_student("Ben Weiss")
    with (
        sqlite3.connect(tmp_path / "ledger.sqlite") as con,
        pytest.raises(sqlite3.DatabaseError, match="only ever appended to"),
    ):
        con.execute("DELETE FROM events")
    con.close()


def test_names_are_completed_from_the_roster_and_a_slip_of_the_keyboard_is_asked_about(ledger: Ledger) -> None:
    imported(ledger, CSV)
    ledger.create("Anna Weiss")
    events = ledger.events()
    nothing = pl.DataFrame(schema={"person_id": pl.String, "confirmed": pl.Boolean, "school_year": pl.String})
    decisions = replay(events)
    persons = person_rows(decisions, nothing)
    view = View("1", nothing, nothing, persons, nothing, nothing, decisions, said(decisions, pl.DataFrame()), events)
    assert roster_like(view, "we", 8) == [("Ben Weiss", (YEAR,))] and roster_like(view, "we", 0) == []
    assert roster_like(view, "ö", 8) == [("Cem Öz", (YEAR, "2020-2021"))]
    assert [row["name"] for row in near_known(view, "Ben Wiess")] == ["Ben Weiss"]
    assert [row["name"] for row in near_known(view, "Ana Weiss")] == ["Anna Weiss"]
    assert near_known(view, "ben weiss") == []


def test_a_roster_goes_out_and_in_with_the_ledger_and_its_history_names_no_student(
    ledger: Ledger, tmp_path: Path
) -> None:
    imported(ledger, CSV)
    other = Ledger(f"sqlite:///{tmp_path}/other.sqlite")
    lines = [line.encode() for line in to_lines(ledger.events())]
    assert import_events(other, from_lines(lines)) == 1 and other.decisions() == ledger.decisions()
    assert list(sentences(ledger.events())) == ["3 students on the roster pupils.csv"]
    payload = json.loads(lines[0])["payload"]
    assert flaw("roster_imported", payload) is None
    assert flaw("roster_imported", payload | {"entries": [{"name": "x", "classes": []}]})
    assert flaw("roster_imported", payload | {"entries": [{"name": "x", "birth_date": "soon"}]})


def named(
    faces: dict[str, tuple[int, list[float]]], who: dict[str, str], enrolled: dict[str, set[str]]
) -> dict[str, str]:
    """Face → person. faces: year and vector; a photo each."""
    rows = [(name, name, f"{year}-{year + 1}", year, 1.0) for name, (year, _) in faces.items()]
    table = pl.DataFrame(rows, ["face_id", "asset_id", "school_year", "year", "quality_score"], orient="row")
    vectors = np.array([vector for _, vector in faces.values()], np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    graph, nothing = build_graph(table["face_id"], vectors, 2), pl.DataFrame(schema=ASSIGNMENTS_SCHEMA)
    settings = replace(settings_for("buffalo_l"), follow_years=False)
    found = assign_faces(table, vectors, graph, Labels(who, enrolled=enrolled), nothing, settings)
    return dict(found.drop_nulls("person_id").select("face_id", "person_id").iter_rows())


def test_a_face_of_a_year_in_which_the_roster_does_not_have_the_person_takes_more_likeness() -> None:
    faces = {
        "label": (2015, [1.0, 0, 0, 0]),
        "alike": (2016, [0.95, 0.31, 0, 0]),
        "doubtful": (2016, [0.65, 0, 0.76, 0]),
        "another": (2016, [0, 0, 0, 1.0]),
    }
    who, first, second = {"label": "anna", "another": "ben"}, {"2015-2016"}, {"2016-2017"}
    assert (
        named(faces, who, {}) == named(faces, who, {"ben": second}) == dict.fromkeys(faces, "anna") | {"another": "ben"}
    )
    assert "doubtful" in named(faces, who, {"anna": first | second, "ben": second})
    assert "doubtful" in named(faces, who, {"anna": first, "ben": first}), "there is no roster of the second year"
    assert named(faces, who, {"anna": first, "ben": second}) == who | {"alike": "anna"}, "a handicap, not a ban"


def test_of_two_who_are_equally_like_it_is_the_one_whom_the_roster_has_in_that_year() -> None:
    faces = {"a": (2015, [1.0, 0, 0]), "b": (2016, [0, 1.0, 0]), "between": (2016, [0.71, 0.7, 0.07])}
    who = {"a": "anna", "b": "ben"}
    assert named(faces, who, {}) == who
    assert named(faces, who, {"anna": {"2015-2016"}, "ben": {"2016-2017"}}) == who | {"between": "ben"}


def test_nobody_is_absent_from_a_face_without_a_year_or_of_a_year_without_a_roster() -> None:
    roster = Enrolment(np.array([[0, 2015], [2, 2016]]), 0.5)
    expected = [[0, 0, 0.5], [0.5, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert roster.of_faces(np.array([2015, 2016, np.nan, 1999]), 3).tolist() == expected


def test_what_a_roster_says_of_the_years_reaches_the_matcher(ledger: Ledger) -> None:
    anna = ledger.label("Anna Weiss", [face("f")]).person.id
    imported(ledger, CSV)
    faces = pl.DataFrame({"face_id": ["f"], "asset_id": ["photo"]})
    now = said(ledger.decisions(), faces)
    assert now.enrolled == {anna: frozenset({YEAR})}
    assert rules_for(faces["face_id"], faces["asset_id"], now).enrolled.tolist() == [[0, 2019]]


def test_a_server_that_replays_after_every_label_puts_the_rosters_together_once() -> None:
    import time

    def roster(year: int) -> Event:
        rows = [{"name": f"Nümber {n}", "student_id": str(n), "classes": {f"{year}": "a"}} for n in range(500)]
        return event(year, "roster_imported", digest=str(year), entries=rows)

    events = [roster(year) for year in range(2010, 2020)]
    start = time.process_time()
    assert len(replay(events).roster) == 500
    once = time.process_time() - start
    start = time.process_time()
    replay(events), replay(events)
    assert time.process_time() - start < once
    new = event(2020, "roster_imported", digest="x", entries=[{"name": "Nümber 7", "classes": {"2020": "b"}}])
    assert replay([*events, new]).roster[7].classes["2020"] == "b" and "2020" not in replay(events).roster[7].classes


def classface(folder: Path, *arguments: object) -> Result:
    place = ["--photos", str(folder / "photos"), "--data", str(folder / "data")]
    command, rest = [str(a) for a in arguments[:2]], [str(a) for a in arguments[2:]]
    return CliRunner().invoke(cli, [*command, *place, *rest])


def test_the_command_imports_lists_undoes_and_forgets(tmp_path: Path) -> None:
    file = tmp_path / "Schülerliste 2019-20.csv"
    file.write_text("Name;Klasse;Geschwister\nAnna Weiss;3a;Ben Weiss\n;3b;\nBen Weiss;1b;\n", encoding="cp1252")
    done = classface(tmp_path, "roster", "import", file)
    assert done.exit_code == 0, done.output
    assert "Roster: 2 students, new: 2, changed: 0. `classface undo 1` takes it back." in done.stdout
    assert "are taken for 2019-2020" in done.stdout
    assert done.stderr == "1 row was left out:\n  line 3: it has no name\n"
    assert "known already: 2 students" in classface(tmp_path, "roster", "import", file).stdout
    listed = classface(tmp_path, "roster", "list").stdout.splitlines()
    assert listed == ["Anna Weiss\t\t2019-2020 3a\t\t\tBen Weiss", "Ben Weiss\t\t2019-2020 1b\t\t\t"]
    assert classface(tmp_path, "roster", "list", "--year", "2018").stdout == ""
    assert "on no roster any more" in classface(tmp_path, "roster", "forget", "anna weiss", "--yes").stdout
    assert classface(tmp_path, "roster", "list").stdout.startswith("Ben Weiss")
    assert "Undone: 1 1 student on the roster" in classface(tmp_path, "undo").stdout
    assert classface(tmp_path, "roster", "list").stdout == ""


def test_a_portraits_disc_in_its_school_years_folder_is_of_that_year(tmp_path: Path) -> None:
    folder = tmp_path / "photos" / "2019-2020"
    folder.mkdir(parents=True)
    (folder / "INDEX.TXT").write_text("V\tF\t1.jpg\t3\tWeiss\tAnna\t201\n")
    assert classface(tmp_path, "roster", "import", folder / "INDEX.TXT").exit_code == 0
    assert classface(tmp_path, "roster", "list").stdout == "Anna Weiss\t\t2019-2020 3 / 201\t\t\t\n"


def test_the_faces_of_a_photographers_portraits_get_their_names_and_no_word_is_overruled(world: World) -> None:
    def first(having: str, found: str = "") -> str:
        sql = f"""SELECT a.path FROM image_assets a LEFT JOIN face_instances f USING (asset_id) WHERE a.status = 'ok'
            AND a.school_year = '2018-2019' AND a.path NOT LIKE '%{found}' GROUP BY a.path
            HAVING {having} ORDER BY a.path LIMIT 1"""
        return Path(world.query(sql).item()).relative_to("2018-2019").as_posix()

    alone = first("count(f.id) = 1", "none")
    another = first("count(f.id) = 1", alone)
    crowd = first("count(f.id) > 1 AND max(bbox_w * bbox_h) < 4 * min(bbox_w * bbox_h)", "none")
    rows = [
        *((alone, "Weiss", "Anna"), (another, "Adler", "Ben"), (crowd, "Öz", "Cem")),
        *(("portraits/9.jpg", "Eck", "Dan"), (alone, "Fox", "Eve")),
    ]
    lines = [f"V\t{path.rpartition('/')[0]}\t{path.rpartition('/')[2]}\t3\t{a}\t{b}\t201" for path, a, b in rows]
    index = world.folder / "photos" / "2018-2019" / "INDEX.TXT"
    index.write_text("\n".join(lines), "cp1252")
    ledger = world.archive.open_ledger()
    sql = "SELECT f.id FROM face_instances f JOIN image_assets a USING (asset_id) WHERE a.path = ?"
    one, other = (query(world.layout.database, sql, [f"2018-2019/{path}"]).item() for path in (alone, another))
    ledger.label("Berta", faces_of(world.layout.database, other))

    done = classface(world.folder, "roster", "import", index)
    assert done.exit_code == 0, done.output
    assert "1 portrait named, 0 had their name already." in done.stdout
    told = done.stderr.splitlines()
    assert told[0] == "4 portraits were left out:"
    assert f"  line 2: the face in {another} was said to be Berta" in told
    assert any(line.startswith("  line 3: ") and "faces, none of them clearly the largest" in line for line in told)
    assert "  line 4: there is no photo portraits/9.jpg in 2018-2019" in told
    assert f"  line 5: {alone} is the portrait of Anna Weiss already" in told
    now = ledger.decisions()
    assert now.persons[now.marks[one].person_id].name == "Anna Weiss" and now.marks[one].how == "import"
    assert now.persons[now.marks[other].person_id].name == "Berta"

    assert "0 portraits named, 1 had their name already." in classface(world.folder, "roster", "import", index).stdout
    ledger.undo(now.marks[one].event_id)
    again = classface(world.folder, "roster", "import", index)
    assert (
        f"  line 1: the name was taken off the face in {alone}" in again.stderr and "0 portraits named" in again.stdout
    )


@pytest.mark.parametrize(
    ("made", "options", "sentence"),
    [
        (None, [], "There is no file"),
        ("folder", [], "is a folder; name the file in it"),
        ("Class\n3a\n", [], "No column of names was found"),
        ("Name,Consent\nAnna,perhaps\n", [], "No row of .* could be taken in.\n  line 2: its consent 'perhaps'"),
        ("Name\nAnna\n", ["--year", "soon"], "'soon' is no school year; write it like 2019-2020"),
    ],
)
def test_what_cannot_be_imported_is_said_and_leaves_no_trace(
    tmp_path: Path, made: str | None, options: list[str], sentence: str
) -> None:
    file = tmp_path / "roster.csv"
    if made == "folder":
        file.mkdir()
    elif made:
        file.write_text(made)
    done = classface(tmp_path, "roster", "import", *options, file)
    assert isinstance(done.exception, RosterError)
    with pytest.raises(RosterError, match=sentence):
        raise done.exception
    assert not (tmp_path / "data" / "ledger.sqlite").exists()
