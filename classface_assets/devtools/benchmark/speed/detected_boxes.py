"""The photos of a folder, and the boxes that a run of ours detected in them."""

from pathlib import Path

import polars as pl

from classface_assets.core.geometry import Box
from classface_assets.core.layout import ArchiveLayout
from classface_assets.orchestration.resources import Models
from classface_assets.store.catalog.faces import load_catalog

BoxesByPhoto = dict[str, list[Box]]
PHOTO_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".heic", ".avif", ".gif"}


def list_photo_files(photos: Path) -> list[Path]:
    """Every photo below a folder, by its ending, in the order of their paths."""
    return sorted(path for path in photos.rglob("*") if path.suffix.lower() in PHOTO_SUFFIXES and path.is_file())


def detected_boxes(layout: ArchiveLayout, models: Models) -> BoxesByPhoto:
    """The boxes in every photo and its copies, in pixels of the photo as a viewer shows it, before any turn of ours."""
    pack = models.describe(layout)
    catalog = load_catalog(layout, pack.detector_version, pack.key)
    files = catalog.images.filter(pl.col("status").is_in(["ok", "duplicate"]))
    found: BoxesByPhoto = {path: [] for path in catalog.images["path"]}
    if catalog.faces.height:
        columns = ("bbox_x", "bbox_y", "bbox_w", "bbox_h")
        rows = files.select("asset_id", "path", "width", "height", pl.col("rotation").fill_null(0).alias("turn"))
        for row in rows.join(catalog.faces.select("asset_id", *columns), on="asset_id").iter_rows(named=True):
            x, y, w, h = (row[column] for column in columns)
            found[row["path"]].append(undo_rotation((x, y, w, h), row["width"], row["height"], row["turn"]))
    return found


def undo_rotation(box: Box, width: int, height: int, turn: int) -> Box:
    """A box in a photo of width × height, in pixels of the photo before it was turned clockwise by `turn` degrees."""
    x, y, w, h = box
    return {
        0: (x, y, w, h),
        90: (y, width - x - w, h, w),
        180: (width - x - w, height - y - h, w, h),
        270: (height - y - h, x, h, w),
    }[turn]
