"""What people have said so far: the pure replay of the ledger's events into persons and confirmed faces."""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Event:
    """One act. `id` grows by one an event; what `payload` holds depends on `kind`."""

    id: int
    at: datetime
    actor: str
    kind: str
    payload: Mapping[str, Any]


@dataclass(frozen=True)
class Person:
    id: str
    name: str
    created_at: datetime
    updated_at: datetime
    status: str = "active"
    merged_into_id: str | None = None


@dataclass(frozen=True)
class FaceMark:
    """A labelled face: whose it is, and where it lies, by which it is found again under another detector."""

    person_id: str
    asset_id: str
    box: Box


@dataclass(frozen=True)
class Decisions:
    """The state after the last event: persons by id, and the mark of every confirmed face by face id."""

    persons: dict[str, Person] = field(default_factory=dict)
    marks: dict[str, FaceMark] = field(default_factory=dict)

    def named(self, name: str) -> Person | None:
        """The person of that name, whatever the case and the spaces around it."""
        wanted = fold(name)
        return next((p for p in self.persons.values() if fold(p.name) == wanted), None)


def fold(name: str) -> str:
    """The form in which two names are the same: no matter the case, the spaces, how accents are encoded, or what is
    invisible (a joiner between two Persian letters, a mark of the writing direction)."""
    seen = "".join(c for c in unicodedata.normalize("NFC", name.casefold()) if unicodedata.category(c) != "Cf")
    return " ".join(seen.split())


def undone_events(events: Iterable[Event]) -> set[int]:
    """Ids of the events without effect. An undo may itself be undone, so the last word is read first."""
    undone: set[int] = set()
    for event in sorted(events, key=lambda e: e.id, reverse=True):
        if event.kind == "undone" and event.id not in undone:
            undone.add(event.payload["event_id"])
    return undone


def replay(events: Iterable[Event]) -> Decisions:
    """The decisions in force. Raises nothing: events of kinds that this version does not know are passed over."""
    events = list(events)
    undone = undone_events(events)
    state = Decisions()
    for event in events:
        if event.id not in undone and event.kind in _APPLY:
            _APPLY[event.kind](state, event)
    return state


def _person_created(state: Decisions, event: Event) -> None:
    person = Person(event.payload["person_id"], event.payload["name"], event.at, event.at)
    state.persons[person.id] = person


def _person_renamed(state: Decisions, event: Event) -> None:
    person = state.persons.get(event.payload["person_id"])
    if person is not None:
        state.persons[person.id] = replace(person, name=event.payload["name"], updated_at=event.at)


def _faces_labelled(state: Decisions, event: Event) -> None:
    person_id = event.payload["person_id"]
    if person_id in state.persons:
        for face in event.payload["faces"]:
            state.marks[face["face_id"]] = FaceMark(person_id, face["asset_id"], tuple(face["box"]))


_APPLY = {
    "person_created": _person_created,
    "person_renamed": _person_renamed,
    "faces_labelled": _faces_labelled,
}
