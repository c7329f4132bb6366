"""Captions of group photos: who is where, row by row from left to right."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from classface_assets.albums.captions import PlaceStatus
from classface_assets.review.api.common import API_PREFIX, ApiModel, Context, Id, problem_responses
from classface_assets.review.api.faces.faces import AssetId
from classface_assets.review.context import ReviewContext
from classface_assets.review.problems import NotFoundError
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.services.photos.captions import CaptionSource, PhotoCaption, photo_caption
from classface_assets.store.model.purposes import Purpose

router = APIRouter(prefix=API_PREFIX, tags=["faces"])
PurposeQuery = Annotated[Purpose, Query(description="What the caption is for: whoever refused it is `a student`.")]


class CaptionPlace(ApiModel):
    """A place in a row; `name` is what the caption has there."""

    position: Annotated[int, Field(ge=1)]
    face_id: Id
    name: str
    status: PlaceStatus
    sure: bool
    confirmed: bool


class CaptionRowModel(ApiModel):
    """A row of people, from left to right as seen in the photo."""

    name: str
    sure: bool
    places: list[CaptionPlace]


class PhotoCaptionModel(ApiModel):
    """The caption of a photo; `doubts` are sentences about places that should be checked."""

    asset_id: Id
    school_year: str
    path: str
    purpose: Purpose
    text: str
    sure: bool
    names_missing: Annotated[int, Field(ge=0)]
    doubts: list[str]
    rows: list[CaptionRowModel]


@router.get("/assets/{assetId}/caption", response_model=PhotoCaptionModel, responses=problem_responses(404))
def get_caption(context: Context, asset_id: AssetId, purpose: PurposeQuery = Purpose.ALBUM) -> dict[str, Any]:
    """The caption of a photo: rows of people by the geometry of the photo, back row first, with their names."""
    found = caption_of(context, context.view(), str(asset_id), purpose)
    rows = [
        {
            "name": row.name,
            "sure": row.sure,
            "places": [
                {
                    "position": place.position,
                    "face_id": place.face.face_id,
                    "name": place.text,
                    "status": place.face.status,
                    "sure": place.sure,
                    "confirmed": place.face.confirmed,
                }
                for place in row.places
            ],
        }
        for row in found.caption.rows
    ]
    photo = {"asset_id": found.asset_id, "school_year": found.school_year, "path": found.path, "purpose": purpose}
    caption = found.caption
    return photo | {
        "text": caption.text,
        "sure": caption.sure,
        "names_missing": caption.missing,
        "doubts": caption.doubts,
        "rows": rows,
    }


def caption_of(
    context: ReviewContext, view: ArchiveView, asset_id: str, purpose: Purpose = Purpose.ALBUM
) -> PhotoCaption:
    """The caption of a photo of the view.

    Raises:
        NotFoundError: There is no such photo.
    """
    if view.photo(asset_id) is None:
        raise NotFoundError("photo", asset_id)
    return photo_caption(CaptionSource(view, context.layout.database, context.ledger, purpose), asset_id)
