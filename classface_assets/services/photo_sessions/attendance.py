"""Who was at a session: by the faces in its photos, the roster, consent, and what people corrected.

Hidden and erased people are in no list. Of somebody who refused consent nothing is judged by their face: only what
people recorded by hand counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import polars as pl

from classface_assets.core.names import normalized_name
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.services.identity.presets import Preset, presence_probability
from classface_assets.services.photo_sessions.membership import ExpectedStudent, expected_students, session_faces
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
class _Seen:
    """What the photos of a session, and corrections of it, show."""

    sightings: Mapping[str, "_Sighting"]
    corrected: Mapping[str, bool]
    known: frozenset[str]
    preset: Preset | None


@dataclass(frozen=True)
class _Sighting:
    confirmed: bool
    probability: float | None
    faces: tuple[str, ...]


def attendance(view: ArchiveView, session: PhotoSession, preset: Preset | None = None) -> Attendance:
    """Find out who was at a session; computed once for a view.

    Args:
        view: The archive.
        session: The session.
        preset: How sure an automatic match must be to count.
    """
    return view.derived(("attendance", session, preset), lambda: _find_attendance(view, session, preset))


def _find_attendance(view: ArchiveView, session: PhotoSession, preset: Preset | None) -> Attendance:
    faces = session_faces(view, session)
    sightings = _sightings(faces)
    expected = [one for one in expected_students(view, session) if not _is_hidden(view, one.person_id)]
    listed = {one.person_id for one in expected if one.person_id}
    corrected = {p: there for (of, p), there in view.decisions.attendance.items() if of == session.id}
    guests = [p for p in {**sightings, **corrected} if p not in listed and _is_listed(view, p)]
    seen = _Seen(sightings, corrected, _people_known_by_face(view), preset)
    attendees = [_attendee(view, one, one.person_id, seen) for one in expected]
    others = [_attendee(view, None, p, seen) for p in guests]
    others.sort(key=lambda one: normalized_name(one.name))
    unknown = faces.filter(pl.col("person_id").is_null())
    unknown = unknown.sort("quality_score", "face_id", descending=[True, False], nulls_last=True)
    return Attendance(
        session, (*attendees, *others), tuple(unknown["face_id"]), faces["asset_id"].n_unique() if faces.height else 0
    )


def refuses(person: Person | None, entry: RosterEntry | None = None) -> bool:
    """Whether the faces of a person, or of a student who is none yet, may not be used to judge who was there."""
    if person is not None:
        return is_withheld(person, Purpose.ALBUM)
    if entry is None:
        return False
    album = entry.consents.get(Purpose.ALBUM, entry.consent)
    return album is False or entry.consent is False or bool(entry.consent_in_doubt)


def _sightings(faces: pl.DataFrame) -> dict[str, _Sighting]:
    """Person id -> how they were seen; the surest face first."""
    rows = faces.drop_nulls("person_id").with_columns(
        pl.when("confirmed").then(1.0).otherwise("assignment_probability").alias("sure")
    )
    rows = rows.sort(
        "confirmed", "sure", "quality_score", "face_id", descending=[True, True, True, False], nulls_last=True
    )
    grouped = rows.group_by("person_id", maintain_order=True).agg(
        pl.col("confirmed").any(), pl.col("sure").max(), pl.col("face_id")
    )
    return {
        person: _Sighting(confirmed, probability, tuple(ids))
        for person, confirmed, probability, ids in grouped.iter_rows()
    }


def _attendee(
    view: ArchiveView,
    expected: ExpectedStudent | None,
    person_id: str | None,
    seen: _Seen,
) -> Attendee:
    entry = expected.entry if expected else None
    person = view.decisions.persons.get(person_id or "")
    refused = refuses(person, entry)
    sighting = None if refused else seen.sightings.get(person_id or "")
    presence, evidence = _judge(person, sighting, seen.preset, refused)
    if person_id is not None and person_id in seen.corrected:
        presence = Presence.PRESENT if seen.corrected[person_id] else Presence.ABSENT
        evidence = Evidence.CORRECTED
    if presence == Presence.ABSENT and evidence == Evidence.ROSTER and person_id not in seen.known:
        presence = Presence.NOT_KNOWN
    name = person.display_name if person else view.decisions.student_names.get(entry.key, entry.name) if entry else ""
    return Attendee(
        person_id=person_id,
        student_key=entry.key if entry else "",
        name=name,
        class_name=expected.class_name if expected else "",
        presence=presence,
        evidence=evidence,
        probability=sighting.probability if sighting else None,
        faces=sighting.faces if sighting else (),
    )


def _judge(
    person: Person | None, sighting: _Sighting | None, preset: Preset | None, refused: bool
) -> tuple[Presence, Evidence]:
    if refused:
        return Presence.NOT_JUDGED, Evidence.CONSENT
    if person is None or sighting is None:
        return Presence.ABSENT, Evidence.ROSTER
    if sighting.confirmed:
        return Presence.PRESENT, Evidence.CONFIRMED
    least = presence_probability(preset)
    sure = sighting.probability is None and preset != Preset.HIGH_PRECISION
    sure = sure or (sighting.probability or 0.0) >= least
    return (Presence.PRESENT if sure else Presence.UNSURE), Evidence.MATCHED


def _people_known_by_face(view: ArchiveView) -> frozenset[str]:
    """The people of whom a face has their name, or who were enrolled with a portrait."""
    known = (pl.col("face_count") > 0) | (pl.col("prototype_count") > 0)
    return view.derived("people known by face", lambda: frozenset(view.persons.filter(known)["id"]))


def _is_hidden(view: ArchiveView, person_id: str | None) -> bool:
    person = view.decisions.persons.get(person_id or "")
    return person is not None and (person.status == PersonStatus.HIDDEN or person.erased)


def _is_listed(view: ArchiveView, person_id: str) -> bool:
    """Whether somebody who is on no roster of the session is listed: students and staff who are not hidden."""
    person = view.decisions.persons.get(person_id)
    kinds = (PersonKind.STUDENT.value, PersonKind.STAFF.value)
    return person is not None and person.kind in kinds and not _is_hidden(view, person_id)
