"""From photo files to detection rows: every photo ends as its faces, as one `no face` row or as one `failed` row."""

import uuid
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

import numpy as np
import polars as pl

from classface_assets.places import Place
from classface_assets.vision.chips import cut_chip, encode_chip
from classface_assets.vision.decode import DecodedPhoto, UnreadablePhoto
from classface_assets.vision.photos import load_photo
from classface_assets.vision.quality import blur, quality_score
from classface_assets.vision.search import DetectionSettings, Detector, find_faces

DETECTION_SCHEMA = pl.Schema(
    [
        ("asset_id", pl.String),
        ("face_id", pl.String),  # null on the one row of a photo with no face or that failed
        ("status", pl.String),  # ok | no face | failed
        ("reason", pl.String),
        ("bbox_x", pl.Float32),
        ("bbox_y", pl.Float32),
        ("bbox_w", pl.Float32),
        ("bbox_h", pl.Float32),
        ("landmarks", pl.List(pl.Float32)),
        ("detection_confidence", pl.Float32),
        ("quality_score", pl.Float32),
        ("blur", pl.Float32),
        ("chip", pl.Binary),
    ]
)
DECODERS = 2
AHEAD = 4  # decoded photos that may wait for the detector; it bounds the memory (18 megapixels are 54 MB)


def face_id_of(asset_id: str, box: np.ndarray) -> str:
    """The id of a face: a UUID5 of its photo and its box x, y, w, h rounded to whole pixels."""
    return str(uuid.uuid5(uuid.UUID(asset_id), ",".join(str(round(float(v))) for v in box)))


def detect_photo(
    asset_id: str, image: np.ndarray, detector: Detector, settings: DetectionSettings, note: str = ""
) -> list[dict[str, Any]]:
    """The detection rows of one upright (H, W, 3) RGB photo; `note` becomes their reason."""
    faces = find_faces(detector, image, settings)
    rows: dict[str, dict[str, Any]] = {}
    for box, landmarks, score in zip(faces.boxes, faces.landmarks, faces.scores, strict=True):
        chip = cut_chip(image, landmarks)
        face_id = face_id_of(asset_id, box)
        rows.setdefault(
            face_id,
            {
                "asset_id": asset_id,
                "face_id": face_id,
                "status": "ok",
                "reason": note,
                **dict(zip(("bbox_x", "bbox_y", "bbox_w", "bbox_h"), map(float, box), strict=True)),
                "landmarks": landmarks.ravel().tolist(),
                "detection_confidence": float(score),
                "quality_score": quality_score(box, score),
                "blur": blur(chip),
                "chip": encode_chip(chip),
            },
        )
    return list(rows.values()) or [{"asset_id": asset_id, "status": "no face", "reason": note}]


def detect_photos(
    jobs: Iterable[tuple[str, Place]], detector: Detector, settings: DetectionSettings, batch: int = 16
) -> Iterator[pl.DataFrame]:
    """DETECTION_SCHEMA frames, one for every `batch` of (asset id, photo) jobs, in the order of the jobs.

    Photos are decoded ahead in two threads while the detector works. A photo that cannot be used is a `failed` row.
    """
    rows: list[dict[str, Any]] = []
    waiting = 0
    for asset_id, loading in _decoded_ahead(iter(jobs)):
        rows += _rows(asset_id, loading, detector, settings)
        waiting += 1
        if waiting == batch:
            yield pl.DataFrame(rows, schema=DETECTION_SCHEMA)
            rows, waiting = [], 0
    if rows:
        yield pl.DataFrame(rows, schema=DETECTION_SCHEMA)


def _rows(
    asset_id: str, loading: "Future[DecodedPhoto]", detector: Detector, settings: DetectionSettings
) -> list[dict[str, Any]]:
    try:
        photo = loading.result()
        return detect_photo(asset_id, photo.pixels, detector, settings, photo.note)
    except UnreadablePhoto as error:
        return [{"asset_id": asset_id, "status": "failed", "reason": error.reason}]
    except MemoryError:
        return [{"asset_id": asset_id, "status": "failed", "reason": "too large for this machine's memory"}]


def _decoded_ahead(jobs: Iterator[tuple[str, Place]]) -> Iterator[tuple[str, "Future[DecodedPhoto]"]]:
    with ThreadPoolExecutor(DECODERS) as decoders:
        try:
            queue = deque((name, decoders.submit(load_photo, path)) for name, path in islice(jobs, AHEAD))
            while queue:
                yield queue.popleft()
                queue.extend((name, decoders.submit(load_photo, path)) for name, path in islice(jobs, 1))
        finally:
            decoders.shutdown(wait=False, cancel_futures=True)
