"""The payload of each kind of event: its keys and their types, checked before an event is appended or imported.

The keys are stored, so none is ever renamed. A replay reads payloads as they are stored and does not check them again.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Annotated, Any, ClassVar, Literal, NotRequired

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic.aliases import AliasChoices
from typing_extensions import TypedDict

from classface_assets.core.names import MAX_NAME_LENGTH
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.store.model.person_kinds import PERSON_KINDS
from classface_assets.store.model.purposes import ALL_PURPOSES, Purpose

_SHOWN = 60
"""Characters of a value that an error shows."""
_OPTIONAL = ("roster", "with", "purposes", "how")


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("has characters that cannot be shown")
    return text


def _without_controls(text: str) -> str:
    if any(ord(c) < 32 or 0xD800 <= ord(c) < 0xE000 for c in text):
        raise ValueError("has control characters")
    return text


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("is blank")
    return text


def _iso_day(text: str) -> str:
    date.fromisoformat(text)
    return text


def _invertible(transform: list[int | float]) -> list[int | float]:
    if transform[0] * transform[4] == transform[1] * transform[3]:
        raise ValueError("leaves no area")
    return transform


def _one_of(*values: str) -> AfterValidator:
    def check(text: str) -> str:
        if text not in values:
            raise ValueError(f"is none of {', '.join(values)}")
        return text

    return AfterValidator(check)


_LIMIT = StringConstraints(max_length=MAX_NAME_LENGTH)
_STRICT = ConfigDict(strict=True, extra="allow")
Text = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME_LENGTH), AfterValidator(_printable)]
Name = Annotated[str, _LIMIT, AfterValidator(_without_controls), AfterValidator(_not_blank)]
Cell = Annotated[str, _LIMIT, AfterValidator(_without_controls)]
StudentKey = Annotated[str, StringConstraints(min_length=1, max_length=1000), AfterValidator(_printable)]
"""`RosterEntry.key`: a normalized name may be longer than the name was."""
Day = Annotated[str, AfterValidator(_iso_day)]
Number = int | Annotated[float, Field(allow_inf_nan=False)]
Box = Annotated[list[Number], Field(min_length=4, max_length=4)]
Transform = Annotated[list[Number], Field(min_length=6, max_length=6), AfterValidator(_invertible)]
PhotoMark = Literal["collage", "mirror"]
EventId = Annotated[int, Field(gt=0)]


class FacePayload(TypedDict):
    """A face (`FaceRef`)."""

    face_id: Text
    asset_id: Text
    box: Box


PhotoPairPayload = TypedDict(
    "PhotoPairPayload",
    {"from": Text, "to": Text, "transform": NotRequired[Transform], "orientation": NotRequired[list[int]]},
)
"""Two photos of one shot (`SameShot`)."""


def face_payloads(faces: Iterable[FaceRef]) -> list[FacePayload]:
    """Faces as events store them."""
    return [{"face_id": face.face_id, "asset_id": face.asset_id, "box": list(face.box)} for face in faces]


class RosterRowPayload(TypedDict):
    """A row of a roster (`RosterEntry`)."""

    name: Name
    student_id: NotRequired[Cell]
    classes: NotRequired[dict[Cell, Cell]]
    siblings: NotRequired[list[Cell]]
    consent: NotRequired[bool | None]
    birth_date: NotRequired[Day | None]
    portraits: NotRequired[list[Annotated[list[Cell], Field(min_length=2, max_length=2)]]]
    consents: NotRequired[dict[Annotated[str, _one_of(*Purpose)], bool]]
    consent_in_doubt: NotRequired[Cell]


for _typed_dict in (FacePayload, PhotoPairPayload, RosterRowPayload):
    _typed_dict.__pydantic_config__ = _STRICT  # type: ignore[union-attr]


class EventPayload(BaseModel):
    """What an event of any kind may hold, also one of a kind that this version does not know.

    `roster`: the import that it belongs to. `with_`: the events that an undo takes back with its event. `purposes`: for
    which purposes consent was given or withdrawn, if not for all.
    """

    model_config = ConfigDict(strict=True, extra="allow", frozen=True, defer_build=True)
    kind: ClassVar[str] = ""
    roster: EventId | None = None
    with_: list[EventId] | None = Field(default=None, validation_alias=AliasChoices("with", "with_"))
    purposes: list[Annotated[str, _one_of(ALL_PURPOSES, *Purpose)]] | None = Field(default=None, min_length=1)

    def stored(self) -> dict[str, Any]:
        """The payload as the ledger stores it: without optional keys that are not set."""
        items = {"with" if key == "with_" else key: value for key, value in self}
        return {key: value for key, value in items.items() if value is not None or key not in _OPTIONAL}


class _PersonPayload(EventPayload):
    person_id: Text


class _FacesPayload(EventPayload):
    faces: list[FacePayload]


class PersonCreated(_PersonPayload):
    """A person exists from now on."""

    kind: ClassVar[str] = "person_created"
    name: Name


class PersonRenamed(_PersonPayload):
    """A person has another name."""

    kind: ClassVar[str] = "person_renamed"
    name: Name


class PersonMerged(_PersonPayload):
    """A person is the same as another one, whose record stays."""

    kind: ClassVar[str] = "person_merged"
    into_id: Text


class PersonHidden(_PersonPayload):
    """A person is shown nowhere."""

    kind: ClassVar[str] = "person_hidden"


class PersonShown(_PersonPayload):
    """A hidden person is shown again."""

    kind: ClassVar[str] = "person_shown"


class PersonKindSet(_PersonPayload):
    """Whether a person is a student, staff, or no face at all."""

    kind: ClassVar[str] = "person_kind_set"
    value: Annotated[str, _one_of(*PERSON_KINDS)]


class SiblingsDeclared(EventPayload):
    """These people look similar since they are siblings."""

    kind: ClassVar[str] = "siblings_declared"
    person_ids: Annotated[list[Text], Field(min_length=2)]


class BirthDateSet(_PersonPayload):
    """When a person was born; null removes the date."""

    kind: ClassVar[str] = "birth_date_set"
    birth_date: Day | None


class ConsentGiven(_PersonPayload):
    """A person may be shown, for all purposes unless `purposes` names some."""

    kind: ClassVar[str] = "consent_given"


class ConsentWithdrawn(_PersonPayload):
    """A person may not be shown, for all purposes unless `purposes` names some."""

    kind: ClassVar[str] = "consent_withdrawn"


class PersonErased(_PersonPayload, _FacesPayload):
    """A person was erased, and these faces are never to be embedded again."""

    kind: ClassVar[str] = "person_erased"


class FacesLabelled(_PersonPayload, _FacesPayload):
    """Faces are that person. `how` they were chosen: by cluster, by hand or by an import."""

    kind: ClassVar[str] = "faces_labelled"
    how: str | None = None


class FacesConfirmed(_PersonPayload, _FacesPayload):
    """Faces that were matched automatically are that person."""

    kind: ClassVar[str] = "faces_confirmed"


class FacesRejected(_PersonPayload, _FacesPayload):
    """Faces are not that person."""

    kind: ClassVar[str] = "faces_rejected"


class FacesTakenOff(_FacesPayload):
    """The labels of faces are removed."""

    kind: ClassVar[str] = "faces_taken_off"


class MustLinked(_FacesPayload):
    """All these faces are of one person."""

    kind: ClassVar[str] = "must_linked"


class CannotLinked(_FacesPayload):
    """No two of these faces are of one person."""

    kind: ClassVar[str] = "cannot_linked"


class ClusterSplit(EventPayload):
    """Each group of faces is one person, and no two groups are the same one."""

    kind: ClassVar[str] = "cluster_split"
    cluster_id: str | None = None
    groups: Annotated[list[Annotated[list[FacePayload], Field(min_length=1)]], Field(min_length=2)]


class PhotoMarked(EventPayload):
    """A photo may show a person more than once."""

    kind: ClassVar[str] = "photo_marked"
    asset_id: Text
    mark: PhotoMark


class PhotoUnmarked(EventPayload):
    """A photo is neither a collage nor a mirror."""

    kind: ClassVar[str] = "photo_unmarked"
    asset_id: Text


class PhotosFollowed(EventPayload):
    """Pairs of photos show one shot each."""

    kind: ClassVar[str] = "photos_followed"
    photos: Annotated[list[PhotoPairPayload], Field(min_length=1)]


class FaceDrawn(_FacesPayload):
    """A face that no detector found."""

    kind: ClassVar[str] = "face_drawn"


class PortraitGiven(_PersonPayload):
    """A person is enrolled with the face of a portrait that is no photo of the archive."""

    kind: ClassVar[str] = "portrait_given"
    portrait: Text


class CoverChosen(_PersonPayload):
    """The one face by which a person is shown in albums and lists."""

    kind: ClassVar[str] = "cover_chosen"
    faces: Annotated[list[FacePayload], Field(min_length=1, max_length=1)]


class RosterImported(EventPayload):
    """The rows of a roster's file."""

    kind: ClassVar[str] = "roster_imported"
    source: Text
    digest: Text
    entries: list[RosterRowPayload]


