"""Unknown: groups of faces to name, the largest or most useful first; and one group whole."""

from typing import Annotated, Any, Literal

import polars as pl
from fastapi import Query, Request
from starlette.responses import JSONResponse, Response

from classface_assets.identity.settings import settings_for
from classface_assets.review.api.clusters import clusters_listed, rows_of_cluster
from classface_assets.review.api.common import AtDesk, ClusterId
from classface_assets.review.context import Desk
from classface_assets.review.pages.components.cards import (
    cluster_cards,
    covers,
    in_time,
    mark_of,
    people_like,
    roster_like,
    tiles_of,
)
from classface_assets.review.pages.components.layout import page, page_router
from classface_assets.review.pages.components.suggestions import guesses, like_groups

PAGE = 100
MOST_NAMES = 8
SINGLE = "unknown_noise_"
# Of the likeness from which faces are named by themselves: what is less likely is asked, and looked at before joining.
GUESSED_FROM, JOINED_FROM = 0.85, 0.5
router = page_router()
Order = Literal["size", "quality", "uncertainty"]
PageNumber = Annotated[int, Query(alias="page", ge=1, le=100_000)]


@router.get("/")
def unknown(
    request: Request,
    desk: AtDesk,
    sort: Order = "size",
    year: Annotated[str, Query(max_length=255)] = "",
    single: bool = False,
    number: PageNumber = 1,
    per_page: Annotated[int, Query(alias="n", ge=1, le=PAGE)] = PAGE,
) -> Response:
    """The groups that nobody has named, or the faces that are alone."""
    view = desk.view()
    rows = _single(desk.view().clusters, year) if single else clusters_listed(view, school_year=year or None, sort=sort)
    shown = rows.slice((number - 1) * per_page, per_page)
    years = sorted(view.photos["school_year"].unique().to_list(), reverse=True)
    return page(
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
        single_count=_single(view.clusters, year).height,
    )


@router.get("/clusters/{clusterId}")
def one_cluster(request: Request, desk: AtDesk, cluster_id: ClusterId) -> Response:
    """A group with all its faces, and the people and groups that look like it."""
    view = desk.view()
    rows = in_time(rows_of_cluster(view, cluster_id))
    first = rows.row(0, named=True)
    card = {
        "cluster_id": cluster_id,
        "size": rows.height,
        "school_years": rows["school_year"].unique().sort().to_list(),
        "tiles": tiles_of(rows),
        "seen": str(rows.select(mark_of(pl.col("face_id"))).item()),
    }
    near = like_groups(desk.likeness(), cluster_id, _likely(desk) * JOINED_FROM)
    person = {"id": first["person_id"], "name": first["person_name"]} if first["person_id"] else None
    return page(request, desk, "cluster.html.j2", card=card, person=person, near=cluster_cards(view, near, 6))


@router.get("/names")
def names(desk: AtDesk, q: Annotated[str, Query(max_length=255)] = "") -> Response:
    """Names to complete from: people, then students on the roster who are nobody yet."""
    view = desk.view()
    found = people_like(view, q, MOST_NAMES)
    faces = covers(view, found["id"].to_list())
    items = [
        {"name": name, "faces": count, "years": years, "face": faces.get(person)}
        for person, name, count, years in found.select("id", "name", "face_count", "school_years").iter_rows()
    ]
    students = roster_like(view, q, MOST_NAMES - len(items))
    items += [{"name": name, "faces": 0, "years": years, "face": None} for name, years in students]
    return JSONResponse({"items": items})


@router.get("/guesses")
def guessed(desk: AtDesk, cluster: Annotated[list[str], Query(max_length=PAGE)]) -> Response:
    """Whom each of these groups looks like most, where there is anybody."""
    found: dict[str, Any] = guesses(desk.likeness(), cluster, _likely(desk) * GUESSED_FROM)
    return JSONResponse(found)


def _likely(desk: Desk) -> float:
    return settings_for(desk.pack.name).person_threshold


def _single(clusters: pl.DataFrame, year: str) -> pl.DataFrame:
    rows = clusters.filter(pl.col("cluster_id").str.starts_with(SINGLE))
    rows = rows.filter(pl.col("school_years").list.contains(year)) if year else rows
    return rows.sort("mean_quality", "cluster_id", descending=[True, False], nulls_last=True)
