"""Searching the photos of a year that were not searched yet: from files to parts, and what counts as a face."""

from collections.abc import Mapping
from datetime import UTC, datetime

import dagster as dg
import polars as pl
from pydantic import Field

from classface_assets.places import place_of
from classface_assets.progress import Advance
from classface_assets.store.barred import without_barred
from classface_assets.store.decisions import LabelledFace
from classface_assets.store.layout import Layout
from classface_assets.store.parts import Parts
from classface_assets.store.years import folders_still_there
from classface_assets.vision.detect import PhotoJob, detect_photos
from classface_assets.vision.search import DetectionSettings
from classface_assets.vision.tiles import Detector


class DetectionConfig(dg.Config):
    """What counts as a face. Other values make new parts beside the old ones, and stay in force for the year."""

    min_confidence: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="The detector's own confidence, 0 to 1; empty: as the year was searched last, 0.5 at first.",
    )
    min_face_px: int | None = Field(
        default=None,
        ge=1,
        description="Shorter side of the smallest face box, in photo pixels; empty: as the year was searched last, "
        "20 at first.",
    )
    photos_at_once: int = Field(default=0, ge=0, description="Photos searched side by side; 0: as the machine allows.")
    photos_a_part: int = Field(default=32, ge=1, description="Photos after which what was found is written.")

    def settings(self, last: str | None) -> DetectionSettings:
        """What is given, for the rest the settings of that name, for the rest the usual ones."""
        before = DetectionSettings.named(last) if last else DetectionSettings()
        return DetectionSettings(
            before.min_confidence if self.min_confidence is None else self.min_confidence,
            before.min_face_px if self.min_face_px is None else self.min_face_px,
        )


def search(
    photos: pl.DataFrame,
    parts: Parts,
    settings: DetectionSettings,
    config: DetectionConfig,
    detector: Detector,
    layout: Layout,
    advance: Advance,
    barred: Mapping[str, LabelledFace],
) -> dict[str, str]:
    """Search photos for faces; each batch is a part as soon as it is done. Returns those that could not be opened.

    These get no row, so that the next run tries them again. Faces of people who were erased are left out. Raises
    PhotosFolderError when the whole folder is gone.
    """
    columns = ("asset_id", "path", "has_orientation")
    stated = photos.select("asset_id", pl.col("orientation").cast(pl.Int16)).unique("asset_id")
    jobs = [
        PhotoJob(a, place_of(layout.photos, path), not known) for a, path, known in photos.select(columns).iter_rows()
    ]
    unopened: dict[str, str] = {}
    for searched in detect_photos(jobs, detector, settings, config.photos_a_part, config.photos_at_once):
        if searched.unopened:
            folders_still_there(layout)
            unopened |= searched.unopened
        rows = without_barred(searched.rows, barred)
        now = datetime.now(UTC).replace(tzinfo=None)
        rows = rows.drop("orientation").join(stated, on="asset_id", how="left", maintain_order="left")
        parts.append(rows.with_columns(pl.lit(now, pl.Datetime("us")).alias("created_at")))
        failed = rows.filter(pl.col("status") == "failed").height + len(searched.unopened)
        advance(rows["asset_id"].n_unique() + len(searched.unopened), rows["face_id"].count(), failed)
    return unopened
