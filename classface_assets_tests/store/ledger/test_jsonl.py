"""The ledger told and carried: the history in words, and all decisions as lines for another ledger."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from classface_assets.store.decisions.history import event_sentences
from classface_assets.store.decisions.reducers import REDUCERS
from classface_assets.store.ledger.jsonl import InvalidLinesError, from_jsonl, import_events, to_jsonl
from classface_assets.store.ledger.ledger import Ledger
from classface_assets.store.ledger.payloads import PAYLOADS
from classface_assets.store.ledger.transaction import ConflictError
from classface_assets.store.model.photo_session import PhotoSession
from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets.store.model.same_shots import SameShot
from classface_assets_tests.support.helpers import FACES, event, face


def exported_lines(ledger: Ledger) -> list[bytes]:
    return [line.encode() for line in to_jsonl(ledger.events())]


def a_bit_of_everything(ledger: Ledger) -> None:
    ledger.label("علی‌رضا <b>O'Brien</b> 🎒", [face("f", "p", (1.5, 2, 1 / 3, 1e-7))], "cluster")
    ledger.label("Bella", FACES[2:5])
    ledger.must_link(FACES[:2]), ledger.cannot_link(FACES[1:3]), ledger.split_cluster("c", [FACES[5:6], FACES[6:]])
    ledger.reject("Bella", FACES[:1]), ledger.confirm("Bella", FACES[1:2]), ledger.remove_labels(FACES[1:2])
    (
        ledger.create_person("Carla"),
        ledger.rename("Carla", "Dora"),
        ledger.merge("Dora", "Bella"),
        ledger.undo(),
        ledger.hide("Dora"),
    )
    ledger.show("Dora"), ledger.set_kind("Dora", "staff"), ledger.declare_siblings(["Dora", "Bella"])
    (
        ledger.set_birth_date("Dora", date(2011, 2, 3)),
        ledger.set_birth_date("Dora", None),
        ledger.set_consent("Dora", True),
    )
    (
        ledger.set_consent("Dora", False),
        ledger.mark_photo("p", "mirror"),
        ledger.unmark_photo("p"),
        ledger.draw_face(FACES[0]),
    )
    ledger.follow_photos([SameShot("p", "q", (0.5, 0, 1, 0, 0.5, 2)), SameShot("p", "p", orientation=(1, 1))])
    ledger.set_portrait("Dora", "a face of no photo"), ledger.choose_cover("Dora", FACES[1])
    ledger.mark_not_faces(FACES[7:]), ledger.erase("Dora"), ledger.undo()
    ledger.import_roster([RosterEntry("Bella", "7", {"2019-2020": "3a"}, ("Ünal",), True, date(2011, 2, 3))], "a.csv")
    day = date(2020, 5, 6)
    made = PhotoSession("", "Sports", event="2019-2020/sports", classes=("3a",), from_day=day, photos=("p",))
    session = ledger.create_session(made)
    stored = next(iter(ledger.decisions().sessions.values()))
    assert stored == replace(made, id=stored.id) and len(session.events) == 1
    ledger.correct_attendance("sports", "Bella", True), ledger.change_session(replace(stored, title="Run"))
    ledger.delete_session("Run")
    ledger.link_student("Bella", "007"), ledger.set_consent("Bella", True, ["web", "yearbook"])
    ledger.import_roster([RosterEntry("Ünal")], "b.csv"), ledger.remove_student("Ünal")


def test_a_ledger_is_exported_and_imported_into_another_unchanged(either: Ledger, tmp_path: Path) -> None:
    source = Ledger(f"sqlite:///{tmp_path}/source.sqlite", actor="Frau Müller")
    a_bit_of_everything(source)
    assert {event.actor for event in source.events()} == {"Frau Müller"}
    assert {event.kind for event in source.events()} == set(REDUCERS) | {"undone"} == set(PAYLOADS)
    assert import_events(either, from_jsonl(exported_lines(source))) == len(source.events())
    assert either.events() == source.events() and exported_lines(either) == exported_lines(source)
    assert either.decisions() == source.decisions()
    assert import_events(either, from_jsonl(exported_lines(source))) == 0
    source.label("Zoe", FACES[:1])
    assert import_events(either, from_jsonl(exported_lines(source))) == 2, "only what is missing is appended"
    either.label("Yara", FACES[:1])
    assert [e.id for e in either.events()] == list(range(1, len(source.events()) + 3)), "ids go on where they ended"
    source.label("Xenia", FACES[:1])
    before = either.events()
    with pytest.raises(
        ConflictError, match=r"not the same in the file and in this ledger.*import the file into an empty"
    ):
        import_events(either, from_jsonl(exported_lines(source)))
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
    with pytest.raises(InvalidLinesError) as refused:
        import_events(ledger, from_jsonl(text))
    expected = [*lines.values(), "event 5 comes after event 5; ids only grow"]
    assert [number for number, _ in refused.value.lines] == list(range(3, len(text) + 1))
    assert [why[: len(want)] for (_, why), want in zip(refused.value.lines, expected, strict=True)] == expected
    assert f"{len(lines) + 1} lines are no events of a ledger, so nothing was imported:\n  line 3: it is not" in str(
        refused.value
    )
    assert ledger.events() == []
    assert import_events(ledger, from_jsonl(text[:2])) == 1, "an event of a later version is kept as it is"


def test_the_history_in_plain_words_never_names_an_erased_person(ledger: Ledger) -> None:
    ledger.label("Secret", FACES[:2])
    ledger.rename("Secret", "Classified")
    ledger.label("Bella", FACES[2:3], "cluster")
    ledger.declare_siblings(["Classified", "Bella"])
    assert list(event_sentences(ledger.events()))[2:] == [
        *("Secret renamed to Classified", "Bella is a person", "1 face is Bella (as a cluster)"),
        "Classified and Bella are siblings",
    ]
    ledger.erase("Classified")
    lines = list(event_sentences(ledger.events()))
    assert not any("Secret" in line or "Classified" in line for line in lines)
    assert lines[-1] == "a person was erased, with 2 faces"


def test_every_kind_of_event_has_a_sentence(ledger: Ledger) -> None:
    a_bit_of_everything(ledger)
    for recorded, line in zip(ledger.events(), event_sentences(ledger.events()), strict=True):
        assert recorded.kind not in line and "…" not in line and "{" not in line and "somebody" not in line
    later = event(1, "person_knighted")
    assert list(event_sentences([later])) == ["person_knighted"]
