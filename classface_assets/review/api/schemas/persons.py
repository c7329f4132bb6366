"""Schemas of calls about persons, their portraits, and search by photo."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from classface_assets.review.api.common import ApiModel, Face, Id, Name, Status

MAX_FACE_IDS = 50_000
MIN_FACE_SIZE, MIN_CONFIDENCE, BLUR_THRESHOLD = 80, 0.6, 20.0


class Person(ApiModel):
    """A person, with the number of their faces, confirmed faces and prototypes."""

    id: Id
    name: str
    status: Status
    kind: str
    merged_into_id: Id | None
    face_count: int
    confirmed_count: int
    prototype_count: int
    school_years: list[str]
    created_at: datetime
    updated_at: datetime


class Prototype(ApiModel):
    """A face (`exemplar`), or the mean of a school year (`centroid`), that represents a person in matching."""

    id: str
    role: str
    school_year: str | None
    face_instance_id: Id | None


class YearCount(ApiModel):
    """How many faces a person has in a school year."""

    school_year: str
    faces: int
    confirmed: int


class PersonDetail(Person):
    """A person with their prototypes and the number of faces of each school year."""

    prototypes: list[Prototype]
    years: list[YearCount]


class PersonCreate(ApiModel):
    """A new person."""

    name: Name


class PersonUpdate(ApiModel):
    """What to change of a person; what is left out stays. `student`: the id or name of a student on a roster."""

    name: Name | None = None
    status: Literal["active", "hidden"] | None = None
    student: Name | None = None


class MergeRequest(ApiModel):
    """The person who remains."""

    into_person_id: UUID


class MergeResponse(ApiModel):
    """The persons that were merged, and how many faces moved."""

    source_person_id: Id
    target_person_id: Id
    faces_moved: int


class HiddenPerson(ApiModel):
    """A person who is hidden now; their record and decisions stay."""

    id: Id
    status: Literal["hidden"]


class RemovedData(ApiModel):
    """How many pieces of one kind were removed at one place."""

    what: str
    where: str
    count: int


class ErasedPerson(ApiModel):
    """The receipt of an erasure, and the run that computes the identities again without the person."""

    person_ids: list[Id]
    face_count: Annotated[int, Field(alias="facesBarred")]
    """How many faces will never be detected or embedded again."""
    removed: list[RemovedData]
    photos_that_show_them: list[str]
    notes: list[str]
    run_id: Id


class FaceIds(ApiModel):
    """The faces to confirm or to reject."""

    face_ids: Annotated[list[UUID], Field(min_length=1, max_length=MAX_FACE_IDS)]


class FacesChanged(ApiModel):
    """How many faces were changed, and what the user should know about it."""

    faces_changed: int
    notes: list[str]


class Suggestion(Face):
    """A face that may be the person, with its cosine similarity."""

    similarity: float


class Suggestions(ApiModel):
    """Faces that may be the person, best first."""

    items: list[Suggestion]


class QualitySettings(ApiModel):
    """The quality thresholds of a portrait."""

    min_face_size: int = MIN_FACE_SIZE
    """Pixels of the shorter side of the face's box."""
    min_confidence: float = MIN_CONFIDENCE
    blur_threshold: float = BLUR_THRESHOLD
    """Lowest variance of the Laplacian of the chip; sharp faces have hundreds."""


class PortraitQuality(ApiModel):
    """The measured quality of a portrait."""

    face_size: float
    confidence: float
    blur: float
    quality_score: float


class Profile(ApiModel):
    """A person who was enrolled with a portrait."""

    person_id: Id
    person_name: str
    face_id: Id
    quality: PortraitQuality


class SearchMatch(ApiModel):
    """A face of the archive that is similar to the uploaded one."""

    face_id: Id
    person_id: Id | None
    person_name: str | None
    cluster_id: str
    similarity: float


class SearchResponse(ApiModel):
    """The most similar faces, and how many faces the uploaded photos show."""

    matches: list[SearchMatch]
    faces_in_photos: int
