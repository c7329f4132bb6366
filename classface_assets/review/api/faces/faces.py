"""Faces and photos: the faces of a photo, and the images of both."""

from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any
from uuid import UUID

import polars as pl
from fastapi import APIRouter, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from classface_assets.review.api.common import API_PREFIX, ApiModel, Context, Face, Id, face_models, problem_responses
from classface_assets.review.context import ReviewContext
from classface_assets.review.faces.image_responses import FULL_SIDE, ImageResource, image_response, matches_etag
from classface_assets.review.problems import NotFoundError
from classface_assets.services.archive_view.model import ArchiveView

router = APIRouter(prefix=API_PREFIX, tags=["faces"])
AssetId = Annotated[UUID, Path(alias="assetId")]
FaceId = Annotated[UUID, Path(alias="faceId")]
SizeQuery = Annotated[int, Query(ge=16, le=FULL_SIDE)]
_ETAG = {"ETag": {"required": True, "schema": {"type": "string"}}}
IMAGE_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}, "headers": _ETAG},
    304: {"description": "The browser has the image already", "headers": _ETAG},
}


class Photo(ApiModel):
    """A photo and its faces."""

    asset_id: Id
    school_year: str
    width: int | None
    height: int | None
    faces: list[Face]


@router.get("/assets/{assetId}", response_model=Photo, responses=problem_responses(404))
def get_photo(context: Context, asset_id: AssetId) -> dict[str, Any]:
    """The faces of a photo, from left to right."""
    view = context.view()
    photo = view.photo(str(asset_id))
    if photo is None:
        raise NotFoundError("photo", asset_id)
    rows = view.faces.filter(pl.col("asset_id") == str(asset_id)).sort("bbox_x", "face_id")
    return {name: photo[name] for name in ("asset_id", "school_year", "width", "height")} | {"faces": face_models(rows)}


@router.get(
    "/assets/{assetId}/thumbnail", response_class=Response, responses=IMAGE_RESPONSES | problem_responses(404, 503)
)
async def get_thumbnail(request: Request, context: Context, asset_id: AssetId, size: SizeQuery = 720) -> Response:
    """The photo, upright, with a long side of at most `size` pixels."""
    return await _serve_image(request, context, lambda view: context.images.photo(view, str(asset_id), size))


@router.get("/{faceId}/chip", response_class=Response, responses=IMAGE_RESPONSES | problem_responses(404, 503))
async def get_chip(request: Request, context: Context, face_id: FaceId, size: SizeQuery = 192) -> Response:
    """The face, aligned: a square of at most 192 pixels."""
    return await _serve_image(request, context, lambda view: context.images.chip(view, str(face_id), size))


async def _serve_image(
    request: Request, context: ReviewContext, find: Callable[[ArchiveView], ImageResource]
) -> Response:
    """Find an image in the view and send it.

    A page requests hundreds of images that the browser has already; for these no thread is taken and nothing is read.
    """
    image = None
    if (recent := context.recent_view()) is not None:
        with suppress(NotFoundError):  # a newer face is in the current view only
            image = find(recent)
    if image is not None and matches_etag(request, image):
        return image_response(request, image)
    return await run_in_threadpool(lambda: image_response(request, image or find(context.view())))
