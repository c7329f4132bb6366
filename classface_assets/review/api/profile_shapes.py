"""The shapes of portraits and of what a search finds."""

from classface_assets.review.api.common import Shape

MIN_FACE_SIZE, MIN_CONFIDENCE, BLUR_THRESHOLD = 80, 0.6, 20.0


class Settings(Shape):
    min_face_size: int = MIN_FACE_SIZE
    """Pixels of the shorter side of the face's box."""
    min_confidence: float = MIN_CONFIDENCE
    blur_threshold: float = BLUR_THRESHOLD
    """Least variance of the Laplacian on the face's chip: hundreds are sharp."""


class Quality(Shape):
    face_size: float
    confidence: float
    blur: float
    quality_score: float


class Profile(Shape):
    person_id: str
    person_name: str
    face_id: str
    quality: Quality


class Match(Shape):
    face_id: str
    person_id: str | None
    person_name: str | None
    cluster_id: str
    similarity: float


class Matches(Shape):
    matches: list[Match]
    faces_in_photos: int
