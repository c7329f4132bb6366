"""The school's rosters put together: what the ledger, the matcher, the pages and the command make of them."""

import json
import sqlite3
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner, Result

from classface_assets.cli.__main__ import cli
from classface_assets.core.faces.face_constraints import FaceConstraints
from classface_assets.identity.constraints.enrolment import RosterPresence
from classface_assets.identity.constraints.rules import index_constraints
from classface_assets.identity.graph.build import build_graph
from classface_assets.identity.inputs_from_frames import EmbeddedFaces
from classface_assets.identity.pipeline import assign_identities
from classface_assets.identity.settings import settings_for
from classface_assets.review.pages.components.cards import search_roster, similar_known_names
from classface_assets.services.archive_view.model import ArchiveView, person_table
from classface_assets.services.queries import find_faces
from classface_assets.store.decisions.history import event_sentences
from classface_assets.store.decisions.reconciliation import constraints_for
from classface_assets.store.decisions.replay import replay
from classface_assets.store.decisions.roster import enrolled_years, unlinked_students
from classface_assets.store.files.duckdb import query_database
from classface_assets.store.ledger.jsonl import from_jsonl, import_events, to_jsonl
from classface_assets.store.ledger.ledger import Ledger
from classface_assets.store.ledger.payloads import payload_error
from classface_assets.store.ledger.redaction import redact_people
from classface_assets.store.ledger.transaction import UnknownError
from classface_assets.store.model.events import Event
from classface_assets.store.roster.encoding import RosterError
from classface_assets.store.roster.file import read_roster
from classface_assets_tests.conftest import World
from classface_assets_tests.support.helpers import ROSTER, event, face

YEAR = "2019-2020"


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(f"sqlite:///{tmp_path}/ledger.sqlite")


def imported(ledger: Ledger, text: str, source: str = "pupils.csv", year: str = "") -> int | None:
    return ledger.import_roster(read_roster(text.encode(), year).entries, source).event


def test_the_same_file_changes_nothing_and_a_newer_one_updates_by_id_or_name(ledger: Ledger) -> None:
    assert imported(ledger, ROSTER) == 1
    assert imported(ledger, ROSTER) is None and len(ledger.events()) == 1
    assert imported(ledger, ROSTER.replace(",", ";"), "other.csv") is None, "the same rows in another file"
    newer = "Name,Student ID,Class,School year\nAnna Weiss-Kern,17,4a,2020\nDora,20,1a,2020\nCEM ÖZ,,4a,2020\n"
    done = ledger.import_roster(read_roster(newer.encode()).entries, "new.csv")
    assert (done.new, done.changed, done.students) == (1, 2, 4)
    anna, ben, cem, dora = ledger.decisions().roster
    assert (anna.name, anna.classes) == ("Anna Weiss-Kern", {YEAR: "3a", "2020-2021": "4a"})
    assert (anna.consent, anna.birth_date, anna.siblings) == (True, date(2011, 2, 3), ("18",))
    assert cem.classes == {YEAR: "", "2020-2021": "4a"} and cem.student_id == "19"
    assert (ben.name, dora.name) == ("Ben Weiss", "Dora")
    assert imported(ledger, ROSTER) is None, "the old file does not bring old classes back"


def test_two_students_of_one_name_are_distinguished_by_their_ids(ledger: Ledger) -> None:
    imported(ledger, "Name,ID,Class\nAnna,1,a\nAnna,2,b\n", year=YEAR)
    imported(ledger, "Name,ID,Class\nAnna,2,c\n", year="2020-2021")
    imported(ledger, "Name,Class\nAnna,d\n", year="2021-2022")
    students = [(entry.student_id, dict(entry.classes)) for entry in ledger.decisions().roster]
    assert students == [("1", {YEAR: "a"}), ("2", {YEAR: "b", "2020-2021": "c"}), ("", {"2021-2022": "d"})]


def test_an_import_is_undone_whole_and_may_be_done_again(ledger: Ledger) -> None:
    ledger.create_person("Ben Weiss")
    event = imported(ledger, ROSTER)
    assert ledger.decisions().find_current_person("ben weiss").consent is False
    ledger.undo(event)
    assert ledger.decisions().roster == () and ledger.decisions().find_current_person("ben weiss").consent is None
    assert imported(ledger, ROSTER) is not None and len(ledger.decisions().roster) == 3


