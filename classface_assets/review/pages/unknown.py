"""Unknown: groups of faces to name, the largest or most useful first; and one group whole."""

from typing import Annotated, Any, Literal

import polars as pl
from fastapi import Query, Request
from starlette.responses import JSONResponse, Response

from classface_assets.core.schemas import is_noise
from classface_assets.identity.settings import settings_for
from classface_assets.review.api.clusters import cluster_faces, filter_clusters
from classface_assets.review.api.common import ClusterId, Context
from classface_assets.review.context import ReviewContext
from classface_assets.review.pages.components.cards import (
    cluster_cards,
    cover_faces,
    face_tiles,
    faces_hash,
    search_people,
    search_roster,
    sort_chronologically,
)
from classface_assets.review.pages.components.layout import page_router, render_page
from classface_assets.review.pages.components.suggestions import similar_clusters, suggest_names

MAX_PAGE_SIZE = 100
MAX_NAMES = 8
# Of the likeness from which faces are named by themselves: what is less likely is asked, and looked at before joining.
SUGGESTION_FACTOR, SIMILAR_GROUP_FACTOR = 0.85, 0.5
router = page_router()
SortOrder = Literal["size", "quality", "uncertainty"]
PageNumber = Annotated[int, Query(alias="page", ge=1, le=100_000)]


@router.get("/")
def unknown(
    request: Request,
    desk: Context,
    sort: SortOrder = "size",
    year: Annotated[str, Query(max_length=255)] = "",
    single: bool = False,
    number: PageNumber = 1,
    per_page: Annotated[int, Query(alias="n", ge=1, le=MAX_PAGE_SIZE)] = MAX_PAGE_SIZE,
) -> Response:
    """The groups that nobody has named, or the faces that are alone."""
    view = desk.view()
    rows = (
        _single_faces(desk.view().clusters, year)
        if single
        else filter_clusters(view, school_year=year or None, sort=sort)
    )
    shown = rows.slice((number - 1) * per_page, per_page)
    years = sorted(view.photos["school_year"].unique().to_list(), reverse=True)
    return render_page(
        request,
        desk,
        "unknown.html.j2",
        cards=cluster_cards(view, shown),
        total=rows.height,
        faces=int(rows["size"].sum()),
        number=number,
        pages=-(-rows.height // per_page),
        sort=sort,
        year=year,
        years=years,
        single=single,
        single_count=_single_faces(view.clusters, year).height,
    )


@router.get("/clusters/{clusterId}")
def one_cluster(request: Request, desk: Context, cluster_id: ClusterId) -> Response:
    """A group with all its faces, and the people and groups that look like it."""
    view = desk.view()
    rows = sort_chronologically(cluster_faces(view, cluster_id))
    first = rows.row(0, named=True)
    card = {
        "cluster_id": cluster_id,
        "size": rows.height,
        "school_years": rows["school_year"].unique().sort().to_list(),
        "tiles": face_tiles(rows),
        "seen": str(rows.select(faces_hash(pl.col("face_id"))).item()),
    }
    near = similar_clusters(desk.likeness(), cluster_id, _person_threshold(desk) * SIMILAR_GROUP_FACTOR)
    person = {"id": first["person_id"], "name": first["person_name"]} if first["person_id"] else None
    return render_page(request, desk, "cluster.html.j2", card=card, person=person, near=cluster_cards(view, near, 6))


@router.get("/names")
def names(desk: Context, q: Annotated[str, Query(max_length=255)] = "") -> Response:
    """Names to complete from: people, then students on the roster who are nobody yet."""
    view = desk.view()
    found = search_people(view, q, MAX_NAMES)
    faces = cover_faces(view, found["id"].to_list())
    items = [
        {"name": name, "faces": count, "years": years, "face": faces.get(person)}
        for person, name, count, years in found.select("id", "name", "face_count", "school_years").iter_rows()
    ]
    students = search_roster(view, q, MAX_NAMES - len(items))
    items += [{"name": name, "faces": 0, "years": years, "face": None} for name, years in students]
    return JSONResponse({"items": items})


@router.get("/guesses")
def name_suggestions(desk: Context, cluster: Annotated[list[str], Query(max_length=MAX_PAGE_SIZE)]) -> Response:
    """Whom each of these groups looks like most, where there is anybody."""
    found: dict[str, Any] = suggest_names(desk.likeness(), cluster, _person_threshold(desk) * SUGGESTION_FACTOR)
    return JSONResponse(found)


def _person_threshold(desk: ReviewContext) -> float:
    return settings_for(desk.pack.name).person_threshold


def _single_faces(clusters: pl.DataFrame, year: str) -> pl.DataFrame:
    rows = clusters.filter(is_noise())
    rows = rows.filter(pl.col("school_years").list.contains(year)) if year else rows
    return rows.sort("mean_quality", "cluster_id", descending=[True, False], nulls_last=True)
