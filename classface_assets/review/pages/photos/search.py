"""Search: who is in a photo that the user drops."""

from typing import Annotated, Any

import numpy as np
import polars as pl
from fastapi import File, Request, UploadFile
from starlette.responses import Response

from classface_assets.core.languages import gettext
from classface_assets.review.api.common import Context
from classface_assets.review.faces.similar_faces import FaceSimilarity
from classface_assets.review.pages.components.layout import page_router, render_page
from classface_assets.review.pages.photos.viewer import face_rows
from classface_assets.review.problems import ProblemError
from classface_assets.vision.detection.search import DetectionSettings

MAX_FACES, NEAREST_FACES, MAX_MATCHES = 40, 60, 5
BBOX_COLUMNS = ("bbox_x", "bbox_y", "bbox_w", "bbox_h")
router = page_router()


@router.get("/search")
def search_page(request: Request, context: Context) -> Response:
    """The page to drop a photo on."""
    return render_page(request, context, "search.html.j2", found=None, problem="")


@router.post("/search")
def search(request: Request, context: Context, photo: Annotated[UploadFile, File()]) -> Response:
    """The most similar people and groups for each face of a photo, row by row; the photo is not stored."""
    try:
        uploaded = context.upload_analyzer.analyze(photo.file.read(), DetectionSettings())[:MAX_FACES]
    except ProblemError as error:
        problem = f"{error.detail} " + gettext("Choose a photo: JPEG, PNG, WebP, TIFF or HEIC.")
        page = render_page(request, context, "search.html.j2", found=None, problem=problem)
        page.status_code = error.status
        return page
    face_similarity, threshold = context.face_similarity(), context.settings().person_threshold
    faces = [
        dict(zip(BBOX_COLUMNS, face.box, strict=True)) | _matches(face_similarity, face.vector, threshold)
        for face in uploaded
    ]
    in_rows = [face for row in face_rows(faces) for face in row]
    found = [
        {"box": [round(face[side], 1) for side in BBOX_COLUMNS], "matches": face["matches"], "others": face["others"]}
        for face in in_rows
    ]
    return render_page(request, context, "search.html.j2", found=found, problem="")


def _matches(face_similarity: FaceSimilarity, vector: np.ndarray, threshold: float) -> dict[str, list[dict[str, Any]]]:
    """The most similar people and groups, each with its most similar face.

    Args:
        face_similarity: The faces of the archive.
        vector: (d,) of unit length.
        threshold: From which similarity on two faces are one person by the calibration of the model pack in use.

    Returns:
        `matches` reach the threshold, `others` do not.
    """
    nearest = face_similarity.nearest(vector, NEAREST_FACES, 0.0)
    groups = nearest.group_by("cluster_id", maintain_order=True).agg(
        pl.col("similarity", "face_id", "asset_id", "person_id", "person_name", "school_year").first()
    )
    near = pl.col("similarity") >= threshold
    return {
        "matches": groups.filter(near).head(MAX_MATCHES).to_dicts(),
        "others": groups.filter(~near).head(MAX_MATCHES).to_dicts(),
    }
