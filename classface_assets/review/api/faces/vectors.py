"""Vectors: embedding an uploaded picture, and comparing two faces of the archive."""

from typing import Any

from fastapi import APIRouter

from classface_assets.review.api.common import API_PREFIX, Context, problem_responses
from classface_assets.review.api.persons.profiles import PhotoUpload
from classface_assets.review.api.schemas.assignments import CompareRequest, CompareResponse, EmbedResponse
from classface_assets.review.problems import NotFoundError
from classface_assets.vision.detection.search import DetectionSettings

router = APIRouter(prefix=API_PREFIX, tags=["vectors"])


@router.post("/embed", response_model=EmbedResponse, responses=problem_responses(413, 503))
def embed(context: Context, photo: PhotoUpload) -> dict[str, Any]:
    """Detect and embed the faces of a picture. Nothing is stored; there may be none."""
    faces = context.upload_analyzer.analyze(photo.file.read(), DetectionSettings())
    return {
        "model": context.pack.key,
        "size": len(faces[0].vector) if faces else 0,
        "faces": [
            {
                **dict(zip(("x", "y", "width", "height"), map(float, face.box), strict=True)),
                "confidence": face.confidence,
                "quality_score": face.quality,
                "vector": face.vector.tolist(),
            }
            for face in faces
        ],
    }


@router.post("/compare", response_model=CompareResponse, responses=problem_responses(404))
def compare(context: Context, body: CompareRequest) -> dict[str, Any]:
    """How similar two faces of the archive are, by the vectors of the model pack in use."""
    similar = context.face_similarity()
    vectors = []
    for face_id in map(str, (body.face_id, body.other_face_id)):
        rows = similar.join_vectors(similar.view.pick([face_id]))
        if not rows.height:
            raise NotFoundError("face with a vector", face_id)
        vectors.append(similar.vectors_of(rows)[0])
    similarity, threshold = float(vectors[0] @ vectors[1]), context.settings().person_threshold
    return {
        "similarity": similarity,
        "person_threshold": threshold,
        "same_person": similarity >= threshold,
        "model": context.pack.key,
    }
