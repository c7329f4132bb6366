"""Dagster's records of an archive with many school years: every year's assets, with events as large as real ones."""

import io

import dagster as dg
import numpy as np
import polars as pl
from PIL import Image

from classface_assets.defs.automation import YEAR_ASSETS
from classface_assets.defs.metadata import image_markdown, markdown_table
from classface_assets.orchestration.settings.archive_names import ALONE, ArchiveNames

SHEET_PX = (560, 280)
"""Of the contact sheet of faces, which is most of an event of `detections`."""
ASSETS = (*YEAR_ASSETS, "albums")


def year_names(years: int) -> list[str]:
    """So many school years, the last one 2025-2026."""
    return [f"{first}-{first + 1}" for first in range(2026 - years, 2026)]


def record_years(instance: dg.DagsterInstance, years: int, archive: ArchiveNames = ALONE) -> None:
    """Register school years of an archive, and record that each of their assets was made."""
    names = year_names(years)
    instance.add_dynamic_partitions(archive.school_years_name, names)
    tables = {"preview": _preview(), "statuses": markdown_table(pl.DataFrame({"status": ["ok"], "count": [500]}))}
    faces = {"best_faces": image_markdown(_sheet(), "the best faces")}
    for number, year in enumerate(names):
        for asset in ASSETS:
            counts: dict[str, dg.MetadataValue | float] = {
                "dagster/row_count": 500 + number,
                "seconds": 12.5,
                "photos_done": 500,
                "errors": 0,
            }
            shown = {**counts, **tables, **(faces if asset == "detections" else {})}
            instance.report_runless_asset_event(
                dg.AssetMaterialization(archive.asset_key(asset), partition=year, metadata=shown)
            )


def _preview() -> dg.MetadataValue:
    names = [f"2019-2020/class photos/IMG_{number:05}.jpg" for number in range(10)]
    return markdown_table(pl.DataFrame({"path": names}).with_columns(width=4000, height=3000, status=pl.lit("ok")))


def _sheet() -> bytes:
    width, height = SHEET_PX
    pixels = np.random.default_rng(0).integers(0, 255, (height // 8, width // 8, 3), dtype=np.uint8)
    written = io.BytesIO()
    Image.fromarray(pixels).resize(SHEET_PX).save(written, "JPEG", quality=85)
    return written.getvalue()
