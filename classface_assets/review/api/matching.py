"""Who a face is, what a photo shows at other thresholds, and all faces given to people anew."""

from typing import Any

import polars as pl
from fastapi import APIRouter, Response

from classface_assets.identity.settings import settings_for
from classface_assets.review.api.common import BASE, AtDesk, told
from classface_assets.review.api.faces import AssetId, FaceId
from classface_assets.review.api.runs import run_order
from classface_assets.review.api.schemas.matching import (
    AskingAll,
    Assigned,
    AssignedAll,
    Looked,
    OptionalAsking,
    OptionalAskingAll,
    OptionalLooking,
)
from classface_assets.review.api.schemas.runs import Started
from classface_assets.review.problems import NotFoundError
from classface_assets.services.archive_view.model import View
from classface_assets.store.decisions.exclusions import PLACES, barred_in
from classface_assets.store.decisions.reconciliation import homes
from classface_assets.store.model.face_ref import LabelledFace
from classface_assets.vision.detection.search import DetectionSettings

router = APIRouter(prefix=BASE, tags=["matching"])


@router.post("/{faceId}/assign", response_model=Assigned, responses=told(404))
def assign_face(desk: AtDesk, face_id: FaceId, body: OptionalAsking) -> dict[str, Any]:
    """Who a face most likely is, by the labelled faces. Nothing is said by it: confirm it, or let a run decide."""
    from classface_assets.review.faces.suggestions import guess

    likeness, settings = desk.likeness(), settings_for(desk.pack.name)
    if likeness.view.face(str(face_id)) is None:
        raise NotFoundError("face", face_id)
    found = guess(likeness, str(face_id), settings, "knn", body.k, body.similarity_threshold, body.use_voting)
    person = likeness.view.decisions.persons.get(found.person_id or "")
    return {
        "person_id": found.person_id,
        "person_name": person.display_name if person else None,
        "similarity": found.similarity,
        "votes": found.votes,
    }


@router.post("/assign", response_model=AssignedAll | Started, responses=told(404, 409) | {202: {"model": Started}})
def assign_all(desk: AtDesk, body: OptionalAskingAll, response: Response) -> Any:
    """Give faces to the people who are known, by a run over the whole archive; counted are those asked for."""
    if not _asked_for(desk.view(), body).height:
        raise NotFoundError("face", f"in {body.school_year or body.event or 'the archive'}")
    order = desk.work().assignment(
        assign=body.strategy,
        knn_neighbours=body.k,
        use_voting=body.use_voting,
        person_threshold=body.similarity_threshold,
    )
    run = run_order(desk, order, body.queue, response)
    if isinstance(run, Started):
        return run
    rows = _asked_for(desk.view(), body).filter(~pl.col("confirmed"))
    assigned = rows["person_id"].count()
    return {
        "processed": rows.height,
        "assigned": assigned,
        "unassigned": rows.height - assigned,
        "run_id": run.run_id,
    }


@router.post("/detect/{assetId}", response_model=Looked, responses=told(404, 503))
def detect(desk: AtDesk, asset_id: AssetId, body: OptionalLooking) -> dict[str, Any]:
    """The faces of a photo as the detector finds them with these thresholds, and which of them the archive lacks.

    The thresholds of a school year are set for all its photos, by running `detections` with them.
    """
    view = desk.view()
    settings = DetectionSettings(body.min_confidence, body.min_face_size)
    found = desk.eyes.faces_of_photo(str(asset_id), desk.images.opened(view, str(asset_id)), settings)
    barred = barred_in(found, view.decisions.barred)
    rows = view.published.filter(pl.col("asset_id") == str(asset_id)).select(PLACES)
    known = {face: LabelledFace(face, photo, tuple(box)) for photo, face, *box in rows.iter_rows()}
    # A face that an older version found has another id at the same place.
    names = {new: face for face, (new, _) in homes(known, found).items()}
    ids = [names.get(face, face) for face in found["face_id"] if face not in barred]
    return {
        "asset_id": str(asset_id),
        "faces_detected": len(ids),
        "face_ids": ids,
        "new_face_ids": [face for face in ids if face not in known],
    }


def _asked_for(view: View, body: AskingAll) -> pl.DataFrame:
    rows = view.faces
    if body.school_year is not None:
        rows = rows.filter(pl.col("school_year") == body.school_year)
    if body.event is not None:
        rows = rows.filter(pl.col("path").str.starts_with(body.event.rstrip("/") + "/"))
    return rows
