"""From photo files to detection rows: every photo ends as its faces, as one `no face` row or as one `failed` row."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import polars as pl

from classface_assets.core.arrays import available_cores
from classface_assets.core.locations import Location
from classface_assets.core.schemas import DETECTION_ROWS
from classface_assets.core.storage_errors import as_storage_error
from classface_assets.vision.detection.attributes import estimate_poses
from classface_assets.vision.detection.landmarks import refine_landmarks
from classface_assets.vision.detection.multiscale import Detector, base_side
from classface_assets.vision.detection.records import CHIP_FACE_PX, face_columns, face_id_for
from classface_assets.vision.detection.search import DetectionSettings, detect_oriented
from classface_assets.vision.parallel import ordered_thread_map
from classface_assets.vision.photos.image_pyramid import ImagePyramid, open_pyramid
from classface_assets.vision.photos.metadata import UnreadablePhotoError
from classface_assets.vision.photos.near_duplicates import perceptual_hash

MAX_WORKERS = 6  # each may hold a photo and a network's activations, some 250 MB


@dataclass(frozen=True)
class PhotoJob:
    """A photo to search; `turnable` when the file does not say which way is up."""

    asset_id: str
    path: Location
    turnable: bool = False


@dataclass(frozen=True)
class DetectionBatch:
    """Rows (DETECTION_ROWS) of some photos, and why others could not be opened: those are to be tried again."""

    rows: pl.DataFrame
    unopened: dict[str, str]


def default_workers() -> int:
    """How many photos are searched at once: one a core, each network then on one core, as far as memory allows."""
    return min(available_cores(), MAX_WORKERS)


def detect_photos(
    jobs: Iterable[PhotoJob], detector: Detector, settings: DetectionSettings, batch: int = 16, at_once: int = 0
) -> Iterator[DetectionBatch]:
    """What was found, once for every `batch` photos, in the order of the jobs.

    `at_once` photos (0: `workers()`) are decoded, searched and cut each in a thread of its own, while the caller
    writes; no more than twice as many are finished ahead of it. Raises StorageError when the disk or server is lost.
    """
    rows: list[dict[str, Any]] = []
    unopened: dict[str, str] = {}
    done = 0
    search = partial(_detect_job, detector=detector, settings=settings)
    for job, searching in ordered_thread_map(search, jobs, at_once or default_workers()):
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


def _detect_job(job: PhotoJob, detector: Detector, settings: DetectionSettings) -> list[dict[str, Any]]:
    try:
        return detect_photo(job.asset_id, open_pyramid(job.path), detector, settings, job.turnable)
    except UnreadablePhotoError as error:
        return [{"asset_id": job.asset_id, "status": "failed", "reason": error.reason}]
    except MemoryError:
        return [{"asset_id": job.asset_id, "status": "failed", "reason": "too large for this machine's memory"}]


def detect_photo(
    asset_id: str, view: ImagePyramid, detector: Detector, settings: DetectionSettings, turnable: bool = False
) -> list[dict[str, Any]]:
    """The detection rows of one photo; what was wrong with it becomes their reason."""
    of_photo: dict[str, Any] = {
        "asset_id": asset_id,
        "reason": view.note,
        "phash": perceptual_hash(view.at(base_side(detector, view))),
    }
    found = detect_oriented(detector, view, settings, turnable)
    of_photo["rotation"] = found.rotation
    if not len(found.faces):
        return [{**of_photo, "status": "no face"}]
    faces = found.faces
    picture, scale = view.at_resolution(float(faces.boxes[:, 2].min()), CHIP_FACE_PX)
    in_look = base_side(detector, view) / max(view.width, view.height)
    shown = refine_landmarks(detector, picture, faces.scaled(scale), faces.boxes[:, 2] * min(1.0, in_look))
    rows: dict[str, dict[str, Any]] = {}
    looking = estimate_poses(shown).tolist()
    for box, marks, score, outside, pose in zip(faces.boxes, shown, faces.scores, found.outside, looking, strict=True):
        measured = {"detection_confidence": float(score), "outside": float(outside)}
        measured |= zip(("yaw", "pitch", "roll"), pose, strict=True)
        face_id = face_id_for(asset_id, box)
        row = face_columns(box, marks, score, picture, scale)
        rows.setdefault(face_id, {**of_photo, "face_id": face_id, "status": "ok", **measured, **row})
    return list(rows.values())
