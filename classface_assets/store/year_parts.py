"""One school year's parts: in which folder each kind lies, which thresholds count, and which rows are current.

Current means: the file is in the photos folder as last looked at, and the faces are those of the detector and
thresholds that the year was last detected with. What is no longer current stays in the parts, and is not read here.
"""

import json

import polars as pl

from classface_assets.places import entries
from classface_assets.store.files import read_file, write_file
from classface_assets.store.layout import Layout, name_of
from classface_assets.store.parts import Parts
from classface_assets.store.photo_dates import dated
from classface_assets.store.schemas import IMAGES
from classface_assets.store.years import start_of


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
    return mark_duplicates(dated(with_all(IMAGES, rows), start_of(year, layout.year_start)))


def with_all(schema: pl.Schema, rows: pl.DataFrame) -> pl.DataFrame:
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
