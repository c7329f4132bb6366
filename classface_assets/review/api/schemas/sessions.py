"""Schemas of calls about sessions, the sets of photos of one occasion, and about who was there."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from classface_assets.core.names import NAME_PATTERN
from classface_assets.review.api.common import ApiModel, Flag, Id, Name

Folder = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=NAME_PATTERN)]
MAX_PHOTOS = 10_000
PresenceValue = Literal["present", "unsure", "absent", "not known yet", "not judged"]
EvidenceValue = Literal["confirmed", "matched", "corrected", "roster", "consent"]


class SessionFields(ApiModel):
    """Which photos belong to a session: all that is given must fit. `classes`: whose students are expected."""

    title: Name
    event: Folder | None = None
    school_year: Name | None = None
    classes: list[Name] = Field(default_factory=list, max_length=100)
    from_day: date | None = None
    to_day: date | None = None
    photos: list[UUID] = Field(default_factory=list, max_length=MAX_PHOTOS)


class SessionUpdate(ApiModel):
    """What to change of a session; what is left out stays."""

    title: Name | None = None
    event: Folder | None = None
    school_year: Name | None = None
    classes: Annotated[list[Name], Field(max_length=100)] | None = None
    from_day: date | None = None
    to_day: date | None = None
    photos: Annotated[list[UUID], Field(max_length=MAX_PHOTOS)] | None = None


class Session(ApiModel):
    """A session, its first day, and how many photos and faces belong to it now."""

    id: Id
    title: str
    event: str
    school_year: str
    classes: list[str]
    from_day: date | None
    to_day: date | None
    photos: list[Id]
    day: date | None
    photo_count: int
    face_count: int


class SessionDeleted(ApiModel):
    """The session that was deleted, and the event by which that is undone."""

    id: Id
    event_ids: list[int]


class AttendeeModel(ApiModel):
    """One person, or a student on the roster of whom no face is named yet, at a session.

    `facesSeen` is 0 where consent was refused: faces are not used then.
    """

    person_id: Id | None
    student_key: str
    name: str
    class_name: str
    presence: PresenceValue
    evidence: EvidenceValue
    probability: float | None
    faces_seen: int
    face_ids: list[Id]


class AttendanceModel(ApiModel):
    """Who was at a session, and the faces in its photos that have no person."""

    session_id: Id
    title: str
    photos: int
    present: int
    unsure: int
    absent: int
    not_known: int
    not_judged: int
    attendees: list[AttendeeModel]
    unknown_faces: int
    unknown_face_ids: list[Id]


class Correction(ApiModel):
    """Whether somebody was there, whatever the photos show; null takes an earlier correction back.

    `who`: the id or name of a person, or of a student on the roster.
    """

    who: Name
    present: Flag | None


class CorrectionResponse(ApiModel):
    """The person, and the events by which the correction is undone."""

    person_id: Id
    person_name: str
    present: bool | None
    event_ids: list[int]


class RegisterSession(ApiModel):
    """A column of the register."""

    id: Id
    title: str
    day: date | None


class RegisterRowModel(ApiModel):
    """A row of the register; `presences` are in the order of its sessions, null where a session is not about them."""

    person_id: Id | None
    name: str
    class_name: str
    presences: list[PresenceValue | None]
    present: int
    absent: int


class RegisterModel(ApiModel):
    """Who was at which session: sessions by day, people by class and name."""

    sessions: list[RegisterSession]
    rows: list[RegisterRowModel]


class PersonSession(ApiModel):
    """A session at which a person was expected or seen."""

    session_id: Id
    title: str
    day: date | None
    presence: PresenceValue
    evidence: EvidenceValue


class PersonSessions(ApiModel):
    """All of them, oldest first."""

    items: list[PersonSession]
