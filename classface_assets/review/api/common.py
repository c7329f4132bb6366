"""What all calls share: camelCase, pagination, and the schemas of faces and clusters."""

import re
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Generic, Literal, TypeVar

import polars as pl
from fastapi import Depends, Path, Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, StringConstraints
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from classface_assets.core.names import MAX_NAME_LENGTH, NAME_PATTERN
from classface_assets.review.context import ReviewContext, get_context

API_PREFIX = "/api/v1/faces"
T = TypeVar("T")


class ApiModel(BaseModel):
    """A request or response body: camelCase in JSON, snake_case in Python; unknown fields are refused."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")


def _require_number(value: object) -> object:
    """Refuse a text, and yes or no, which Python would read as numbers."""
    if isinstance(value, str | bytes | bool):
        raise PydanticCustomError("number_type", "Input should be a number")
    return value


# JSON has types: in a body 0 is not false, and "5" no number.
Flag = Annotated[bool, Strict()]
NO_TEXT = BeforeValidator(_require_number)
"""The last annotation of a number in a body; the bounds come before it, else the OpenAPI document lacks them."""
Id = Annotated[str, Field(json_schema_extra={"format": "uuid"})]


class Page(ApiModel, Generic[T]):
    """A page of a list; `total` counts all pages."""

    items: list[T]
    total: Annotated[int, Field(ge=0)]
    page: Annotated[int, Field(ge=1)]
    page_size: Annotated[int, Field(ge=1, le=100)]


class Box(ApiModel):
    """A bounding box in pixels of the upright photo."""

    x: float
    y: float
    width: float
    height: float


class Face(ApiModel):
    """A face of a photo, with its cluster and person, if any."""

    id: Id
    asset_id: Id
    bbox: Box
    detection_confidence: float | None
    quality_score: float | None
    cluster_id: str
    person_id: Id | None
    person_name: str | None
    school_year: str
    created_at: datetime | None
    assignment_score: float | None
    assignment_reason: str | None
    assignment_probability: float | None
    confirmed: bool


class Cluster(ApiModel):
    """Faces of one person, known or not; the sample faces are the best ones."""

    cluster_id: str
    face_count: int
    sample_face_ids: list[Id]
    avg_quality: float | None
    school_years: list[str]
    person_id: Id | None
    person_name: str | None


class Pagination:
    """The page of a list that a request asks for."""

    def __init__(
        self,
        page: Annotated[int, Query(ge=1, le=10_000_000)] = 1,
        page_size: Annotated[int, Query(ge=1, le=100, alias="pageSize")] = 20,
    ) -> None:
        self.page, self.page_size = page, page_size

    def slice(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows of the page."""
        return rows.slice((self.page - 1) * self.page_size, self.page_size)

    def response(self, items: list[Any], total: int) -> dict[str, Any]:
        """The fields of `Page`, for these items of the page."""
        return {"items": items, "total": total, "page": self.page, "page_size": self.page_size}


CLUSTER_ID_PATTERN = re.compile(r"^[A-Za-z0-9_-]{1,200}$")
Context = Annotated[ReviewContext, Depends(get_context)]
PageParams = Annotated[Pagination, Depends()]
ClusterId = Annotated[str, Path(alias="clusterId", pattern=CLUSTER_ID_PATTERN.pattern)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME_LENGTH, pattern=NAME_PATTERN)]
Status = Literal["active", "merged", "hidden"]


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error responses of a call, for OpenAPI, besides those that every call may have."""
    return {status: {"description": HTTPStatus(status).phrase} for status in sorted({*statuses, 422})}


def face_models(rows: pl.DataFrame) -> list[Face]:
    """Rows of the view's faces as the API returns them."""
    return [
        Face(
            id=row["face_id"],
            bbox=Box(x=row["bbox_x"], y=row["bbox_y"], width=row["bbox_w"], height=row["bbox_h"]),
            **{name: row[name] for name in Face.model_fields if name not in ("id", "bbox")},
        )
        for row in rows.iter_rows(named=True)
    ]


def cluster_models(rows: pl.DataFrame) -> list[Cluster]:
    """Rows of the view's clusters as the API returns them."""
    return [
        Cluster(
            face_count=row["size"],
            sample_face_ids=row["sample_faces"],
            avg_quality=row["mean_quality"],
            **{name: row[name] for name in ("cluster_id", "school_years", "person_id", "person_name")},
        )
        for row in rows.iter_rows(named=True)
    ]
