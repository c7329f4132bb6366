"""Unknown: groups of faces to name, and one group with all its faces."""

from typing import Annotated, Literal

import polars as pl
from fastapi import Query, Request
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from classface_assets.core.schemas import is_noise
from classface_assets.review.api.common import ClusterId, Context
from classface_assets.review.api.faces.clusters import cluster_faces, filter_clusters
from classface_assets.review.context import ReviewContext
from classface_assets.review.pages.components.cards import (
    cluster_cards,
    face_tiles,
    faces_hash,
    sort_chronologically,
)
from classface_assets.review.pages.components.layout import page_router, render_page
from classface_assets.review.pages.components.suggestions import similar_clusters, suggest_names
from classface_assets.review.pages.faces.name_choices import choices_as_json, name_choices

MAX_PAGE_SIZE = 100
MAX_NAMES, MAX_CLASSMATES = 8, 40
# Of the threshold of automatic matches. Less similar people are suggested, and less similar groups are shown to be
# merged, because the user decides.
SUGGESTION_FACTOR, SIMILAR_GROUP_FACTOR = 0.85, 0.5
router = page_router()


class UnknownQuery(BaseModel):
    """Which groups the page shows, and in which order."""

    sort: Literal["size", "quality", "uncertainty"] = "size"
    year: str = Field("", max_length=255)
    single: bool = False
    number: int = Field(1, alias="page", ge=1, le=100_000)
    per_page: int = Field(MAX_PAGE_SIZE, alias="n", ge=1, le=MAX_PAGE_SIZE)


@router.get("/")
def unknown(request: Request, context: Context, query: Annotated[UnknownQuery, Query()]) -> Response:
    """The groups without a name, or the single faces."""
    view, year = context.view(), query.year
    if query.single:
        rows = _single_faces(view.clusters, year)
    else:
        rows = filter_clusters(view, school_year=year or None, sort=query.sort)
    on_page = rows.slice((query.number - 1) * query.per_page, query.per_page)
    return render_page(
        request,
        context,
        "unknown.html.j2",
        cards=cluster_cards(view, on_page),
        total=rows.height,
        faces=int(rows["size"].sum()),
        number=query.number,
        pages=-(-rows.height // query.per_page),
        sort=query.sort,
        year=year,
        years=sorted(view.photos["school_year"].unique().to_list(), reverse=True),
        single=query.single,
        single_count=_single_faces(view.clusters, year).height,
    )


@router.get("/clusters/{clusterId}")
def one_cluster(request: Request, context: Context, cluster_id: ClusterId) -> Response:
    """A group with all its faces, and similar people and groups."""
    view = context.view()
    rows = sort_chronologically(cluster_faces(view, cluster_id))
    first = rows.row(0, named=True)
    card = {
        "cluster_id": cluster_id,
        "size": rows.height,
        "school_years": rows["school_year"].unique().sort().to_list(),
        "tiles": face_tiles(rows),
        "seen": str(rows.select(faces_hash(pl.col("face_id"))).item()),
    }
    near = similar_clusters(context.face_similarity(), cluster_id, _person_threshold(context) * SIMILAR_GROUP_FACTOR)
    person = {"id": first["person_id"], "name": first["person_name"]} if first["person_id"] else None
    return render_page(request, context, "cluster.html.j2", card=card, person=person, near=cluster_cards(view, near, 6))


@router.get("/names")
def names(
    context: Context,
    q: Annotated[str, Query(max_length=255)] = "",
    photo: Annotated[str, Query(max_length=40)] = "",
) -> Response:
    """Names for completion: of the photo's class, then people, then students on the roster who are no person yet."""
    view = context.view()
    return JSONResponse(
        {"items": choices_as_json(view, name_choices(view, q, MAX_CLASSMATES if photo else MAX_NAMES, photo))}
    )


@router.get("/guesses")
def name_suggestions(context: Context, cluster: Annotated[list[str], Query(max_length=MAX_PAGE_SIZE)]) -> Response:
    """The suggested name of each of these groups, where somebody is similar enough."""
    threshold = _person_threshold(context) * SUGGESTION_FACTOR
    return JSONResponse(suggest_names(context.face_similarity(), cluster, threshold))


def _person_threshold(context: ReviewContext) -> float:
    """The similarity from which faces are matched automatically."""
    return context.settings().person_threshold


def _single_faces(clusters: pl.DataFrame, year: str) -> pl.DataFrame:
    """The clusters of one face, best quality first; of one school year if it is given."""
    rows = clusters.filter(is_noise())
    rows = rows.filter(pl.col("school_years").list.contains(year)) if year else rows
    return rows.sort("mean_quality", "cluster_id", descending=[True, False], nulls_last=True)
