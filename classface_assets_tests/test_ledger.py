"""The ledger, its replay, and how its words follow their faces: real databases, real processes, real kills."""

import os
import signal
import sqlite3
import time
import unicodedata
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from random import Random

import polars as pl
import pytest
import sqlalchemy as sa

from classface_assets.forgetting import keep_erased
from classface_assets.history import sentences
from classface_assets.resources import Archive
from classface_assets.store.carry import Said, confirmed_faces, said
from classface_assets.store.decisions import Box, Decisions, FaceMark
from classface_assets.store.effects import EFFECTS
from classface_assets.store.events import Event
from classface_assets.store.homes import overlap
from classface_assets.store.ledger import ConflictError, LabelledFace, Ledger, LedgerError, UnknownError
from classface_assets.store.links import Word, bridge, resolve
from classface_assets.store.near_names import edit_distance, near_names
from classface_assets.store.redact import redact
from classface_assets.store.replay import replay
from classface_assets.store.roster_entry import RosterEntry
from classface_assets.store.shapes import SHAPES
from classface_assets.store.tombstones import barred_faces, note_done_here, tombstones_file
from classface_assets.store.transfer import BadLinesError, from_lines, import_events, to_lines
from classface_assets_tests.helpers import event, face, label_event, python


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(f"sqlite:///{tmp_path}/ledger.sqlite")


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Ledger:
    """A ledger in either database."""
    if request.param == "sqlite":
        return Ledger(f"sqlite:///{tmp_path}/ledger.sqlite")
    return Ledger(request.getfixturevalue("postgres_ledger"))


def names(ledger: Ledger) -> list[str]:
    return [person.name for person in ledger.decisions().persons.values()]


def who(ledger: Ledger) -> dict[str, str]:
    """Face id → name."""
    decisions = ledger.decisions()
    return {face_id: decisions.persons[mark.person_id].name for face_id, mark in decisions.marks.items()}


@pytest.mark.parametrize(
    "statement",
    [
        *("UPDATE events SET kind = 'x'", "DELETE FROM events", "UPDATE touched SET asset_id = 'x'"),
        *("DELETE FROM touched", "INSERT INTO events SELECT id, at, 'somebody else', kind, payload FROM events"),
    ],
)
def test_the_database_itself_refuses_to_change_what_was_said(statement: str, either: Ledger) -> None:
    either.label("Anna", [face("f")])
    engine = sa.create_engine(either.url, poolclass=sa.NullPool)
    if engine.dialect.name == "sqlite":
        statement = statement.replace("INSERT INTO", "INSERT OR REPLACE INTO")
    with pytest.raises(sa.exc.DBAPIError, match=r"only ever appended to|duplicate key"), engine.begin() as con:
        con.exec_driver_sql(statement)
    assert len(either.events()) == 2 and who(either) == {"f": "Anna"}


def test_a_label_creates_its_person_once_whatever_the_case_and_the_accents_code(ledger: Ledger) -> None:
    spellings = [
        "José Núñez",
        "josé NÚÑEZ",
        "  José   Núñez ",
        unicodedata.normalize("NFD", "José Núñez"),
        "José\u200b Núñez",
    ]
    persons = [ledger.label(name, [face(str(n))]).person for n, name in enumerate(spellings)]
    assert len({p.id for p in persons}) == 1
    assert names(ledger) == ["José Núñez"] and len(who(ledger)) == len(spellings)


def test_the_last_label_of_a_face_counts(ledger: Ledger) -> None:
    ledger.label("Anna", [face("f"), face("g")])
    ledger.label("Bella", [face("f")])
    assert who(ledger) == {"f": "Bella", "g": "Anna"}


def test_a_label_says_who_gave_it_and_when(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLASSFACE_ACTOR", "Frau Schmidt")
    before = datetime.now(UTC)
    ledger.label("Anna", [face("f", "photo", (1.5, 2, 3, 4))])
    created, labelled = ledger.events()
    assert (created.kind, labelled.kind, labelled.actor) == ("person_created", "faces_labelled", "Frau Schmidt")
    assert before <= created.at <= labelled.at <= datetime.now(UTC)
    assert labelled.payload["faces"] == [{"face_id": "f", "asset_id": "photo", "box": [1.5, 2, 3, 4]}]


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may become a user without a name"
)
def test_a_user_without_a_name_may_label() -> None:
    code = """
import os
for name in ("CLASSFACE_ACTOR", "LOGNAME", "USER", "LNAME", "USERNAME"):
    os.environ.pop(name, None)
from classface_assets.store.ledger import LabelledFace, Ledger
from classface_assets.store.book import who_acts
Ledger("sqlite://").events()
os.setuid(54321)
Ledger("sqlite://").label("Anna", [LabelledFace("f", "photo", (0, 0, 1, 1))])
print(who_acts())
"""
    assert python(code).communicate() == ("user 54321\n", "")


WRITER = """
import sys
from classface_assets.store.ledger import LabelledFace, Ledger
ledger = Ledger(sys.argv[1])
for n in range(int(sys.argv[3])):
    ledger.label("anna" if n % 2 else "ANNA", [LabelledFace(f"{sys.argv[2]}-{n}", "photo", (0, 0, 1, 1))])
    print(n, flush=True)
"""


def test_eight_processes_that_write_at_once_lose_nothing_and_create_one_person(either: Ledger) -> None:
    writers = [python(WRITER, either.url, name, 8) for name in "abcdefgh"]
    assert [writer.communicate()[1] for writer in writers] == [""] * 8
    assert len(names(either)) == 1
    assert set(who(either)) == {f"{name}-{n}" for name in "abcdefgh" for n in range(8)}
    assert [event.id for event in either.events()] == list(range(1, 8 * 8 + 2))


def test_a_killed_writer_loses_no_label_that_was_answered(ledger: Ledger) -> None:
    writer = python(WRITER, ledger.url, "w", 100_000)
    assert writer.stdout
    for _ in range(10):
        writer.stdout.readline()
    writer.send_signal(signal.SIGKILL)
    answered = writer.communicate()[0].split()
    last = int(answered[-1]) if answered else 9
    assert {f"w-{n}" for n in range(last + 1)} <= set(who(ledger))
    ledger.label("Bella", [face("next")])
    assert who(ledger)["next"] == "Bella"


def test_a_renamed_person_keeps_id_and_faces(ledger: Ledger) -> None:
    anna = ledger.label("Anna", [face("f")]).person
    renamed = ledger.rename("ANNA", "Anna Müller").person
    assert (renamed.id, renamed.name, renamed.created_at) == (anna.id, "Anna Müller", anna.created_at)
    assert renamed.updated_at > anna.updated_at and who(ledger) == {"f": "Anna Müller"}
    assert ledger.rename("anna müller", "ANNA MÜLLER").person.name == "ANNA MÜLLER", "one's own name in another case"


def test_a_person_cannot_take_the_name_of_another(ledger: Ledger) -> None:
    ledger.label("Anna", [face("f")])
    ledger.label("Bella", [face("g")])
    with pytest.raises(LedgerError, match=r"^There is already a person called 'Bella'; choose another name\.$"):
        ledger.rename("Anna", "bella")
    with pytest.raises(LedgerError, match=r"^Nobody is called 'Carla'; `classface people` lists the names\.$"):
        ledger.rename("Carla", "Dora")
    assert len(ledger.events()) == 4


