"""Profiles: enrolling a student with one good portrait, and searching the archive by uploaded pictures."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, File, Form, Path, Query, UploadFile

from classface_assets.core.arrays import unit_mean
from classface_assets.review.api.common import API_PREFIX, Context, Name, problem_responses
from classface_assets.review.api.persons.person_rows import person_row
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
_PHOTOS: dict[str, Any] = {
    "description": "One photo, or several of one person.",
    "json_schema_extra": {"minItems": 1, "maxItems": MAX_PHOTOS},
}
PhotoUpload = Annotated[UploadFile, File(description="A photo, up to 48 MB and 64 million pixels.")]
MinFaceSizeForm = Annotated[int, Form(alias="minFaceSize", ge=1, le=10_000)]
MinConfidenceForm = Annotated[float, Form(alias="minConfidence", ge=0, le=1)]
BlurThresholdForm = Annotated[float, Form(alias="blurThreshold", ge=0, le=1_000_000)]


@router.get("/profiles/quality-settings", response_model=QualitySettings, responses=problem_responses())
def quality_settings() -> QualitySettings:
    """The default quality thresholds of a portrait."""
    return QualitySettings()


@router.post("/profiles", response_model=Profile, status_code=201, responses=problem_responses(409, 413))
def enrol(
    context: Context,
    name: Annotated[Name, Form()],
    photo: PhotoUpload,
    min_face_size: MinFaceSizeForm = MIN_FACE_SIZE,
    min_confidence: MinConfidenceForm = MIN_CONFIDENCE,
    blur_threshold: BlurThresholdForm = BLUR_THRESHOLD,
) -> dict[str, Any]:
    """Create a person from a portrait of exactly one good face.

    Suggestions use it at once, automatic matches from the next run on.
    """
    required = QualitySettings(
        min_face_size=min_face_size, min_confidence=min_confidence, blur_threshold=blur_threshold
    )
    face = _require_portrait_face(context, photo, required)
    person = context.ledger.create_person(name).person
    return _store_portrait(context, person.id, person.name, face)


@router.put("/profiles/{personId:uuid}", response_model=Profile, responses=problem_responses(404, 409, 413))
def replace_portrait(
    context: Context,
    person_id: Annotated[UUID, Path(alias="personId")],
    photo: PhotoUpload,
    min_face_size: MinFaceSizeForm = MIN_FACE_SIZE,
    min_confidence: MinConfidenceForm = MIN_CONFIDENCE,
    blur_threshold: BlurThresholdForm = BLUR_THRESHOLD,
) -> dict[str, Any]:
    """Replace the portrait of a person."""
    row = person_row(context.view(), person_id)
    required = QualitySettings(
        min_face_size=min_face_size, min_confidence=min_confidence, blur_threshold=blur_threshold
    )
    return _store_portrait(context, row["id"], row["name"], _require_portrait_face(context, photo, required))


@router.post("/search", response_model=SearchResponse, responses=problem_responses(413, 503))
def search(
    context: Context,
    photos: Annotated[list[UploadFile], File(alias="photo", **_PHOTOS)],
    k: Annotated[int, Query(ge=1, le=100)] = 5,
    threshold: Annotated[float, Query(ge=-1, le=1)] = 0.0,
) -> dict[str, Any]:
    """Find the archive's most similar faces to the largest face of a photo, or to the mean of several photos' ones."""
    if len(photos) > MAX_PHOTOS:
        raise ProblemError(422, f"At most {MAX_PHOTOS} photos may be sent at once.")
    faces = [context.upload_analyzer.analyze(photo.file.read(), DetectionSettings()) for photo in photos]
    largest = [of_photo[0].vector for of_photo in faces if of_photo]
    if not largest:
        raise ProblemError(
            422,
            "No face was found in the photo; send one in which the face is larger, or turned to the camera.",
            check="faces",
            found=0,
        )
    nearest = context.face_similarity().nearest(unit_mean(largest), k, threshold)
    matches = nearest.select(*SearchMatch.model_fields).to_dicts()
    return {"matches": matches, "faces_in_photos": sum(map(len, faces))}


def _require_portrait_face(context: ReviewContext, photo: UploadFile, required: QualitySettings) -> AnalyzedFace:
    """The one face of a portrait.

    Raises:
        ProblemError: With the check that failed, the measured and the required value.
    """
    faces = context.upload_analyzer.analyze(photo.file.read(), DetectionSettings(0.3, 10))
    certain = [face for face in faces if face.confidence >= required.min_confidence]
    if not faces:
        raise ProblemError(
            422, "No face was found in the photo; send a portrait from the front.", check="faces", found=0
        )
    if len(certain) > 1:
        detail = f"There are {len(certain)} faces in the photo, but a portrait shows one; crop the photo to it."
        raise ProblemError(422, detail, check="faces", found=len(certain), wanted=1)
    face = certain[0] if certain else faces[0]
    measured = _portrait_quality(face)
    checks = (
        ("minConfidence", measured.confidence, required.min_confidence, "the detector is not sure enough of the face"),
        ("minFaceSize", measured.face_size, required.min_face_size, "the face is too small"),
        ("blurThreshold", measured.blur, required.blur_threshold, "the face is blurred"),
    )
    for check, found, least, why in checks:
        if found < least:
            detail = f"The portrait cannot be used: {why} ({found:.4g}, at least {least:g} is needed)."
            raise ProblemError(422, detail, check=check, found=found, wanted=least)
    return face


def _portrait_quality(face: AnalyzedFace) -> PortraitQuality:
    size = min(face.box[2:])
    return PortraitQuality(face_size=size, confidence=face.confidence, blur=face.blur, quality_score=face.quality)


def _store_portrait(context: ReviewContext, person_id: str, name: str, face: AnalyzedFace) -> dict[str, Any]:
    """Store the portrait and record it in the ledger; the fields of `Profile`."""
    save_portrait(context.layout, context.pack.key, (person_id, face.face_id), face.vector, face.chip)
    context.ledger.set_portrait(person_id, face.face_id)
    return {"person_id": person_id, "person_name": name, "face_id": face.face_id, "quality": _portrait_quality(face)}
