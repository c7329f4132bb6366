"""Counts of the archive, and a consistency check of the DuckDB file against the vectors in Parquet."""

from typing import Annotated, Any

import polars as pl
from fastapi import APIRouter, Query

from classface_assets.core.schemas import DetectionStatus, is_noise
from classface_assets.review.api.common import API_PREFIX, ApiModel, Context, problem_responses
from classface_assets.review.context import ReviewContext
from classface_assets.review.problems import NotFoundError
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.store.catalog.school_year import list_school_years
from classface_assets.store.model.person_kinds import PersonStatus

MAX_LISTED_IDS = 100
router = APIRouter(prefix=API_PREFIX, tags=["measures"])


class FaceShare(ApiModel):
    """A number of faces, and its share of all."""

    faces: int
    share: float


class Distribution(ApiModel):
    """The faces that have a person, a hidden person, an unknown cluster, or neither."""

    person: FaceShare
    hidden: FaceShare
    unknown: FaceShare
    noise: FaceShare


class Stats(ApiModel):
    """Counts of faces, persons, photos and vectors."""

    total_faces: int
    assigned_faces: int
    confirmed_faces: int
    clustered_faces: int
    noise_faces: int
    hidden_faces: int
    """Of hidden people, who do not count as named."""
    unknown_clusters: int
    persons_matched: int
    photos: int
    persons: dict[str, int]
    prototypes: int
    vectors: int
    distribution: Distribution


class VerifyResponse(ApiModel):
    """The result of the consistency check; `missing…` hold up to 100 ids."""

    school_year: str | None
    rows_in_database: int
    vectors_in_parquet: int
    faces_without_vector: int
    vectors_without_row: int
    missing_vectors: list[str]
    missing_rows: list[str]
    consistent: bool


def count_faces(view: ArchiveView) -> dict[str, int]:
    """Count the faces that have a person, a hidden person, an unknown cluster or neither."""
    persons = view.decisions.persons.values()
    hidden_people = [person.id for person in persons if person.status == PersonStatus.HIDDEN]
    cluster, hidden = pl.col("cluster_id"), pl.col("person_id").is_in(hidden_people).fill_null(value=False)
    unknown, noise = pl.col("person_id").is_null(), is_noise()
    row = view.faces.select(
        pl.len().alias("total_faces"),
        pl.col("person_id").filter(~hidden).count().alias("assigned_faces"),
        (pl.col("confirmed") & ~hidden).sum().alias("confirmed_faces"),
        hidden.sum().alias("hidden_faces"),
        (unknown & ~noise).sum().alias("clustered_faces"),
        (unknown & noise).sum().alias("noise_faces"),
        cluster.filter(unknown & ~noise).n_unique().alias("unknown_clusters"),
        pl.col("person_id").filter(~hidden).drop_nulls().n_unique().alias("persons_matched"),
    ).row(0, named=True)
    return dict(row)


@router.get("/stats", response_model=Stats, responses=problem_responses())
def stats(context: Context) -> dict[str, Any]:
    """Count faces, persons, photos and vectors, and how many faces have a person."""
    view = context.view()
    counts = count_faces(view)
    total = max(1, counts["total_faces"])
    groups = {
        "person": "assigned_faces",
        "hidden": "hidden_faces",
        "unknown": "clustered_faces",
        "noise": "noise_faces",
    }
    statuses = dict(view.persons.group_by("status").len().iter_rows())
    return counts | {
        "photos": view.photos.height,
        "persons": {status: statuses.get(status, 0) for status in PersonStatus},
        "prototypes": int(view.persons["prototype_count"].sum()),
        "vectors": sum(len(_vector_ids(context, year)) for year in list_school_years(context.layout)),
        "distribution": {name: {"faces": counts[of], "share": counts[of] / total} for name, of in groups.items()},
    }


@router.get("/verify", response_model=VerifyResponse, responses=problem_responses(404))
def verify(
    context: Context, school_year: Annotated[str | None, Query(alias="schoolYear", max_length=255)] = None
) -> dict[str, Any]:
    """Compare the published faces with the vectors of the model pack in use, both ways."""
    years = list_school_years(context.layout)
    if school_year is not None and school_year not in years:
        raise NotFoundError("school year", school_year)
    chosen = years if school_year is None else [school_year]
    view = context.view()
    published = set(view.published.filter(pl.col("school_year").is_in(chosen))["face_id"])
    vectors = set().union(*(_vector_ids(context, year) for year in chosen))
    current = set().union(*(_detected_ids(context, year) for year in chosen))
    without_vector = sorted(published - vectors)
    without_row = sorted((vectors & current) - set(view.published["face_id"]))
    return {
        "school_year": school_year,
        "rows_in_database": len(published),
        "vectors_in_parquet": len(vectors),
        "faces_without_vector": len(without_vector),
        "vectors_without_row": len(without_row),
        "missing_vectors": without_vector[:MAX_LISTED_IDS],
        "missing_rows": without_row[:MAX_LISTED_IDS],
        "consistent": not without_vector and not without_row,
    }


def _vector_ids(context: ReviewContext, year: str) -> set[str]:
    """The faces of a school year that have a vector of the pack in use."""
    return context.school_year(year).embedding_parts(context.pack.key).ids("face_id")


def _detected_ids(context: ReviewContext, year: str) -> set[str]:
    """The faces of a school year that the detector in use found."""
    rows = context.school_year(year).detections(["asset_id", "face_id", "status"])
    return set(rows.filter(pl.col("status") == DetectionStatus.FACE)["face_id"]) if rows.width else set()
