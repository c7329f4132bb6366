"""Clusters: listing them, the faces of one, labelling and splitting one."""

from typing import Annotated, Any, Literal

import polars as pl
from fastapi import APIRouter, Query

from classface_assets.core.schemas import is_noise
from classface_assets.review.api.common import (
    API_PREFIX,
    Cluster,
    ClusterId,
    Context,
    Page,
    PageParams,
    cluster_models,
    face_models,
    problem_responses,
)
from classface_assets.review.api.persons.person_rows import person_row
from classface_assets.review.api.schemas.clusters import (
    ClusterFaces,
    LabelRequest,
    LabelResponse,
    OptionalSplitRequest,
    SplitResponse,
)
from classface_assets.review.context import face_refs
from classface_assets.review.problems import NotFoundError, ProblemError
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.services.archive_view.overlay import subcluster_suffix

router = APIRouter(prefix=f"{API_PREFIX}/clusters", tags=["clusters"])
_SORT_ORDERS = {
    "size": (pl.col("size"), True),
    "quality": (pl.col("mean_quality"), True),
    # A cluster whose faces are little similar is most worth reviewing.
    "uncertainty": (pl.col("mean_score"), False),
}


def filter_clusters(
    view: ArchiveView,
    include_labeled: bool = False,
    min_size: int = 1,
    school_year: str | None = None,
    sort: Literal["size", "quality", "uncertainty"] = "size",
) -> pl.DataFrame:
    """Select and sort clusters; single faces are no clusters.

    Args:
        view: The archive.
        include_labeled: Also those of known people.
        min_size: The fewest faces.
        school_year: Only those with a face of that school year.
        sort: By size, by mean quality, or the most uncertain ones first.

    Returns:
        Rows of `view.clusters`.
    """
    rows = view.clusters.filter(pl.col("size") >= min_size, ~is_noise())
    if not include_labeled:
        rows = rows.filter(pl.col("person_id").is_null())
    if school_year is not None:
        rows = rows.filter(pl.col("school_years").list.contains(school_year))
    column, descending = _SORT_ORDERS[sort]
    return rows.sort(column, "size", "cluster_id", descending=[descending, True, False], nulls_last=True)


@router.get("", response_model=Page[Cluster], responses=problem_responses())
def list_clusters(
    context: Context,
    pagination: PageParams,
    include_labeled: Annotated[bool, Query(alias="includeLabeled")] = False,
    min_size: Annotated[int, Query(alias="minSize", ge=1, le=1_000_000_000)] = 1,
    school_year: Annotated[str | None, Query(alias="schoolYear", max_length=255)] = None,
    sort: Literal["size", "quality", "uncertainty"] = "size",
) -> dict[str, Any]:
    """List unknown clusters, on request also those of known people; single faces are no clusters."""
    rows = filter_clusters(context.view(), include_labeled, min_size, school_year, sort)
    return pagination.response(cluster_models(pagination.slice(rows)), rows.height)


def cluster_faces(view: ArchiveView, cluster_id: str) -> pl.DataFrame:
    """The rows of a cluster's faces, best first.

    Raises:
        NotFoundError: There is no such cluster.
    """
    rows = view.faces_of(cluster_id)
    if rows.is_empty():
        raise NotFoundError("cluster", cluster_id)
    return rows.sort("quality_score", "face_id", descending=[True, False], nulls_last=True)


@router.get("/{clusterId}", response_model=ClusterFaces, responses=problem_responses(404))
def get_cluster(context: Context, cluster_id: ClusterId) -> dict[str, Any]:
    """One cluster with all its faces, best first."""
    rows = cluster_faces(context.view(), cluster_id)
    first = rows.row(0, named=True)
    return {
        "cluster_id": cluster_id,
        "person_id": first["person_id"],
        "person_name": first["person_name"],
        "faces": face_models(rows),
    }


@router.post("/{clusterId}/label", response_model=LabelResponse, responses=problem_responses(404, 409))
def label_cluster(context: Context, cluster_id: ClusterId, body: LabelRequest) -> dict[str, Any]:
    """Label a cluster with the person of that name, ignoring case; the person is created if there is none."""
    view = context.view()
    rows = cluster_faces(view, cluster_id)
    before = dict(view.persons.select("id", "prototype_count").iter_rows())
    if body.face_ids is not None:
        outside = set(body.face_ids) - set(rows["face_id"])
        if outside or not body.face_ids:
            raise NotFoundError("face", f"{min(outside, default='in an empty list')} in {cluster_id}")
        rows = rows.filter(pl.col("face_id").is_in(body.face_ids))
    person = context.ledger.label(body.name, face_refs(view, rows["face_id"].to_list())).person
    return {
        "person_id": person.id,
        "person_name": person.display_name,
        "faces_labeled": rows.height,
        "prototypes_created": max(
            0, person_row(context.view(), person.id)["prototype_count"] - before.get(person.id, 0)
        ),
    }


@router.post("/{clusterId}/split", response_model=SplitResponse, responses=problem_responses(404, 409))
def split_cluster(context: Context, cluster_id: ClusterId, body: OptionalSplitRequest) -> dict[str, Any]:
    """Cluster the faces of an unknown cluster by themselves, and record in the ledger the people that it falls into."""
    from classface_assets.review.faces.suggestions import find_subclusters

    face_similarity = context.face_similarity()
    rows = cluster_faces(face_similarity.view, cluster_id)
    if rows["person_id"][0] is not None:
        raise ProblemError(409, "These faces belong to a known person; reject those that are somebody else's.")
    parts = find_subclusters(face_similarity, rows, body.min_cluster_size, context.settings())
    if len(parts) > 1:
        context.ledger.split_cluster(cluster_id, [face_refs(face_similarity.view, part) for part in parts])
    return {
        "original_cluster_id": cluster_id,
        "new_clusters": [f"{cluster_id}_sub_{subcluster_suffix(part)}" for part in parts],
        "status": "split" if parts else "unchanged",
    }
