"""The ledger, its replay, and how its words follow their faces: real databases, real processes, real kills."""

import os
import signal
import unicodedata
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa

from classface_assets.store.carry import confirmed_faces
from classface_assets.store.decisions import Box, Decisions, FaceMark
from classface_assets.store.homes import overlap
from classface_assets.store.ledger import Ledger, LedgerError
from classface_assets.store.replay import replay
from classface_assets_tests.helpers import event, face, label_event, python


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(f"sqlite:///{tmp_path}/ledger.sqlite")


def names(ledger: Ledger) -> list[str]:
    return [person.name for person in ledger.decisions().persons.values()]


def who(ledger: Ledger) -> dict[str, str]:
    """Face id → name."""
    decisions = ledger.decisions()
    return {face_id: decisions.persons[mark.person_id].name for face_id, mark in decisions.marks.items()}


@pytest.mark.parametrize("statement", ["UPDATE events SET kind = 'x'", "DELETE FROM events"])
def test_the_database_itself_refuses_to_change_what_was_said(statement: str, ledger: Ledger) -> None:
    ledger.label("Anna", [face("f")])
    engine = sa.create_engine(ledger.url, poolclass=sa.NullPool)
    with pytest.raises(sa.exc.DBAPIError, match="only ever appended to"), engine.begin() as con:
        con.exec_driver_sql(statement)
    assert len(ledger.events()) == 2 and who(ledger) == {"f": "Anna"}


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


def test_four_processes_that_label_at_once_lose_nothing_and_create_one_person(ledger: Ledger) -> None:
    writers = [python(WRITER, ledger.url, name, 12) for name in "abcd"]
    assert [writer.communicate()[1] for writer in writers] == [""] * 4
    assert len(names(ledger)) == 1
    assert set(who(ledger)) == {f"{name}-{n}" for name in "abcd" for n in range(12)}
    assert [event.id for event in ledger.events()] == list(range(1, 4 * 12 + 2))


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