def test_an_undo_brings_back_the_state_before_and_may_be_undone(ledger: Ledger) -> None:
    ledger.label("Anna", [face("f")])
    before = ledger.decisions()
    ledger.label("Bella", [face("f")])
    after = ledger.decisions()
    ledger.undo()
    ledger.undo()
    assert ledger.decisions() == before
    undo_of_the_person, undo_of_the_label = ledger.events()[-1].id, ledger.events()[-2].id
    ledger.undo(undo_of_the_person)
    ledger.undo(undo_of_the_label)
    assert ledger.decisions() == after and len(ledger.events()) == 8


def test_undo_takes_back_the_last_decision_in_force_and_no_other(ledger: Ledger) -> None:
    ledger.label("Anna", [face("f")])
    ledger.rename("Anna", "Bella")
    assert ledger.undo().kind == "person_renamed" and who(ledger) == {"f": "Anna"}
    assert ledger.undo().kind == "faces_labelled" and who(ledger) == {}
    assert ledger.undo().kind == "person_created" and names(ledger) == []
    with pytest.raises(LedgerError, match=r"^There is nothing in the ledger to undo; .*\.$"):
        ledger.undo()
    with pytest.raises(LedgerError, match=r"^There is no event 3 in force to undo; .*\.$"):
        ledger.undo(3)


def test_an_undo_never_leaves_two_people_of_one_name(ledger: Ledger) -> None:
    ledger.label("Anna", [face("f")])
    renaming = ledger.rename("Anna", "Bella") and ledger.events()[-1]
    ledger.label("anna", [face("g")])
    events = ledger.events()
    with pytest.raises(LedgerError, match=r"two people called 'anna'; rename one of them first\.$"):
        ledger.undo(renaming.id)
    assert ledger.events() == events, "the refused undo left nothing behind"
    ledger.rename("anna", "Anna B.")
    ledger.undo(renaming.id)
    assert sorted(names(ledger)) == ["Anna", "Anna B."]


@pytest.mark.parametrize(
    "name",
    [
        *(
            "<script>alert('x')</script>",
            'O\'Brien "Bob"',
            "Robert'); DROP TABLE events;--",
            "{{ name }}",
            "%s",
            "a\\b",
        ),
        *("José 🎒/Núñez", "محمد بن سلمان", "علی‌رضا", "👨‍👩‍👧", "שרה", "王小明", unicodedata.normalize("NFD", "Zoë")),
        *("x", "L" * 255),
    ],
)
def test_a_name_is_kept_letter_by_letter(name: str, ledger: Ledger) -> None:
    assert ledger.label(name, [face("f")]).person.name == name
    assert who(ledger) == {"f": name}
    assert ledger.rename(name, "Other").person.name == "Other"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "A name is needed: an empty one was given."),
        (" \t\n", "A name is needed: an empty one was given."),
        ("\u200b", "A name is needed: an empty one was given."),
        ("L" * 256, "A name has at most 255 characters; this one has 256."),
        ("be\all", "The name 'be\\x07ll' has characters that cannot be shown; leave them out."),
        ("\x1b[31mred", "The name '\\x1b[31mred' has characters that cannot be shown; leave them out."),
        ("Stra\udcdfe", "The name 'Stra\\udcdfe' has characters that cannot be shown; leave them out."),
    ],
)
def test_a_name_that_cannot_be_is_one_sentence(name: str, sentence: str, ledger: Ledger) -> None:
    with pytest.raises(LedgerError) as told:
        ledger.label(name, [face("f")])
    assert str(told.value) == sentence
    ledger.label("Anna", [face("f")])
    with pytest.raises(LedgerError):
        ledger.rename("Anna", name)
    assert names(ledger) == ["Anna"]


def test_a_ledger_that_cannot_be_used_is_one_sentence_without_its_password(tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("no database" * 99)
    for url in (
        f"sqlite:///{tmp_path}/a file/ledger.sqlite",
        f"sqlite:///{tmp_path}",
        f"sqlite:///{tmp_path}/a file",
        "no address",
        "nosuch://host/ledger",
        "mysql+nosuch://me:secret@localhost/ledger",
    ):
        with pytest.raises(
            LedgerError, match=r"^The ledger [^\n]* cannot be used \([^\n]*\); .*CLASSFACE_LEDGER\.$"
        ) as told:
            Ledger(url).label("Anna", [face("f")])
        assert "secret" not in str(told.value)


# ---- replay and carry


def test_events_of_a_later_version_are_passed_over() -> None:
    known = [event(1, "person_created", person_id="p", name="Anna"), label_event(3, "p", face("f"))]
    unknown = [event(2, "person_knighted", anything={"at": "all"}), event(4, "hidden")]
    assert replay(known + unknown) == replay(known)
    assert list(replay(known).marks) == ["f"]


def test_replay_is_pure() -> None:
    events = [event(1, "person_created", person_id="p", name="Anna"), label_event(2, "p", face("f"))]
    first = replay(events)
    replay([*events, event(3, "person_renamed", person_id="p", name="Bella")])
    assert replay(events) == first and first.persons["p"].name == "Anna"


def test_labels_of_a_person_who_was_taken_back_have_no_effect() -> None:
    events = [event(1, "person_created", person_id="p", name="Anna"), label_event(2, "p", face("f"))]
    assert replay([*events, event(3, "undone", event_id=1)]) == Decisions()


def boxes(*faces: tuple[str, str, Box]) -> pl.DataFrame:
    schema = ["face_id", "asset_id", "bbox_x", "bbox_y", "bbox_w", "bbox_h"]
    return pl.DataFrame([(face_id, asset, *box) for face_id, asset, box in faces], schema=schema, orient="row")


def marks(*labels: tuple[str, str, str, Box]) -> Decisions:
    return Decisions({}, {face_id: FaceMark(person, asset, box) for face_id, person, asset, box in labels})


def test_a_label_follows_its_face_to_the_box_of_another_detector() -> None:
    decisions = marks(("old", "anna", "photo", (100, 100, 80, 80)))
    faces = boxes(
        ("n1", "photo", (96, 90, 90, 100)), ("n2", "photo", (120, 100, 80, 80)), ("n3", "photo", (400, 100, 80, 80))
    )
    assert confirmed_faces(decisions, faces) == {"n1": "anna"}


def test_a_label_never_goes_to_a_face_of_another_photo_nor_to_one_beside_it() -> None:
    decisions = marks(("old", "anna", "photo", (100, 100, 80, 80)))
    assert confirmed_faces(decisions, boxes(("n", "another photo", (100, 100, 80, 80)))) == {}
    assert confirmed_faces(decisions, boxes(("n", "photo", (160, 100, 80, 80)))) == {}
    assert confirmed_faces(decisions, boxes()) == {}


def test_two_labels_never_go_to_one_face() -> None:
    decisions = marks(("o1", "anna", "photo", (100, 100, 80, 80)), ("o2", "bella", "photo", (110, 100, 80, 80)))
    assert confirmed_faces(decisions, boxes(("n", "photo", (108, 100, 80, 80)))) == {"n": "bella"}
    both = boxes(("n", "photo", (108, 100, 80, 80)), ("m", "photo", (95, 100, 80, 80)))
    assert confirmed_faces(decisions, both) == {"n": "bella", "m": "anna"}


def test_a_face_that_is_labelled_itself_takes_no_other_label() -> None:
    decisions = marks(("gone", "anna", "photo", (100, 100, 80, 80)), ("here", "bella", "photo", (100, 100, 80, 80)))
    assert confirmed_faces(decisions, boxes(("here", "photo", (100, 100, 80, 80)))) == {"here": "bella"}


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((0, 0, 10, 10), (0, 0, 10, 10), 1),
        ((0, 0, 10, 10), (5, 0, 10, 10), 1 / 3),
        ((0, 0, 10, 10), (10, 0, 10, 10), 0),
        ((0, 0, 10, 10), (20, 20, 5, 5), 0),
        ((0, 0, 0, 0), (0, 0, 0, 0), 0),
    ],
)
def test_overlap_is_intersection_over_union(a: Box, b: Box, expected: float) -> None:
    assert overlap(a, b) == pytest.approx(expected) == overlap(b, a)


