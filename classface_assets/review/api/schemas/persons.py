"""The shapes of calls about persons.

The shapes of portraits and of what a search finds.
"""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from classface_assets.review.api.common import ApiModel, Face, Name, Status

MAX_FACE_IDS = 50_000


class Person(ApiModel):
    id: str
    name: str
    status: Status
    kind: str
    merged_into_id: str | None
    face_count: int
    confirmed_count: int
    prototype_count: int
    school_years: list[str]
    created_at: datetime
    updated_at: datetime


class Prototype(ApiModel):
    id: str
    role: str
    school_year: str | None
    face_instance_id: str | None


class YearCount(ApiModel):
    school_year: str
    faces: int
    confirmed: int


class PersonDetail(Person):
    prototypes: list[Prototype]
    years: list[YearCount]


class PersonCreate(ApiModel):
    name: Name


class PersonUpdate(ApiModel):
    name: Name | None = None
    status: Annotated[str | None, Field(pattern="^(active|hidden)$")] = None
    student: Name | None = None


class MergeRequest(ApiModel):
    into_person_id: UUID


class MergeResponse(ApiModel):
    source_person_id: str
    target_person_id: str
    faces_moved: int


class FaceIds(ApiModel):
    face_ids: Annotated[list[UUID], Field(min_length=1, max_length=MAX_FACE_IDS)]


class FacesChanged(ApiModel):
    faces_changed: int
    notes: list[str]


class Suggestion(Face):
    similarity: float


class Suggestions(ApiModel):
    items: list[Suggestion]


MIN_FACE_SIZE, MIN_CONFIDENCE, BLUR_THRESHOLD = 80, 0.6, 20.0


class QualitySettings(ApiModel):
    min_face_size: int = MIN_FACE_SIZE
    """Pixels of the shorter side of the face's box."""
    min_confidence: float = MIN_CONFIDENCE
    blur_threshold: float = BLUR_THRESHOLD
    """Least variance of the Laplacian on the face's chip: hundreds are sharp."""


class PortraitQuality(ApiModel):
    face_size: float
    confidence: float
    blur: float
    quality_score: float


class Profile(ApiModel):
    person_id: str
    person_name: str
    face_id: str
    quality: PortraitQuality


class SearchMatch(ApiModel):
    face_id: str
    person_id: str | None
    person_name: str | None
    cluster_id: str
    similarity: float


class SearchResponse(ApiModel):
    matches: list[SearchMatch]
    faces_in_photos: int
