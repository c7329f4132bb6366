"""One school year's parts: in which folder each kind lies, which thresholds count, and which rows are current.

Current means: the file is in the photos folder as last looked at, and the faces are those of the detector and
thresholds that the year was last detected with. What is no longer current stays in the parts, and is not read here.
"""

import json

import polars as pl

from classface_assets.core.atomic_files import read_file, write_file
from classface_assets.core.layout import ArchiveLayout, decode_folder_name, encode_folder_name
from classface_assets.core.locations import list_directory
from classface_assets.core.schemas import IMAGES
from classface_assets.core.school_years.names import school_year_start
from classface_assets.store.catalog.former_ids import (
    FormerIds,
    former_ids,
    map_to_current_ids,
    rewrite_former_ids,
    superseded_faces,
)
from classface_assets.store.catalog.photo_dates import resolve_dates
from classface_assets.store.files.deletion import drop_rows, list_subfolders
from classface_assets.store.files.parts import PartDataset

FILE_DIGEST = "file_digest"


def image_parts(layout: ArchiveLayout, year: str) -> PartDataset:
    return PartDataset(layout.parts("images", year=year), ("path", "size", "mtime_ns"))


def detection_parts(layout: ArchiveLayout, detector: str, year: str, settings: str) -> PartDataset:
    """Faces by detector version, school year and thresholds; `current_settings` says which thresholds count."""
    return PartDataset(layout.parts("detections", detector, year) / settings, ("asset_id", "face_id"))


def embedding_parts(layout: ArchiveLayout, detector: str, pack: str, year: str) -> PartDataset:
    return PartDataset(layout.parts("embeddings", embedding_version(detector, pack), year), ("face_id",))


def embedding_version(detector: str, pack: str) -> str:
    """A face keeps its id when another detector puts its box in the same place, but is cut out anew."""
    return f"{pack} {detector}"


def list_school_years(layout: ArchiveLayout) -> list[str]:
    """The school years that were looked at so far, sorted."""
    return sorted(decode_folder_name(entry.path) for entry in list_directory(layout.parts("images")) if entry.is_folder)


def set_active_detection_settings(layout: ArchiveLayout, detector: str, year: str, settings: str) -> None:
    """From now on the faces found with these thresholds are the year's faces."""
    if active_detection_settings(layout, detector, year) == settings:
        return
    content = json.dumps({"settings": settings}).encode()
    write_file(layout.parts("detections", detector, year) / "current.json", lambda out: out.write(content))


def active_detection_settings(layout: ArchiveLayout, detector: str, year: str) -> str | None:
    """The thresholds that the year was last detected with; None before that."""
    pointer = layout.parts("detections", detector, year) / "current.json"
    try:
        return json.loads(read_file(pointer))["settings"]
    except FileNotFoundError:
        return None


def year_images(layout: ArchiveLayout, year: str) -> pl.DataFrame:
    """The files of one school year, in the order of their paths, copies within the year marked as duplicates."""
    rows = image_parts(layout, year).read()
    if not rows.width:
        return pl.DataFrame(schema=IMAGES)
    return mark_duplicates(resolve_dates(conform_to_schema(IMAGES, rows), school_year_start(year, layout.year_start)))


def conform_to_schema(schema: pl.Schema, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with every column of the schema; parts from before a column existed have null in it."""
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in schema.items() if name not in rows.columns]
    return rows.with_columns(missing).select(schema.names())


def year_detections(layout: ArchiveLayout, detector: str, year: str, columns: list[str] | None = None) -> pl.DataFrame:
    """The detection rows of the photos that are in the year now; a frame without columns before the first.

    Rows that an older version wrote are under the ids that their photos have now.
    """
    settings = active_detection_settings(layout, detector, year)
    if settings is None:
        return pl.DataFrame()
    rows = detection_parts(layout, detector, year, settings).read(columns)
    if not rows.width:
        return rows
    images = year_images(layout, year)
    ids = images["asset_id"].unique().to_list()
    return map_to_current_ids(rows, former_ids(images)).filter(pl.col("asset_id").is_in(ids))


def all_images(layout: ArchiveLayout) -> pl.DataFrame:
    """The files of all school years, of each year as `year_images` has them."""
    years = list_school_years(layout)
    return pl.concat([pl.DataFrame(schema=IMAGES), *(year_images(layout, year) for year in years)])


def all_former_ids(layout: ArchiveLayout) -> FormerIds:
    """What the photos of all school years were called by older versions."""
    return former_ids(all_images(layout))


def migrate_former_ids(layout: ArchiveLayout, year: str, images: pl.DataFrame) -> None:
    """Rewrite what every detector found in a school year, with any thresholds, under the ids that its files (IMAGES)
    have now. Faces keep their ids; the vectors of those that were found twice go. Killed, the next call goes on."""
    former = former_ids(images)
    detectors = list_subfolders(layout.parts("detections")) if former.current else []
    found = [s for detector in detectors for s in list_subfolders(detector / encode_folder_name(year))]
    for parts in (PartDataset(folder, ("asset_id", "face_id")) for folder in found):
        if twice := superseded_faces(parts, former):
            for pack in list_subfolders(layout.parts("embeddings")):
                drop_rows(PartDataset(pack / encode_folder_name(year), ("face_id",)), "face_id", twice)
        rewrite_former_ids(parts, former)


def mark_duplicates(images: pl.DataFrame) -> pl.DataFrame:
    """Of files with the same picture the first (by school year, then path) stays `ok`, the others become `duplicate`:
    of the same bytes, or with other metadata."""
    images = images.sort("school_year", "path")
    readable = pl.col("status").is_in(["ok", "duplicate"])
    first_path, first_digest = (
        pl.col(name).filter(readable).first().over("asset_id") for name in ("path", FILE_DIGEST)
    )
    copy = readable & (pl.col("path") != first_path)
    same = pl.col(FILE_DIGEST).eq_missing(first_digest)
    why = (
        pl.when(same)
        .then(pl.format("the same file as {}", first_path))
        .otherwise(pl.format("the same picture as {}, with other metadata", first_path))
    )
    return images.with_columns(
        pl.when(copy).then(pl.lit("duplicate")).otherwise(pl.col("status")).alias("status"),
        pl.when(copy).then(why).otherwise(pl.col("reason")).alias("reason"),
    )
