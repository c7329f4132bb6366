"""Schemas of calls about a selection of photos: clustering and matching its faces, and who they are assigned to."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Body
from pydantic import Field

from classface_assets.identity.settings import ClusteringMethod
from classface_assets.review.api.common import NO_TEXT, ApiModel, Face, Flag, Id, Name
from classface_assets.review.api.schemas.matching import Neighbours, Threshold
from classface_assets.review.api.schemas.sessions import Folder
from classface_assets.services.identity.presets import Preset

MAX_FACES = 50_000
MAX_EVENT_ID = 2**53 - 1
"""Larger whole numbers are no longer exact in JSON."""


class Selection(ApiModel):
    """Of which photos: of a session, an event folder, a school year, or a class in a school year; all if left out.

    All that is given must fit. `faceIds`: only these faces.
    """

    session_id: UUID | None = None
    event: Folder | None = None
    school_year: Name | None = None
    class_name: Name | None = None
    face_ids: Annotated[list[UUID], Field(min_length=1, max_length=MAX_FACES)] | None = None


class ClusterSelectionRequest(Selection):
    """How the faces without a person are clustered. `createStudents`: each group becomes a person of its own."""

    max_clusters: Annotated[int, Field(ge=1, le=100_000), NO_TEXT] | None = None
    similarity_threshold: Threshold | None = None
    min_cluster_size: Annotated[int, Field(ge=1, le=1_000_000), NO_TEXT] | None = None
    method: ClusteringMethod | None = None
    include_identified: Flag = False
    preset: Preset | None = None
    create_students: Flag = False
    title: Name | None = None
    """What the new people are called, with a number; if left out, the session's title."""


OptionalClusterSelectionRequest = Annotated[ClusterSelectionRequest, Body(default_factory=ClusterSelectionRequest)]


class FaceGroup(ApiModel):
    """Faces of one person."""

    face_ids: list[Id]


class ClusterSelectionResponse(ApiModel):
    """The groups, largest first, and how many faces are in none. It is a dry run unless people were created."""

    faces: int
    groups: list[FaceGroup]
    noise_count: int
    dry_run: bool
    event_ids: list[int]


class AssignSelectionRequest(Selection):
    """How the faces without a label are matched with the named people."""

    k: Neighbours = 5
    similarity_threshold: Threshold | None = None
    use_voting: Flag = True
    preset: Preset | None = None
    commit: Flag = False
    """Label the faces with the people that were found; otherwise nothing is stored."""


OptionalAssignSelectionRequest = Annotated[AssignSelectionRequest, Body(default_factory=AssignSelectionRequest)]


class FaceMatchModel(ApiModel):
    """The most similar person of a face, null where nobody is similar enough."""

    face_id: Id
    person_id: Id | None
    person_name: str | None
    similarity: float
    votes: int


class AssignSelectionResponse(ApiModel):
    """The matches. It is a dry run unless the request says `commit` and somebody was found."""

    processed: int
    assigned: int
    unassigned: int
    threshold: float
    matches: list[FaceMatchModel]
    dry_run: bool
    event_ids: list[int]


class Assignments(ApiModel):
    """A page of faces that have a person."""

    items: list[Face]
    total: int
    page: int
    page_size: int


class PersonStatistics(ApiModel):
    """What a selection shows of a person: `confidence` is the mean probability of the automatic matches."""

    person_id: Id
    person_name: str
    faces: int
    confirmed: int
    photos: int
    school_years: list[str]
    sessions: int
    confidence: float | None
    lowest_confidence: float | None


class PeopleStatistics(ApiModel):
    """The people of a selection, those with most faces first."""

    items: list[PersonStatistics]


class DeleteAssignmentsRequest(Selection):
    """Which assignments are removed. `which`: all, only labels, or only automatic matches; `personId`: only theirs."""

    person_id: UUID | None = None
    which: Literal["all", "labels", "matches"] = "all"
    commit: Flag = False
    """Remove them; otherwise they are only counted."""


class DeleteAssignmentsResponse(ApiModel):
    """How many labels and automatic matches are removed, and the events by which that is undone."""

    labels: int
    matches: int
    dry_run: bool
    event_ids: list[int]


class UndoEvents(ApiModel):
    """The events that are undone, all of them or none."""

    event_ids: Annotated[
        list[Annotated[int, Field(ge=1, le=MAX_EVENT_ID), NO_TEXT]], Field(min_length=1, max_length=1000)
    ]


class UndoneEvents(ApiModel):
    """The events that were undone."""

    undone_event_ids: list[int]


class EmbeddedFace(ApiModel):
    """A face of a picture: its box, how sure and how good it is, and its vector."""

    x: float
    y: float
    width: float
    height: float
    confidence: float
    quality_score: float
    vector: list[float]


class EmbedResponse(ApiModel):
    """The faces of a picture, largest first, with vectors of unit length of `size` numbers by `model`."""

    model: str
    size: int
    faces: list[EmbeddedFace]


class CompareRequest(ApiModel):
    """Two faces of the archive."""

    face_id: UUID
    other_face_id: UUID


class CompareResponse(ApiModel):
    """How similar two faces are, and from which similarity on a face is taken for a known person."""

    similarity: float
    person_threshold: float
    same_person: bool
    model: str
