"""Photos: a whole photo with boxes and names, row by row; drawing a face that was missed.

Faces that people drew: they are in the ledger, and in the view only when a run has embedded them.

Search: drop a photo, see who it is.
"""

import uuid
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
import polars as pl
from fastapi import File, Form, Query, Request, UploadFile
from starlette.responses import Response

from classface_assets.albums.students import row_names
from classface_assets.core.geometry import Box
from classface_assets.review.api.common import Context
from classface_assets.review.api.faces import AssetId
from classface_assets.review.context import face_refs
from classface_assets.review.faces.similar_faces import FaceSimilarity
from classface_assets.review.pages.components.layout import FormText, change_response, page_router, render_page
from classface_assets.review.pages.consent import photo_verdict_lines
from classface_assets.review.problems import NotFoundError, ProblemError
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.store.decisions.reconciliation import match_faces_by_iou
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.vision.detection.search import DetectionSettings

MIN_BOX_SIDE = 8


def face_refs_with_manual(view: ArchiveView, face_ids: Sequence[str]) -> list[FaceRef]:
    """The faces as the ledger keeps them, those too that no run has seen yet. Raises NotFoundError."""
    waiting = {f: view.decisions.drawn[f] for f in face_ids if view.face(f) is None and f in view.decisions.drawn}
    return [*face_refs(view, [f for f in face_ids if f not in waiting]), *waiting.values()]


def pending_manual_faces(view: ArchiveView, asset_id: str) -> list[dict[str, object]]:
    """The faces drawn in a photo that are not in the view yet, as rows of it; a box around a face is that face."""
    persons, said = view.decisions.persons, view.decisions.labels
    drawn = {f: face for f, face in view.decisions.drawn.items() if face.asset_id == asset_id}
    there = match_faces_by_iou(drawn, view.faces.filter(pl.col("asset_id") == asset_id)) if drawn else {}
    rows = []
    for face_id, face in drawn.items():
        if face_id not in there:
            person = persons.get(said[face_id].person_id) if face_id in said else None
            box = dict(zip(("bbox_x", "bbox_y", "bbox_w", "bbox_h"), face.box, strict=True))
            named = {"person_id": person and person.id, "person_name": person and person.display_name}
            rows.append({"face_id": face_id, "confirmed": person is not None, "drawn": True} | named | box)
    return rows


def manual_face(asset_id: str, size: tuple[int, int], box: Box) -> FaceRef:
    """The face of a box drawn in a photo of that width and height, cut to the photo.

    Raises ProblemError for one that is too small to be a face.
    """
    x, y, w, h = box
    left, top = max(0, round(x)), max(0, round(y))
    right, bottom = min(size[0], round(x + w)), min(size[1], round(y + h))
    if right - left < MIN_BOX_SIDE or bottom - top < MIN_BOX_SIDE:
        raise ProblemError(422, "The box is too small for a face; draw it from the forehead to the chin.")
    whole = (left, top, right - left, bottom - top)
    face_id = str(uuid.uuid5(uuid.UUID(asset_id), ",".join(map(str, whole))))
    return FaceRef(face_id, asset_id, whole)


PAGE_SIZE = 48
ROW_GAP = 0.7
router = page_router()
MarkField = Annotated[Literal["collage", "mirror", ""], Form()]
Pixels = Annotated[float, Form(ge=-1e6, le=1e6, allow_inf_nan=False)]


