"""One photo with boxes and names, row by row, where missed faces can be drawn."""

from typing import Annotated, Any, Literal

import polars as pl
from fastapi import Form, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from classface_assets.core.faces.photo_rows import arrange_rows, row_names
from classface_assets.review.api.common import Context
from classface_assets.review.api.faces.captions import caption_of
from classface_assets.review.api.faces.faces import AssetId
from classface_assets.review.pages.components.consent import photo_verdict_lines
from classface_assets.review.pages.components.layout import FormText, change_response, page_router, render_page
from classface_assets.review.pages.components.manual_faces import manual_face
from classface_assets.review.problems import NotFoundError
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.services.photos.pending_faces import pending_manual_faces

router = page_router()
MarkField = Annotated[Literal["collage", "mirror", ""], Form()]
Pixels = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]


class DrawForm(BaseModel):
    """A box in pixels of the upright photo, and the name of the person, if known."""

    x: Pixels
    y: Pixels
    width: Pixels
    height: Pixels
    name: str = Field("", max_length=2000)
    back: str = Field("/", max_length=2000)


@router.get("/photos/{assetId}")
def one_photo(
    request: Request, context: Context, asset_id: AssetId, face: Annotated[str, Query(max_length=40)] = ""
) -> Response:
    """A photo with all its faces; `face` is the highlighted one."""
    view = context.view()
    photo = require_photo(view, str(asset_id))
    detected = view.faces.filter(pl.col("asset_id") == str(asset_id)).to_dicts()
    faces = [row | {"drawn": False} for row in detected] + pending_manual_faces(view, str(asset_id))
    rows = face_rows(faces)
    before, after = _neighbours(view, photo)
    return render_page(
        request,
        context,
        "photo.html.j2",
        photo=photo,
        rows=list(zip(row_names(len(rows)), rows, strict=True)),
        faces=faces,
        chosen=face,
        verdicts=photo_verdict_lines(view, str(asset_id)),
        caption=caption_of(context, view, str(asset_id)),
        mark=view.decisions.photo_marks.get(str(asset_id), ""),
        before=before,
        after=after,
        letter=max(photo["width"], photo["height"]) / 60,
    )


@router.post("/photos/{assetId}/draw")
def draw(request: Request, context: Context, asset_id: AssetId, form: Annotated[DrawForm, Form()]) -> Response:
    """Add a face that no detector found, and label it if a name is given."""
    photo = require_photo(context.view(), str(asset_id))
    face = manual_face(photo["asset_id"], (photo["width"], photo["height"]), (form.x, form.y, form.width, form.height))
    result = context.ledger.draw_face(face)
    events, notes = [*result.events], [*result.notes]
    if form.name.strip():
        labelled = context.ledger.label(form.name, [face])
        events, notes = [*events, *labelled.events], [*notes, *labelled.notes]
    return change_response(request, context, events, form.back, notes)


@router.post("/photos/{assetId}/mark")
def mark(
    request: Request, context: Context, asset_id: AssetId, value: MarkField = "", back: FormText = "/"
) -> Response:
    """Mark a photo as a collage or mirror, which may show a person twice, or remove the mark."""
    photo = require_photo(context.view(), str(asset_id))["asset_id"]
    result = context.ledger.mark_photo(photo, value) if value else context.ledger.unmark_photo(photo)
    return change_response(request, context, result.events, back, result.notes)


def face_rows(faces: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Sort faces into the rows in which people stand, back row first, each from left to right.

    Args:
        faces: Rows with bbox_x, bbox_y, bbox_w and bbox_h in pixels.
    """
    boxes = [(face["bbox_x"], face["bbox_y"], face["bbox_w"], face["bbox_h"]) for face in faces]
    return [[faces[number] for number in row] for row in arrange_rows(boxes).rows]


def require_photo(view: ArchiveView, asset_id: str) -> dict[str, Any]:
    """The row of a photo, with width and height as it is shown."""
    photo = view.photo(asset_id)
    if photo is None:
        raise NotFoundError("photo", asset_id)
    sideways = photo["rotation"] in (90, 270)
    width, height = (photo["height"], photo["width"]) if sideways else (photo["width"], photo["height"])
    return photo | {"width": width, "height": height}


def _neighbours(view: ArchiveView, photo: dict[str, Any]) -> tuple[str | None, str | None]:
    """The photos before and after one, in its school year."""
    ids = view.photos.filter(pl.col("school_year") == photo["school_year"]).sort("path")["asset_id"].to_list()
    at = ids.index(photo["asset_id"])
    return (ids[at - 1] if at else None), (ids[at + 1] if at + 1 < len(ids) else None)
