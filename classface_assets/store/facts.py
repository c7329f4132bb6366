"""The facts of all school years, gathered from the parts: every file, every face, every vector that is current.

Current means: the file is in the photos folder as last looked at, and the faces are those of the detector and
thresholds that the year was last detected with. What is no longer current stays in the parts, and is not gathered.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from classface_assets.errors import UserError
from classface_assets.places import entries
from classface_assets.store.files import read_file, write_file
from classface_assets.store.layout import Layout, name_of
from classface_assets.store.parts import Parts
from classface_assets.store.schemas import DETECTIONS, IMAGES
from classface_assets.store.years import first_year, start_of


@dataclass(frozen=True)
class Facts:
    """All that is current. Width and height of `images` are those of the photo as detecting turned it.

    `images`: one row a file (IMAGES, rotation, phash). `faces`: one row a face, without its chip, in the order of their
    ids. `vectors`: float32 (faces, d).
    """

    images: pl.DataFrame
    faces: pl.DataFrame
    vectors: np.ndarray


def image_parts(layout: Layout, year: str) -> Parts:
    return Parts(layout.parts("images", year=year), ("path", "size", "mtime_ns"))


def detection_parts(layout: Layout, detector: str, year: str, settings: str) -> Parts:
    """Faces by detector version, school year and thresholds; `current_settings` says which thresholds count."""
    return Parts(layout.parts("detections", detector, year) / settings, ("asset_id", "face_id"))


def embedding_parts(layout: Layout, detector: str, pack: str, year: str) -> Parts:
    return Parts(layout.parts("embeddings", vectors_version(detector, pack), year), ("face_id",))


def vectors_version(detector: str, pack: str) -> str:
    """A face keeps its id when another detector puts its box in the same place, but is cut out anew."""
    return f"{pack} {detector}"


def years_with_images(layout: Layout) -> list[str]:
    """The school years that were looked at so far, sorted."""
    return sorted(name_of(entry.path) for entry in entries(layout.parts("images")) if entry.is_folder)


def set_current_settings(layout: Layout, detector: str, year: str, settings: str) -> None:
    """From now on the faces found with these thresholds are the year's faces."""
    if current_settings(layout, detector, year) == settings:
        return
    content = json.dumps({"settings": settings}).encode()
    write_file(layout.parts("detections", detector, year) / "current.json", lambda out: out.write(content))


def current_settings(layout: Layout, detector: str, year: str) -> str | None:
    """The thresholds that the year was last detected with; None before that."""
    pointer = layout.parts("detections", detector, year) / "current.json"
    try:
        return json.loads(read_file(pointer))["settings"]
    except FileNotFoundError:
        return None


def year_images(layout: Layout, year: str) -> pl.DataFrame:
    """The files of one school year, in the order of their paths, copies within the year marked as duplicates."""
    rows = image_parts(layout, year).read()
    if not rows.width:
        return pl.DataFrame(schema=IMAGES)
    return mark_duplicates(_dated(_with_all(IMAGES, rows), start_of(year, layout.year_start)))


def _dated(images: pl.DataFrame, start_of_year: datetime | None) -> pl.DataFrame:
    """A photo that nothing dates is taken for one of the school year's first day; its source says so.

    Parts from before there was a source hold dates from EXIF alone.
    """
    undated = pl.col("taken_at").is_null() & (pl.col("status") == "ok") & pl.lit(start_of_year is not None)
    source = pl.col("taken_at_source").fill_null(
        pl.when(pl.col("taken_at").is_null()).then(pl.lit("")).otherwise(pl.lit("exif"))
    )
    return images.with_columns(
        pl.when(undated).then(pl.lit(start_of_year, pl.Datetime("us"))).otherwise("taken_at").alias("taken_at"),
        pl.when(undated).then(pl.lit("school year")).otherwise(source).alias("taken_at_source"),
    )


