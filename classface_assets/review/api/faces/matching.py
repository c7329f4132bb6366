"""Matching one face or all faces to the known people, and detecting a photo's faces with other thresholds."""

from typing import Any

import polars as pl
from fastapi import APIRouter, Response

from classface_assets.review.api.common import API_PREFIX, Context, problem_responses
from classface_assets.review.api.faces.faces import AssetId, FaceId
from classface_assets.review.api.runs import execute_run
from classface_assets.review.api.schemas.matching import (
    AssignAllRequest,
    AssignAllResponse,
    AssignResponse,
    DetectRequest,
    DetectResponse,
    OptionalAssignAllRequest,
    OptionalAssignRequest,
    OptionalDetectRequest,
)
from classface_assets.review.api.schemas.runs import RunStarted
from classface_assets.review.context import ReviewContext, face_refs
from classface_assets.review.problems import NotFoundError, ProblemError
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.services.identity.face_matching import knn_settings
from classface_assets.store.decisions.exclusions import LOCATION_COLUMNS, erased_ids_in
from classface_assets.store.decisions.reconciliation import match_faces_by_iou
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.vision.detection.search import DetectionSettings

router = APIRouter(prefix=API_PREFIX, tags=["matching"])


@router.post("/{faceId}/assign", response_model=AssignResponse, responses=problem_responses(404, 409))
def assign_face(context: Context, face_id: FaceId, body: OptionalAssignRequest) -> dict[str, Any]:
    """Find out who a face is, by the labelled faces.

    It is a dry run unless the request says `commit`: nothing is stored. With `commit` the face is labelled with the
    person that was found, by `match`; undo the events that are returned to take it back.
    """
    from classface_assets.review.faces.suggestions import suggest_identity

    face_similarity = context.face_similarity()
    view, face = face_similarity.view, face_similarity.view.face(str(face_id))
    if face is None:
        raise NotFoundError("face", face_id)
    settings = knn_settings(context.settings(body.preset), body.k, body.similarity_threshold, body.use_voting)
    suggestion = suggest_identity(face_similarity, str(face_id), settings)
    events: tuple[int, ...] = ()
    if body.commit and suggestion.person_id is not None:
        if face["confirmed"]:
            raise ProblemError(409, "This face has a name already, which somebody gave it; remove the name first.")
        events = context.ledger.label(suggestion.person_id, face_refs(view, [str(face_id)]), "match").events
    person = view.decisions.persons.get(suggestion.person_id or "")
    return {
        "threshold": settings.person_threshold,
        "dry_run": not events,
        "event_ids": list(events),
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
    """Match faces to the known people by a run. With a school year or an event only these faces change."""
    if not _faces_in_scope(context.view(), body).height:
        raise NotFoundError("face", f"in {body.school_year or body.event or 'the archive'}")
    given = {
        "assign": body.strategy,
        "knn_neighbours": body.k,
        "use_voting": body.use_voting,
        "person_threshold": body.similarity_threshold,
        "only_school_year": body.school_year,
        "only_event": body.event and body.event.rstrip("/"),
    }
    chosen = {name: value for name, value in given.items() if value is not None}
    spec = context.run_manager().assignment_spec(**context.preset_values(body.preset) | chosen)
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

    It is a dry run unless the request says `commit`: nothing is stored. With `commit` the new faces are added as if
    somebody had drawn them, and the next run embeds them. To change the thresholds of a school year, run `detections`
    with them.
    """
    view = context.view()
    photo = view.photo(str(asset_id))
    if photo is None:
        raise NotFoundError("photo", asset_id)
    settings = _detection_settings(context, photo["school_year"], body)
    detected = context.upload_analyzer.detect(str(asset_id), context.images.open_photo(view, str(asset_id)), settings)
    erased = erased_ids_in(detected, view.decisions.erased_faces)
    rows = view.published.filter(pl.col("asset_id") == str(asset_id)).select(LOCATION_COLUMNS)
    known = {face: FaceRef(face, photo, tuple(box)) for photo, face, *box in rows.iter_rows()}
    # A face that an earlier detector found has another id at the same place.
    known_id = {new: face for face, (new, _) in match_faces_by_iou(known, detected).items()}
    ids = [known_id.get(face, face) for face in detected["face_id"] if face not in erased]
    new = [face for face in ids if face not in known and face not in view.decisions.drawn]
    events: tuple[int, ...] = ()
    if body.commit and new:
        rows = detected.filter(pl.col("face_id").is_in(new)).select(LOCATION_COLUMNS)
        refs = [FaceRef(face, photo, tuple(box)) for photo, face, *box in rows.iter_rows()]
        events = context.ledger.draw_faces(refs).events
    return {
        "asset_id": str(asset_id),
        "faces_detected": len(ids),
        "face_ids": ids,
        "new_face_ids": new,
        "dry_run": not events,
        "event_ids": list(events),
    }


def _detection_settings(context: ReviewContext, year: str, body: DetectRequest) -> DetectionSettings:
    """The thresholds that the school year was detected with, except for those of the request."""
    active = context.school_year(year).active_settings()
    settings = DetectionSettings() if active is None else DetectionSettings.from_name(active)
    return DetectionSettings(
        settings.min_confidence if body.min_confidence is None else body.min_confidence,
        settings.min_face_px if body.min_face_size is None else body.min_face_size,
    )


def _faces_in_scope(view: ArchiveView, body: AssignAllRequest) -> pl.DataFrame:
    """The faces of the requested school year or event, or all."""
    rows = view.faces
    if body.school_year is not None:
        rows = rows.filter(pl.col("school_year") == body.school_year)
    if body.event is not None:
        rows = rows.filter(pl.col("path").str.starts_with(body.event.rstrip("/") + "/"))
    return rows
