"""Who a face is, what a photo shows at other thresholds, and all faces given to people anew."""

from typing import Annotated, Any, Literal

import polars as pl
from fastapi import APIRouter, Body, Response
from pydantic import Field, model_validator

from classface_assets.identity.settings import settings_for
from classface_assets.review.api.common import BASE, AtDesk, Shape, told
from classface_assets.review.api.faces import AssetId, FaceId
from classface_assets.review.api.work import run_order
from classface_assets.review.api.work_shapes import Started
from classface_assets.review.problems import NotFoundError
from classface_assets.review.view import View
from classface_assets.vision.search import DetectionSettings

router = APIRouter(prefix=BASE, tags=["matching"])
Neighbours = Annotated[int, Field(ge=1, le=1000)]
Threshold = Annotated[float, Field(ge=-1, le=1)]


class Asking(Shape):
    k: Neighbours = 5
    similarity_threshold: Threshold = 0.6
    use_voting: bool = True


OptionalAsking = Annotated[Asking, Body(default_factory=Asking)]


class Assigned(Shape):
    person_id: str | None
    person_name: str | None
    similarity: float
    votes: int


class AskingAll(Shape):
    """Of a school year, or of an event: a folder of a school year, as `2019-2020/sports day`; or of everything."""

    school_year: Annotated[str | None, Field(max_length=255)] = None
    event: Annotated[str | None, Field(max_length=1000)] = None
    k: Neighbours = 5
    similarity_threshold: Threshold | None = None
    """Empty: as was measured for the model pack."""
    use_voting: bool = True
    strategy: Literal["prototype", "centroid", "vote", "knn"] = "prototype"
    queue: bool = False

    @model_validator(mode="after")
    def one_scope(self) -> "AskingAll":
        if self.school_year is not None and self.event is not None:
            raise ValueError("give a schoolYear or an event, not both")
        return self


OptionalAskingAll = Annotated[AskingAll, Body(default_factory=AskingAll)]


class AssignedAll(Shape):
    processed: int
    assigned: int
    unassigned: int
    run_id: str


class Looking(Shape):
    min_confidence: Annotated[float, Field(ge=0, le=1)] = 0.5
    min_face_size: Annotated[int, Field(ge=1, le=100_000)] = 20


OptionalLooking = Annotated[Looking, Body(default_factory=Looking)]


class Looked(Shape):
    """`newFaceIds`: those of the faces that the archive does not hold."""

    asset_id: str
    faces_detected: int
    face_ids: list[str]
    new_face_ids: list[str]


@router.post("/{faceId}/assign", response_model=Assigned, responses=told(404))
def assign_face(desk: AtDesk, face_id: FaceId, body: OptionalAsking) -> dict[str, Any]:
    """Who a face most likely is, by the labelled faces. Nothing is said by it: confirm it, or let a run decide."""
    from classface_assets.review.matching import guess

    likeness, settings = desk.likeness(), settings_for(desk.pack.name)
    if likeness.view.face(str(face_id)) is None:
        raise NotFoundError("face", face_id)
    found = guess(likeness, str(face_id), settings, "knn", body.k, body.similarity_threshold, body.use_voting)
    person = likeness.view.decisions.persons.get(found.person_id or "")
    return {
        "person_id": found.person_id,
        "person_name": person.name if person else None,
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
    barred = {face for face in found if face in view.decisions.barred}
    ids = [face for face in found if face not in barred]
    known = set(view.published.filter(pl.col("asset_id") == str(asset_id))["face_id"])
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
