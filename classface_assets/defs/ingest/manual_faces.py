"""What `detections` does with the boxes that people drew: each becomes a face, for which its photo alone is opened."""

from datetime import UTC, datetime
from typing import Any

import polars as pl

from classface_assets.core.locations import Location, decode_relative_path
from classface_assets.core.schemas import DETECTION_ROWS
from classface_assets.core.storage_errors import as_storage_error
from classface_assets.defs.metadata import markdown_table
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.services.photos.manual_faces import drop_manual_faces, find_manual_face_changes, mark_as_manual
from classface_assets.store.catalog.school_year import year_images
from classface_assets.store.files.parts import PartDataset
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.vision.detection.manual_boxes import manual_face_rows
from classface_assets.vision.detection.multiscale import Detector
from classface_assets.vision.photos.image_pyramid import open_pyramid
from classface_assets.vision.photos.metadata import UnreadablePhotoError


def update_manual_faces(archive: Archive, models: Models, parts: PartDataset, year: str) -> dict[str, Any]:
    """Bring the drawn faces of a school year up to date with the ledger; what to tell of them, if there are any."""
    layout = archive.layout
    faces = find_manual_face_changes(layout, parts, year, archive.open_ledger())
    if not (faces.new or faces.gone or faces.kept or faces.refused):
        return {}
    drop_manual_faces(layout, parts, year, faces.gone)
    images, refused, made = year_images(layout, year), list(faces.refused), 0
    if faces.new:
        detector = models.load(layout).detector
        photos = images.filter(pl.col("status") == "ok", pl.col("asset_id").is_in(list(faces.new)))
        turned = dict(parts.read_matching("asset_id", list(faces.new), ["asset_id", "rotation"]).iter_rows())
        for photo, path, orientation in photos.select("asset_id", "path", "orientation").iter_rows():
            rows, why = _detect_manual_faces(
                photo, decode_relative_path(layout.photos, path), turned[photo] or 0, faces.new[photo], detector
            )
            refused += [(photo, why)] * (len(faces.new[photo]) - rows.height)
            if rows.height:
                rows = rows.with_columns(pl.lit(orientation, pl.Int16).alias("orientation"))
                parts.append(mark_as_manual(rows, parts))
                made += rows.height
    paths = dict(images.select("asset_id", "path").iter_rows())
    told = pl.DataFrame([(paths.get(p, p), why) for p, why in refused], schema=["path", "reason"], orient="row")
    return {
        "drawn_by_hand": faces.kept + made,
        "drawn_made_now": made,
        "drawn_taken_back": len(faces.gone),
        "drawn_not_made": markdown_table(told, most=50),
    }


def _detect_manual_faces(
    asset_id: str, path: Location, rotation: int, drawn: list[FaceRef], detector: Detector
) -> tuple[pl.DataFrame, str]:
    """The faces drawn in one photo, and why there are none or fewer. Raises StorageError."""
    none = pl.DataFrame(schema=DETECTION_ROWS)
    try:
        view = open_pyramid(path)
    except UnreadablePhotoError as error:
        return none, f"the photo cannot be read: {error.reason}"
    except OSError as error:
        if lost := as_storage_error(error, path):
            raise lost from None
        return none, f"the photo cannot be opened: {(error.strerror or str(error)).lower()}"
    view.rotation = rotation
    rows = manual_face_rows(asset_id, view, {face.face_id: face.box for face in drawn}, detector)
    now = pl.lit(datetime.now(UTC).replace(tzinfo=None), pl.Datetime("us")).alias("created_at")
    return pl.DataFrame(rows, schema=DETECTION_ROWS).with_columns(now), "the box lies outside of the photo"