# ---- people


def status(ledger: Ledger) -> dict[str, str]:
    return {person.name: person.status for person in ledger.decisions().persons.values()}


def test_a_merge_moves_all_faces_and_its_undo_brings_both_back_with_theirs(either: Ledger) -> None:
    anna = either.label("Anna", [face("a1", "p1"), face("a2", "p2")]).person
    ann = either.label("Ann", [face("b1", "p3"), face("b2", "p4")]).person
    before = either.decisions()
    merged = either.merge("ann", "ANNA")
    assert (merged.person.id, merged.faces, merged.notes) == (anna.id, 2, ())
    state = either.decisions()
    assert who(either) == dict.fromkeys(["a1", "a2", "b1", "b2"], "Anna")
    assert (state.persons[ann.id].status, state.persons[ann.id].merged_into_id) == ("merged", anna.id)
    assert either.label("Ann", [face("b3", "p5")]).person.id == anna.id, "the old name means whom it was merged into"
    either.undo(merged.events[0])
    after = either.decisions()
    assert after.persons == before.persons
    assert who(either) == {"a1": "Anna", "a2": "Anna", "b3": "Anna", "b1": "Ann", "b2": "Ann"}


def test_merges_in_a_row_end_at_the_last_person(ledger: Ledger) -> None:
    for name in "ABC":
        ledger.label(name, [face(name, f"photo of {name}")])
    ledger.merge("A", "B")
    assert ledger.merge("B", "C").faces == 2, "who was merged into B moves along"
    assert who(ledger) == {"A": "C", "B": "C", "C": "C"}
    ledger.undo()
    assert who(ledger) == {"A": "B", "B": "B", "C": "C"}


@pytest.mark.parametrize(
    ("source", "target", "sentence"),
    [
        ("Anna", "anna", "Anna cannot be merged into themselves; name two different people."),
        ("Anna", "Nobody", "Nobody is called 'Nobody'; `classface people` lists the names."),
        ("Nobody", "Anna", "Nobody is called 'Nobody'; `classface people` lists the names."),
        ("Old", "Bella", "Old was merged into Anna already; undo that, or name Anna."),
        ("Bella", "Old", "Old was merged into Anna already; undo that, or name Anna."),
    ],
)
def test_a_merge_that_cannot_be_is_one_sentence(source: str, target: str, sentence: str, ledger: Ledger) -> None:
    for name in ("Anna", "Bella", "Old"):
        ledger.create(name)
    ledger.merge("Old", "Anna")
    events = ledger.events()
    with pytest.raises(LedgerError) as told:
        ledger.merge(source, target)
    assert str(told.value) == sentence and ledger.events() == events


def test_a_merge_of_two_who_are_in_one_photo_tells_so(ledger: Ledger) -> None:
    ledger.label("Anna", [face("a", "class photo"), face("a2", "mirror")])
    ledger.label("Ann", [face("b", "class photo"), face("b2", "mirror")])
    ledger.mark_photo("mirror", "mirror")
    (note,) = ledger.merge("Ann", "Anna").notes
    assert note.startswith("Ann and Anna are both in 1 photo (as class photo)")


def test_a_merged_persons_name_is_free_for_whom_they_became_and_for_nobody_else(ledger: Ledger) -> None:
    ledger.create("Ana Müler"), ledger.create("Anna Müller"), ledger.create("Bella")
    merge = ledger.merge("Anna Müller", "Ana Müler")
    with pytest.raises(ConflictError, match="already a person called 'Anna Müller'"):
        ledger.rename("Bella", "anna müller")
    with pytest.raises(ConflictError, match="already a person called 'Anna Müller'"):
        ledger.create("Anna Müller")
    renamed = ledger.rename("Ana Müler", "Anna Müller")
    with pytest.raises(ConflictError, match="two people called 'Anna Müller'"):
        ledger.undo(merge.events[0])
    ledger.undo(renamed.events[0])
    ledger.undo(merge.events[0])
    assert set(status(ledger).values()) == {"active"}


def test_merges_undone_and_redone_never_go_in_a_circle(ledger: Ledger) -> None:
    ledger.create("A"), ledger.create("B")
    (first,) = ledger.merge("A", "B").events
    ledger.undo(first)
    undo = ledger.events()[-1].id
    (second,) = ledger.merge("B", "A").events
    with pytest.raises(ConflictError, match=f"^Undoing event {undo} contradicts the merge of event {second}"):
        ledger.undo(undo)
    with pytest.raises(ConflictError, match="contradicts the merge"):
        ledger.undo(1)
    assert status(ledger) == {"A": "active", "B": "merged"}
    circle = [*ledger.events(), event(99, "undone", event_id=undo)]
    assert replay(circle).became(replay(circle).persons[ledger.events()[0].payload["person_id"]].id)


def test_people_are_hidden_and_shown_again(either: Ledger) -> None:
    either.label("Anna", [face("f")])
    assert either.hide("anna").person.status == "hidden"
    assert who(either) == {"f": "Anna"}, "their faces stay theirs"
    with pytest.raises(ConflictError, match=r"^Anna is hidden already\.$"):
        either.hide("Anna")
    assert either.show("Anna").person.status == "active"
    with pytest.raises(ConflictError, match=r"^Anna is not hidden\.$"):
        either.show("Anna")
    either.undo()
    assert status(either) == {"Anna": "hidden"}


def test_what_is_known_of_a_person_is_kept_and_can_be_undone(either: Ledger) -> None:
    anna = either.create("Anna").person
    assert (anna.kind, anna.birth_date, anna.consent) == ("student", None, None)
    either.set_kind("Anna", "staff")
    either.birth_date(anna.id, date(2011, 2, 3))
    either.consent("Anna", True)
    told = either.consent("Anna", False).person
    assert (told.kind, told.birth_date, told.consent) == ("staff", date(2011, 2, 3), False)
    for _ in range(3):
        either.undo()
    assert replace(either.decisions().persons[anna.id], updated_at=anna.updated_at) == replace(anna, kind="staff")


def test_the_last_word_on_consent_counts_after_a_merge_too(ledger: Ledger) -> None:
    ledger.create("Anna"), ledger.create("Ann")
    ledger.consent("Anna", True)
    ledger.consent("Ann", False)
    assert ledger.merge("Ann", "Anna").person.consent is False


