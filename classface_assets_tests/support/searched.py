"""Photos saved and searched as the pipeline does it, by whatever pack a test has."""

from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from classface_assets.vision.detection.pipeline import PhotoJob, detect_photos
from classface_assets.vision.detection.search import DetectionSettings, detect_oriented
from classface_assets.vision.embedding import embed_faces
from classface_assets.vision.faces import FaceDetections
from classface_assets.vision.models.registry import ModelPack
from classface_assets.vision.photo_facts import read_photo_facts
from classface_assets.vision.photos.image_pyramid import pyramid_from_pixels

SETTINGS = DetectionSettings()


def detected(pack: ModelPack, *paths: Path) -> pl.DataFrame:
    jobs = [PhotoJob(read_photo_facts(path).asset_id, path) for path in paths]
    return pl.concat([searched.rows for searched in detect_photos(jobs, pack.detector, SETTINGS)])


def faces_in(pack: ModelPack, image: np.ndarray, settings: DetectionSettings = SETTINGS) -> FaceDetections:
    return detect_oriented(pack.detector, pyramid_from_pixels(image), settings).faces


def boxes_of(frame: pl.DataFrame) -> np.ndarray:
    return frame.select("bbox_x", "bbox_y", "bbox_w", "bbox_h").to_numpy()


def save_as_photo(picture: Image.Image, path: Path, **options: object) -> Path:
    picture.save(path, **options)
    return path


def vectors_of(rows: pl.DataFrame, pack: ModelPack, batch: int = 16) -> pl.DataFrame:
    faces = rows.filter(pl.col("face_id").is_not_null())
    return pl.concat([embedded.rows for embedded in embed_faces([faces], pack.embedder, batch)])
