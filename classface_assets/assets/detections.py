"""The asset `detections`: every face of a school year's photos, cut out and measured."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import polars as pl
from pydantic import Field

from classface_assets.assets.common import INFERENCE_POOL, OWNERS, counted, picture, result, table
from classface_assets.assets.drawn import make_drawn
from classface_assets.assets.images import images
from classface_assets.assets.stamped import stamp_of
from classface_assets.automation.conditions import WHEN_ITS_YEAR_CHANGED
from classface_assets.failures import says_it_in_a_sentence
from classface_assets.partitions import school_years
from classface_assets.places import place_of
from classface_assets.progress import Advance, Progress
from classface_assets.resources import Archive, Models
from classface_assets.store.barred import without_barred
from classface_assets.store.decisions import LabelledFace
from classface_assets.store.layout import Layout
from classface_assets.store.parts import Parts, adopt
from classface_assets.store.schemas import DETECTIONS
from classface_assets.store.tombstones import barred_faces
from classface_assets.store.year_parts import (
    current_settings,
    detection_parts,
    set_current_settings,
    year_detections,
    year_images,
    years_with_images,
)
from classface_assets.store.years import folders_still_there
from classface_assets.vision.detect import PhotoJob, detect_photos
from classface_assets.vision.pictures import contact_sheet
from classface_assets.vision.search import DetectionSettings
from classface_assets.vision.tiles import Detector

REPORTED = (
    *("asset_id", "face_id", "status", "reason", "rotation", "quality_score"),
    *("bbox_x", "bbox_y", "bbox_w", "bbox_h"),
)


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


@dg.asset(
    partitions_def=school_years,
    deps=[images],
    group_name="ingest",
    kinds={"onnx", "parquet"},
    owners=OWNERS,
    pool=INFERENCE_POOL,
    automation_condition=WHEN_ITS_YEAR_CHANGED,
    check_specs=[
        dg.AssetCheckSpec(
            "every_photo_was_searched",
            asset="detections",
            description="Each photo has its faces, or a row that says that it has none or why it failed.",
        ),
        dg.AssetCheckSpec(
            "faces_lie_in_their_photo", asset="detections", description="Every box lies within its photo."
        ),
        dg.AssetCheckSpec("no_face_twice", asset="detections", description="No two faces have one id."),
    ],
)
@says_it_in_a_sentence
def detections(
    context: dg.AssetExecutionContext,
    config: DetectionConfig,
    archive: Archive,
    models: Models,
    progress: dg.ResourceParam[Progress],
) -> dg.MaterializeResult:
    """Every face: its box, five landmarks, confidence, quality, sharpness, light, pose, and the aligned face chip.

    A photo without a face, or one that cannot be decoded, keeps a row that says so and is not tried again. A scan that
    does not say which way is up is turned until its faces are. A killed run keeps what it has found; the next does the
    rest. A photo that moved between years is not searched again. A box that somebody drew, where no face was found, is
    one too, for as long as the drawing stands.
    """
    year, layout = context.partition_key, archive.layout
    detector = models.describe(layout).detector_version
    photos = year_images(layout, year).filter(pl.col("status") == "ok")
    settings = config.settings(current_settings(layout, detector, year))
    parts = detection_parts(layout, detector, year, settings.name)
    pending = set(photos["asset_id"]) - parts.ids("asset_id")
    others = [detection_parts(layout, detector, y, settings.name) for y in years_with_images(layout) if y != year]
    pending = adopt(parts, others, "asset_id", pending)
    unopened, device = {}, ""
    if pending:
        pack = models.load(layout)
        device = pack.device
        context.log.info(f"{pack.info.name} searches {len(pending)} photos on: {device}, in {pack.detector.numbers}")
        new = photos.filter(pl.col("asset_id").is_in(list(pending)))
        with progress.task(f"{year}: finding faces", new.height) as advance:
            barred = barred_faces(layout, archive.open_ledger().events())
            unopened = _search(new, parts, settings, config, pack.detector, layout, advance, barred)
    drawn = make_drawn(archive, models, parts, year)
    parts.compact()
    set_current_settings(layout, detector, year, settings.name)
    return _report(layout, detector, year, photos, len(pending), unopened, device, drawn)


def _search(
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
        parts.append(rows.with_columns(pl.lit(now, pl.Datetime("us")).alias("created_at")))
        failed = rows.filter(pl.col("status") == "failed").height + len(searched.unopened)
        advance(rows["asset_id"].n_unique() + len(searched.unopened), rows["face_id"].count(), failed)
    return unopened


def _report(
    layout: Layout,
    detector: str,
    year: str,
    photos: pl.DataFrame,
    searched: int,
    unopened: dict[str, str],
    device: str,
    drawn: Mapping[str, Any],
) -> dg.MaterializeResult:
    rows = year_detections(layout, detector, year, [*REPORTED])
    rows = rows if rows.width else pl.DataFrame(schema={name: DETECTIONS[name] for name in REPORTED})
    faces = rows.filter(pl.col("status") == "ok").sort("quality_score", "face_id", descending=[True, False])
    # A photo whose only faces were drawn has a row too that says that none was found.
    done = rows.sort("status", descending=True).unique("asset_id", keep="first").join(photos, on="asset_id", how="semi")
    paths = photos.select("asset_id", "path")
    broken = done.filter(pl.col("status") == "failed").join(paths, on="asset_id").select("path", "reason")
    lost = paths.filter(pl.col("asset_id").is_in(list(unopened))).with_columns(
        pl.col("asset_id").replace_strict(unopened, default="", return_dtype=pl.String).alias("reason")
    )
    beyond = _outside(faces, photos)
    return result(
        faces.height,
        [
            _check(
                "every_photo_was_searched", done.height == photos.height, photos=photos.height, searched=done.height
            ),
            _check("faces_lie_in_their_photo", beyond == 0, outside=beyond),
            _check("no_face_twice", faces["face_id"].is_unique().all(), faces=faces.height),
        ],
        photos_searched_now=searched - len(unopened),
        **({"device": device} if device else {}),
        photos_by_outcome=table(counted(done, "status")),
        turned_scans=done.filter(pl.col("rotation") != 0).height,
        failed=table(broken, most=50),
        not_opened=table(lost.select("path", "reason"), most=50),
        **drawn,
        **_best_faces(layout, detector, year, faces.head(48)["face_id"].to_list()),
    )


def _best_faces(layout: Layout, detector: str, year: str, face_ids: list[str]) -> dict[str, dg.MetadataValue]:
    """A contact sheet of these faces, the last one again when they are the same; empty when there are none."""
    stamp = stamp_of(layout, "best_faces", detector, face_ids, year=year)
    told = stamp.told()
    if told is None and face_ids:
        sheet = picture(contact_sheet(_chips(layout, detector, year, face_ids)), "the faces of best quality")
        told = {"best_faces": sheet.value}
        stamp.put(told, [])
    return {name: dg.MetadataValue.md(value) for name, value in (told or {}).items()}


def _chips(layout: Layout, detector: str, year: str, face_ids: list[str]) -> list[bytes]:
    """The chips of a few faces, in that order, without reading the whole year into memory."""
    settings = current_settings(layout, detector, year)
    parts = detection_parts(layout, detector, year, settings or "")
    found = dict(parts.pick("face_id", face_ids, ["face_id", "chip"]).iter_rows()) if face_ids else {}
    return [found[face_id] for face_id in face_ids]


def _outside(faces: pl.DataFrame, photos: pl.DataFrame) -> int:
    """How many boxes reach beyond their photo, turned as they were found."""
    turned = pl.col("rotation").is_in([90, 270])
    size = photos.select("asset_id", "width", "height")
    width = pl.when(turned).then("height").otherwise("width")
    height = pl.when(turned).then("width").otherwise("height")
    beyond = faces.join(size, on="asset_id").filter(
        (pl.col("bbox_x") < 0)
        | (pl.col("bbox_y") < 0)
        | (pl.col("bbox_x") + pl.col("bbox_w") > width + 1)
        | (pl.col("bbox_y") + pl.col("bbox_h") > height + 1)
    )
    return beyond.height


def _check(name: str, passed: bool, **metadata: int) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(check_name=name, passed=passed, metadata=metadata)
