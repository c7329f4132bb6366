"""Clusters: lists, one with its faces, naming one."""

from typing import Annotated, Any, Literal

import polars as pl
from fastapi import APIRouter, Query

from classface_assets.core.schemas import is_noise
from classface_assets.identity.settings import settings_for
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

EXEMPLARS = 3

router = APIRouter(prefix=f"{API_PREFIX}/clusters", tags=["clusters"])
_SORT_ORDERS = {
    "size": (pl.col("size"), True),
    "quality": (pl.col("mean_quality"), True),
    # The less alike its faces, the more a look at it brings.
    "uncertainty": (pl.col("mean_score"), False),
}


def filter_clusters(
    view: ArchiveView,
    include_labeled: bool = False,
    min_size: int = 1,
    school_year: str | None = None,
    sort: Literal["size", "quality", "uncertainty"] = "size",
) -> pl.DataFrame:
    """The rows of the view's clusters that are asked for, single faces left out, in the order asked for."""
    rows = view.clusters.filter(pl.col("size") >= min_size, ~is_noise())
    if not include_labeled:
        rows = rows.filter(pl.col("person_id").is_null())
    if school_year is not None:
        rows = rows.filter(pl.col("school_years").list.contains(school_year))
    by, falling = _SORT_ORDERS[sort]
    return rows.sort(by, "size", "cluster_id", descending=[falling, True, False], nulls_last=True)


@router.get("", response_model=Page[Cluster], responses=problem_responses())
def list_clusters(
    desk: Context,
    asked: PageParams,
    include_labeled: Annotated[bool, Query(alias="includeLabeled")] = False,
    min_size: Annotated[int, Query(alias="minSize", ge=1, le=1_000_000_000)] = 1,
    school_year: Annotated[str | None, Query(alias="schoolYear", max_length=255)] = None,
    sort: Literal["size", "quality", "uncertainty"] = "size",
) -> dict[str, Any]:
    """Unknown clusters, those of known people too where asked for; single faces are no clusters."""
    rows = filter_clusters(desk.view(), include_labeled, min_size, school_year, sort)
    return asked.answer(cluster_models(asked.of(rows)), rows.height)


def cluster_faces(view: ArchiveView, cluster_id: str) -> pl.DataFrame:
    """The faces of a cluster, best first. Raises NotFoundError."""
    rows = view.faces_of(cluster_id)
    if rows.is_empty():
        raise NotFoundError("cluster", cluster_id)
    return rows.sort("quality_score", "face_id", descending=[True, False], nulls_last=True)


@router.get("/{clusterId}", response_model=ClusterFaces, responses=problem_responses(404))
def get_cluster(desk: Context, cluster_id: ClusterId) -> dict[str, Any]:
    """One cluster with all its faces, best first."""
    rows = cluster_faces(desk.view(), cluster_id)
    first = rows.row(0, named=True)
    return {
        "cluster_id": cluster_id,
        "person_id": first["person_id"],
        "person_name": first["person_name"],
        "faces": face_models(rows),
    }


@router.post("/{clusterId}/label", response_model=LabelResponse, responses=problem_responses(404, 409))
def label_cluster(desk: Context, cluster_id: ClusterId, body: LabelRequest) -> dict[str, Any]:
    """Say who a cluster is: the person of that name, whatever the case, who is created if nobody is called so."""
    view = desk.view()
    rows = cluster_faces(view, cluster_id)
    if body.face_ids is not None:
        outside = set(body.face_ids) - set(rows["face_id"])
        if outside or not body.face_ids:
            raise NotFoundError("face", f"{min(outside, default='in an empty list')} in {cluster_id}")
        rows = rows.filter(pl.col("face_id").is_in(body.face_ids))
    person = desk.ledger.label(body.name, face_refs(view, rows["face_id"].to_list())).person
    return {
        "person_id": person.id,
        "person_name": person.display_name,
        "faces_labeled": rows.height,
        "prototypes_created": min(EXEMPLARS, rows.height),
    }


@router.post("/{clusterId}/split", response_model=SplitResponse, responses=problem_responses(404, 409))
def split_cluster(desk: Context, cluster_id: ClusterId, body: OptionalSplitRequest) -> dict[str, Any]:
    """Look at an unknown cluster by itself, and say in the ledger of which people it is made, if of several."""
    from classface_assets.review.faces.suggestions import find_subclusters

    likeness = desk.likeness()
    rows = cluster_faces(likeness.view, cluster_id)
    if rows["person_id"][0] is not None:
        raise ProblemError(409, "These faces are a known person's; reject those that are somebody else's.")
    parts = find_subclusters(likeness, rows, body.min_cluster_size, settings_for(desk.pack.name))
    if len(parts) > 1:
        desk.ledger.split_cluster(cluster_id, [face_refs(likeness.view, part) for part in parts])
    return {
        "original_cluster_id": cluster_id,
        "new_clusters": [f"{cluster_id}_sub_{subcluster_suffix(part)}" for part in parts],
        "status": "split" if parts else "unchanged",
    }