def test_a_roster_gives_people_school_years_and_siblings(ledger: Ledger) -> None:
    imported(ledger, ROSTER)
    anna, ben = (ledger.label(name, [face(name)]).person.id for name in ("anna weiss", "Ben Weiss"))
    nick = ledger.create_person("Benny").person.id
    ledger.merge(ben, nick)
    decisions = ledger.decisions()
    assert decisions.siblings == {anna: frozenset({nick}), nick: frozenset({anna})}
    assert decisions.persons[anna].birth_date == date(2011, 2, 3)
    assert enrolled_years(decisions) == {anna: frozenset({YEAR}), nick: frozenset({YEAR})}
    assert unlinked_students(decisions) == [("Cem Öz", (YEAR, "2020-2021"))]
    ledger.set_birth_date("anna weiss", date(2011, 2, 4))
    assert ledger.decisions().persons[anna].birth_date == date(2011, 2, 4), "what was said of the person counts"


def test_a_rosters_yes_does_not_lift_a_refusal_by_hand(ledger: Ledger) -> None:
    ledger.create_person("Anna Weiss")
    ledger.create_person("Ben Weiss")
    ledger.set_consent("Anna Weiss", False)
    ledger.set_consent("Ben Weiss", True)
    imported(ledger, ROSTER)
    assert [p.consent for p in ledger.decisions().persons.values()] == [False, False], "a later no of a roster counts"
    ledger.set_consent("Ben Weiss", True)
    assert [p.consent for p in ledger.decisions().persons.values()] == [False, True]


def test_who_was_erased_is_on_no_roster_and_the_ledger_has_lost_the_name(ledger: Ledger, tmp_path: Path) -> None:
    imported(ledger, ROSTER + "Dora,20,1a,2019,Ben Weiss;Anna Weiss,,\n")
    ben = ledger.label("Ben Weiss", [face("f")]).person.id
    ledger.erase(ben)
    assert [e.name for e in ledger.decisions().roster] == ["Anna Weiss", "Cem Öz", "Dora"]
    redact_people(ledger.url, {ben})
    lines = "".join(to_jsonl(ledger.events()))
    assert "Ben Weiss" not in lines and '"18"' not in lines and "2013-04-03" not in lines
    anna, _, dora = ledger.decisions().roster
    assert anna.siblings == () and dora.siblings == ("Anna Weiss",)
    assert b"Ben Weiss" not in (tmp_path / "ledger.sqlite").read_bytes()
    assert imported(ledger, ROSTER + "Dora,20,1a,2019,Ben Weiss;Anna Weiss,,\n") is None, (
        "the same file brings nobody back"
    )


def test_another_person_who_has_taken_the_name_of_an_erased_one_stays_on_the_roster(ledger: Ledger) -> None:
    imported(ledger, ROSTER)
    wrong = ledger.create_person("Anna Weiss").person.id
    ledger.rename(wrong, "Olga")
    ledger.create_person("Anna Weiss")
    ledger.erase(wrong)
    redact_people(ledger.url, {wrong})
    assert [e.name for e in ledger.decisions().roster] == ["Anna Weiss", "Ben Weiss", "Cem Öz"]


def test_a_student_is_removed_from_every_roster_and_the_ledger_stays_guarded(ledger: Ledger, tmp_path: Path) -> None:
    imported(ledger, ROSTER)
    imported(ledger, "Name,Class\nBen Weiss,2b\n", "next.csv", "2020-2021")
    assert ledger.remove_student("18") == 2, "the row without an id is his, too"
    assert [e.name for e in ledger.decisions().roster] == ["Anna Weiss", "Cem Öz"]
    assert list(event_sentences(ledger.events()))[-1] == "a student was removed from every roster"
    assert ledger.undo().id == 2, "a student who was struck does not come back by an undo"
    with pytest.raises(UnknownError, match="no event 3 in force"):
        ledger.undo(3)
    with pytest.raises(UnknownError, match="Nobody on the roster is called 'Ben Weiss'"):
        ledger.remove_student("Ben Weiss")
    with (
        sqlite3.connect(tmp_path / "ledger.sqlite") as con,
        pytest.raises(sqlite3.DatabaseError, match="only ever appended to"),
    ):
        con.execute("DELETE FROM events")
    con.close()


