"""The state of a replay while events are reduced into it, and the decisions that it comes to."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

from classface_assets.store.decisions.people.display_names import display_names
from classface_assets.store.decisions.people.enrolment import StudentMatcher
from classface_assets.store.decisions.people.refusals import ConsentRecords
from classface_assets.store.decisions.people.students import merge_imports
from classface_assets.store.decisions.roster import (
    ConsentStatus,
    birth_date_of,
    consent_status,
    drop_erased_students,
    sibling_pairs,
)
from classface_assets.store.model.decisions import Decisions, FaceLabel, FaceLink, Person, Portrait
from classface_assets.store.model.events import Event, undone_event_ids
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.store.model.photo_session import PhotoSession
from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets.store.model.same_shots import SameShot, SameShots


@dataclass
class ReplayState:
    """Decisions while they grow. Labels keep the person that they named, so that undoing a merge parts them again.

    Attributes:
        persons: Person id -> person.
        merged: Ids of the people who were merged into others.
        labels: Face id -> its label.
        removed_labels: Face id -> the event that removed its label.
        rejected: Face id -> person id -> the rejection.
        links: Pairs of faces that are of one person, or of two.
        photo_marks: Asset id -> collage or mirror.
        siblings: Groups of person ids.
        student_matcher: Which students of the rosters the people are.
        drawn: Face id -> a face that no detector found.
        erased_faces: Face id -> a face of an erased person.
        portraits: Person id -> the face id of the portrait that they were enrolled with.
        covers: Person id -> the face by which they are shown.
        same_shots: Pairs of photos that show one shot.
        imports: Ids of the events of the rosters in force.
        undone_merges: Merges that were undone later.
        undos: All undo events, by which it is found who was one person at some time.
        sessions: Session id -> the set of photos.
        session_events: Session id -> the event that described it last.
        attendance: (session id, person id) -> the correction, latest last; None where it was taken back.
        enrolled: Person id -> the person, their students, and the person completed by these, when they were last
            completed.
    """

    persons: dict[str, Person] = field(default_factory=dict)
    merged: list[str] = field(default_factory=list)
    labels: dict[str, FaceLabel] = field(default_factory=dict)
    removed_labels: dict[str, FaceLabel] = field(default_factory=dict)
    rejected: dict[str, dict[str, FaceLabel]] = field(default_factory=dict)
    links: list[FaceLink] = field(default_factory=list)
    photo_marks: dict[str, str] = field(default_factory=dict)
    siblings: list[list[str]] = field(default_factory=list)
    student_matcher: StudentMatcher = field(default_factory=StudentMatcher)
    drawn: dict[str, FaceRef] = field(default_factory=dict)
    erased_faces: dict[str, FaceRef] = field(default_factory=dict)
    portraits: dict[str, str] = field(default_factory=dict)
    covers: dict[str, FaceRef] = field(default_factory=dict)
    same_shots: list[SameShot] = field(default_factory=list)
    imports: tuple[int, ...] = ()
    undone_merges: tuple[Event, ...] = ()
    undos: tuple[Event, ...] = ()
    sessions: dict[str, PhotoSession] = field(default_factory=dict)
    session_events: dict[str, int] = field(default_factory=dict)
    attendance: dict[tuple[str, str], bool | None] = field(default_factory=dict)
    enrolled: dict[str, tuple[Person, Sequence[RosterEntry], Person]] = field(default_factory=dict)

    @classmethod
    def of(cls, events: Sequence[Event], undone: Set[int]) -> "ReplayState":
        """The state before the first of these events, of which the `undone` have no effect."""
        imports = [e for e in events if e.kind == "roster_imported" and e.id not in undone]
        merges = tuple(e for e in events if e.kind == "person_merged" and e.id in undone)
        undos = tuple(e for e in events if e.kind == "undone") if merges else ()
        matcher = StudentMatcher(merge_imports(imports))
        ids = tuple(e.id for e in imports)
        return cls(student_matcher=matcher, imports=ids, undone_merges=merges, undos=undos)

    def canonical_id(self, person_id: str) -> str:
        """The person that this one is after all merges so far."""
        while (person := self.persons.get(person_id)) is not None and person.merged_into_id is not None:
            person_id = person.merged_into_id
        return person_id

    def group(self, person_id: str, also: Iterable[tuple[str, str]] = ()) -> list[str]:
        """All records of the person who this one is after all merges.

        Args:
            person_id: One of the records.
            also: Further pairs of records that are one person.
        """
        found = {self.canonical_id(person_id)}
        found |= {p for p in self.merged if self.canonical_id(p) in found}
        pairs = [(self.canonical_id(a), self.canonical_id(b)) for a, b in also]
        while new := [pair for pair in pairs if len(set(pair) & found) == 1]:
            found |= {p for pair in new for p in pair}
        found |= {p for p in self.merged if self.canonical_id(p) in found}
        return sorted(found)

    def merged_then(self, event_id: int) -> list[tuple[str, str]]:
        """(person, merged into) of the merges that held at that event and were undone since."""
        if not self.undone_merges:
            return []
        gone = undone_event_ids(e for e in self.undos if e.id < event_id)
        then = [e.payload for e in self.undone_merges if e.id < event_id and e.id not in gone]
        return [(payload["person_id"], payload["into_id"]) for payload in then]

    def change(self, event: Event, **changes: Any) -> None:
        """Change fields of the person of an event."""
        person = self.persons.get(event.payload["person_id"])
        if person is not None:
            self.persons[person.id] = replace(person, updated_at=event.at, **changes)


def finalize(state: ReplayState) -> Decisions:
    """The decisions with every merged person resolved, and without those about people who do not exist.

    They share nothing with the state that a further event changes.
    """
    canonical = {p: state.canonical_id(p) for p in state.persons}
    rows = _entries_by_person(state.student_matcher, canonical)
    roster, students = _finalize_roster(state, canonical)
    persons = _finalize_persons(state, canonical, rows)
    shown = display_names(persons, rows, roster, students)
    persons |= {p: replace(persons[p], display_name=name) for p, name in shown.persons.items()}
    labels = _finalize_labels(state, canonical)
    shots = SameShots.of(state.same_shots)
    photo_marks = {other: mark for photo, mark in state.photo_marks.items() for other in shots.others(photo)}
    return Decisions(
        persons=persons,
        labels=labels,
        removed_labels=dict(state.removed_labels),
        rejected=_finalize_rejected(state, canonical, labels),
        links=tuple(state.links),
        photo_marks=photo_marks | state.photo_marks,
        siblings=_finalize_siblings([*state.siblings, *sibling_pairs(roster, students)], canonical, persons),
        drawn=shots.with_others(state.drawn),
        erased_faces=shots.with_others(state.erased_faces),
        roster=roster,
        portraits=_finalize_portraits(state, canonical, persons),
        covers=_finalize_covers(state, canonical),
        same_shots=shots,
        students=students,
        student_names=shown.students,
        sessions=dict(state.sessions),
        session_events=dict(state.session_events),
        attendance=_finalize_attendance(state, canonical),
    )


def _finalize_labels(state: ReplayState, canonical: Mapping[str, str]) -> dict[str, FaceLabel]:
    merged = {p for p, current in canonical.items() if p != current}
    return {
        face: replace(label, person_id=canonical[label.person_id]) if label.person_id in merged else label
        for face, label in state.labels.items()
    }


def _finalize_rejected(
    state: ReplayState, canonical: Mapping[str, str], labels: Mapping[str, FaceLabel]
) -> dict[tuple[str, str], FaceLabel]:
    return {
        (face, canonical[person]): replace(rejection, person_id=canonical[person])
        for face, people in state.rejected.items()
        for person, rejection in people.items()
        if person in canonical and not (face in labels and labels[face].person_id == canonical[person])
    }


def _finalize_attendance(state: ReplayState, canonical: Mapping[str, str]) -> dict[tuple[str, str], bool]:
    """The corrections of sessions that there are; of those about people who are one person now the latest counts."""
    found: dict[tuple[str, str], bool | None] = {}
    for (session, person), present in state.attendance.items():
        if session in state.sessions and person in canonical and not state.persons[canonical[person]].erased:
            found[session, canonical[person]] = present
    return {key: present for key, present in found.items() if present is not None}


def _finalize_siblings(
    groups: Iterable[Sequence[str]], canonical: Mapping[str, str], persons: Mapping[str, Person]
) -> dict[str, frozenset[str]]:
    siblings: dict[str, set[str]] = {}
    for group in groups:
        for a, b in combinations({canonical[p] for p in group if p in canonical and not persons[p].erased}, 2):
            siblings.setdefault(a, set()).add(b)
            siblings.setdefault(b, set()).add(a)
    return {person: frozenset(others) for person, others in siblings.items()}


def _finalize_portraits(
    state: ReplayState, canonical: Mapping[str, str], persons: Mapping[str, Person]
) -> dict[str, tuple[Portrait, ...]]:
    portraits: dict[str, tuple[Portrait, ...]] = {}
    for p, face_id in state.portraits.items():
        if p in canonical and not persons[p].erased:
            portraits[canonical[p]] = (*portraits.get(canonical[p], ()), (p, face_id))
    return portraits


def _finalize_covers(state: ReplayState, canonical: Mapping[str, str]) -> dict[str, FaceRef]:
    """What was chosen for a person themselves counts before what was chosen for those who were merged into them."""
    known = {p: face for p, face in state.covers.items() if p in canonical}
    merged = {canonical[p]: face for p, face in known.items() if canonical[p] != p}
    return merged | {p: face for p, face in known.items() if canonical[p] == p}


def _entries_by_person(matcher: StudentMatcher, canonical: Mapping[str, str]) -> dict[str, list[RosterEntry]]:
    """Canonical person id -> the students on the rosters that they are."""
    rows: dict[str, list[RosterEntry]] = defaultdict(list)
    for place, person_id in sorted(matcher.bound.items()):
        if person_id in canonical:
            rows[canonical[person_id]].append(matcher.students.entries[place])
    return rows


def _finalize_persons(
    state: ReplayState, canonical: Mapping[str, str], rows: Mapping[str, Sequence[RosterEntry]]
) -> dict[str, Person]:
    """The persons with what their rosters, and those who were merged into them, add."""
    consents = state.student_matcher.consents
    answered = {canonical[p] for p in (*consents.refused, *consents.given) if p in canonical} | rows.keys()
    groups: dict[str, list[str]] = defaultdict(list)
    for p, current in canonical.items():
        if current in answered:
            groups[current].append(p)
    persons = dict(state.persons)
    for current, group in groups.items():
        entries = rows.get(current, ())
        if len(group) == 1 and current not in consents.refused and current not in consents.given:
            persons[current] = _enrolled(state, persons[current], entries)
            continue
        status = consent_status(consents, group, entries)
        for p in group:
            persons[p] = _complete(persons[p], rows.get(p, ()), status)
    return persons


def _enrolled(state: ReplayState, person: Person, entries: Sequence[RosterEntry]) -> Person:
    """A person of whom only the rosters say more; computed again when they, or the person, change."""
    known = state.enrolled.get(person.id)
    if known is None or known[0] is not person or known[1] != entries:
        enrolled = _complete(person, entries, consent_status(ConsentRecords(), (), entries))
        known = state.enrolled[person.id] = person, entries, enrolled
    return known[2]


def _complete(person: Person, entries: Sequence[RosterEntry], status: ConsentStatus) -> Person:
    return replace(
        person,
        birth_date=person.birth_date or birth_date_of(entries),
        student_id=next((entry.student_id for entry in entries if entry.student_id), ""),
        **status,
    )


def _finalize_roster(
    state: ReplayState, canonical: Mapping[str, str]
) -> tuple[tuple[RosterEntry, ...], dict[str, str]]:
    """The students without those who are erased, and their keys -> the persons who they are."""
    matcher, persons = state.student_matcher, state.persons
    owners = {place: p for place, p in matcher.bound.items() if p in persons}
    erased = {place for place, p in owners.items() if persons[p].erased}
    entries = matcher.students.entries
    roster = drop_erased_students(entries, persons.values(), owners.keys(), erased)
    present = {entry.key for entry in roster}
    keys = {entries[place].key: p for place, p in owners.items() if entries[place].key in present}
    # Links with students that no roster lists at present.
    known = matcher.imports_so_far
    absent = {key: p for p, key in matcher.linked.items() if matcher.students.keyed(key, known) is None}
    absent = {key: p for key, p in absent.items() if p in persons and not persons[p].erased}
    return roster, {key: canonical[p] for key, p in (keys | absent).items()}
