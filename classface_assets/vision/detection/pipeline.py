"""From photo files to detection rows: a photo gives a row for each face, or one `no face` row, or one `failed` row."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl

from classface_assets.core.arrays import available_cores
from classface_assets.core.errors import as_storage_error
from classface_assets.core.faces.photo_reasons import PhotoReason
from classface_assets.core.locations import Location
from classface_assets.core.schemas import DETECTION_ROWS, DetectionStatus
from classface_assets.vision.detection.attributes import estimate_poses
from classface_assets.vision.detection.landmarks import refine_landmarks
from classface_assets.vision.detection.multiscale import base_side
from classface_assets.vision.detection.records import (
    CHIP_FACE_PX,
    DetectionRow,
    face_columns,
    face_id_for,
)
from classface_assets.vision.detection.search import DetectionSettings, detect_oriented
from classface_assets.vision.detection.strips import strip_search_version
from classface_assets.vision.parallel import ordered_thread_map
from classface_assets.vision.photos.image_pyramid import ImagePyramid, open_pyramid
from classface_assets.vision.photos.metadata import UnreadablePhotoError
from classface_assets.vision.photos.near_duplicates import perceptual_hash
from classface_assets.vision.protocols import Detector

MAX_WORKERS = 6  # each may hold a photo and a network's activations, some 250 MB


class ChangedPhotoError(OSError):
    """A photo was changed or replaced while it was searched."""

    def __str__(self) -> str:
        """What the report of the year says of it."""
        return "it changed after it was read; the next run reads it again"


@dataclass(frozen=True)
class PhotoJob:
    """A photo to search.

    Attributes:
        asset_id: Its id.
        path: Its file.
        turnable: Whether the file does not say which way is up.
        listed: Size in bytes and time of change in ns of the local file of which that is the id; None: not compared.
    """

    asset_id: str
    path: Location
    turnable: bool = False
    listed: tuple[int, int] | None = None

    def require_unchanged(self) -> None:
        """Raises OSError where the file is another one by now, whose faces are not those of that id."""
        if self.listed is not None and isinstance(self.path, Path):
            status = self.path.stat()
            if (status.st_size, status.st_mtime_ns) != self.listed:
                raise ChangedPhotoError


@dataclass(frozen=True)
class DetectionBatch:
    """The rows (DETECTION_ROWS) of some photos; and the asset ids of photos to be tried again, with the reason."""

    rows: pl.DataFrame
    unopened: dict[str, str]


def default_workers() -> int:
    """How many photos are searched in parallel: one a core, each network then on one core, as far as memory allows."""
    return min(available_cores(), MAX_WORKERS)


def detect_photos(
    jobs: Iterable[PhotoJob], detector: Detector, settings: DetectionSettings, batch: int = 16, workers: int = 0
) -> Iterator[DetectionBatch]:
    """Search photos in parallel.

    Args:
        jobs: The photos.
        detector: The detector.
        settings: Which faces count.
        batch: How many photos a batch covers.
        workers: How many photos are decoded, searched and cut at a time, each in a thread of its own, while the caller
            writes; 0: `default_workers()`. No more than twice as many are finished ahead of the caller.

    Yields:
        The rows of each `batch` photos, in the order of the jobs.

    Raises:
        StorageError: The disk or server is lost.
    """
    rows: list[DetectionRow] = []
    unopened: dict[str, str] = {}
    done = 0
    search = partial(_detect_job, detector=detector, settings=settings)
    for job, searching in ordered_thread_map(search, jobs, workers or default_workers()):
        try:
            rows += searching.result()
        except OSError as error:
            if lost := as_storage_error(error, job.path):
                raise lost from None
            unopened[job.asset_id] = f"cannot be opened: {(error.strerror or str(error)).lower()}"
        done += 1
        if done == batch:
            yield DetectionBatch(pl.DataFrame(rows, schema=DETECTION_ROWS), unopened)
            rows, unopened, done = [], {}, 0
    if done:
        yield DetectionBatch(pl.DataFrame(rows, schema=DETECTION_ROWS), unopened)


def _detect_job(job: PhotoJob, detector: Detector, settings: DetectionSettings) -> list[DetectionRow]:
    rows = _rows_of_job(job, detector, settings)
    job.require_unchanged()  # a photo that is being copied, or was replaced, gets neither faces nor a failure
    return rows


def _rows_of_job(job: PhotoJob, detector: Detector, settings: DetectionSettings) -> list[DetectionRow]:
    try:
        return detect_photo(job.asset_id, open_pyramid(job.path), detector, settings, job.turnable)
    except UnreadablePhotoError as error:
        return [{"asset_id": job.asset_id, "status": DetectionStatus.FAILED.value, "reason": error.reason}]
    except MemoryError:
        return [
            {
                "asset_id": job.asset_id,
                "status": DetectionStatus.FAILED.value,
                "reason": PhotoReason.TOO_LARGE_TO_SEARCH.phrase(),
            }
        ]


def detect_photo(
    asset_id: str, pyramid: ImagePyramid, detector: Detector, settings: DetectionSettings, turnable: bool = False
) -> list[DetectionRow]:
    """Search one photo.

    Args:
        asset_id: The id of the photo.
        pyramid: The photo; it is left rotated as the faces were found.
        detector: The detector.
        settings: Which faces count.
        turnable: Whether the file does not say which way is up.

    Returns:
        Its detection rows, with the pyramid's note on the photo as their reason.
    """
    photo_columns: DetectionRow = {
        "asset_id": asset_id,
        "reason": pyramid.note,
        "phash": perceptual_hash(pyramid.resized_to(base_side(detector, pyramid))),
        "strip_search": strip_search_version(pyramid),
    }
    found = detect_oriented(detector, pyramid, settings, turnable)
    faces, photo_columns["rotation"] = found.faces, found.rotation
    if not len(faces):
        return [{**photo_columns, "status": DetectionStatus.NO_FACE.value}]
    picture, scale = pyramid.at_resolution(float(faces.boxes[:, 2].min()), CHIP_FACE_PX)
    pass_scale = min(1.0, base_side(detector, pyramid) / max(pyramid.width, pyramid.height))
    landmarks = refine_landmarks(detector, picture, faces.scaled(scale), faces.boxes[:, 2] * pass_scale)
    poses = estimate_poses(landmarks).tolist()
    rows: dict[str, DetectionRow] = {}
    for i, (box, score) in enumerate(zip(faces.boxes, faces.scores, strict=True)):
        face_id = face_id_for(asset_id, box)
        row = {
            **photo_columns,
            "face_id": face_id,
            "status": DetectionStatus.FACE.value,
            "detection_confidence": float(score),
            "outside": float(found.outside[i]),
            **dict(zip(("yaw", "pitch", "roll"), poses[i], strict=True)),
            **face_columns(box, landmarks[i], score, picture, scale),
        }
        rows.setdefault(face_id, row)
    return list(rows.values())