def test_names_are_completed_from_the_roster_and_a_slip_of_the_keyboard_is_questioned(ledger: Ledger) -> None:
    imported(ledger, ROSTER)
    ledger.create_person("Anna Weiss")
    events = ledger.events()
    nothing = pl.DataFrame(schema={"person_id": pl.String, "confirmed": pl.Boolean, "school_year": pl.String})
    decisions = replay(events)
    persons = person_table(decisions, nothing)
    view = ArchiveView(
        version="1",
        faces=nothing,
        clusters=nothing,
        persons=persons,
        photos=nothing,
        published=nothing,
        decisions=decisions,
        constraints=constraints_for(decisions, pl.DataFrame()),
        events=events,
    )
    assert [name for name, _ in search_roster(view, "we", 8)] == ["Ben Weiss"] and search_roster(view, "we", 0) == []
    assert [name for name, _ in search_roster(view, "ö", 8)] == ["Cem Öz"]
    assert [row["name"] for row in similar_known_names(view, "Ben Wiess")] == ["Ben Weiss"]
    assert [row["name"] for row in similar_known_names(view, "Ana Weiss")] == ["Anna Weiss"]
    assert similar_known_names(view, "ben weiss") == []


def test_a_roster_goes_out_and_in_with_the_ledger_and_its_history_names_no_student(
    ledger: Ledger, tmp_path: Path
) -> None:
    imported(ledger, ROSTER)
    other = Ledger(f"sqlite:///{tmp_path}/other.sqlite")
    lines = [line.encode() for line in to_jsonl(ledger.events())]
    assert import_events(other, from_jsonl(lines)) == 1 and other.decisions() == ledger.decisions()
    assert list(event_sentences(ledger.events())) == ["3 students on the roster pupils.csv"]
    payload = json.loads(lines[0])["payload"]
    assert payload_error("roster_imported", payload) is None
    assert payload_error("roster_imported", payload | {"entries": [{"name": "x", "classes": []}]})
    assert payload_error("roster_imported", payload | {"entries": [{"name": "x", "birth_date": "soon"}]})