class StudentLinked(_PersonPayload):
    """Which student of the rosters a person is."""

    kind: ClassVar[str] = "student_linked"
    student: StudentKey


class StudentRemoved(EventPayload):
    """A student was removed from this many imports."""

    kind: ClassVar[str] = "roster_struck"
    imports: EventId


class _SessionPayload(EventPayload):
    session_id: Text
    title: Name
    event: Annotated[str, StringConstraints(max_length=1000), AfterValidator(_without_controls)] = ""
    school_year: Cell = ""
    classes: list[Cell] = Field(default_factory=list)
    from_day: Day | None = None
    to_day: Day | None = None
    asset_ids: list[Text] = Field(default_factory=list)


class SessionCreated(_SessionPayload):
    """There is a session, a set of photos of one occasion."""

    kind: ClassVar[str] = "session_created"


class SessionChanged(_SessionPayload):
    """A session has another title, or other photos."""

    kind: ClassVar[str] = "session_changed"


class SessionDeleted(EventPayload):
    """A session is gone, with its corrections."""

    kind: ClassVar[str] = "session_deleted"
    session_id: Text


class AttendanceCorrected(_PersonPayload):
    """A person was, or was not, at a session; null: what the photos show counts again."""

    kind: ClassVar[str] = "attendance_corrected"
    session_id: Text
    present: bool | None


