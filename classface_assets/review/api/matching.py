"""Matching one face or all faces to the known people, and detecting a photo's faces with other thresholds."""

from dataclasses import replace
from typing import Any

import polars as pl
from fastapi import APIRouter, Response

from classface_assets.identity.settings import settings_for
from classface_assets.review.api.common import API_PREFIX, Context, problem_responses
from classface_assets.review.api.faces import AssetId, FaceId
from classface_assets.review.api.runs import execute_run
from classface_assets.review.api.schemas.matching import (
    AssignAllRequest,
    AssignAllResponse,
    AssignResponse,
    DetectResponse,
    OptionalAssignAllRequest,
    OptionalAssignRequest,
    OptionalDetectRequest,
)
from classface_assets.review.api.schemas.runs import RunStarted
from classface_assets.review.problems import NotFoundError
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.store.decisions.exclusions import LOCATION_COLUMNS, erased_ids_in
from classface_assets.store.decisions.reconciliation import match_faces_by_iou
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.vision.detection.search import DetectionSettings

router = APIRouter(prefix=API_PREFIX, tags=["matching"])


@router.post("/{faceId}/assign", response_model=AssignResponse, responses=problem_responses(404))
def assign_face(context: Context, face_id: FaceId, body: OptionalAssignRequest) -> dict[str, Any]:
    """Suggest who a face is, by the labelled faces. Nothing is stored: confirm it, or leave it to the next run."""
    from classface_assets.review.faces.suggestions import suggest_identity

    face_similarity = context.face_similarity()
    if face_similarity.view.face(str(face_id)) is None:
        raise NotFoundError("face", face_id)
    settings = replace(
        settings_for(context.pack.embedder),
        assign="knn",
        knn_neighbours=body.k,
        similarity_threshold=body.similarity_threshold,
        person_threshold=body.similarity_threshold,
        use_voting=body.use_voting,
    )
    suggestion = suggest_identity(face_similarity, str(face_id), settings)
    person = face_similarity.view.decisions.persons.get(suggestion.person_id or "")
    return {
        "person_id": suggestion.person_id,
        "person_name": person.display_name if person else None,
        "similarity": suggestion.similarity,
        "votes": suggestion.votes,
    }


@router.post(
    "/assign",
    response_model=AssignAllResponse | RunStarted,
    responses=problem_responses(404, 409) | {202: {"model": RunStarted}},
)
def assign_all(context: Context, body: OptionalAssignAllRequest, response: Response) -> Any:
    """Match faces to the known people by a run over the whole archive; the counts are of the requested scope."""
    if not _faces_in_scope(context.view(), body).height:
        raise NotFoundError("face", f"in {body.school_year or body.event or 'the archive'}")
    spec = context.run_manager().assignment_spec(
        assign=body.strategy,
        knn_neighbours=body.k,
        use_voting=body.use_voting,
        person_threshold=body.similarity_threshold,
    )
    run = execute_run(context, spec, body.queue, response)
    if isinstance(run, RunStarted):
        return run
    rows = _faces_in_scope(context.view(), body).filter(~pl.col("confirmed"))
    assigned = rows["person_id"].count()
    return {
        "processed": rows.height,
        "assigned": assigned,
        "unassigned": rows.height - assigned,
        "run_id": run.run_id,
    }


@router.post("/detect/{assetId}", response_model=DetectResponse, responses=problem_responses(404, 503))
def detect(context: Context, asset_id: AssetId, body: OptionalDetectRequest) -> dict[str, Any]:
    """Detect the faces of a photo with these thresholds, and report which of them the archive does not have.

    Nothing is stored. To change the thresholds of a school year, run `detections` with them.
    """
    view = context.view()
    settings = DetectionSettings(body.min_confidence, body.min_face_size)
    detected = context.upload_analyzer.detect(str(asset_id), context.images.open_photo(view, str(asset_id)), settings)
    erased = erased_ids_in(detected, view.decisions.erased_faces)
    rows = view.published.filter(pl.col("asset_id") == str(asset_id)).select(LOCATION_COLUMNS)
    known = {face: FaceRef(face, photo, tuple(box)) for photo, face, *box in rows.iter_rows()}
    # A face that an earlier detector found has another id at the same place.
    known_id = {new: face for face, (new, _) in match_faces_by_iou(known, detected).items()}
    ids = [known_id.get(face, face) for face in detected["face_id"] if face not in erased]
    return {
        "asset_id": str(asset_id),
        "faces_detected": len(ids),
        "face_ids": ids,
        "new_face_ids": [face for face in ids if face not in known],
    }


def _faces_in_scope(view: ArchiveView, body: AssignAllRequest) -> pl.DataFrame:
    """The faces of the requested school year or event, or all."""
    rows = view.faces
    if body.school_year is not None:
        rows = rows.filter(pl.col("school_year") == body.school_year)
    if body.event is not None:
        rows = rows.filter(pl.col("path").str.starts_with(body.event.rstrip("/") + "/"))
    return rows
