"""Schemas of calls about clusters: their faces, labelling and splitting them."""

from typing import Annotated, Literal

from fastapi import Body
from pydantic import Field

from classface_assets.review.api.common import NO_TEXT, ApiModel, Face, Id, Name


class ClusterFaces(ApiModel):
    """A cluster with all its faces, best first."""

    cluster_id: str
    person_id: Id | None
    person_name: str | None
    faces: list[Face]


class LabelRequest(ApiModel):
    """The name of the person whose faces these are."""

    name: Name
    face_ids: Annotated[list[str], Field(min_length=1)] | None = None
    """Only these faces of the cluster; all of them if it is left out."""


class LabelResponse(ApiModel):
    """The labelled person. `prototypesCreated`: how many prototypes the new labels give."""

    person_id: Id
    person_name: str
    faces_labeled: int
    prototypes_created: int


class SplitRequest(ApiModel):
    """The fewest faces that each person must have."""

    min_cluster_size: Annotated[int, Field(ge=2, le=1_000_000), NO_TEXT] = 3


OptionalSplitRequest = Annotated[SplitRequest, Body(default_factory=SplitRequest)]


class SplitResponse(ApiModel):
    """The clusters into which one was split; none where it is one person."""

    original_cluster_id: str
    new_clusters: list[str]
    status: Literal["split", "unchanged"]
