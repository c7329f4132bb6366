"""Decisions while a replay lets them grow, and what they are once all is said."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

from classface_assets.store.decisions import Decisions, FaceMark, LabelledFace, Link, Person, Portrait
from classface_assets.store.events import Event
from classface_assets.store.roster import birth_date_of, consent_of, entries_of, sibling_names, without_erased
from classface_assets.store.roster_entry import RosterEntry
from classface_assets.store.roster_students import folded, students_of
from classface_assets.store.same_shots import SameShot, SameShots


@dataclass
class State:
    """Decisions while they grow. Marks keep the person they named, so that undoing a merge parts them again."""

    persons: dict[str, Person] = field(default_factory=dict)
    marks: dict[str, FaceMark] = field(default_factory=dict)
    taken_off: dict[str, FaceMark] = field(default_factory=dict)
    rejected: dict[str, dict[str, FaceMark]] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)
    photo_marks: dict[str, str] = field(default_factory=dict)
    siblings: list[list[str]] = field(default_factory=list)
    consents: dict[str, tuple[int, bool]] = field(default_factory=dict)
    drawn: dict[str, LabelledFace] = field(default_factory=dict)
    barred: dict[str, LabelledFace] = field(default_factory=dict)
    rosters: list[Event] = field(default_factory=list)
    portraits: dict[str, str] = field(default_factory=dict)
    same_shots: list[SameShot] = field(default_factory=list)

    def became(self, person_id: str) -> str:
        while (person := self.persons.get(person_id)) is not None and person.merged_into_id is not None:
            person_id = person.merged_into_id
        return person_id

    def change(self, event: Event, **changes: Any) -> None:
        person = self.persons.get(event.payload["person_id"])
        if person is not None:
            self.persons[person.id] = replace(person, updated_at=event.at, **changes)


def settled(state: State) -> Decisions:
    """The decisions with every merged person resolved, and without what was said of people who are not there."""
    whose = {p: state.became(p) for p in state.persons}
    roster = without_erased(students_of(state.rosters), state.persons.values())
    rows = entries_of(state.persons, roster, state.became)
    consent = {whose[p]: said for p, said in sorted(state.consents.items(), key=lambda c: c[1]) if p in whose}
    persons = {
        p: replace(
            who,
            consent=consent_of(rows.get(whose[p], ()), consent.get(whose[p])),
            birth_date=who.birth_date or birth_date_of(rows.get(p, ())),
        )
        for p, who in state.persons.items()
    }
    merged = {p for p, now in whose.items() if p != now}
    marks = {
        f: replace(m, person_id=whose[m.person_id]) if m.person_id in merged else m for f, m in state.marks.items()
    }
    rejected = {
        (face, whose[person]): replace(mark, person_id=whose[person])
        for face, people in state.rejected.items()
        for person, mark in people.items()
        if person in whose and not (face in marks and marks[face].person_id == whose[person])
    }
    siblings: dict[str, set[str]] = {}
    for group in [*state.siblings, *_siblings_on(roster, rows)]:
        for a, b in combinations({whose[p] for p in group if p in whose and not persons[p].erased}, 2):
            siblings.setdefault(a, set()).add(b)
            siblings.setdefault(b, set()).add(a)
    near = {person: frozenset(others) for person, others in siblings.items()}
    portraits: dict[str, tuple[Portrait, ...]] = {}
    for p, face_id in state.portraits.items():
        if p in whose and not persons[p].erased:
            portraits[whose[p]] = (*portraits.get(whose[p], ()), (p, face_id))
    shots = SameShots.of(state.same_shots)
    photo_marks = {other: mark for photo, mark in state.photo_marks.items() for other in shots.others(photo)}
    return Decisions(
        persons,
        marks,
        state.taken_off,
        rejected,
        tuple(state.links),
        photo_marks | state.photo_marks,
        near,
        shots.with_others(state.drawn),
        shots.with_others(state.barred),
        roster,
        portraits,
        shots,
    )


def _siblings_on(roster: Iterable[RosterEntry], rows: Mapping[str, list[RosterEntry]]) -> Iterator[list[str]]:
    """Pairs of persons of whom a roster says so."""
    names = {folded(entry.student_id): folded(entry.name) for entry in roster if entry.student_id}
    persons = {folded(entry.name): person_id for person_id, entries in rows.items() for entry in entries}
    for person_id, entries in rows.items():
        for name in sorted(sibling_names(entries, names)):
            if persons.get(name, person_id) != person_id:
                yield [person_id, persons[name]]
