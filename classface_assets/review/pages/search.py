"""Search: drop a photo, see who it is."""

from typing import Annotated, Any

import numpy as np
import polars as pl
from fastapi import File, Request, UploadFile
from starlette.responses import Response

from classface_assets.review.api.common import AtDesk
from classface_assets.review.likeness import Likeness
from classface_assets.review.pages.errors import page_router
from classface_assets.review.pages.frame import page
from classface_assets.review.pages.photos import rows_of
from classface_assets.vision.search import DetectionSettings

MOST_FACES, NEAREST, SHOWN = 40, 60, 5
BOX = ("bbox_x", "bbox_y", "bbox_w", "bbox_h")
router = page_router()


@router.get("/search")
def search_page(request: Request, desk: AtDesk) -> Response:
    return page(request, desk, "search.html.j2", found=None)


@router.post("/search")
def search(request: Request, desk: AtDesk, photo: Annotated[UploadFile, File()]) -> Response:
    """The people and groups that each face of a photo looks like most, row by row; the photo is not kept."""
    seen = desk.eyes.look(photo.file.read(), DetectionSettings())[:MOST_FACES]
    likeness = desk.likeness()
    faces = [dict(zip(BOX, face.box, strict=True)) | {"who": _who(likeness, face.vector)} for face in seen]
    in_rows = [face for row in rows_of(faces) for face in row]
    found = [{"box": [round(face[side], 1) for side in BOX], "who": face["who"]} for face in in_rows]
    return page(request, desk, "search.html.j2", found=found)


def _who(likeness: Likeness, vector: np.ndarray) -> list[dict[str, Any]]:
    """The likest people and groups, each by its likest face."""
    near = likeness.nearest(vector, NEAREST, 0.0)
    groups = near.group_by("cluster_id", maintain_order=True).agg(
        pl.col("similarity", "face_id", "asset_id", "person_id", "person_name", "school_year").first()
    )
    return groups.head(SHOWN).to_dicts()
