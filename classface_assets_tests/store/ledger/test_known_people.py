"""A command reads what others recorded, and replays only that: people who are known stay known between two commands."""

import shutil
from pathlib import Path

import pytest

from classface_assets.store.decisions import growing_replay
from classface_assets.store.ledger.ledger import Ledger
from classface_assets.store.ledger.redaction import redact_people
from classface_assets.store.ledger.transaction import ConflictError, UnknownError
from classface_assets.store.model.events import Event
from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets_tests.support.helpers import face

PUPILS = [RosterEntry(f"Pupil {n}", str(100 + n)) for n in range(30)]


@pytest.fixture
def replays(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many events each replay from scratch had."""
    counts: list[int] = []
    replay_state = growing_replay.replay_state

    def counting(events: list[Event]) -> object:
        counts.append(len(events))
        return replay_state(events)

    monkeypatch.setattr(growing_replay, "replay_state", counting)
    return counts


def test_naming_groups_replays_the_people_once_however_many_are_named(ledger: Ledger, replays: list[int]) -> None:
    ledger.import_roster(PUPILS, "list.csv")
    ledger.label("Pupil 0", [face("f0", "p0")])
    replays.clear()
    for n in range(1, 20):
        assert ledger.label(f"pupil {n}", [face(f"f{n}", f"p{n}")]).person.student_id == str(100 + n)
        assert ledger.label(f"Pupil {n - 1}", [face(f"g{n}", f"q{n}")]).person.student_id == str(99 + n)
    assert replays == []
    ledger.undo()
    ledger.label("Somebody new", [face("f", "p")])
    assert 1 <= len(replays) <= 3  # an undo changes the past


def test_what_another_program_recorded_counts_for_the_next_command(either: Ledger) -> None:
    other = Ledger(either.url)
    ada = either.label("Ada", [face("a", "p1")]).person
    other.rename("Ada", "Ada Quill")
    ben = other.label("Ben", [face("b", "p1")]).person
    assert either.label("Ada Quill", [face("c", "p2")]).person.id == ada.id
    other.merge("Ben", "Ada Quill")
    assert either.label("ben", [face("d", "p3")]).person.id == ada.id
    assert (other.undo().kind, either.undo().kind) == ("faces_labelled", "person_merged")
    assert either.label("Ben", [face("e", "p3")]).person.id == ben.id
    with pytest.raises(UnknownError):
        either.rename("Cem", "Dan")
    assert either.decisions() == other.decisions()


def test_a_name_that_was_removed_is_not_found_any_more(either: Ledger) -> None:
    gone = either.label("Zoe", [face("a", "p1")]).person
    either.import_roster([RosterEntry("Zoe", "7"), RosterEntry("Anna", "8")], "list.csv")
    either.label("Anna", [face("b", "p1")])
    either.erase(gone.id)
    redact_people(either.url, {gone.id})
    new = either.label("Zoe", [face("c", "p2")]).person
    assert new.id != gone.id and new.student_id == ""
    assert either.label("Anna", [face("d", "p2")]).person.student_id == "8"


def test_a_command_that_failed_left_nobody_behind(ledger: Ledger) -> None:
    ledger.erase(ledger.label("Zoe", [face("erased", "p1")]).person.id)
    with pytest.raises(ConflictError, match="was erased"):
        ledger.label("Ada", [face("erased", "p1")])
    with pytest.raises(UnknownError):
        ledger.rename("Ada", "Ben")
    ada = ledger.label("Ada", [face("a", "p2")]).person
    assert [p.id for p in ledger.decisions().persons.values() if p.name == "Ada"] == [ada.id]


def test_an_older_ledger_in_place_of_this_one_is_read_from_scratch(ledger: Ledger, tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite"
    ada = ledger.label("Ada", [face("a", "p1")]).person
    shutil.copy(file, tmp_path / "older.sqlite")
    lost = ledger.label("Ben", [face("b", "p2")]).person
    shutil.copy(tmp_path / "older.sqlite", file)
    ben = ledger.label("Ben", [face("b", "p2")]).person
    assert ben.id != lost.id and list(ledger.decisions().persons) == [ada.id, ben.id]


def test_what_is_known_can_be_read_beforehand_and_be_forgotten(ledger: Ledger, replays: list[int]) -> None:
    ledger.import_roster(PUPILS, "list.csv")
    reader = Ledger(ledger.url)
    reader.read_people()
    replays.clear()
    reader.label("Pupil 3", [face("a", "p1")])
    assert replays == []
    reader.known.forget()
    reader.label("Pupil 3", [face("b", "p1")])
    assert replays == [2]  # the roster and the person
