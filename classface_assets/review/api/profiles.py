"""Profiles: a student enrolled from one good portrait, and who an uploaded picture shows."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, File, Form, Path, Query, UploadFile

from classface_assets.core.arrays import unit_mean
from classface_assets.review.api.common import API_PREFIX, Context, Name, problem_responses
from classface_assets.review.api.person_rows import person_row
from classface_assets.review.api.schemas.persons import (
    BLUR_THRESHOLD,
    MIN_CONFIDENCE,
    MIN_FACE_SIZE,
    PortraitQuality,
    Profile,
    QualitySettings,
    SearchMatch,
    SearchResponse,
)
from classface_assets.review.context import ReviewContext
from classface_assets.review.problems import ProblemError
from classface_assets.store.catalog.portraits import save_portrait
from classface_assets.vision.analysis import AnalyzedFace
from classface_assets.vision.detection.search import DetectionSettings

router = APIRouter(prefix=API_PREFIX, tags=["profiles"])
MAX_PHOTOS = 10
PhotoUpload = Annotated[UploadFile, File(description="A photo, up to 48 MB and 64 million pixels.")]
MinFaceSizeForm = Annotated[int, Form(alias="minFaceSize", ge=1, le=10_000)]
MinConfidenceForm = Annotated[float, Form(alias="minConfidence", ge=0, le=1)]
BlurThresholdForm = Annotated[float, Form(alias="blurThreshold", ge=0, le=1_000_000)]


@router.get("/profiles/quality-settings", response_model=QualitySettings, responses=problem_responses())
def quality_settings() -> QualitySettings:
    """What a portrait must be like."""
    return QualitySettings()


@router.post("/profiles", response_model=Profile, status_code=201, responses=problem_responses(409, 413))
def enrol(
    desk: Context,
    name: Annotated[Name, Form()],
    photo: PhotoUpload,
    min_face_size: MinFaceSizeForm = MIN_FACE_SIZE,
    min_confidence: MinConfidenceForm = MIN_CONFIDENCE,
    blur_threshold: BlurThresholdForm = BLUR_THRESHOLD,
) -> dict[str, Any]:
    """A new person with a portrait of exactly one good face: the next run names by it, suggestions come at once."""
    wanted = QualitySettings(min_face_size=min_face_size, min_confidence=min_confidence, blur_threshold=blur_threshold)
    face = _require_portrait_face(desk, photo, wanted)
    person = desk.ledger.create_person(name).person
    return _store_portrait(desk, person.id, person.name, face)


@router.put("/profiles/{personId}", response_model=Profile, responses=problem_responses(404, 409, 413))
def replace_portrait(
    desk: Context,
    person_id: Annotated[UUID, Path(alias="personId")],
    photo: PhotoUpload,
    min_face_size: MinFaceSizeForm = MIN_FACE_SIZE,
    min_confidence: MinConfidenceForm = MIN_CONFIDENCE,
    blur_threshold: BlurThresholdForm = BLUR_THRESHOLD,
) -> dict[str, Any]:
    """Another portrait of a person, in place of the one before."""
    row = person_row(desk.view(), person_id)
    wanted = QualitySettings(min_face_size=min_face_size, min_confidence=min_confidence, blur_threshold=blur_threshold)
    return _store_portrait(desk, row["id"], row["name"], _require_portrait_face(desk, photo, wanted))


@router.post("/search", response_model=SearchResponse, responses=problem_responses(413, 503))
def search(
    desk: Context,
    photos: Annotated[list[UploadFile], File(alias="photo", description="One photo, or several of one person.")],
    k: Annotated[int, Query(ge=1, le=100)] = 5,
    threshold: Annotated[float, Query(ge=-1, le=1)] = 0.0,
) -> dict[str, Any]:
    """Who is this? The likest faces of the archive to the largest face of the photo, or to the mean of several's."""
    if len(photos) > MAX_PHOTOS:
        raise ProblemError(422, f"At most {MAX_PHOTOS} photos may be sent at once.")
    looked = [desk.eyes.look(photo.file.read(), DetectionSettings()) for photo in photos]
    largest = [faces[0].vector for faces in looked if faces]
    if not largest:
        raise ProblemError(422, "No face was found in it; send a photo in which the face is larger or turned to us.")
    found = desk.likeness().nearest(unit_mean(largest), k, threshold)
    matches = found.select(*SearchMatch.model_fields).to_dicts()
    return {"matches": matches, "faces_in_photos": sum(map(len, looked))}


def _require_portrait_face(desk: ReviewContext, photo: UploadFile, wanted: QualitySettings) -> AnalyzedFace:
    """The one face of a portrait. Raises ProblemError that says which check failed and by how much."""
    faces = desk.eyes.look(photo.file.read(), DetectionSettings(0.3, 10))
    sure = [face for face in faces if face.confidence >= wanted.min_confidence]
    if not faces:
        raise ProblemError(
            422, "No face was found in the photo; send a portrait from the front.", check="faces", found=0
        )
    if len(sure) > 1:
        detail = f"There are {len(sure)} faces in the photo, and a portrait shows one; cut the others away."
        raise ProblemError(422, detail, check="faces", found=len(sure), wanted=1)
    face = sure[0] if sure else faces[0]
    measured = _portrait_quality(face)
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


def _portrait_quality(face: AnalyzedFace) -> PortraitQuality:
    size = min(face.box[2:])
    return PortraitQuality(face_size=size, confidence=face.confidence, blur=face.blur, quality_score=face.quality)


def _store_portrait(desk: ReviewContext, person_id: str, name: str, face: AnalyzedFace) -> dict[str, Any]:
    save_portrait(desk.layout, desk.pack.key, (person_id, face.face_id), face.vector, face.chip)
    desk.ledger.set_portrait(person_id, face.face_id)
    return {"person_id": person_id, "person_name": name, "face_id": face.face_id, "quality": _portrait_quality(face)}