@pytest.mark.parametrize(
    ("act", "sentence"),
    [
        (
            lambda ledger: ledger.set_kind("Anna", "teacher"),
            "'teacher' is no kind of person; it is one of student, staff",
        ),
        (
            lambda ledger: ledger.birth_date("Anna", date(1066, 1, 1)),
            "Nobody in a school's photos was born on 1066-01-01",
        ),
        (
            lambda ledger: ledger.birth_date("Anna", date(2999, 1, 1)),
            "Nobody in a school's photos was born on 2999-01-01",
        ),
        (lambda ledger: ledger.siblings(["Anna", "ANNA"]), "Siblings are at least two different people"),
        (lambda ledger: ledger.hide("Carla"), "Nobody is called 'Carla'"),
        (lambda ledger: ledger.create("ANNA"), "There is already a person called 'Anna'"),
        (lambda ledger: ledger.confirm("Carla", [face("f")]), "Nobody is called 'Carla'"),
        (lambda ledger: ledger.label("Anna", []), "A face is needed: none was given."),
        (lambda ledger: ledger.label("Anna", [face("f")], "magic"), "Faces are labelled by cluster, hand, import"),
        (lambda ledger: ledger.take_off([face("f")]), "None of these faces was labelled"),
        (lambda ledger: ledger.must_link([face("f"), face("f")]), "At least 2 different faces are needed: only 1 was"),
        (lambda ledger: ledger.split("c", [[face("f")]]), "A cluster is split into at least two groups"),
        (lambda ledger: ledger.split("c", [[face("f")], [face("f")]]), "A face is in two groups of the split"),
        (
            lambda ledger: ledger.mark_photo("p", "painting"),
            "A photo is marked as collage or mirror, not as 'painting'",
        ),
        (lambda ledger: ledger.unmark_photo("p"), "The photo p is not marked."),
        (lambda ledger: ledger.draw(face("f", "p", (5, 5, 0, 9))), "A face's box must lie in the photo"),
        (lambda ledger: ledger.undo(77), "There is no event 77 in force to undo"),
    ],
)
def test_what_cannot_be_decided_is_one_sentence_and_leaves_nothing(
    act: Callable[[Ledger], object], sentence: str, ledger: Ledger
) -> None:
    ledger.create("Anna")
    with pytest.raises(LedgerError) as told:
        act(ledger)
    assert str(told.value).startswith(sentence) and "\n" not in str(told.value) and str(told.value).endswith(".")
    assert len(ledger.events()) == 1


def test_siblings_are_siblings_of_each_other_also_after_a_merge(ledger: Ledger) -> None:
    a, b, c, d = (ledger.create(name).person.id for name in "ABCD")
    ledger.siblings(["A", "B"])
    ledger.siblings(["B", "C"])
    assert ledger.decisions().siblings == {a: {b}, b: {a, c}, c: {b}}
    ledger.merge("B", "D")
    assert ledger.decisions().siblings == {a: {d}, d: {a, c}, c: {d}}


# ---- faces


def test_the_later_word_on_a_face_and_a_person_counts(either: Ledger) -> None:
    either.label("Anna", [face("f"), face("g")])
    act = either.reject("Anna", [face("f")])
    assert act.faces == 1 and act.notes == ("1 face had been said to be Anna; the later word counts.",)
    anna = act.person.id
    assert who(either) == {"g": "Anna"} and set(either.decisions().rejected) == {("f", anna)}
    act = either.confirm("Anna", [face("f")])
    assert act.notes[0] == "1 face had been said not to be Anna; the later word counts."
    assert who(either) == {"f": "Anna", "g": "Anna"} and not either.decisions().rejected
    either.undo()
    assert who(either) == {"g": "Anna"} and set(either.decisions().rejected) == {("f", anna)}


def test_rejecting_one_person_leaves_the_label_of_another(ledger: Ledger) -> None:
    ledger.create("Bella")
    ledger.label("Anna", [face("f")])
    assert ledger.reject("Bella", [face("f")]).faces == 0
    assert who(ledger) == {"f": "Anna"}


def test_it_is_kept_how_a_face_came_by_its_name(ledger: Ledger) -> None:
    for how in ("cluster", "hand", "import"):
        ledger.label("Anna", [face(how, how)], how)
    ledger.confirm("Anna", [face("confirmed", "c")])
    assert {f: mark.how for f, mark in ledger.decisions().marks.items()} == {
        how: how for how in ("cluster", "hand", "import", "confirmed")
    }


def test_a_face_taken_off_is_nobodys_and_may_be_anybodys_again(either: Ledger) -> None:
    either.label("Anna", [face("f"), face("g")])
    assert either.take_off([face("f"), face("new")]).faces == 1
    assert who(either) == {"g": "Anna"} and either.decisions().rejected == {}
    either.undo()
    assert who(either) == {"f": "Anna", "g": "Anna"}


def test_two_faces_of_one_person_in_a_photo_are_told_unless_it_is_a_collage(either: Ledger) -> None:
    assert either.label("Anna", [face("a", "p1"), face("b", "p2")]).notes == ()
    (note,) = either.label("Anna", [face("c", "p1")]).notes
    assert note.startswith("Anna now has more than one face in 1 photo (as p1)")
    either.mark_photo("p2", "collage")
    assert either.label("Anna", [face("d", "p2")]).notes == ()
    assert either.not_faces([face("x", "p3"), face("y", "p3")]).notes == ()
    assert len(who(either)) == 6, "people overrule"


def test_a_label_tells_whose_the_faces_were(ledger: Ledger) -> None:
    ledger.label("Anna", [face("f"), face("g", "q")])
    assert ledger.label("Bella", [face("f"), face("g", "q")]).notes == (
        "2 faces had been said to be Anna; the later word counts.",
    )


def test_photos_are_marked_and_unmarked(either: Ledger) -> None:
    either.mark_photo("p", "collage")
    with pytest.raises(ConflictError, match=r"^The photo p is marked as collage already\.$"):
        either.mark_photo("p", "collage")
    either.mark_photo("p", "mirror")
    assert either.decisions().photo_marks == {"p": "mirror"}
    either.unmark_photo("p")
    assert either.decisions().photo_marks == {}


def test_a_face_drawn_by_hand_is_kept_until_it_is_undone(ledger: Ledger) -> None:
    drawn = face("f", "p", (1.5, 2, 30, 40))
    ledger.draw(drawn)
    assert ledger.decisions().drawn == {"f": drawn}
    ledger.undo()
    assert ledger.decisions().drawn == {}


def test_the_faces_of_an_erased_person_stay_barred_and_nothing_said_of_them_stands(either: Ledger) -> None:
    either.label("Ann", [face("a", "p1"), face("b", "p2")])
    either.label("Anna", [face("c", "p3")])
    either.merge("Ann", "Anna")
    either.must_link([face("a", "p1"), face("inferred", "p4")])
    either.label("Bella", [face("z", "p1")])
    erased = either.erase("Anna", [face("inferred", "p4")])
    assert erased.faces == 4 and erased.person.erased and erased.person.status == "hidden"
    state = either.decisions()
    assert set(state.barred) == {"a", "b", "c", "inferred"} and state.links == ()
    assert who(either) == {"z": "Bella"}
    for name in ("Anna", "Ann"):
        with pytest.raises(UnknownError):
            either.rename(name, "Carla")
    with pytest.raises(ConflictError, match=r"^The face a is of a person who was erased"):
        either.label("Bella", [face("a", "p1")])
    assert either.create("Anna").person.id != erased.person.id, "another child may have the name"
    either.undo()
    either.undo(erased.events[0])
    assert who(either) == {"a": "Anna", "b": "Anna", "c": "Anna", "z": "Bella"} and not either.decisions().barred


# ---- who belongs together


def boxed(*faces: LabelledFace) -> pl.DataFrame:
    """FACES of today, as far as carrying over needs them."""
    return boxes(*((f.face_id, f.asset_id, f.box) for f in faces))


F = [face(f"f{n}", f"photo {n}") for n in range(8)]


def now(ledger: Ledger) -> Said:
    return said(ledger.decisions(), boxed(*F))


def pairs(*numbers: tuple[int, int]) -> set[tuple[str, str]]:
    return {(f"f{a}", f"f{b}") for a, b in numbers}