class Undone(EventPayload):
    """An event has no effect any more."""

    kind: ClassVar[str] = "undone"
    event_id: EventId


PAYLOADS: dict[str, type[EventPayload]] = {
    model.kind: model
    for model in (
        *(PersonCreated, PersonRenamed, PersonMerged, PersonHidden, PersonShown, PersonKindSet, PersonErased),
        *(SiblingsDeclared, BirthDateSet, ConsentGiven, ConsentWithdrawn, PortraitGiven, CoverChosen),
        *(FacesLabelled, FacesConfirmed, FacesRejected, FacesTakenOff, FaceDrawn),
        *(MustLinked, CannotLinked, ClusterSplit, PhotoMarked, PhotoUnmarked, PhotosFollowed),
        *(RosterImported, StudentRemoved, StudentLinked, Undone),
        *(SessionCreated, SessionChanged, SessionDeleted, AttendanceCorrected),
    )
}


def payload_error(kind: str, payload: Mapping[str, Any]) -> str | None:
    """What is wrong with the payload of an event of this kind.

    Returns:
        A clause that ends a sentence about the event; None where nothing is wrong. Of a kind that this version does not
        know only the keys that any event may hold are checked.
    """
    for key in _OPTIONAL:
        if payload.get(key, "") is None:
            return _cannot_be(key, None)
    try:
        PAYLOADS.get(kind, EventPayload).model_validate(payload)
    except ValidationError as error:
        return describe_error(kind, payload, error)
    return None


def describe_error(kind: str, payload: Mapping[str, Any], error: ValidationError) -> str:
    """The first error of a payload as a clause."""
    first = error.errors(include_url=False, include_context=False)[0]
    key = str(first["loc"][0])
    if key not in payload:
        return f"a {kind} event has no {key}"
    return _cannot_be(key, payload[key])


def _cannot_be(key: str, value: object) -> str:
    return f"its {key} cannot be {str(value)[:_SHOWN]!r}"
