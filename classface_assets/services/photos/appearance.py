"""The appearance of an archive's photos: hash, faces and vectors by which photos of the same shot are found.

Photos that are gone count too, if there are decisions about their faces: the Parquet parts of detections and embeddings
retain their faces and vectors until they are pruned.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
import polars as pl

from classface_assets.core.layout import ArchiveLayout, decode_folder_name
from classface_assets.core.schemas import DetectionStatus, PhotoStatus
from classface_assets.store.catalog.faces import FaceCatalog
from classface_assets.store.catalog.photo_records import camera_time
from classface_assets.store.catalog.school_year import SchoolYearStore
from classface_assets.store.files.deletion import list_subfolders
from classface_assets.vision.models.pack_info import PackInfo
from classface_assets.vision.photos.same_shot import PhotoAppearance, hash_bits

BOX_COLUMNS = ["bbox_x", "bbox_y", "bbox_w", "bbox_h"]
_NO_BOXES, _NO_VECTORS = np.zeros((0, 4)), np.zeros((0, 0), np.float32)


@dataclass(frozen=True)
class PhotoAppearances:
    """The appearance of each photo of an archive, computed on first use.

    Attributes:
        layout: The archive.
        pack: The model pack whose vectors are compared.
        catalog: The photos that are present, their faces and vectors.
        records: RECORDS of the photos with decisions, also of those that are gone.
    """

    layout: ArchiveLayout
    pack: PackInfo
    catalog: FaceCatalog
    records: pl.DataFrame

    @cached_property
    def present(self) -> dict[str, dict[str, object]]:
        """Asset id → the row of a photo that is present."""
        good = self.catalog.images.filter(pl.col("status") == PhotoStatus.OK).unique("asset_id", keep="first")
        columns = ["asset_id", "path", "width", "height", "rotation", "phash", "taken_at"]
        rows = good.with_columns(camera_time(good)).select(columns)
        return {row["asset_id"]: row for row in rows.iter_rows(named=True)}

    @cached_property
    def gone(self) -> dict[str, dict[str, object]]:
        """Asset id → the row of a photo with decisions that is gone."""
        rows = self.records.filter(~pl.col("asset_id").is_in(list(self.present)))
        found = self._gone_detections.drop_nulls("phash").unique("asset_id", keep="first")
        joined = rows.join(found.select("asset_id", "phash", "rotation"), "asset_id", "left", suffix="_found")
        joined = joined.with_columns(pl.coalesce(name, f"{name}_found").alias(name) for name in ("phash", "rotation"))
        return {row["asset_id"]: row for row in joined.iter_rows(named=True)}

    def of(self, photo: str) -> PhotoAppearance:
        """The appearance of a photo, present or gone; an empty one where the id is unknown."""
        row = self.present.get(photo) or self.gone.get(photo) or {}
        boxes, vectors = self._faces(photo)
        phash, rotation = row.get("phash"), row.get("rotation") or 0
        bits = hash_bits(str(phash), int(str(rotation))) if phash else None
        return PhotoAppearance(
            bits, _to_float(row.get("width")), _to_float(row.get("height")), boxes, vectors, _capture_seconds(row)
        )

    def bits(self, photos: Iterable[str]) -> tuple[list[str], np.ndarray]:
        """Those of these photos that have a perceptual hash, and the bits of the hashes, (n, 16, 16) bool."""
        known = [p for p in photos if (self.present.get(p) or self.gone.get(p) or {}).get("phash")]
        rows = [self.of(p).bits for p in known]
        return known, np.stack([bits for bits in rows if bits is not None]) if known else np.zeros((0, 16, 16), bool)

    def photos_with_similar_face(self, vectors: np.ndarray, min_similarity: float) -> set[str]:
        """The present photos with a face that is similar to one of these.

        Args:
            vectors: (n, d) float32 of unit length.
            min_similarity: The least cosine similarity.
        """
        if not len(vectors) or not len(self.catalog.vectors):
            return set()
        hits = ((self.catalog.vectors @ vectors.T) >= min_similarity).any(axis=1)
        return set(self.catalog.faces["asset_id"].filter(pl.Series(hits)))

    def _faces(self, photo: str) -> tuple[np.ndarray, np.ndarray]:
        """Boxes (n, 4) and vectors (n, d) of a photo's faces."""
        if photo in self.present:
            numbers = self._rows_of.get(photo)
            return (self._boxes[numbers], self.catalog.vectors[numbers]) if numbers else (_NO_BOXES, _NO_VECTORS)
        rows = self._gone_faces.filter(pl.col("asset_id") == photo)
        if rows.is_empty():
            return _NO_BOXES, _NO_VECTORS
        return rows.select(BOX_COLUMNS).to_numpy().astype(np.float64), rows["vector"].to_numpy()

    @cached_property
    def _boxes(self) -> np.ndarray:
        return self.catalog.faces.select(BOX_COLUMNS).to_numpy().astype(np.float64)

    @cached_property
    def _rows_of(self) -> dict[str, list[int]]:
        if self.catalog.faces.is_empty():
            return {}
        grouped = self.catalog.faces.select("asset_id").with_row_index("row").group_by("asset_id").agg("row")
        return dict(grouped.iter_rows())

    @cached_property
    def _gone_detections(self) -> pl.DataFrame:
        """The detection rows of photos that are gone, of whichever school year they were in."""
        gone = set(self.records["asset_id"]) - self.present.keys()
        columns = ["asset_id", "face_id", "status", "phash", "rotation", *BOX_COLUMNS]
        found = [
            pl.DataFrame(
                schema=dict.fromkeys(["asset_id", "face_id", "status", "phash"], pl.String) | {"rotation": pl.Int16}
            )
        ]
        for store in self._school_years() if gone else ():
            parts = store.active_detection_parts()
            if parts is not None:
                rows = parts.read_matching("asset_id", gone, columns)
                found += [rows] if rows.width else []
        return pl.concat(found, how="diagonal_relaxed").unique(["asset_id", "face_id"], keep="first")

    @cached_property
    def _gone_faces(self) -> pl.DataFrame:
        """The faces of photos that are gone, with their vectors."""
        rows = self._gone_detections.filter(pl.col("status") == DetectionStatus.FACE)
        ids = rows["face_id"].to_list()
        found = [
            store.embedding_parts(self.pack.key).read_matching("face_id", ids, ["face_id", "vector"])
            for store in (self._school_years() if ids else ())
        ]
        frames = [frame for frame in found if frame.width]
        if not frames:
            return pl.DataFrame(schema={"asset_id": pl.String})
        return rows.join(pl.concat(frames).unique("face_id"), on="face_id")

    def _school_years(self) -> list[SchoolYearStore]:
        """The school years in which the detector in use has searched, also those that are gone."""
        detector = self.pack.detector_version
        folders = list_subfolders(self.layout.parts("detections", detector))
        return [SchoolYearStore(self.layout, detector, decode_folder_name(folder)) for folder in folders]


def _to_float(value: object) -> float:
    return float(str(value)) if value is not None else 0.0


def _capture_seconds(row: dict[str, object]) -> float:
    """The camera's capture time in seconds; NaN where it is unknown."""
    at = row.get("taken_at")
    return at.timestamp() if isinstance(at, datetime) else float("nan")