@router.get("/photos")
def photos(
    request: Request,
    desk: Context,
    year: Annotated[str, Query(max_length=255)] = "",
    number: Annotated[int, Query(alias="render_page", ge=1, le=100_000)] = 1,
) -> Response:
    """All photos, by school year and path."""
    view = desk.view()
    rows = view.photos.filter(pl.col("school_year") == year) if year else view.photos
    shown = rows.sort("school_year", "path", descending=[True, False]).slice((number - 1) * PAGE_SIZE, PAGE_SIZE)
    faces = view.faces.group_by("asset_id").agg(pl.len().alias("faces"), pl.col("person_id").count().alias("named"))
    shown = shown.join(faces, on="asset_id", how="left", maintain_order="left").with_columns(
        pl.col("faces", "named").fill_null(0)
    )
    return render_page(
        request,
        desk,
        "photos.html.j2",
        photos=shown.to_dicts(),
        total=rows.height,
        number=number,
        pages=-(-rows.height // PAGE_SIZE),
        year=year,
        years=sorted(view.photos["school_year"].unique().to_list(), reverse=True),
    )


@router.get("/photos/{assetId}")
def one_photo(
    request: Request, desk: Context, asset_id: AssetId, face: Annotated[str, Query(max_length=40)] = ""
) -> Response:
    """A photo with all its faces; `face` is the one that is looked at."""
    view = desk.view()
    photo = _require_photo(view, str(asset_id))
    seen = view.faces.filter(pl.col("asset_id") == str(asset_id)).to_dicts()
    faces = [f | {"drawn": False} for f in seen] + pending_manual_faces(view, str(asset_id))
    rows = face_rows(faces)
    before, after = _neighbours(view, photo)
    return render_page(
        request,
        desk,
        "photo.html.j2",
        photo=photo,
        rows=list(zip(row_names(len(rows)), rows, strict=True)),
        faces=faces,
        chosen=face,
        verdicts=photo_verdict_lines(view, str(asset_id)),
        mark=view.decisions.photo_marks.get(str(asset_id), ""),
        before=before,
        after=after,
        letter=max(photo["width"], photo["height"]) / 60,
    )


@router.post("/photos/{assetId}/draw")
def draw(
    request: Request,
    desk: Context,
    asset_id: AssetId,
    x: Pixels,
    y: Pixels,
    width: Pixels,
    height: Pixels,
    name: FormText = "",
    back: FormText = "/",
) -> Response:
    """Here is a face that no detector found, and perhaps whose it is. Pixels of the upright photo."""
    photo = _require_photo(desk.view(), str(asset_id))
    face = manual_face(photo["asset_id"], (photo["width"], photo["height"]), (x, y, width, height))
    act = desk.ledger.draw_face(face)
    events, notes = [*act.events], [*act.notes]
    if name.strip():
        named = desk.ledger.label(name, [face])
        events, notes = [*events, *named.events], [*notes, *named.notes]
    return change_response(request, desk, events, back, notes)


@router.post("/photos/{assetId}/mark")
def mark(request: Request, desk: Context, asset_id: AssetId, value: MarkField = "", back: FormText = "/") -> Response:
    """The photo may show somebody twice, or may not."""
    photo = _require_photo(desk.view(), str(asset_id))["asset_id"]
    act = desk.ledger.mark_photo(photo, value) if value else desk.ledger.unmark_photo(photo)
    return change_response(request, desk, act.events, back, act.notes)


def face_rows(faces: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The rows people stand in, back row first, each from left to right.

    A face further below its row's middle than 0.7 of the usual face height begins the next row.
    """
    heights = sorted(face["bbox_h"] for face in faces)
    rows: list[list[dict[str, Any]]] = []
    for face in sorted(faces, key=_vertical_centre):
        if (
            rows
            and _vertical_centre(face) - sum(map(_vertical_centre, rows[-1])) / len(rows[-1])
            < ROW_GAP * heights[len(faces) // 2]
        ):
            rows[-1].append(face)
        else:
            rows.append([face])
    return [sorted(row, key=lambda face: face["bbox_x"]) for row in rows]


def _vertical_centre(face: dict[str, Any]) -> float:
    return float(face["bbox_y"] + face["bbox_h"] / 2)


def _require_photo(view: ArchiveView, asset_id: str) -> dict[str, Any]:
    """A photo with its size as it is shown. Raises NotFoundError."""
    photo = view.photo(asset_id)
    if photo is None:
        raise NotFoundError("photo", asset_id)
    turned = photo["rotation"] in (90, 270)
    width, height = (photo["height"], photo["width"]) if turned else (photo["width"], photo["height"])
    return photo | {"width": width, "height": height}


def _neighbours(view: ArchiveView, photo: dict[str, Any]) -> tuple[str | None, str | None]:
    """The photos before and after one, in its school year."""
    ids = view.photos.filter(pl.col("school_year") == photo["school_year"]).sort("path")["asset_id"].to_list()
    at = ids.index(photo["asset_id"])
    return (ids[at - 1] if at else None), (ids[at + 1] if at + 1 < len(ids) else None)


MAX_SEARCH_FACES, NEAREST_FACES, MAX_MATCHES = 40, 60, 5
BBOX_COLUMNS = ("bbox_x", "bbox_y", "bbox_w", "bbox_h")


@router.get("/search")
def search_page(request: Request, desk: Context) -> Response:
    return render_page(request, desk, "search.html.j2", found=None)


@router.post("/search")
def search(request: Request, desk: Context, photo: Annotated[UploadFile, File()]) -> Response:
    """The people and groups that each face of a photo looks like most, row by row; the photo is not kept."""
    seen = desk.eyes.look(photo.file.read(), DetectionSettings())[:MAX_SEARCH_FACES]
    likeness = desk.likeness()
    faces = [
        dict(zip(BBOX_COLUMNS, face.box, strict=True)) | {"who": _best_matches(likeness, face.vector)} for face in seen
    ]
    in_rows = [face for row in face_rows(faces) for face in row]
    found = [{"box": [round(face[side], 1) for side in BBOX_COLUMNS], "who": face["who"]} for face in in_rows]
    return render_page(request, desk, "search.html.j2", found=found)


def _best_matches(likeness: FaceSimilarity, vector: np.ndarray) -> list[dict[str, Any]]:
    """The likest people and groups, each by its likest face."""
    near = likeness.nearest(vector, NEAREST_FACES, 0.0)
    groups = near.group_by("cluster_id", maintain_order=True).agg(
        pl.col("similarity", "face_id", "asset_id", "person_id", "person_name", "school_year").first()
    )
    return groups.head(MAX_MATCHES).to_dicts()
