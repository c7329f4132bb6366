"""Clusters: lists, one with its faces, naming one."""

from typing import Annotated, Any, Literal

import polars as pl
from fastapi import APIRouter, Query

from classface_assets.identity.settings import settings_for
from classface_assets.review.api.common import (
    BASE,
    AtDesk,
    Cluster,
    ClusterId,
    Page,
    Paging,
    clusters_of,
    faces_of,
    told,
)
from classface_assets.review.api.schemas.clusters import ClusterFaces, Label, Labelled, OptionalSplitting, Split
from classface_assets.review.context import marks
from classface_assets.review.problems import NotFoundError, ProblemError
from classface_assets.services.archive_view.model import View
from classface_assets.services.archive_view.overlay import part_name

EXEMPLARS = 3

router = APIRouter(prefix=f"{BASE}/clusters", tags=["clusters"])
_ORDERS = {
    "size": (pl.col("size"), True),
    "quality": (pl.col("mean_quality"), True),
    # The less alike its faces, the more a look at it brings.
    "uncertainty": (pl.col("mean_score"), False),
}


def clusters_listed(
    view: View,
    include_labeled: bool = False,
    min_size: int = 1,
    school_year: str | None = None,
    sort: Literal["size", "quality", "uncertainty"] = "size",
) -> pl.DataFrame:
    """The rows of the view's clusters that are asked for, single faces left out, in the order asked for."""
    rows = view.clusters.filter(pl.col("size") >= min_size, ~pl.col("cluster_id").str.starts_with("unknown_noise_"))
    if not include_labeled:
        rows = rows.filter(pl.col("person_id").is_null())
    if school_year is not None:
        rows = rows.filter(pl.col("school_years").list.contains(school_year))
    by, falling = _ORDERS[sort]
    return rows.sort(by, "size", "cluster_id", descending=[falling, True, False], nulls_last=True)


@router.get("", response_model=Page[Cluster], responses=told())
def list_clusters(
    desk: AtDesk,
    asked: Paging,
    include_labeled: Annotated[bool, Query(alias="includeLabeled")] = False,
    min_size: Annotated[int, Query(alias="minSize", ge=1, le=1_000_000_000)] = 1,
    school_year: Annotated[str | None, Query(alias="schoolYear", max_length=255)] = None,
    sort: Literal["size", "quality", "uncertainty"] = "size",
) -> dict[str, Any]:
    """Unknown clusters, those of known people too where asked for; single faces are no clusters."""
    rows = clusters_listed(desk.view(), include_labeled, min_size, school_year, sort)
    return asked.answer(clusters_of(asked.of(rows)), rows.height)


def rows_of_cluster(view: View, cluster_id: str) -> pl.DataFrame:
    """The faces of a cluster, best first. Raises NotFoundError."""
    rows = view.faces_of(cluster_id)
    if rows.is_empty():
        raise NotFoundError("cluster", cluster_id)
    return rows.sort("quality_score", "face_id", descending=[True, False], nulls_last=True)


@router.get("/{clusterId}", response_model=ClusterFaces, responses=told(404))
def get_cluster(desk: AtDesk, cluster_id: ClusterId) -> dict[str, Any]:
    """One cluster with all its faces, best first."""
    rows = rows_of_cluster(desk.view(), cluster_id)
    first = rows.row(0, named=True)
    return {
        "cluster_id": cluster_id,
        "person_id": first["person_id"],
        "person_name": first["person_name"],
        "faces": faces_of(rows),
    }


@router.post("/{clusterId}/label", response_model=Labelled, responses=told(404, 409))
def label_cluster(desk: AtDesk, cluster_id: ClusterId, body: Label) -> dict[str, Any]:
    """Say who a cluster is: the person of that name, whatever the case, who is created if nobody is called so."""
    view = desk.view()
    rows = rows_of_cluster(view, cluster_id)
    if body.face_ids is not None:
        outside = set(body.face_ids) - set(rows["face_id"])
        if outside or not body.face_ids:
            raise NotFoundError("face", f"{min(outside, default='in an empty list')} in {cluster_id}")
        rows = rows.filter(pl.col("face_id").is_in(body.face_ids))
    person = desk.ledger.label(body.name, marks(view, rows["face_id"].to_list())).person
    return {
        "person_id": person.id,
        "person_name": person.display_name,
        "faces_labeled": rows.height,
        "prototypes_created": min(EXEMPLARS, rows.height),
    }


@router.post("/{clusterId}/split", response_model=Split, responses=told(404, 409))
def split_cluster(desk: AtDesk, cluster_id: ClusterId, body: OptionalSplitting) -> dict[str, Any]:
    """Look at an unknown cluster by itself, and say in the ledger of which people it is made, if of several."""
    from classface_assets.review.faces.suggestions import parts_of

    likeness = desk.likeness()
    rows = rows_of_cluster(likeness.view, cluster_id)
    if rows["person_id"][0] is not None:
        raise ProblemError(409, "These faces are a known person's; reject those that are somebody else's.")
    parts = parts_of(likeness, rows, body.min_cluster_size, settings_for(desk.pack.name))
    if len(parts) > 1:
        desk.ledger.split(cluster_id, [marks(likeness.view, part) for part in parts])
    return {
        "original_cluster_id": cluster_id,
        "new_clusters": [f"{cluster_id}_sub_{part_name(part)}" for part in parts],
        "status": "split" if parts else "unchanged",
    }
