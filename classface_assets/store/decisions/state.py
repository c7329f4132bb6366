"""Decisions while a replay lets them grow, and what they are once all is said."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

from classface_assets.store.decisions.display_names import display_names
from classface_assets.store.decisions.enrolment import StudentMatcher
from classface_assets.store.decisions.roster import birth_date_of, consent_status, drop_erased_students, sibling_pairs
from classface_assets.store.decisions.students import merge_imports
from classface_assets.store.model.decisions import Decisions, FaceLabel, FaceLink, Person, Portrait
from classface_assets.store.model.events import Event, undone_event_ids
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets.store.model.same_shots import SameShot, SameShots


@dataclass
class ReplayState:
    """Decisions while they grow. Marks keep the person they named, so that undoing a merge parts them again.

    `imports`: the events of the rosters. `undone_merges`: merges that were undone later, and `undos`: all that undid
    anything, by which it is found who was one person at some time.
    """

    persons: dict[str, Person] = field(default_factory=dict)
    merged: list[str] = field(default_factory=list)
    labels: dict[str, FaceLabel] = field(default_factory=dict)
    removed_labels: dict[str, FaceLabel] = field(default_factory=dict)
    rejected: dict[str, dict[str, FaceLabel]] = field(default_factory=dict)
    links: list[FaceLink] = field(default_factory=list)
    photo_marks: dict[str, str] = field(default_factory=dict)
    siblings: list[list[str]] = field(default_factory=list)
    enrolling: StudentMatcher = field(default_factory=StudentMatcher)
    drawn: dict[str, FaceRef] = field(default_factory=dict)
    erased_faces: dict[str, FaceRef] = field(default_factory=dict)
    portraits: dict[str, str] = field(default_factory=dict)
    same_shots: list[SameShot] = field(default_factory=list)
    imports: tuple[int, ...] = ()
    undone_merges: tuple[Event, ...] = ()
    undos: tuple[Event, ...] = ()

    @classmethod
    def of(cls, events: Sequence[Event], undone: Set[int]) -> "ReplayState":
        """Before the first of these events, of which some have no effect."""
        imports = [e for e in events if e.kind == "roster_imported" and e.id not in undone]
        merges = tuple(e for e in events if e.kind == "person_merged" and e.id in undone)
        undos = tuple(e for e in events if e.kind == "undone") if merges else ()
        enrolling = StudentMatcher(merge_imports(imports))
        return cls(enrolling=enrolling, imports=tuple(e.id for e in imports), undone_merges=merges, undos=undos)

    def group(self, person_id: str, also: Iterable[tuple[str, str]] = ()) -> list[str]:
        """All records of the person who this one is now; `also`: pairs of records that are one person beside."""
        found = {self.canonical_id(person_id)}
        found |= {p for p in self.merged if self.canonical_id(p) in found}
        pairs = [(self.canonical_id(a), self.canonical_id(b)) for a, b in also]
        while new := [pair for pair in pairs if len(set(pair) & found) == 1]:
            found |= {p for pair in new for p in pair}
        found |= {p for p in self.merged if self.canonical_id(p) in found}
        return sorted(found)

    def merged_then(self, event_id: int) -> list[tuple[str, str]]:
        """Who was merged into whom when that event came, by merges that were undone since."""
        if not self.undone_merges:
            return []
        gone = undone_event_ids(e for e in self.undos if e.id < event_id)
        then = [e.payload for e in self.undone_merges if e.id < event_id and e.id not in gone]
        return [(payload["person_id"], payload["into_id"]) for payload in then]

    def canonical_id(self, person_id: str) -> str:
        while (person := self.persons.get(person_id)) is not None and person.merged_into_id is not None:
            person_id = person.merged_into_id
        return person_id

    def change(self, event: Event, **changes: Any) -> None:
        person = self.persons.get(event.payload["person_id"])
        if person is not None:
            self.persons[person.id] = replace(person, updated_at=event.at, **changes)


def finalize(state: ReplayState) -> Decisions:
    """The decisions with every merged person resolved, and without what was said of people who are not there."""
    whose = {p: state.canonical_id(p) for p in state.persons}
    enrolled = state.enrolling
    rows = _entries_by_person(enrolled, whose)
    roster, students = _finalize_roster(state, whose)
    persons = _finalize_persons(state, whose, rows)
    shown = display_names(persons, rows, roster, students)
    persons |= {p: replace(persons[p], display_name=name) for p, name in shown.persons.items()}
    merged = {p for p, now in whose.items() if p != now}
    marks = {
        f: replace(m, person_id=whose[m.person_id]) if m.person_id in merged else m for f, m in state.labels.items()
    }
    rejected = {
        (face, whose[person]): replace(mark, person_id=whose[person])
        for face, people in state.rejected.items()
        for person, mark in people.items()
        if person in whose and not (face in marks and marks[face].person_id == whose[person])
    }
    siblings: dict[str, set[str]] = {}
    for group in [*state.siblings, *sibling_pairs(roster, students)]:
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
        state.removed_labels,
        rejected,
        tuple(state.links),
        photo_marks | state.photo_marks,
        near,
        shots.with_others(state.drawn),
        shots.with_others(state.erased_faces),
        roster,
        portraits,
        shots,
        students,
        shown.students,
    )


def _entries_by_person(enrolling: StudentMatcher, whose: Mapping[str, str]) -> dict[str, list[RosterEntry]]:
    """The students on the rosters that each person is, by who they became."""
    rows: dict[str, list[RosterEntry]] = defaultdict(list)
    for place, person_id in sorted(enrolling.bound.items()):
        if person_id in whose:
            rows[whose[person_id]].append(enrolling.students.entries[place])
    return rows


def _finalize_persons(
    state: ReplayState, whose: Mapping[str, str], rows: Mapping[str, Sequence[RosterEntry]]
) -> dict[str, Person]:
    """The persons with what their rosters and those who were merged into them add."""
    consents = state.enrolling.consents
    told = {whose[p] for p in (*consents.refused, *consents.given) if p in whose} | rows.keys()
    groups: dict[str, list[str]] = defaultdict(list)
    for p, now in whose.items():
        if now in told:
            groups[now].append(p)
    verdicts = {now: consent_status(consents, group, rows.get(now, ())) for now, group in groups.items()}
    persons = dict(state.persons)
    for p in (p for group in groups.values() for p in group):
        persons[p] = replace(
            persons[p],
            birth_date=persons[p].birth_date or birth_date_of(rows.get(p, ())),
            student_id=next((entry.student_id for entry in rows.get(p, ()) if entry.student_id), ""),
            **verdicts[whose[p]],
        )
    return persons


def _finalize_roster(state: ReplayState, whose: Mapping[str, str]) -> tuple[tuple[RosterEntry, ...], dict[str, str]]:
    """The students without those who are erased, and by their keys who they are."""
    enrolling, persons = state.enrolling, state.persons
    owners = {place: p for place, p in enrolling.bound.items() if p in persons}
    erased = {place for place, p in owners.items() if persons[p].erased}
    entries = enrolling.students.entries
    roster = drop_erased_students(entries, persons.values(), owners.keys(), erased)
    there = {entry.key for entry in roster}
    keys = {entries[place].key: p for place, p in owners.items() if entries[place].key in there}
    waiting = {key: p for p, key in enrolling.linked.items() if enrolling.students.keyed(key, enrolling.then) is None}
    waiting = {key: p for key, p in waiting.items() if p in persons and not persons[p].erased}
    return roster, {key: whose[p] for key, p in (keys | waiting).items()}
