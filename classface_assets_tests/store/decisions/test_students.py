"""Which student of the school's rosters a person is: students of one name are told apart, and ids that are none do not
make one student of several."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner

from classface_assets.cli.__main__ import cli
from classface_assets.store.decisions.people.students import merge_imports
from classface_assets.store.decisions.replay import replay
from classface_assets.store.decisions.roster import enrolled_years, person_of_row, student_choices, unlinked_students
from classface_assets.store.ledger.jsonl import from_jsonl, import_events, to_jsonl
from classface_assets.store.ledger.ledger import Ledger
from classface_assets.store.ledger.redaction import redact_people
from classface_assets.store.ledger.transaction import ConflictError, UnknownError
from classface_assets.store.model.decisions import Decisions
from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets.store.model.student_ids import normalize_student_id, repeated_ids
from classface_assets_tests.support.helpers import event, face, who

FIRST = RosterEntry("Anna Weiss", "7", {"2019-2020": "5c"}, birth_date=date(2011, 2, 3))
SECOND = RosterEntry("Anna Weiss", "8", {"2019-2020": "7a"}, birth_date=date(2009, 5, 31))


def import_rows(ledger: Ledger, *rows: RosterEntry) -> int | None:
    return ledger.import_roster(rows, "list.csv").event


def shown(ledger: Ledger) -> list[str]:
    return [p.display_name for p in ledger.decisions().persons.values() if p.status != "merged" and not p.erased]


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "0", "000", "0.0", "-", "--", "\u2013", "?", ".", "N/A", "n/a", "NA"),
        *("#N/A", "#REF!", "#VALUE!", "#DIV/0!", "None", "NULL", "nil", "TBD", "unknown", "k.A.", "nan"),
    ],
)
def test_a_placeholder_is_no_student_id(text: str) -> None:
    assert normalize_student_id(text) == ""


def test_zeros_in_front_spaces_case_and_a_spreadsheets_decimals_make_no_other_id() -> None:
    assert {
        normalize_student_id(text) for text in ("123", "00123", " 123 ", "123.0", "\uff11\uff12\uff13", "123.00")
    } == {"123"}
    assert normalize_student_id("A-007b") == normalize_student_id(" a-007B ") != normalize_student_id("A-7b")
    assert len({normalize_student_id(text) for text in ("10", "100", "1", "0x1", "1.5", "15")}) == 6


def test_an_id_of_several_names_in_a_file_is_nobodys() -> None:
    rows = [("3", "Anna"), ("003", "ANNA "), ("4", "Ben"), ("4.0", "Cem"), ("", "Dora"), ("", "Eve")]
    assert repeated_ids(rows) == {"4"}


@pytest.mark.parametrize("placeholder", ["#N/A", "N/A", "0", "-", "55"])
def test_students_with_one_placeholder_for_an_id_stay_as_many_as_they_are(ledger: Ledger, placeholder: str) -> None:
    """As imports of earlier versions have them, too. Three students were one, and a refusal was lost."""
    answers = {"Anna": False, "Ben": None, "Cem": True}
    rows = [RosterEntry(name, placeholder, consent=consent) for name, consent in answers.items()]
    import_rows(ledger, *rows)
    for name in ("Anna", "Ben", "Cem"):
        ledger.label(name, [face(name)])
    assert [(e.name, e.student_id) for e in ledger.decisions().roster] == [("Anna", ""), ("Ben", ""), ("Cem", "")]
    assert [p.consent for p in ledger.decisions().persons.values()] == [False, None, True]


def test_one_id_in_two_spellings_is_one_student_over_the_years(ledger: Ledger) -> None:
    import_rows(ledger, RosterEntry("Anna Weiss", "00123", {"2019-2020": "1a"}))
    import_rows(ledger, RosterEntry("Anna Weiss-Kern", "123", {"2020-2021": "2a"}))
    (anna,) = ledger.decisions().roster
    assert (anna.name, anna.student_id, len(anna.classes)) == ("Anna Weiss-Kern", "00123", 2)


def test_one_id_and_two_birth_dates_in_two_files_are_two_students(ledger: Ledger) -> None:
    import_rows(ledger, RosterEntry("Anna", "1", birth_date=date(2001, 1, 1)))
    import_rows(ledger, RosterEntry("Zoe", "1", birth_date=date(2011, 1, 1)))
    assert [entry.name for entry in ledger.decisions().roster] == ["Anna", "Zoe"]
    assert len({entry.key for entry in ledger.decisions().roster}) == 2


def test_two_students_of_one_name_are_two_people(ledger: Ledger) -> None:
    import_rows(ledger, FIRST, SECOND)
    assert [name for name, _ in unlinked_students(ledger.decisions())] == [
        "Anna Weiss (5c, 2011)",
        "Anna Weiss (7a, 2009)",
    ]
    sentence = "There are two students called anna weiss: Anna Weiss (5c, 2011) and Anna Weiss (7a, 2009); say which."
    for act in (lambda: ledger.label("anna  weiss", [face("f")]), lambda: ledger.create_person("anna weiss")):
        with pytest.raises(ConflictError) as refused:
            act()
        assert str(refused.value) == sentence
    first = ledger.label("anna weiss (5C, 2011)", [face("f")]).person
    assert (first.name, first.display_name, first.student_id) == ("Anna Weiss", "Anna Weiss (5c, 2011)", "7")
    with pytest.raises(ConflictError, match="two students"):
        ledger.label("Anna Weiss", [face("g")])
    second = ledger.label("Anna Weiss (7a, 2009)", [face("g")]).person
    assert (second.name, second.student_id, second.birth_date) == ("Anna Weiss", "8", date(2009, 5, 31))
    assert second.id != first.id
    assert ledger.label("Anna Weiss (7a, 2009)", [face("h")]).person.id == second.id
    assert ledger.label(first.id, [face("i")]).person.id == first.id, "an id is nobody else's"
    with pytest.raises(ConflictError, match=r"two students called Anna Weiss: Anna Weiss \(5c, 2011\) and"):
        ledger.label("Anna Weiss", [face("j")])
    with pytest.raises(ConflictError, match=r"two people called Anna Weiss: Anna Weiss \(5c, 2011\) and"):
        ledger.hide("Anna Weiss")
    assert ledger.hide("Anna Weiss (5c, 2011)").person.id == first.id
    assert ledger.reject("Anna Weiss (7a, 2009)", [face("h")]).person.id == second.id
    decisions = ledger.decisions()
    assert (
        enrolled_years(decisions) == {first.id: {"2019-2020"}, second.id: {"2019-2020"}}
        and unlinked_students(decisions) == []
    )
    assert person_of_row(decisions, FIRST) == decisions.persons[first.id]
    assert person_of_row(decisions, replace(SECOND, student_id="008", name="A. Weiss")) == decisions.persons[second.id]
    assert person_of_row(decisions, RosterEntry("Anna Weiss")) is None


def test_one_who_has_the_name_alone_is_shown_by_it_alone(ledger: Ledger) -> None:
    import_rows(ledger, FIRST)
    assert ledger.label("Anna Weiss", [face("f")]).person.display_name == "Anna Weiss"
    import_rows(ledger, SECOND)
    assert shown(ledger) == ["Anna Weiss (5c, 2011)"]


def test_ids_distinguish_people_of_one_class_and_year_of_birth(ledger: Ledger) -> None:
    import_rows(ledger, RosterEntry("Anna", "7"), RosterEntry("Anna", "8"), RosterEntry("Ben", "9"))
    assert [name for name, _ in unlinked_students(ledger.decisions())] == ["Anna (7)", "Anna (8)", "Ben"]
    classes = {"2019-2020": "5c"}
    import_rows(ledger, RosterEntry("Anna", "7", classes), RosterEntry("Anna", "8", classes))
    assert [name for name, _ in unlinked_students(ledger.decisions())] == ["Anna (5c, 7)", "Anna (5c, 8)", "Ben"]


def test_a_person_who_may_be_either_of_two_students_is_reported_and_can_be_linked(ledger: Ledger) -> None:
    anna = ledger.label("Anna Weiss", [face("f")]).person
    done = ledger.import_roster([replace(FIRST, consent=False), SECOND], "list.csv")
    assert done.notes == (
        "Anna Weiss (not linked) may be Anna Weiss (5c, 2011) or Anna Weiss (7a, 2009): what any of them refused "
        "counts until `classface student` says which it is.",
    )
    now = ledger.decisions().persons[anna.id]
    assert (now.display_name, now.student_id, now.consent) == ("Anna Weiss (not linked)", "", False), "the safe side"
    with pytest.raises(ConflictError, match="three people called Anna Weiss"):
        ledger.label("Anna Weiss", [face("g")])
    with pytest.raises(ConflictError, match="three people called Anna Weiss"):
        ledger.set_consent("Anna Weiss", True)
    with pytest.raises(UnknownError, match="Nobody on the roster is called '99'"):
        ledger.link_student("Anna Weiss", "99")
    linked = ledger.link_student("Anna Weiss", "008").person
    assert (linked.id, linked.display_name, linked.student_id) == (anna.id, "Anna Weiss (7a, 2009)", "8")
    assert linked.consent is None, "what the other one refused is not hers"
    ledger.undo()
    assert ledger.decisions().persons[anna.id].consent is False
    assert ledger.link_student(anna.id, "Anna Weiss (5c, 2011)").person.consent is False


def test_a_student_is_one_person_and_a_name_that_is_shared_needs_two_students(ledger: Ledger) -> None:
    import_rows(ledger, FIRST, SECOND)
    first = ledger.label("Anna Weiss (5c, 2011)", [face("f")]).person
    second = ledger.label("Anna Weiss (7a, 2009)", [face("g")]).person
    with pytest.raises(ConflictError, match="would leave two people called 'Anna Weiss'"):
        ledger.link_student(second.id, "7")
    ledger.create_person("Berta")
    with pytest.raises(ConflictError, match="already a person called"):
        ledger.rename("Berta", "Anna Weiss")
    assert ledger.decisions().persons[first.id].student_id == "7"
    import_rows(ledger, RosterEntry("Ben", "9"))
    ben, benny = ledger.create_person("Ben").person, ledger.create_person("Benny").person
    assert ben.student_id == "9"
    moved = ledger.link_student(benny.id, "9")
    assert moved.person.student_id == "9" and ledger.decisions().persons[ben.id].student_id == ""
    assert moved.notes == ("Ben was linked with that student until now, and is not any more.",)


def test_a_link_outlives_the_import_that_is_undone_and_done_again(ledger: Ledger) -> None:
    import_rows(ledger, FIRST, SECOND)
    ledger.label("Anna Weiss (5c, 2011)", [face("f")]), ledger.label("Anna Weiss (7a, 2009)", [face("g")])
    before = shown(ledger)
    ledger.undo(1)
    assert len(set(shown(ledger))) == 2, "two people still"
    import_rows(ledger, FIRST, replace(SECOND, siblings=("Ben",)))
    assert shown(ledger) == before


def test_once_a_person_is_a_student_no_new_name_parts_them(ledger: Ledger) -> None:
    import_rows(ledger, FIRST)
    anna = ledger.label("Anna Weiss", [face("f")]).person
    ledger.rename("Anna Weiss", "Anna Kern")
    ledger.create_person("Berta"), ledger.merge("Berta", "Anna Kern")
    import_rows(ledger, RosterEntry("Anna Kern-Weiss", "07", {"2020-2021": "6c"}))
    now = ledger.decisions()
    assert (now.persons[anna.id].student_id, now.persons[anna.id].birth_date) == ("7", FIRST.birth_date)
    assert enrolled_years(now) == {anna.id: {"2019-2020", "2020-2021"}} and unlinked_students(now) == []


def test_who_was_given_a_wrong_name_and_then_the_right_one_is_the_student_of_the_right_one(ledger: Ledger) -> None:
    import_rows(ledger, FIRST, RosterEntry("Olga Berg", "9"))
    olga = ledger.label("Anna Weiss", [face("f")]).person
    ledger.rename("Anna Weiss", "Olga Berg")
    anna = ledger.label("Anna Weiss", [face("g")]).person
    now = ledger.decisions().persons
    assert (now[olga.id].student_id, now[anna.id].student_id) == ("9", "7")


def test_labels_by_the_old_name_of_a_merged_person_stay_theirs_when_the_merge_is_undone(either: Ledger) -> None:
    """Seen: the new labels stayed with the other person."""
    anna = either.label("Anna", [face("a", "p1")]).person
    ann = either.label("Ann", [face("b", "p2"), face("x", "p8")]).person
    either.create_person("Zoe")
    merge = either.merge("Ann", "Anna").events[0]
    assert either.label("Ann", [face("c", "p3")]).person.id == anna.id
    assert either.confirm("ann", [face("d", "p4")]).person.id == anna.id
    assert either.reject("Ann", [face("e", "p5"), face("x", "p8")]).faces == 1
    either.set_portrait("Ann", "portrait"), either.declare_siblings(["Ann", "Zoe"])
    either.label("Anna", [face("f", "p6")])
    assert set(who(either).values()) == {"Anna"} and (("e", anna.id)) in either.decisions().rejected
    either.undo(merge)
    now = either.decisions()
    assert who(either) == {"a": "Anna", "f": "Anna", "b": "Ann", "c": "Ann", "d": "Ann"}
    assert set(now.rejected) == {("e", ann.id), ("x", ann.id)} and set(now.portraits) == {ann.id}
    assert set(now.siblings) >= {ann.id} and anna.id not in now.siblings


def test_who_is_erased_takes_the_rows_of_one_student_along_and_not_of_another_of_the_name(ledger: Ledger) -> None:
    import_rows(ledger, FIRST, SECOND, RosterEntry("Ben", "9", siblings=("7", "8")))
    import_rows(ledger, RosterEntry("Anna Kern", "007", {"2020-2021": "6c"}))
    undone = import_rows(ledger, replace(FIRST, classes={"1999-2000": "z"}), RosterEntry("Cem", "10"))
    assert undone
    ledger.undo(undone)
    first = ledger.label("Anna Kern", [face("f")]).person
    ledger.rename(first.id, "Anna Kern-Berg")
    ledger.erase(first.id)
    assert [(e.name, e.student_id) for e in ledger.decisions().roster] == [("Anna Weiss", "8"), ("Ben", "9")]
    plain = ledger.events()
    assert redact_people(ledger.url, {first.id}) >= 4
    lines = "".join(to_jsonl(ledger.events()))
    assert "Kern" not in lines and "2011-02-03" not in lines and '"5c"' not in lines and "1999-" not in lines
    left = ledger.decisions().roster
    assert [(e.name, e.student_id, e.siblings) for e in left] == [("Anna Weiss", "8", ()), ("Ben", "9", ("8",))]
    other = Ledger(ledger.url.replace("ledger.sqlite", "other.sqlite"))
    import_events(other, plain)
    lines = [line.encode() for line in to_jsonl(ledger.events())]
    assert import_events(other, from_jsonl(lines)) == 0, "the same ledger, out of which names were taken"


def test_a_student_who_is_removed_from_every_roster_stays_refused(ledger: Ledger) -> None:
    import_rows(ledger, replace(FIRST, consent=False), SECOND)
    first = ledger.label("Anna Weiss (5c, 2011)", [face("f")]).person
    with pytest.raises(ConflictError, match="two students called Anna Weiss"):
        ledger.remove_student("Anna Weiss")
    assert ledger.remove_student("7") == 1
    now = ledger.decisions()
    assert [entry.student_id for entry in now.roster] == ["8"] and now.persons[first.id].consent is False
    assert "id:7" not in "".join(to_jsonl(ledger.events()))


def test_portraits_are_assigned_to_their_students(ledger: Ledger) -> None:
    event_id = import_rows(ledger, FIRST, SECOND)
    keys = [entry.key for entry in ledger.decisions().roster]
    named = [("Anna Weiss", face("f")), ("Anna Weiss", face("g", "q"))]
    ledger.label_imported(named, event_id, dict(zip("fg", keys, strict=True)))
    now = ledger.decisions()
    assert [now.persons[now.labels[f].person_id].student_id for f in "fg"] == ["7", "8"]
    ledger.undo(event_id)
    assert ledger.decisions() == Decisions(), "the names go with the import"


def test_the_page_offers_the_students_that_a_person_may_be(ledger: Ledger) -> None:
    anna = ledger.create_person("Anna Weiss").person
    assert student_choices(ledger.decisions(), anna) == []
    import_rows(ledger, FIRST, SECOND)
    offered = student_choices(ledger.decisions(), ledger.decisions().persons[anna.id])
    assert [name for _, name in offered] == ["Anna Weiss (5c, 2011)", "Anna Weiss (7a, 2009)"]
    ledger.link_student(anna.id, offered[1][0])
    offered = student_choices(ledger.decisions(), ledger.decisions().persons[anna.id])
    assert [name for _, name in offered] == ["Anna Weiss (7a, 2009)", "Anna Weiss (5c, 2011)"], "the own one first"


def test_the_command_shows_which_student_a_person_is(tmp_path: Path) -> None:
    place = ["--photos", str(tmp_path / "photos"), "--data", str(tmp_path)]
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.sqlite")
    ledger.create_person("Anna Weiss")
    import_rows(ledger, FIRST, SECOND)
    done = CliRunner().invoke(cli, ["student", *place, "Anna Weiss", "7"])
    assert done.stdout == "Anna Weiss (5c, 2011) is that student of the roster, id 7.\n", done.output
    assert "Anna Weiss is the student 7 of the roster" in CliRunner().invoke(cli, ["history", *place]).stdout


def test_students_of_thousands_of_rows_are_put_together_quickly() -> None:
    import time

    rows = [{"name": f"Student {n}", "student_id": f"{n:05}", "consent": n % 9 > 0} for n in range(4000)]
    events = [event(n, "roster_imported", digest=str(n), source="x", entries=rows) for n in range(1, 6)]
    people = [event(n, "person_created", person_id=str(n), name=f"Student {n}") for n in range(6, 2006)]
    start = time.process_time()
    assert len(merge_imports(events).entries) == 4000
    assert sum(p.consent is False for p in replay([*events, *people]).persons.values()) == 222
    assert time.process_time() - start < 4
