"""Naming a class photo: face after face in reading order, without a page load between them."""

from itertools import groupby
from typing import Annotated, Any

import polars as pl
from fastapi import Query, Request
from starlette.responses import Response

from classface_assets.core.faces.photo_rows import row_names
from classface_assets.core.languages import gettext
from classface_assets.review.api.common import Context
from classface_assets.review.api.faces.faces import AssetId
from classface_assets.review.pages.components.layout import (
    FormFaces,
    FormText,
    change_response,
    page_router,
    render_page,
)
from classface_assets.review.pages.faces.name_choices import photo_class
from classface_assets.review.pages.photos.viewer import face_rows, require_photo
from classface_assets.review.problems import ProblemError
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.services.photos.pending_faces import pending_manual_faces

MIN_FACES = 3
"""Photos of fewer faces are not counted as class photos that wait for names."""
SURE = 0.9
"""Probability from which an automatic match is accepted together with all others."""
ZOOM = 2.4
"""Sides of the picture of one face, in longer sides of its box."""
router = page_router()


@router.get("/photos/{assetId}/name")
def class_photo(
    request: Request, context: Context, asset_id: AssetId, face: Annotated[str, Query(max_length=40)] = ""
) -> Response:
    """The photo with one face after the other enlarged; `face` is the first one, else the first without a name."""
    view = context.view()
    photo = require_photo(view, str(asset_id))
    detected = view.faces.filter(pl.col("asset_id") == str(asset_id)).to_dicts()
    rows = face_rows([row | {"drawn": False} for row in detected] + pending_manual_faces(view, str(asset_id)))
    faces = [
        one | {"row": title, "place": place, "of": len(row), "sure": is_sure(one), "zoom": zoom_of(one)}
        for title, row in zip(row_names(len(rows)), rows, strict=True)
        for place, one in enumerate(row, 1)
    ]
    return render_page(
        request,
        context,
        "class_photo.html.j2",
        photo=photo,
        faces=faces,
        rows=[(title, list(row)) for title, row in groupby(faces, key=lambda one: one["row"])],
        chosen=face or next((one["face_id"] for one in faces if not one["person_id"]), ""),
        school_class=photo_class(view, photo),
        following=next_photo_to_name(view, photo),
        letter=max(photo["width"], photo["height"]) / 60,
    )


@router.post("/photos/{assetId}/confirm")
def confirm_sure(
    request: Request, context: Context, asset_id: AssetId, face: FormFaces = (), back: FormText = "/"
) -> Response:
    """Confirm the automatic matches of these faces of the photo, each as the person that it was matched with."""
    view = context.view()
    chosen = view.faces.filter(
        pl.col("asset_id") == str(asset_id),
        pl.col("face_id").is_in(list(face)),
        pl.col("person_id").is_not_null(),
        ~pl.col("confirmed"),
    )
    if chosen.is_empty():
        raise ProblemError(409, gettext("None of these faces has an automatic match any more; reload the page."))
    events: list[int] = []
    notes: list[str] = []
    for (person,), rows in chosen.group_by("person_id", maintain_order=True):
        result = context.ledger.confirm(str(person), view.face_refs(rows["face_id"].to_list()))
        events, notes = [*events, *result.events], [*notes, *result.notes]
    return change_response(request, context, events, back, notes)


def is_sure(face: dict[str, Any]) -> bool:
    """Whether a face has an automatic match that needs no look at each face."""
    probability = face.get("assignment_probability")
    return bool(face["person_id"] and not face["confirmed"] and probability is not None and probability >= SURE)


def zoom_of(face: dict[str, Any]) -> tuple[float, float, float]:
    """Left, top and side, in pixels of the photo, of the square around a face that is shown enlarged."""
    side = ZOOM * max(face["bbox_w"], face["bbox_h"])
    x, y = face["bbox_x"] + face["bbox_w"] / 2 - side / 2, face["bbox_y"] + face["bbox_h"] / 2 - side / 2
    return round(x, 1), round(y, 1), round(side, 1)


def next_photo_to_name(view: ArchiveView, photo: dict[str, Any]) -> str | None:
    """The next photo of the school year, by path, with several faces of which some have no name; the first after the
    last one.
    """
    groups = (
        view.faces.filter(pl.col("school_year") == photo["school_year"])
        .group_by("asset_id", "path")
        .agg(pl.len().alias("faces"), pl.col("person_id").null_count().alias("unnamed"))
        .filter(pl.col("faces") >= MIN_FACES, pl.col("unnamed") > 0, pl.col("asset_id") != photo["asset_id"])
        .sort("path")
    )
    later = groups.filter(pl.col("path") > photo["path"])
    found = (later if later.height else groups)["asset_id"]
    return found[0] if len(found) else None