def test_of_words_that_contradict_each_other_the_later_counts_and_says_so(either: Ledger) -> None:
    assert either.must_link(F[:3]).notes == ()
    first = either.events()[-1].id
    act = either.cannot_link([F[0], F[2]])
    assert act.notes == (
        f"This contradicts 1 earlier word on who belongs together (event {first}): the later word counts.",
    )
    assert set(now(either).cannot) == pairs((0, 2)) and len(now(either).must) == 1
    assert either.must_link([F[0], F[2]]).notes, "and back again"
    assert now(either).cannot == () and pairs((0, 2)) <= set(now(either).must)
    either.undo()
    either.undo()
    assert set(now(either).must) == pairs((0, 1), (1, 2)) and now(either).cannot == ()


def test_labels_hold_against_links(ledger: Ledger) -> None:
    ledger.label("Anna", F[:2])
    ledger.label("Bella", F[2:4])
    with pytest.raises(ConflictError, match=r"^These faces are labelled as Anna and Bella; "):
        ledger.must_link([F[0], F[2]])
    with pytest.raises(ConflictError, match=r"^Two of these faces are labelled as Anna; "):
        ledger.cannot_link([F[0], F[1], F[4]])
    ledger.must_link([F[4], F[0]])
    ledger.cannot_link([F[4], F[5]])
    assert (set(now(ledger).must), set(now(ledger).cannot)) == (pairs((4, 0)), pairs((4, 5)))
    ledger.label("Bella", [F[4]])
    assert now(ledger).must == (), "the label is a later word, and a stronger one"
    assert ledger.label("Bella", [F[4], F[5]]).notes == (
        "1 pair of these faces had been said to be two people; the label counts.",
    )
    assert now(ledger).cannot == ()


def test_a_link_by_way_of_others_may_contradict_labels(ledger: Ledger) -> None:
    ledger.label("Anna", [F[0]])
    ledger.label("Bella", [F[1]])
    ledger.must_link([F[0], F[2]])
    ledger.must_link([F[2], F[3]])
    assert ledger.must_link([F[3], F[1]]).notes, "one of the three cannot be"
    assert set(now(ledger).must) == pairs((3, 1), (2, 3))


def test_a_rejection_holds_for_all_who_belong_together_until_a_later_word(ledger: Ledger) -> None:
    anna = ledger.label("Anna", [F[0]]).person.id
    ledger.reject("Anna", [F[1]])
    assert now(ledger).rejected == {("f1", anna)}
    ledger.must_link([F[0], F[1]])
    assert now(ledger).rejected == frozenset() and set(now(ledger).must) == pairs((0, 1))


def test_a_split_holds_its_groups_together_and_apart(either: Ledger) -> None:
    either.split("unknown_cluster_3", [F[:3], F[3:5], F[5:6]])
    found = now(either)
    assert set(found.must) == pairs((0, 1), (1, 2), (3, 4))
    assert set(found.cannot) == pairs((0, 3), (0, 5), (3, 5))
    either.must_link([F[2], F[4]])
    again = now(either)
    assert pairs((2, 4)) <= set(again.must) and not pairs((0, 3)) & set(again.cannot)


def components(words: list[Word]) -> dict[str, set[str]]:
    """Face → all who belong together with it."""
    together = {f"f{n}": {f"f{n}"} for n in range(9)}
    for word in words:
        if word.same:
            joined = together[word.a] | together[word.b]
            for member in joined:
                together[member] = joined
    return together


def test_random_words_never_contradict_each_other_once_carried() -> None:
    random = Random(7)
    for _ in range(60):
        owners = {f"f{n}": random.choice("AB") for n in random.sample(range(8), 3)}
        words = []
        for number in range(25):
            a, b = random.sample(range(8), 2)
            words.append(Word(f"f{a}", f"f{b}", random.random() < 0.5, number))
        kept, dropped = resolve(owners, words)
        assert sorted([*kept, *dropped], key=lambda w: w.event_id) == words and words[-1] in (*kept, *dropped)
        labels = [Word(a, b, True, 0) for a in owners for b in owners if owners[a] == owners[b]]
        together = components([*kept, *labels])
        assert not any(w.b in together[w.a] for w in kept if not w.same)
        assert not any(b in together[a] for a in owners for b in owners if owners[a] != owners[b])


def test_who_belongs_together_by_way_of_a_face_that_is_gone_still_does(ledger: Ledger) -> None:
    ledger.must_link(F[:3])
    ledger.split("c", [F[3:5], F[5:7]])
    found = said(ledger.decisions(), boxed(F[0], F[2], F[4], F[6]))
    assert set(found.must) == pairs((2, 0)) or set(found.must) == pairs((0, 2))
    assert set(found.cannot) == pairs((4, 6)), "the faces by which the groups were told apart are gone"


def test_random_words_keep_their_meaning_whichever_faces_are_gone() -> None:
    random = Random(11)
    for _ in range(60):
        words = [Word(*(f"f{n}" for n in random.sample(range(9), 2)), random.random() < 0.6, n) for n in range(12)]
        kept, _ = resolve({}, words)
        gone = {f"f{n}" for n in random.sample(range(9), 4)}
        left = bridge(kept, gone)
        assert not any(gone & {word.a, word.b} for word in left)
        before, after = components(kept), components(left)
        there = [f"f{n}" for n in range(9) if f"f{n}" not in gone]
        assert all((b in before[a]) == (b in after[a]) for a in there for b in there)
        apart = {frozenset((x, y)) for w in kept if not w.same for x in before[w.a] for y in before[w.b]}
        still = {frozenset((x, y)) for w in left if not w.same for x in after[w.a] for y in after[w.b]}
        assert still == {pair for pair in apart if not pair & gone}


# ---- carried to another detector


def shifted(f: LabelledFace, name: str) -> LabelledFace:
    """The same face as another detector draws it."""
    x, y, w, h = f.box
    return LabelledFace(name, f.asset_id, (x + 5, y - 4, w * 1.1, h * 1.1))


def test_whichever_detector_is_in_use_the_later_word_on_a_face_counts(ledger: Ledger) -> None:
    old, new = face("old"), shifted(face("old"), "new")

    def both() -> list[str | None]:
        state = ledger.decisions()
        found = [said(state, boxed(f)).confirmed.get(f.face_id) for f in (old, new)]
        return [person and state.persons[person].name for person in found]

    ledger.label("Anna", [old])
    assert both() == ["Anna", "Anna"]
    ledger.label("Bella", [new])
    assert both() == ["Bella", "Bella"], "switching back to the old detector keeps the later word"
    ledger.label("Carla", [old])
    assert both() == ["Carla", "Carla"]
    ledger.take_off([new])
    assert both() == [None, None]
    ledger.confirm("Anna", [old])
    ledger.reject("Anna", [new])
    assert both() == [None, None]
    ledger.confirm("Anna", [new])
    assert both() == ["Anna", "Anna"]
    ledger.undo()
    assert both() == [None, None]


def test_every_constraint_follows_its_faces(ledger: Ledger) -> None:
    new = [shifted(f, f"n{n}") for n, f in enumerate(F)]
    anna = ledger.label("Anna", [F[0]]).person.id
    ledger.reject("Anna", [F[1]])
    ledger.must_link([F[2], F[3]])
    ledger.cannot_link([F[3], F[4]])
    ledger.not_faces([F[5]])
    ledger.mark_photo("photo 6", "collage")
    ledger.label("Gone", [F[7]])
    ledger.erase("Gone")
    expected = Said(
        confirmed={"n0": anna},
        rejected=frozenset({("n1", anna)}),
        must=(("n2", "n3"),),
        cannot=(("n3", "n4"),),
        collages=frozenset({"photo 6"}),
        not_faces=frozenset({"n5"}),
        barred=frozenset({"n7"}),
    )
    assert said(ledger.decisions(), boxed(*new)) == expected
    assert said(ledger.decisions(), boxed()) == Said(collages=frozenset({"photo 6"}))
    assert said(ledger.decisions(), pl.DataFrame()) == Said(collages=frozenset({"photo 6"}))


