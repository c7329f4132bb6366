"""Profiles: a student enrolled from one good portrait, and who an uploaded picture shows."""

from typing import Annotated, Any
from uuid import UUID

import numpy as np
from fastapi import APIRouter, File, Form, Path, Query, UploadFile

from classface_assets.review.api.common import BASE, AtDesk, Name, told
from classface_assets.review.api.person_rows import person_row
from classface_assets.review.api.schemas.persons import (
    BLUR_THRESHOLD,
    MIN_CONFIDENCE,
    MIN_FACE_SIZE,
    Match,
    Matches,
    Profile,
    Quality,
    Settings,
)
from classface_assets.review.context import Desk
from classface_assets.review.faces.uploads import Seen
from classface_assets.review.problems import ProblemError
from classface_assets.store.catalog.portraits import keep_portrait
from classface_assets.vision.detection.search import DetectionSettings

router = APIRouter(prefix=BASE, tags=["profiles"])
MOST_PHOTOS = 10
Picture = Annotated[UploadFile, File(description="A photo, up to 48 MB and 64 million pixels.")]
Size = Annotated[int, Form(alias="minFaceSize", ge=1, le=10_000)]
Confidence = Annotated[float, Form(alias="minConfidence", ge=0, le=1)]
Blur = Annotated[float, Form(alias="blurThreshold", ge=0, le=1_000_000)]


@router.get("/profiles/quality-settings", response_model=Settings, responses=told())
def quality_settings() -> Settings:
    """What a portrait must be like."""
    return Settings()


@router.post("/profiles", response_model=Profile, status_code=201, responses=told(409, 413))
def enrol(
    desk: AtDesk,
    name: Annotated[Name, Form()],
    photo: Picture,
    min_face_size: Size = MIN_FACE_SIZE,
    min_confidence: Confidence = MIN_CONFIDENCE,
    blur_threshold: Blur = BLUR_THRESHOLD,
) -> dict[str, Any]:
    """A new person with a portrait of exactly one good face: the next run names by it, suggestions come at once."""
    wanted = Settings(min_face_size=min_face_size, min_confidence=min_confidence, blur_threshold=blur_threshold)
    face = _portrait(desk, photo, wanted)
    person = desk.ledger.create(name).person
    return _kept(desk, person.id, person.name, face)


@router.put("/profiles/{personId}", response_model=Profile, responses=told(404, 409, 413))
def replace_portrait(
    desk: AtDesk,
    person_id: Annotated[UUID, Path(alias="personId")],
    photo: Picture,
    min_face_size: Size = MIN_FACE_SIZE,
    min_confidence: Confidence = MIN_CONFIDENCE,
    blur_threshold: Blur = BLUR_THRESHOLD,
) -> dict[str, Any]:
    """Another portrait of a person, in place of the one before."""
    row = person_row(desk.view(), person_id)
    wanted = Settings(min_face_size=min_face_size, min_confidence=min_confidence, blur_threshold=blur_threshold)
    return _kept(desk, row["id"], row["name"], _portrait(desk, photo, wanted))


@router.post("/search", response_model=Matches, responses=told(413, 503))
def search(
    desk: AtDesk,
    photos: Annotated[list[UploadFile], File(alias="photo", description="One photo, or several of one person.")],
    k: Annotated[int, Query(ge=1, le=100)] = 5,
    threshold: Annotated[float, Query(ge=-1, le=1)] = 0.0,
) -> dict[str, Any]:
    """Who is this? The likest faces of the archive to the largest face of the photo, or to the mean of several's."""
    if len(photos) > MOST_PHOTOS:
        raise ProblemError(422, f"At most {MOST_PHOTOS} photos may be sent at once.")
    looked = [desk.eyes.look(photo.file.read(), DetectionSettings()) for photo in photos]
    largest = [faces[0].vector for faces in looked if faces]
    if not largest:
        raise ProblemError(422, "No face was found in it; send a photo in which the face is larger or turned to us.")
    mean = np.mean(largest, axis=0)
    vector = (mean / max(float(np.linalg.norm(mean)), 1e-12)).astype(np.float32)
    found = desk.likeness().nearest(vector, k, threshold)
    matches = found.select(*Match.model_fields).to_dicts()
    return {"matches": matches, "faces_in_photos": sum(map(len, looked))}


def _portrait(desk: Desk, photo: UploadFile, wanted: Settings) -> Seen:
    """The one face of a portrait. Raises ProblemError that says which check failed and by how much."""
    faces = desk.eyes.look(photo.file.read(), DetectionSettings(0.3, 10))
    sure = [face for face in faces if face.confidence >= wanted.min_confidence]
    if not faces:
        raise ProblemError(
            422, "No face was found in the photo; send a portrait from the front.", check="faces", found=0
        )
    if len(sure) > 1:
        told = f"There are {len(sure)} faces in the photo, and a portrait shows one; cut the others away."
        raise ProblemError(422, told, check="faces", found=len(sure), wanted=1)
    face = sure[0] if sure else faces[0]
    measured = _quality(face)
    checks = (
        ("minConfidence", measured.confidence, wanted.min_confidence, "the detector is not sure enough of the face"),
        ("minFaceSize", measured.face_size, wanted.min_face_size, "the face is too small"),
        ("blurThreshold", measured.blur, wanted.blur_threshold, "the face is blurred"),
    )
    for check, found, least, why in checks:
        if found < least:
            told = f"The portrait cannot be used: {why} ({found:.4g}, at least {least:g} is needed)."
            raise ProblemError(422, told, check=check, found=found, wanted=least)
    return face


def _quality(face: Seen) -> Quality:
    size = min(face.box[2:])
    return Quality(face_size=size, confidence=face.confidence, blur=face.blur, quality_score=face.quality)


def _kept(desk: Desk, person_id: str, name: str, face: Seen) -> dict[str, Any]:
    keep_portrait(desk.layout, desk.pack.key, (person_id, face.face_id), face.vector, face.chip)
    desk.ledger.give_portrait(person_id, face.face_id)
    return {"person_id": person_id, "person_name": name, "face_id": face.face_id, "quality": _quality(face)}
