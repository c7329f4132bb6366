"""Faces and photos: what a photo shows, and the pictures."""

from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any
from uuid import UUID

import polars as pl
from fastapi import APIRouter, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from classface_assets.review.api.common import BASE, AtDesk, Face, Shape, faces_of, told
from classface_assets.review.context import Desk
from classface_assets.review.faces.image_responses import WHOLE, Picture, has_it, picture_response
from classface_assets.review.problems import NotFoundError
from classface_assets.services.archive_view.model import View

router = APIRouter(prefix=BASE, tags=["faces"])
AssetId = Annotated[UUID, Path(alias="assetId")]
FaceId = Annotated[UUID, Path(alias="faceId")]
Side = Annotated[int, Query(ge=16, le=WHOLE)]
PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}},
    304: {"description": "The browser has it"},
}


class Photo(Shape):
    asset_id: str
    school_year: str
    width: int | None
    height: int | None
    faces: list[Face]


@router.get("/assets/{assetId}", response_model=Photo, responses=told(404))
def get_photo(desk: AtDesk, asset_id: AssetId) -> dict[str, Any]:
    """The faces of a photo, from left to right."""
    view = desk.view()
    photo = view.photo(str(asset_id))
    if photo is None:
        raise NotFoundError("photo", asset_id)
    rows = view.faces.filter(pl.col("asset_id") == str(asset_id)).sort("bbox_x", "face_id")
    return {name: photo[name] for name in ("asset_id", "school_year", "width", "height")} | {"faces": faces_of(rows)}


@router.get("/assets/{assetId}/thumbnail", response_class=Response, responses=PICTURE | told(404, 503))
async def get_thumbnail(request: Request, desk: AtDesk, asset_id: AssetId, size: Side = 720) -> Response:
    """The photo, upright, with a long side of at most `size` pixels."""
    return await _picture(request, desk, lambda view: desk.images.photo(view, str(asset_id), size))


@router.get("/{faceId}/chip", response_class=Response, responses=PICTURE | told(404, 503))
async def get_chip(request: Request, desk: AtDesk, face_id: FaceId, size: Side = 192) -> Response:
    """The face, aligned: a square of at most 192 pixels."""
    return await _picture(request, desk, lambda view: desk.images.chip(view, str(face_id), size))


async def _picture(request: Request, desk: Desk, find: Callable[[View], Picture]) -> Response:
    """A page asks for hundreds of pictures that the browser has: nothing is read and no thread taken for these."""
    picture = None
    if (recent := desk.recent_view()) is not None:
        with suppress(NotFoundError):  # what is newer than that view is there all the same
            picture = find(recent)
    if picture is not None and has_it(request, picture):
        return picture_response(request, picture)
    return await run_in_threadpool(lambda: picture_response(request, picture or find(desk.view())))