def test_two_neighbours_keep_their_own_words_however_late_the_others(ledger: Ledger) -> None:
    left, right = face("l", "p", (0, 0, 100, 100)), face("r", "p", (60, 0, 100, 100))
    only = LabelledFace("n", "p", (4, 0, 100, 100))
    anna = ledger.label("Anna", [left]).person.id
    ledger.label("Bella", [right])
    assert said(ledger.decisions(), boxed(only)).confirmed == {"n": anna}


# ---- ledgers of before, states of before


OLD = """
CREATE TABLE events (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, at VARCHAR(40) NOT NULL,
    actor VARCHAR(255) NOT NULL, kind VARCHAR(40) NOT NULL, payload JSON NOT NULL);
CREATE TRIGGER no_UPDATE BEFORE UPDATE ON events
    BEGIN SELECT RAISE(ABORT, 'the ledger is only ever appended to'); END;
CREATE TRIGGER no_DELETE BEFORE DELETE ON events
    BEGIN SELECT RAISE(ABORT, 'the ledger is only ever appended to'); END;
INSERT INTO events (at, actor, kind, payload) VALUES
    ('2024-05-04T12:00:00.123456+00:00', 'me', 'person_created', '{"person_id": "p", "name": "Anna"}'),
    ('2024-05-04T12:00:01+00:00', 'me', 'faces_labelled', '{"person_id": "p", "faces": [
        {"face_id": "f", "asset_id": "photo", "box": [1.5, 2, 3, 4]},
        {"face_id": "g", "asset_id": "q", "box": [0, 0, 9, 9]}]}'),
    ('2024-05-04T12:00:02+00:00', 'me', 'person_renamed', '{"person_id": "p", "name": "Oops"}'),
    ('2024-05-04T12:00:03+00:00', 'me', 'undone', '{"event_id": 3}');
"""


def test_a_ledger_of_an_earlier_version_is_read_as_it_was_and_written_on(ledger: Ledger) -> None:
    con = sqlite3.connect(ledger.url.removeprefix("sqlite:///"))
    con.executescript(OLD)
    con.close()
    (anna,) = ledger.decisions().persons.values()
    assert (anna.name, anna.status, anna.kind, anna.created_at.microsecond) == ("Anna", "active", "student", 123456)
    assert ledger.decisions().marks["f"] == FaceMark("p", "photo", (1.5, 2, 3, 4), 2)
    (note,) = ledger.label("Anna", [face("h", "q")]).notes
    assert note.startswith("Anna now has more than one face in 1 photo (as q)"), "what was said before is known"
    assert who(ledger) == {"f": "Anna", "g": "Anna", "h": "Anna"} and len(ledger.events()) == 5
    with (
        pytest.raises(sa.exc.DBAPIError, match="only ever appended to"),
        sa.create_engine(ledger.url, poolclass=sa.NullPool).begin() as writing,
    ):
        writing.exec_driver_sql("INSERT OR REPLACE INTO events SELECT id, at, 'x', kind, payload FROM events")


def test_the_state_as_of_any_event_is_that_after_the_acts_until_then(ledger: Ledger) -> None:
    acts: list[Callable[[], object]] = [
        lambda: ledger.label("Anna", F[:3]),
        lambda: ledger.label("Bella", F[2:5]),
        lambda: ledger.reject("Anna", F[:1]),
        lambda: ledger.merge("Bella", "Anna"),
        ledger.undo,
        lambda: ledger.split("c", [F[:1], F[1:2]]),
        lambda: ledger.rename("Anna", "Carla"),
        lambda: ledger.take_off(F[:3]),
        lambda: ledger.erase("Bella"),
    ]
    seen: list[tuple[int, Decisions]] = []
    for act in acts:
        act()
        seen.append((ledger.events()[-1].id, ledger.decisions()))
    events = ledger.events()
    for number, state in seen:
        assert replay(events, until=number) == state == ledger.decisions(until=number)
    assert replay(events, until=0) == Decisions()


def test_undoing_every_act_and_every_undo_leads_back_and_forth(ledger: Ledger) -> None:
    ledger.label("Anna", F[:3])
    ledger.label("Bella", F[2:5])
    ledger.merge("Bella", "Anna")
    ledger.reject("Anna", F[:1])
    ledger.consent("Anna", True)
    everything, count = ledger.decisions(), len(ledger.events())
    for _ in range(count):
        ledger.undo()
    assert ledger.decisions() == Decisions()
    for undo in range(2 * count, count, -1):
        ledger.undo(undo)
    assert ledger.decisions() == everything and len(ledger.events()) == 3 * count


def test_what_one_click_said_is_taken_back_whole_or_not_at_all(either: Ledger) -> None:
    click = either.label("Anna", F[:3]).events
    either.label("Bella", F[3:4])
    with pytest.raises(UnknownError, match="no event 99 in force"):
        either.undo_all([*click, 99])
    assert len(either.events()) == 4 and set(who(either).values()) == {"Anna", "Bella"}
    assert [e.kind for e in either.undo_all(click)] == ["person_created", "faces_labelled"]
    assert names(either) == ["Bella"] and who(either) == {"f3": "Bella"}
    either.undo_all([e.id for e in either.events()[-2:]])
    assert set(who(either).values()) == {"Anna", "Bella"}, "and brought back whole"


# ---- JSON Lines


def told(ledger: Ledger) -> list[bytes]:
    return [line.encode() for line in to_lines(ledger.events())]


def a_bit_of_everything(ledger: Ledger) -> None:
    ledger.label("علی‌رضا <b>O'Brien</b> 🎒", [face("f", "p", (1.5, 2, 1 / 3, 1e-7))], "cluster")
    ledger.label("Bella", F[2:5])
    ledger.must_link(F[:2]), ledger.cannot_link(F[1:3]), ledger.split("c", [F[5:6], F[6:]])
    ledger.reject("Bella", F[:1]), ledger.confirm("Bella", F[1:2]), ledger.take_off(F[1:2])
    (
        ledger.create("Carla"),
        ledger.rename("Carla", "Dora"),
        ledger.merge("Dora", "Bella"),
        ledger.undo(),
        ledger.hide("Dora"),
    )
    ledger.show("Dora"), ledger.set_kind("Dora", "staff"), ledger.siblings(["Dora", "Bella"])
    ledger.birth_date("Dora", date(2011, 2, 3)), ledger.birth_date("Dora", None), ledger.consent("Dora", True)
    ledger.consent("Dora", False), ledger.mark_photo("p", "mirror"), ledger.unmark_photo("p"), ledger.draw(F[0])
    ledger.give_portrait("Dora", "a face of no photo")
    ledger.not_faces(F[7:]), ledger.erase("Dora"), ledger.undo()
    ledger.import_roster([RosterEntry("Bella", "7", {"2019-2020": "3a"}, ("Ünal",), True, date(2011, 2, 3))], "a.csv")
    ledger.import_roster([RosterEntry("Ünal")], "b.csv"), ledger.strike_student("Ünal")


