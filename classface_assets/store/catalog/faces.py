"""The catalog of an archive, read from the parts: every current file, face and vector of all school years.

Which rows of one school year are current is defined in school_year.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from classface_assets.core.arrays import release_freed_memory
from classface_assets.core.errors import UserError
from classface_assets.core.languages import sentence
from classface_assets.core.layout import ArchiveLayout, decode_folder_name
from classface_assets.core.locations import list_directory
from classface_assets.core.schemas import DETECTIONS, DetectionStatus, PhotoStatus
from classface_assets.core.school_years.names import first_year
from classface_assets.store.catalog.school_year import (
    SchoolYearStore,
    all_images,
    conform_to_schema,
    mark_duplicates,
    school_year_stores,
)
from classface_assets.store.files.parts import PartDataset

_KEYS = pl.Schema({name: DETECTIONS[name] for name in ("asset_id", "face_id", "status")})


@dataclass(frozen=True)
class FaceCatalog:
    """All current files, faces and vectors of an archive.

    Attributes:
        images: A row a file: IMAGES, rotation, phash. Width and height are of the photo upright, as it was detected in.
        faces: One row per face in the order of their ids: DETECTIONS without the chip, school_year, year.
        vectors: (faces, d) float32, of unit length, in the order of `faces`.
    """

    images: pl.DataFrame
    faces: pl.DataFrame
    vectors: np.ndarray


class DetectionMissingError(UserError):
    """The archive has faces, but none by this version of the detector."""


def load_catalog(layout: ArchiveLayout, detector: str, pack: str) -> FaceCatalog:
    """Read the catalog of all school years. A photo in two years counts in the first with its faces.

    Args:
        layout: The archive.
        detector: The detector's version.
        pack: The key of the model pack, by which vectors are stored.

    Raises:
        DetectionMissingError: No face is by this detector, so everybody would vanish from what is published.
    """
    _require_detections(layout, detector)
    # A folder that came to another school year is in both until the old one is run.
    images = all_images(layout).unique("path", keep="first", maintain_order=True)
    stores = school_year_stores(layout, detector)
    detected = list(_detections_of_years(stores, DETECTIONS))
    if not detected:
        images = _merge_detection_results(mark_duplicates(images), pl.DataFrame(schema=DETECTIONS))
        return FaceCatalog(images, pl.DataFrame(), np.zeros((0, 0), np.float32))
    rows = _one_year_a_photo(detected)
    images = _merge_detection_results(mark_duplicates(images), rows)
    faces = _faces(stores, rows.drop("rotation", "phash", "orientation", "strip_search"))
    del detected, rows
    faces, vectors = _join_vectors([store.embedding_parts(pack) for store in stores], faces.sort("face_id"))
    release_freed_memory()
    return FaceCatalog(images, faces, vectors)


def load_vectors(layout: ArchiveLayout, detector: str, pack: str) -> tuple[pl.DataFrame, np.ndarray]:
    """The faces and vectors of the catalog, without reading what else is known of them.

    Args:
        layout: The archive.
        detector: The detector's version.
        pack: The key of the model pack, by which vectors are stored.

    Returns:
        face_id and year of each face, in the order of their ids; and (faces, d) float32, of unit length.

    Raises:
        DetectionMissingError: No face is by this detector.
    """
    _require_detections(layout, detector)
    stores = school_year_stores(layout, detector)
    detected = list(_detections_of_years(stores, _KEYS))
    if not detected:
        return pl.DataFrame(schema={"face_id": pl.String, "year": pl.Int32}), np.zeros((0, 0), np.float32)
    faces = _faces(stores, _one_year_a_photo(detected)).select("face_id", "year").sort("face_id")
    return _join_vectors([store.embedding_parts(pack) for store in stores], faces)


def _require_detections(layout: ArchiveLayout, detector: str) -> None:
    found_by = {
        decode_folder_name(entry.path) for entry in list_directory(layout.parts("detections")) if entry.is_folder
    }
    if found_by and detector not in found_by:
        raise DetectionMissingError(
            sentence(
                "The photos were searched by %(others)s, not yet by %(detector)s; run `classface run` or materialize "
                "images, detections and embeddings of every year. Until then what is published stays.",
                others=" and ".join(sorted(found_by)),
                detector=detector,
            )
        )


def _join_vectors(years: list[PartDataset], faces: pl.DataFrame) -> tuple[pl.DataFrame, np.ndarray]:
    """The faces that have a vector, and the vectors; a year at a time, since a million vectors take two gigabytes."""
    vectors = np.zeros((0, 0), np.float32)
    place = faces.select("face_id").with_row_index("row")
    there = np.zeros(faces.height, bool)
    for year in years:
        held = year.read(["face_id", "vector"])
        if not held.height:
            continue
        here = held.select("face_id").with_row_index("held").join(place, on="face_id", maintain_order="left")
        rows, of_year = here["row"].to_numpy(), held["vector"].to_numpy()
        taken = here["held"].to_numpy()
        if not np.array_equal(taken, np.arange(len(of_year))):
            of_year = of_year[taken]
        if not vectors.size:
            vectors = np.empty((faces.height, of_year.shape[1]), np.float32)
        fresh = slice(None) if not there[rows].any() else ~there[rows]
        vectors[rows[fresh]], there[rows[fresh]] = of_year[fresh], True
    return (faces, vectors) if there.all() else (faces.filter(pl.Series(there)), vectors[there[: len(vectors)]])


def _detections_of_years(stores: list[SchoolYearStore], schema: pl.Schema) -> Iterator[pl.DataFrame]:
    for store in stores:
        rows = store.detections(list(schema))
        if rows.height:
            yield conform_to_schema(schema, rows).with_columns(pl.lit(store.year).alias("school_year"))


def _one_year_a_photo(detected: list[pl.DataFrame]) -> pl.DataFrame:
    """The rows of all years, of a photo that is in two years those of the first."""
    rows = pl.concat(detected, how="diagonal_relaxed").unique(
        ["asset_id", "face_id"], keep="first", maintain_order=True
    )
    # Older versions detected faces in a picture once for each metadata that it had, and gave them other ids.
    return rows.filter(pl.col("school_year") == pl.col("school_year").first().over("asset_id"))


def _faces(stores: list[SchoolYearStore], rows: pl.DataFrame) -> pl.DataFrame:
    """The rows that are faces, with the year that their school year starts in."""
    starts = {store.year: first_year(store.year) for store in stores}
    year = pl.col("school_year").replace_strict(starts, return_dtype=pl.Int32).alias("year")
    return rows.filter(pl.col("status") == DetectionStatus.FACE).with_columns(year)


def _merge_detection_results(images: pl.DataFrame, detections: pl.DataFrame) -> pl.DataFrame:
    """The images with the results of the detection: rotation, perceptual hash, size as turned upright.

    A photo that opened but could not be decoded is unreadable, with the detection's reason.
    """
    failed = pl.col("reason").filter(pl.col("status") == DetectionStatus.FAILED).first().alias("why")
    photos = detections.group_by("asset_id").agg(pl.col("rotation", "phash").drop_nulls().first(), failed)
    joined = images.join(photos, on="asset_id", how="left", maintain_order="left")
    broken, sideways = pl.col("why").is_not_null(), pl.col("rotation").is_in([90, 270])
    return joined.with_columns(
        pl.when(broken).then(pl.lit(PhotoStatus.UNREADABLE.value)).otherwise(pl.col("status")).alias("status"),
        pl.when(broken).then(pl.col("why")).otherwise(pl.col("reason")).alias("reason"),
        pl.when(sideways).then(pl.col("height")).otherwise(pl.col("width")).alias("width"),
        pl.when(sideways).then(pl.col("width")).otherwise(pl.col("height")).alias("height"),
    ).drop("why")
