"""Who a face is, what a photo shows at other thresholds, and all faces given to people anew."""

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
def assign_face(desk: Context, face_id: FaceId, body: OptionalAssignRequest) -> dict[str, Any]:
    """Who a face most likely is, by the labelled faces. Nothing is said by it: confirm it, or let a run decide."""
    from classface_assets.review.faces.suggestions import suggest_identity

    likeness, settings = desk.likeness(), settings_for(desk.pack.name)
    if likeness.view.face(str(face_id)) is None:
        raise NotFoundError("face", face_id)
    found = suggest_identity(
        likeness, str(face_id), settings, "knn", body.k, body.similarity_threshold, body.use_voting
    )
    person = likeness.view.decisions.persons.get(found.person_id or "")
    return {
        "person_id": found.person_id,
        "person_name": person.display_name if person else None,
        "similarity": found.similarity,
        "votes": found.votes,
    }


@router.post(
    "/assign",
    response_model=AssignAllResponse | RunStarted,
    responses=problem_responses(404, 409) | {202: {"model": RunStarted}},
)
def assign_all(desk: Context, body: OptionalAssignAllRequest, response: Response) -> Any:
    """Give faces to the people who are known, by a run over the whole archive; counted are those asked for."""
    if not _faces_in_scope(desk.view(), body).height:
        raise NotFoundError("face", f"in {body.school_year or body.event or 'the archive'}")
    order = desk.work().assignment(
        assign=body.strategy,
        knn_neighbours=body.k,
        use_voting=body.use_voting,
        person_threshold=body.similarity_threshold,
    )
    run = execute_run(desk, order, body.queue, response)
    if isinstance(run, RunStarted):
        return run
    rows = _faces_in_scope(desk.view(), body).filter(~pl.col("confirmed"))
    assigned = rows["person_id"].count()
    return {
        "processed": rows.height,
        "assigned": assigned,
        "unassigned": rows.height - assigned,
        "run_id": run.run_id,
    }


@router.post("/detect/{assetId}", response_model=DetectResponse, responses=problem_responses(404, 503))
def detect(desk: Context, asset_id: AssetId, body: OptionalDetectRequest) -> dict[str, Any]:
    """The faces of a photo as the detector finds them with these thresholds, and which of them the archive lacks.

    The thresholds of a school year are set for all its photos, by running `detections` with them.
    """
    view = desk.view()
    settings = DetectionSettings(body.min_confidence, body.min_face_size)
    found = desk.eyes.faces_of_photo(str(asset_id), desk.images.opened(view, str(asset_id)), settings)
    barred = erased_ids_in(found, view.decisions.erased_faces)
    rows = view.published.filter(pl.col("asset_id") == str(asset_id)).select(LOCATION_COLUMNS)
    known = {face: FaceRef(face, photo, tuple(box)) for photo, face, *box in rows.iter_rows()}
    # A face that an older version found has another id at the same place.
    names = {new: face for face, (new, _) in match_faces_by_iou(known, found).items()}
    ids = [names.get(face, face) for face in found["face_id"] if face not in barred]
    return {
        "asset_id": str(asset_id),
        "faces_detected": len(ids),
        "face_ids": ids,
        "new_face_ids": [face for face in ids if face not in known],
    }


def _faces_in_scope(view: ArchiveView, body: AssignAllRequest) -> pl.DataFrame:
    rows = view.faces
    if body.school_year is not None:
        rows = rows.filter(pl.col("school_year") == body.school_year)
    if body.event is not None:
        rows = rows.filter(pl.col("path").str.starts_with(body.event.rstrip("/") + "/"))
    return rows