def test_a_ledger_goes_out_and_into_another_without_a_word_changed(either: Ledger, tmp_path: Path) -> None:
    source = Ledger(f"sqlite:///{tmp_path}/source.sqlite", actor="Frau Müller")
    a_bit_of_everything(source)
    assert {event.actor for event in source.events()} == {"Frau Müller"}
    assert {event.kind for event in source.events()} == set(EFFECTS) | {"undone"} == set(SHAPES)
    assert import_events(either, from_lines(told(source))) == len(source.events())
    assert either.events() == source.events() and told(either) == told(source)
    assert either.decisions() == source.decisions()
    assert import_events(either, from_lines(told(source))) == 0
    source.label("Zoe", F[:1])
    assert import_events(either, from_lines(told(source))) == 2, "only what is missing is appended"
    either.label("Yara", F[:1])
    assert [e.id for e in either.events()] == list(range(1, len(source.events()) + 3)), "ids go on where they ended"
    source.label("Xenia", F[:1])
    before = either.events()
    with pytest.raises(
        ConflictError, match=r"not the same in the file and in this ledger.*import the file into an empty"
    ):
        import_events(either, from_lines(told(source)))
    with pytest.raises(ConflictError, match="nothing shows that they belong together"):
        import_events(either, [replace(source.events()[-1], id=999)])
    assert either.events() == before


def test_bad_lines_are_listed_with_number_and_reason_and_nothing_is_imported(ledger: Ledger) -> None:
    good = b'{"id":%d,"at":"2024-05-04T12:00:00+00:00","actor":"me","kind":"%s","payload":%s}'
    lines = {
        b"no json": "it is not JSON (Expecting value)",
        b"[1]": "it is not an object with id, at, actor, kind and payload",
        b"\xff": "it is not UTF-8, or has half of a character",
        b'{"id":1}': "it has no at",
        good.replace(b"%d", b'"1"', 1) % (b"x", b"{}"): "its id cannot be '1'",
        good % (2**40, b"x", b"{}"): f"its id cannot be {2**40}",
        (good % (1, b"x", b"{}")).replace(b"+00:00", b""): "its at is no time with a time zone: '2024-05-04T12:00:00'",
        (good % (1, b"x", b"{}")).replace(b"2024", b"yyyy"): "its at is no time with a time zone",
        good % (1, b"k" * 41, b"{}"): "its kind has more than 40 or its actor more than 255 characters",
        good % (1, b"person_created", b'{"name":"A"}'): "a person_created event has no person_id",
        good % (1, b"person_created", b'{"person_id":"p","name":"a\\u0007"}'): "its name cannot be 'a\\x07'",
        good % (1, b"faces_labelled", b'{"person_id":"p","faces":[{"face_id":"f"}]}'): "its faces cannot be",
        good % (1, b"birth_date_set", b'{"person_id":"p","birth_date":"soon"}'): "its birth_date cannot be 'soon'",
        good % (1, b"undone", b'{"event_id":1}'): "it undoes an event that comes after it",
        good % (1, b"x", b'{"x":NaN}'): "NaN is no number of JSON",
        good % (1, b"x", b'{"x":"\\ud800"}'): "it is not UTF-8, or has half of a character",
        good % (1, b"x", b'{"x":' + b"[" * 99999 + b"]" * 99999 + b"}"): "it is nested too deeply",
    }
    text = [b"", good % (5, b"person_knighted", b'{"by":"the queen"}'), *lines, good % (5, b"x", b"{}")]
    with pytest.raises(BadLinesError) as refused:
        import_events(ledger, from_lines(text))
    expected = [*lines.values(), "event 5 comes after event 5; ids only grow"]
    assert [number for number, _ in refused.value.lines] == list(range(3, len(text) + 1))
    assert [why[: len(want)] for (_, why), want in zip(refused.value.lines, expected, strict=True)] == expected
    assert f"{len(lines) + 1} lines are no events of a ledger, so nothing was imported:\n  line 3: it is not" in str(
        refused.value
    )
    assert ledger.events() == []
    assert import_events(ledger, from_lines(text[:2])) == 1, "an event of a later version is kept as it is"


# ---- large ledgers


def large_ledger() -> list[Event]:
    """1,500 people in 5,000 events with 100,000 labelled faces in 40,000 photos."""
    random = Random(1)
    ids = [str(uuid.UUID(int=random.getrandbits(128))) for _ in range(101_500)]
    people, faces = ids[:1500], iter(ids[1500:])
    events = [event(n, "person_created", person_id=p, name=f"Person {n} Müller") for n, p in enumerate(people, 1)]
    for n in range(3500):
        some = [face(next(faces), f"photo {random.randrange(40_000)}") for _ in range(29 if n < 2000 else 28)]
        events.append(label_event(len(events) + 1, people[n % 1500], *some))
    return events


def seconds(act: Callable[[], object]) -> float:
    """CPU seconds, which other processes do not lengthen."""
    start = time.process_time()
    act()
    return time.process_time() - start


def test_a_ledger_of_a_hundred_thousand_faces_is_replayed_and_written_on_quickly(ledger: Ledger) -> None:
    events = large_ledger()
    assert import_events(ledger, events) == 5000
    assert len(ledger.decisions().marks) == 100_000
    assert seconds(ledger.decisions) < 2
    some = [face(f"new {n}", f"photo {n}") for n in range(20)]
    acts: list[Callable[[], object]] = [
        lambda: ledger.label("person 7 müller", some),
        lambda: ledger.label("Somebody new", some),
        lambda: ledger.reject("Somebody new", some[:1]),
        lambda: ledger.merge("Person 3 Müller", "Person 4 Müller"),
        lambda: ledger.must_link(some[1:3]),
        ledger.undo,
        lambda: ledger.rename("Person 9 Müller", "Person Neun"),
    ]
    assert [took for took in map(seconds, acts) if took > 0.4] == []


# ---- names that are nearly the same


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("jose nunez", ["José Núñez"]),
        ("José Núñez", []),
        ("Núñez José", ["José Núñez"]),
        ("Anna Muller", ["Anna Müller", "Ana Müller"]),
        ("Anna Mueller", ["Anna Müller", "Ana Müller"]),
        ("Anna-Müller", ["Anna Müller", "Ana Müller"]),
        ("Lukasz", ["Łukasz"]),
        ("Sören", ["Søren"]),
        ("Mra", ["Mar"]),
        ("Bo", []),
        ("Zacharias", []),
    ],
)
def test_names_that_are_nearly_the_same_are_told(name: str, near: list[str]) -> None:
    known = ["José Núñez", "Anna Müller", "Ana Müller", "Łukasz", "Søren", "Mar", "Ben", "Al"]
    assert near_names(name, known) == near


@pytest.mark.parametrize(
    ("a", "b", "distance"), [("", "", 0), ("", "ab", 2), ("ab", "ba", 1), ("kitten", "sitting", 3), ("abc", "abc", 0)]
)
def test_the_edit_distance_counts_letters_and_swaps(a: str, b: str, distance: int) -> None:
    assert edit_distance(a, b) == distance == edit_distance(b, a)


# ---- in plain words


def test_the_history_is_told_in_plain_words_and_never_names_who_was_erased(ledger: Ledger) -> None:
    ledger.label("Secret", F[:2])
    ledger.rename("Secret", "Classified")
    ledger.label("Bella", F[2:3], "cluster")
    ledger.siblings(["Classified", "Bella"])
    assert list(sentences(ledger.events()))[2:] == [
        *("Secret renamed to Classified", "Bella is a person", "1 face is Bella (as a cluster)"),
        "Classified and Bella are siblings",
    ]
    ledger.erase("Classified")
    lines = list(sentences(ledger.events()))
    assert not any("Secret" in line or "Classified" in line for line in lines)
    assert lines[-1] == "a person was erased, 2 faces barred"