def named(
    faces: dict[str, tuple[int, list[float]]], who: dict[str, str], enrolled: dict[str, set[str]]
) -> dict[str, str]:
    """Face → person. faces: year and vector; a photo each."""
    rows = [(name, name, f"{year}-{year + 1}", year, 1.0) for name, (year, _) in faces.items()]
    table = pl.DataFrame(rows, ["face_id", "asset_id", "school_year", "year", "quality_score"], orient="row")
    vectors = np.array([vector for _, vector in faces.values()], np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    embedded = EmbeddedFaces(table, vectors, build_graph(table["face_id"], vectors, 2))
    settings = replace(settings_for("buffalo_l"), propagation=False)
    found = assign_identities(embedded, FaceConstraints(who, enrolled=enrolled), settings).rows
    return dict(found.drop_nulls("person_id").select("face_id", "person_id").iter_rows())


def test_a_match_in_a_year_without_the_person_on_the_roster_needs_more_similarity() -> None:
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


def test_of_two_equally_similar_people_the_one_enrolled_in_that_year_is_matched() -> None:
    faces = {"a": (2015, [1.0, 0, 0]), "b": (2016, [0, 1.0, 0]), "between": (2016, [0.71, 0.7, 0.07])}
    who = {"a": "anna", "b": "ben"}
    assert named(faces, who, {}) == who
    assert named(faces, who, {"anna": {"2015-2016"}, "ben": {"2016-2017"}}) == who | {"between": "ben"}


def test_nobody_is_absent_from_a_face_without_a_year_or_of_a_year_without_a_roster() -> None:
    roster = RosterPresence(np.array([[0, 2015], [2, 2016]]), 0.5)
    expected = [[0, 0, 0.5], [0.5, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert roster.penalties(np.array([2015, 2016, np.nan, 1999]), 3).tolist() == expected


def test_the_school_years_of_a_roster_reach_the_matcher(ledger: Ledger) -> None:
    anna = ledger.label("Anna Weiss", [face("f")]).person.id
    imported(ledger, ROSTER)
    faces = pl.DataFrame({"face_id": ["f"], "asset_id": ["photo"]})
    now = constraints_for(ledger.decisions(), faces)
    assert now.enrolled == {anna: frozenset({YEAR})}
    assert index_constraints(faces["face_id"], faces["asset_id"], now).enrolled.tolist() == [[0, 2019]]


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
    assert done.exit_code == 3, done.output
    assert "Roster: 2 students, new: 2, changed: 0. `classface undo 1 --" in done.stdout
    assert "were imported for 2019-2020" in done.stdout
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


def test_the_faces_of_a_photographers_portraits_get_their_names_and_no_label_is_overruled(world: World) -> None:
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
    one, other = (query_database(world.layout.database, sql, [f"2018-2019/{path}"]).item() for path in (alone, another))
    ledger.label("Berta", find_faces(world.layout.database, other))

    done = classface(world.folder, "roster", "import", index)
    assert done.exit_code == 0, done.output
    assert "1 portrait named, 0 had their name already." in done.stdout
    lines = done.stderr.splitlines()
    assert lines[0] == "4 portraits were left out:"
    assert f"  line 2: the face in {another} was labelled as Berta" in lines
    assert any(line.startswith("  line 3: ") and "faces, none of them clearly the largest" in line for line in lines)
    assert "  line 4: there is no photo portraits/9.jpg in 2018-2019" in lines
    assert f"  line 5: {alone} is the portrait of Anna Weiss already" in lines
    now = ledger.decisions()
    assert now.persons[now.labels[one].person_id].name == "Anna Weiss" and now.labels[one].method == "import"
    assert now.persons[now.labels[other].person_id].name == "Berta"

    assert "0 portraits named, 1 had their name already." in classface(world.folder, "roster", "import", index).stdout
    ledger.undo(now.labels[one].event_id)
    again = classface(world.folder, "roster", "import", index)
    assert (
        f"  line 1: the name was taken off the face in {alone}" in again.stderr and "0 portraits named" in again.stdout
    )


def test_one_undo_takes_an_import_back_with_the_names_that_it_gave(world: World) -> None:
    sql = """SELECT a.path, min(f.id) AS face FROM image_assets a JOIN face_instances f USING (asset_id)
        WHERE a.status = 'ok' AND a.school_year = '2018-2019' GROUP BY a.path HAVING count(*) = 1 ORDER BY a.path"""
    (one, hers), (two, his), (_, more) = world.query(sql).rows()[:3]
    lines = [f"V\t{Path(p).parent.name}\t{Path(p).name}\t3\t{n}\t201" for p, n in ((one, "W\tAnna"), (two, "A\tBen"))]
    index = world.folder / "photos" / "2018-2019" / "INDEX.TXT"
    index.write_text("\n".join(lines), "cp1252")
    ledger = world.archive.open_ledger()
    assert "2 portraits named" in classface(world.folder, "roster", "import", index).stdout
    ledger.label("Ben A", find_faces(world.layout.database, more))
    named = ledger.decisions()
    imported = next(e.id for e in ledger.events() if e.kind == "roster_imported")

    assert classface(world.folder, "undo", str(imported)).exit_code == 0
    assert "INDEX.TXT) with the names it gave" in classface(world.folder, "history").stdout
    left = ledger.decisions()
    assert not left.roster and not {hers, his} & left.labels.keys()
    assert [p.name for p in left.persons.values()] == ["Ben A"] and more in left.labels, "of him more was said"
    undoing = ledger.events()[-1]
    assert payload_error("undone", undoing.payload) is None and payload_error(
        "undone", {**undoing.payload, "with": [[]]}
    )
    ledger.undo(undoing.id)
    again = ledger.decisions()
    assert (again.roster, again.labels, again.persons.keys()) == (named.roster, named.labels, named.persons.keys())

    ledger.undo(imported)
    assert "2 portraits named" in classface(world.folder, "roster", "import", index).stdout, "who imports anew means it"
    ledger.undo()
    assert not ledger.decisions().roster, "the last that was done is the import, and not one of its names"


@pytest.mark.parametrize(
    ("made", "options", "sentence"),
    [
        (None, [], "There is no file"),
        ("folder", [], "is a folder; give the file in it"),
        ("Class\n3a\n", [], "No column of names was found"),
        ("Name,Class\n,3a\n", [], "No row of .* could be imported.\n  line 2: it has no name"),
        ("Name\nAnna\n", ["--encoding", "klingon"], "'klingon' is no encoding of text; write one like utf-8, cp1250"),
        ("Name\nAnna\n", ["--consent-column", "Media"], "There is no column titled 'Media'; the titles are: Name"),
        ("Name\nAnna\n", ["--year", "soon"], "'soon' is no school year; write it like 2019-2020"),
    ],
)
def test_a_file_that_cannot_be_imported_is_reported_and_leaves_no_trace(
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
