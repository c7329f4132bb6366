"""The shapes of a cluster's faces, its naming and its splitting."""

from typing import Annotated, Literal

from fastapi import Body
from pydantic import Field

from classface_assets.review.api.common import Face, Name, Shape


class ClusterFaces(Shape):
    cluster_id: str
    person_id: str | None
    person_name: str | None
    faces: list[Face]


class Label(Shape):
    name: Name
    face_ids: list[str] | None = None
    """Only these faces of the cluster; all of them where none are given."""


class Labelled(Shape):
    person_id: str
    person_name: str
    faces_labeled: int
    prototypes_created: int


class Splitting(Shape):
    min_cluster_size: Annotated[int, Field(ge=2, le=1_000_000)] = 3


OptionalSplitting = Annotated[Splitting, Body(default_factory=Splitting)]


class Split(Shape):
    original_cluster_id: str
    new_clusters: list[str]
    status: Literal["split", "unchanged"]