def test_every_kind_of_event_is_told_in_words(ledger: Ledger) -> None:
    a_bit_of_everything(ledger)
    for said_of, line in zip(ledger.events(), sentences(ledger.events()), strict=True):
        assert said_of.kind not in line and "…" not in line and "{" not in line and "somebody" not in line
    later = event(1, "person_knighted")
    assert list(sentences([later])) == ["person_knighted"]


SECRET = "Zebedee Unforgettable"


def with_one_erased(ledger: Ledger) -> str:
    """A ledger that told a person's name in every way there is, before the person was erased; the person's id."""
    person = ledger.label("Somebody first", [face("a", "p1"), face("b", "p2")]).person
    ledger.rename(person.id, SECRET)
    ledger.birth_date(person.id, date(2011, 2, 3))
    ledger.import_roster([RosterEntry(SECRET, "7"), RosterEntry("Anna", "8", siblings=(SECRET,))], "list.csv")
    ledger.label("Anna", [face("c", "p1")])
    ledger.erase(person.id, [face("thought", "p3")])
    return person.id


def refuses_changes(ledger: Ledger) -> bool:
    engine = sa.create_engine(ledger.url, poolclass=sa.NullPool)
    for statement in ("UPDATE events SET actor = 'x'", "DELETE FROM events WHERE id = 1", "DELETE FROM touched"):
        with pytest.raises(sa.exc.DBAPIError, match="only ever appended to"), engine.begin() as con:
            con.exec_driver_sql(statement)
    return True


def stored_bytes(ledger: Ledger) -> bytes:
    """All that the database has on its disk of what is in it; PostgreSQL's log of changes is kept for a while."""
    url = sa.make_url(ledger.url)
    if url.get_backend_name() == "sqlite":
        return b"".join(file.read_bytes() for file in Path(str(url.database)).parent.iterdir())
    with sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT").connect() as con:
        con.exec_driver_sql("CHECKPOINT")
    files = (file for file in Path(str(url.query["host"]), "db", "base").rglob("*") if file.is_file())
    return b"".join(file.read_bytes() for file in files)


def test_an_erased_name_is_written_over_on_the_disk_too_and_nothing_else_may_ever_change(either: Ledger) -> None:
    person = with_one_erased(either)
    kept = either.decisions()
    assert refuses_changes(either) and SECRET.encode() in stored_bytes(either)
    assert redact(either.url, {person}) == 4
    assert refuses_changes(either) and SECRET.encode() not in stored_bytes(either)
    told = "".join(to_lines(either.events()))
    assert not any(words in told for words in (SECRET, "Somebody first", "2011-02-03")) and "Anna" in told
    after = either.decisions()
    assert after.barred == kept.barred and set(after.barred) == {"a", "b", "thought"} and after.marks == kept.marks
    assert redact(either.url, {person}) == 0
    with pytest.raises(ConflictError, match="was erased"):
        either.label("Somebody else", [face("a", "p1")])


def test_an_erased_name_is_in_no_log_of_a_ledger_that_keeps_one(ledger: Ledger) -> None:
    with_one_erased(Ledger(ledger.url))
    con = sqlite3.connect(str(sa.make_url(ledger.url).database))
    con.execute("PRAGMA journal_mode = WAL")
    person = ledger.label(SECRET + " the Second", [face("z")]).person.id
    ledger.erase(person)
    con.execute("SELECT count(*) FROM events").fetchone()
    redact(ledger.url, {p.id for p in ledger.decisions().persons.values() if p.erased})
    assert SECRET.encode() not in stored_bytes(ledger), "though somebody has it open"
    con.close()


HOSTILE = """
import sys, sqlalchemy as sa
engine = sa.create_engine(sys.argv[1], poolclass=sa.NullPool)
print("begins", flush=True)
while True:
    try:
        with engine.begin() as con:
            con.exec_driver_sql("UPDATE events SET actor = 'somebody else'")
        print("changed", flush=True)
    except sa.exc.DBAPIError as error:
        assert "only ever appended to" in str(error) or "database is locked" in str(error), error
"""


def test_while_a_name_is_written_over_others_write_on_and_nobody_else_may_change_a_word(either: Ledger) -> None:
    gone = [with_one_erased(Ledger(either.url)) if n == 0 else either.erase(str(n)).person.id for n in _people(either)]
    writers = [python(WRITER, either.url, name, 12) for name in "ab"]
    hostile = python(HOSTILE, either.url)
    assert hostile.stdout and hostile.stdout.readline() == "begins\n"
    assert all(redact(either.url, {person}) for person in gone)
    assert [writer.communicate()[1] for writer in writers] == ["", ""]
    hostile.kill()
    assert hostile.communicate() == ("", "")
    assert {f"{name}-{n}" for name in "ab" for n in range(12)} <= set(who(either)) and refuses_changes(either)
    assert SECRET not in "".join(to_lines(either.events()))


def _people(ledger: Ledger) -> range:
    for number in range(1, 6):
        ledger.label(str(number), [face(f"f{number}")])
    return range(6)


def test_a_ledger_exported_before_an_erasure_adds_nothing_to_the_one_that_knows_of_it(either: Ledger) -> None:
    with_one_erased(either)
    before = from_lines(line.encode() for line in to_lines(either.events()[:-1]))
    redact(either.url, {p.id for p in either.decisions().persons.values() if p.erased})
    known = either.events()
    assert import_events(either, before) == 0 and either.events() == known
    other = [replace(e, payload={**e.payload, "name": "x"}) if e.kind == "person_renamed" else e for e in before]
    strange = [replace(e, actor="x") for e in other]
    with pytest.raises(ConflictError, match="two ledgers"):
        import_events(either, strange)


def test_an_older_ledger_that_learns_of_an_erasure_loses_the_name_and_bars_the_faces(
    ledger: Ledger, tmp_path: Path
) -> None:
    """Be it by what is kept beside the data, or by an export of the ledger that knows."""
    archive = Archive(photos=str(tmp_path / "photos"), data=str(tmp_path), ledger=ledger.url)
    person = with_one_erased(ledger)
    before = ledger.events()[:-1]
    assert keep_erased(archive) == (0, 1)
    note_done_here(archive.layout, {person})  # as `classface forget` does when all is taken out
    assert keep_erased(archive) == (0, 0) and SECRET not in tombstones_file(archive.layout).read_text()
    told = ledger.events()

    older = Ledger(f"sqlite:///{tmp_path}/older.sqlite")
    import_events(older, before)
    restored = archive.model_copy(update={"ledger": older.url})
    assert set(barred_faces(restored.layout, older.events())) == {"a", "b", "thought"}, "even before anything is done"
    assert keep_erased(restored) == (1, 0) and set(older.decisions().barred) == {"a", "b", "thought"}
    assert SECRET not in "".join(to_lines(older.events())) and keep_erased(restored) == (0, 0)

    another = Ledger(f"sqlite:///{tmp_path}/another.sqlite")
    import_events(another, before)
    assert import_events(another, told) == 1 and another.decisions().barred == ledger.decisions().barred
    keep_erased(archive.model_copy(update={"ledger": another.url}))
    assert SECRET not in "".join(to_lines(another.events()))

    ledger.undo(told[-1].id)
    assert barred_faces(archive.layout, ledger.events()) == {}, "the ledger that knows of it has the last word"
