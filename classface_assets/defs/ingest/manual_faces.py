"""What `detections` does with the boxes that people drew: each becomes a face, for which its photo alone is opened."""

from datetime import UTC, datetime
from typing import Any

import polars as pl

from classface_assets.core.locations import Place, place_of
from classface_assets.core.storage_errors import storage_error
from classface_assets.defs.metadata import table
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.services.photos.manual_faces import as_drawn, drawn_faces, drop_drawn
from classface_assets.store.catalog.school_year import year_images
from classface_assets.store.files.parts import Parts
from classface_assets.store.model.face_ref import LabelledFace
from classface_assets.vision.detection.manual_boxes import drawn_rows
from classface_assets.vision.detection.multiscale import Detector
from classface_assets.vision.detection.records import DETECTION_SCHEMA
from classface_assets.vision.photos.image_pyramid import open_view
from classface_assets.vision.photos.metadata import UnreadablePhoto


def make_drawn(archive: Archive, models: Models, parts: Parts, year: str) -> dict[str, Any]:
    """Bring the drawn faces of a school year up to date with the ledger; what to tell of them, if there are any."""
    layout = archive.layout
    faces = drawn_faces(layout, parts, year, archive.open_ledger())
    if not (faces.new or faces.gone or faces.kept or faces.refused):
        return {}
    drop_drawn(layout, parts, year, faces.gone)
    images, refused, made = year_images(layout, year), list(faces.refused), 0
    if faces.new:
        detector = models.load(layout).detector
        photos = images.filter(pl.col("status") == "ok", pl.col("asset_id").is_in(list(faces.new)))
        turned = dict(parts.pick("asset_id", list(faces.new), ["asset_id", "rotation"]).iter_rows())
        for photo, path, orientation in photos.select("asset_id", "path", "orientation").iter_rows():
            rows, why = _rows(photo, place_of(layout.photos, path), turned[photo] or 0, faces.new[photo], detector)
            refused += [(photo, why)] * (len(faces.new[photo]) - rows.height)
            if rows.height:
                rows = rows.with_columns(pl.lit(orientation, pl.Int16).alias("orientation"))
                parts.append(as_drawn(rows, parts))
                made += rows.height
    paths = dict(images.select("asset_id", "path").iter_rows())
    told = pl.DataFrame([(paths.get(p, p), why) for p, why in refused], schema=["path", "reason"], orient="row")
    return {
        "drawn_by_hand": faces.kept + made,
        "drawn_made_now": made,
        "drawn_taken_back": len(faces.gone),
        "drawn_not_made": table(told, most=50),
    }


def _rows(
    asset_id: str, path: Place, rotation: int, drawn: list[LabelledFace], detector: Detector
) -> tuple[pl.DataFrame, str]:
    """The faces drawn in one photo, and why there are none or fewer. Raises StorageError."""
    none = pl.DataFrame(schema=DETECTION_SCHEMA)
    try:
        view = open_view(path)
    except UnreadablePhoto as error:
        return none, f"the photo cannot be read: {error.reason}"
    except OSError as error:
        if lost := storage_error(error, path):
            raise lost from None
        return none, f"the photo cannot be opened: {(error.strerror or str(error)).lower()}"
    view.rotation = rotation
    rows = drawn_rows(asset_id, view, {face.face_id: face.box for face in drawn}, detector)
    now = pl.lit(datetime.now(UTC).replace(tzinfo=None), pl.Datetime("us")).alias("created_at")
    return pl.DataFrame(rows, schema=DETECTION_SCHEMA).with_columns(now), "the box lies outside of the photo"
