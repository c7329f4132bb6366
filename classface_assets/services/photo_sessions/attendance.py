"""Who was at a session: by the faces in its photos, the roster, consent, and what people corrected.

Hidden and erased people are in no list. Of somebody who refused consent nothing is judged by their face: only what
people recorded by hand counts.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import polars as pl

from classface_assets.core.names import normalized_name
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.services.identity.presets import Preset, presence_probability
from classface_assets.services.photo_sessions.membership import expected_students
from classface_assets.services.photo_sessions.sightings import SessionFaces, Sighting, faces_of_sessions
from classface_assets.services.photo_sessions.students import ExpectedStudent
from classface_assets.store.consent.photos import is_withheld
from classface_assets.store.model.decisions import Person
from classface_assets.store.model.person_kinds import PersonKind, PersonStatus
from classface_assets.store.model.photo_session import PhotoSession
from classface_assets.store.model.purposes import Purpose
from classface_assets.store.model.roster_entry import RosterEntry


class Presence(StrEnum):
    """Whether somebody was there."""

    PRESENT = "present"
    UNSURE = "unsure"
    """A face was matched with the person, but not surely enough."""
    ABSENT = "absent"
    NOT_KNOWN = "not known yet"
    """No face of the student has a name in any photo, so that nobody can be recognised."""
    NOT_JUDGED = "not judged"
    """Consent was refused, so that faces are not used."""


class Evidence(StrEnum):
    """What the answer rests on."""

    CONFIRMED = "confirmed"
    MATCHED = "matched"
    CORRECTED = "corrected"
    ROSTER = "roster"
    CONSENT = "consent"


@dataclass(frozen=True)
class Attendee:
    """One person, or student of the roster, at a session.

    Attributes:
        person_id: None for a student of whom no face is named yet.
        student_key: `RosterEntry.key`, empty where no roster lists the person for the session.
        name: The display name.
        class_name: Of the session's school year, empty where unknown.
        presence: Whether they were there.
        evidence: What that rests on.
        probability: Of the surest face, 1 where it was confirmed, None where none was measured.
        faces: The ids of the faces, surest first; none where consent was refused.
    """

    person_id: str | None
    student_key: str
    name: str
    class_name: str
    presence: Presence
    evidence: Evidence
    probability: float | None
    faces: tuple[str, ...]

    @property
    def who(self) -> str:
        """By what the ledger knows them: the person's id, else the student's key."""
        return self.person_id or self.student_key


@dataclass(frozen=True)
class Attendance:
    """Who was at a session.

    Attributes:
        session: The session.
        attendees: Those whom the roster expects, by class and name, then others who were seen.
        unknown_faces: Ids of faces in its photos that have no person, best first.
        photos: The number of photos with a face.
    """

    session: PhotoSession
    attendees: tuple[Attendee, ...]
    unknown_faces: tuple[str, ...]
    photos: int

    def count(self, presence: Presence) -> int:
        """How many people are in that state."""
        return sum(one.presence == presence for one in self.attendees)


@dataclass(frozen=True)
class _PersonFacts:
    """What of a person matters here; `is_known` by a face."""

    name: str
    refuses: bool
    is_hidden: bool
    is_listed: bool
    is_known: bool


@dataclass(frozen=True, eq=False)
class _Inputs:
    """Everything that follows who was at a session.

    Attributes:
        session: The session.
        preset: How sure an automatic match must be to count.
        students: Those whom the roster expects.
        students_facts: Of each of them what is known as a person, else the name to show.
        faces: The faces in the photos.
        corrected: Person id -> whether they were there, as people corrected it.
        facts: Of those in the photos and in the corrections.
    """

    session: PhotoSession
    preset: Preset | None
    students: tuple[ExpectedStudent, ...]
    students_facts: tuple[_PersonFacts | str, ...]
    faces: SessionFaces
    corrected: Mapping[str, bool]
    facts: Mapping[str, _PersonFacts | None]

    def values(self) -> tuple[object, ...]:
        """All of them, to compare."""
        faces = self.faces.people, self.faces.unknown, self.faces.photos
        return (self.session, self.preset, self.students, self.students_facts, *faces, self.corrected, self.facts)


def attendance(view: ArchiveView, session: PhotoSession, preset: Preset | None = None) -> Attendance:
    """Find out who was at a session; see `attendances`."""
    return attendances(view, [session], preset)[0]


def attendances(view: ArchiveView, sessions: Sequence[PhotoSession], preset: Preset | None = None) -> list[Attendance]:
    """Find out who was at some sessions; computed again only of those about which something has changed.

    Args:
        view: The archive.
        sessions: The sessions.
        preset: How sure an automatic match must be to count.
    """
    faces = functools.cache(lambda: faces_of_sessions(view, sessions))

    def find(session: PhotoSession) -> Attendance:
        inputs = _inputs(view, session, preset, faces()[session.id])
        return view.reused(("attendance", session.id, preset), inputs.values(), lambda: _judge_all(inputs))

    return [view.derived(("attendance", one, preset), functools.partial(find, one)) for one in sessions]


def _inputs(view: ArchiveView, session: PhotoSession, preset: Preset | None, faces: SessionFaces) -> _Inputs:
    students = expected_students(view, session)
    corrected = _corrections(view).get(session.id, {})
    facts = _facts(view)
    return _Inputs(
        session=session,
        preset=preset,
        students=students,
        students_facts=_facts_of_students(view, students),
        faces=faces,
        corrected=corrected,
        facts={person: facts.get(person) for person in (*faces.people["person_id"], *corrected)},
    )


def _judge_all(inputs: _Inputs) -> Attendance:
    pairs = zip(inputs.students, inputs.students_facts, strict=True)
    expected = [(one, facts) for one, facts in pairs if isinstance(facts, str) or not facts.is_hidden]
    listed = {one.person_id for one, _ in expected if one.person_id}
    attendees = [_student(one, facts, inputs) for one, facts in expected]
    others = [_guest(p, facts, inputs) for p, facts in inputs.facts.items() if p not in listed and facts]
    guests = sorted((one for one in others if one is not None), key=lambda one: normalized_name(one.name))
    unknown = tuple(inputs.faces.unknown["face_id"])
    return Attendance(inputs.session, (*attendees, *guests), unknown, inputs.faces.photos)


def refuses(person: Person | None, entry: RosterEntry | None = None) -> bool:
    """Whether the faces of a person, or of a student who is none yet, may not be used to judge who was there."""
    if person is not None:
        return is_withheld(person, Purpose.ALBUM)
    if entry is None:
        return False
    album = entry.consents.get(Purpose.ALBUM, entry.consent)
    return album is False or entry.consent is False or bool(entry.consent_in_doubt)


def _student(one: ExpectedStudent, facts: _PersonFacts | str, inputs: _Inputs) -> Attendee:
    if isinstance(facts, str):
        refused = refuses(None, one.entry)
        presence = Presence.NOT_JUDGED if refused else Presence.NOT_KNOWN
        evidence = Evidence.CONSENT if refused else Evidence.ROSTER
        return Attendee(one.person_id, one.entry.key, facts, one.class_name, presence, evidence, None, ())
    return _attendee(one.person_id or "", facts, inputs, one)


def _guest(person_id: str, facts: _PersonFacts, inputs: _Inputs) -> Attendee | None:
    """Somebody whom no roster lists for the session; None where they are not listed."""
    return _attendee(person_id, facts, inputs, None) if facts.is_listed else None


def _attendee(person_id: str, facts: _PersonFacts, inputs: _Inputs, expected: ExpectedStudent | None) -> Attendee:
    sighting = None if facts.refuses else inputs.faces.sightings.get(person_id)
    presence, evidence = _judge(facts, sighting, inputs.preset)
    if person_id in inputs.corrected:
        presence = Presence.PRESENT if inputs.corrected[person_id] else Presence.ABSENT
        evidence = Evidence.CORRECTED
    return Attendee(
        person_id=person_id,
        student_key=expected.entry.key if expected else "",
        name=facts.name,
        class_name=expected.class_name if expected else "",
        presence=presence,
        evidence=evidence,
        probability=sighting.probability if sighting else None,
        faces=sighting.faces if sighting else (),
    )


def _judge(facts: _PersonFacts, sighting: Sighting | None, preset: Preset | None) -> tuple[Presence, Evidence]:
    if facts.refuses:
        return Presence.NOT_JUDGED, Evidence.CONSENT
    if sighting is None:
        return (Presence.ABSENT if facts.is_known else Presence.NOT_KNOWN), Evidence.ROSTER
    if sighting.confirmed:
        return Presence.PRESENT, Evidence.CONFIRMED
    least = presence_probability(preset)
    sure = sighting.probability is None and preset != Preset.HIGH_PRECISION
    sure = sure or (sighting.probability or 0.0) >= least
    return (Presence.PRESENT if sure else Presence.UNSURE), Evidence.MATCHED


def _corrections(view: ArchiveView) -> Mapping[str, Mapping[str, bool]]:
    """Session id -> person id -> whether they were there, as people corrected it."""

    def collect() -> dict[str, dict[str, bool]]:
        found: dict[str, dict[str, bool]] = {}
        for (session, person), there in view.decisions.attendance.items():
            found.setdefault(session, {})[person] = there
        return found

    return view.derived("corrections", collect)


def _facts(view: ArchiveView) -> Mapping[str, _PersonFacts]:
    """Person id -> what matters of everybody."""
    return view.derived("facts of people", lambda: _collect_facts(view))


def _collect_facts(view: ArchiveView) -> dict[str, _PersonFacts]:
    """The people who are known by a face have one with their name, or were enrolled with a portrait."""
    by_face = (pl.col("face_count") > 0) | (pl.col("prototype_count") > 0)
    known = frozenset(view.persons.filter(by_face)["id"])
    kinds = (PersonKind.STUDENT.value, PersonKind.STAFF.value)
    found = {}
    for person in view.decisions.persons.values():
        hidden = person.status == PersonStatus.HIDDEN or person.erased
        listed = person.kind in kinds and not hidden
        found[person.id] = _PersonFacts(person.display_name, refuses(person), hidden, listed, person.id in known)
    return found


def _facts_of_students(view: ArchiveView, students: tuple[ExpectedStudent, ...]) -> tuple[_PersonFacts | str, ...]:
    """Of each student what is known as a person, else the name to show."""
    facts, names = _facts(view), view.decisions.student_names

    def collect() -> tuple[_PersonFacts | str, ...]:
        found = ((facts.get(one.person_id or ""), one.entry) for one in students)
        return tuple([known or names.get(entry.key, entry.name) for known, entry in found])

    # Sessions of the same year and classes have the same students: the same object, as it is the same for all views.
    return view.derived(("facts of students", id(students)), collect)