def _with_all(schema: pl.Schema, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with every column of the schema; parts from before a column existed have null in it."""
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in schema.items() if name not in rows.columns]
    return rows.with_columns(missing).select(schema.names())


def year_detections(layout: Layout, detector: str, year: str, columns: list[str] | None = None) -> pl.DataFrame:
    """The detection rows of the photos that are in the year now; a frame without columns before the first."""
    settings = current_settings(layout, detector, year)
    if settings is None:
        return pl.DataFrame()
    rows = detection_parts(layout, detector, year, settings).read(columns)
    ids = year_images(layout, year)["asset_id"].unique().to_list()
    return rows.filter(pl.col("asset_id").is_in(ids)) if rows.width else rows


def mark_duplicates(images: pl.DataFrame) -> pl.DataFrame:
    """Of files with the same bytes the first (by school year, then path) stays `ok`, the others become `duplicate`."""
    images = images.sort("school_year", "path")
    readable = pl.col("status").is_in(["ok", "duplicate"])
    first_path = pl.col("path").filter(readable).first().over("asset_id")
    copy = readable & (pl.col("path") != first_path)
    return images.with_columns(
        pl.when(copy).then(pl.lit("duplicate")).otherwise(pl.col("status")).alias("status"),
        pl.when(copy).then(pl.format("the same file as {}", first_path)).otherwise(pl.col("reason")).alias("reason"),
    )


class NotSearchedError(UserError):
    """The archive has faces, but none that this version of the detector found."""


def gather(layout: Layout, detector: str, pack: str) -> Facts:
    """All that is current, over all school years. A face in two years (a copied photo) counts in the first.

    Raises NotSearchedError: with no face at all, everybody would vanish from what is published.
    """
    _require_searched(layout, detector)
    years = years_with_images(layout)
    images = pl.concat([pl.DataFrame(schema=IMAGES), *(year_images(layout, y) for y in years)])
    detected = list(_detections_of_years(layout, detector, years))
    if not detected:
        images = _as_searched(mark_duplicates(images), pl.DataFrame(schema=DETECTIONS))
        return Facts(images, pl.DataFrame(), np.zeros((0, 0), np.float32))
    rows = pl.concat(detected, how="diagonal_relaxed").unique(
        ["asset_id", "face_id"], keep="first", maintain_order=True
    )
    images = _as_searched(mark_duplicates(images), rows)
    starts = {y: first_year(y) for y in years}
    faces = (
        rows.drop("rotation", "phash")
        .filter(pl.col("status") == "ok")
        .with_columns(pl.col("school_year").replace_strict(starts, return_dtype=pl.Int32).alias("year"))
    )
    found = [embedding_parts(layout, detector, pack, year) for year in years]
    faces, vectors = _with_vectors(found, faces.sort("face_id"))
    return Facts(images, faces, vectors)


def _require_searched(layout: Layout, detector: str) -> None:
    found_by = {name_of(entry.path) for entry in entries(layout.parts("detections")) if entry.is_folder}
    if found_by and detector not in found_by:
        raise NotSearchedError(
            f"The photos were searched by {' and '.join(sorted(found_by))}, not yet by {detector}; run `classface run` "
            "or materialize images, detections and embeddings of every year. Until then what is published stays."
        )


def _with_vectors(years: list[Parts], faces: pl.DataFrame) -> tuple[pl.DataFrame, np.ndarray]:
    """The faces that have a vector, and the vectors. A year at a time: a million of them take two gigabytes, once."""
    vectors = np.zeros((0, 0), np.float32)
    place = faces.select("face_id").with_row_index("row")
    there = np.zeros(faces.height, bool)
    for year in years:
        held = year.read(["face_id", "vector"])
        if not held.height:
            continue
        held = held.join(place, on="face_id")
        rows, of_year = held["row"].to_numpy(), held["vector"].to_numpy()
        if not vectors.size:
            vectors = np.empty((faces.height, of_year.shape[1]), np.float32)
        fresh = ~there[rows]
        vectors[rows[fresh]], there[rows[fresh]] = of_year[fresh], True
    return (faces, vectors) if there.all() else (faces.filter(pl.Series(there)), vectors[there[: len(vectors)]])


def _detections_of_years(layout: Layout, detector: str, years: list[str]) -> Iterator[pl.DataFrame]:
    for year in years:
        rows = year_detections(layout, detector, year, list(DETECTIONS))
        if rows.height:
            yield _with_all(DETECTIONS, rows).with_columns(pl.lit(year).alias("school_year"))


def _as_searched(images: pl.DataFrame, detections: pl.DataFrame) -> pl.DataFrame:
    """The images with what detecting found out about them: which way is up, how they look, and what cannot be decoded.

    A photo that opened but could not be decoded is unreadable, with the reason that detecting found.
    """
    failed = pl.col("reason").filter(pl.col("status") == "failed").first().alias("why")
    photos = detections.group_by("asset_id").agg(pl.col("rotation", "phash").drop_nulls().first(), failed)
    joined = images.join(photos, on="asset_id", how="left", maintain_order="left")
    broken, sideways = pl.col("why").is_not_null(), pl.col("rotation").is_in([90, 270])
    return joined.with_columns(
        pl.when(broken).then(pl.lit("unreadable")).otherwise(pl.col("status")).alias("status"),
        pl.when(broken).then(pl.col("why")).otherwise(pl.col("reason")).alias("reason"),
        pl.when(sideways).then(pl.col("height")).otherwise(pl.col("width")).alias("width"),
        pl.when(sideways).then(pl.col("width")).otherwise(pl.col("height")).alias("height"),
    ).drop("why")
