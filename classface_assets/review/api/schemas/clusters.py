"""The shapes of a cluster's faces, its naming and its splitting."""

from typing import Annotated, Literal

from fastapi import Body
from pydantic import Field

from classface_assets.review.api.common import ApiModel, Face, Name


class ClusterFaces(ApiModel):
    cluster_id: str
    person_id: str | None
    person_name: str | None
    faces: list[Face]


class LabelRequest(ApiModel):
    name: Name
    face_ids: list[str] | None = None
    """Only these faces of the cluster; all of them where none are given."""


class LabelResponse(ApiModel):
    person_id: str
    person_name: str
    faces_labeled: int
    prototypes_created: int


class SplitRequest(ApiModel):
    min_cluster_size: Annotated[int, Field(ge=2, le=1_000_000)] = 3


OptionalSplitRequest = Annotated[SplitRequest, Body(default_factory=SplitRequest)]


class SplitResponse(ApiModel):
    original_cluster_id: str
    new_clusters: list[str]
    status: Literal["split", "unchanged"]
