"""What `detections` does with boxes that people drew: each becomes a face, for which only its photo is opened."""

from datetime import UTC, datetime
from typing import Any

import polars as pl

from classface_assets.core.errors import as_storage_error
from classface_assets.core.locations import Location, decode_relative_path
from classface_assets.core.schemas import DETECTION_ROWS, PhotoStatus
from classface_assets.defs.metadata import markdown_table
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.services.photos.manual_faces import drop_manual_faces, find_manual_face_changes, mark_as_manual
from classface_assets.store.catalog.school_year import year_images
from classface_assets.store.files.parts import PartDataset
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.vision.detection.manual_boxes import manual_face_rows
from classface_assets.vision.photos.image_pyramid import open_pyramid
from classface_assets.vision.photos.metadata import UnreadablePhotoError
from classface_assets.vision.protocols import Detector


def update_manual_faces(archive: Archive, models: Models, parts: PartDataset, year: str) -> dict[str, Any]:
    """Bring the manually drawn faces of a school year up to date with the ledger.

    Args:
        archive: With the ledger and the photos.
        models: With the detector that finds the landmarks.
        parts: The year's detections.
        year: The school year.

    Returns:
        What to report of it, as metadata; nothing where nobody drew a face.

    Raises:
        StorageError: A disk or server failed.
    """
    layout = archive.layout
    changes = find_manual_face_changes(layout, parts, year, archive.open_ledger())
    if not (changes.new or changes.gone or changes.existing or changes.refused):
        return {}
    drop_manual_faces(layout, parts, year, changes.gone)
    images, refused, added = year_images(layout, year), list(changes.refused), 0
    if changes.new:
        detector = models.load(layout).detector
        photos = images.filter(pl.col("status") == PhotoStatus.OK, pl.col("asset_id").is_in(list(changes.new)))
        rotations = dict(parts.read_matching("asset_id", list(changes.new), ["asset_id", "rotation"]).iter_rows())
        for photo, path, orientation in photos.select("asset_id", "path", "orientation").iter_rows():
            faces, file = changes.new[photo], decode_relative_path(layout.photos, path)
            rows, reason = _detect_manual_faces(photo, file, rotations[photo] or 0, faces, detector)
            refused += [(photo, reason)] * (len(faces) - rows.height)
            if rows.height:
                rows = rows.with_columns(pl.lit(orientation, pl.Int16).alias("orientation"))
                parts.append(mark_as_manual(rows, parts))
                added += rows.height
    paths = dict(images.select("asset_id", "path").iter_rows())
    rejected = [(paths.get(photo, photo), reason) for photo, reason in refused]
    return {
        "drawn_by_hand": changes.existing + added,
        "drawn_made_now": added,
        "drawn_taken_back": len(changes.gone),
        "drawn_not_made": markdown_table(pl.DataFrame(rejected, schema=["path", "reason"], orient="row"), most=50),
    }


def _detect_manual_faces(
    asset_id: str, path: Location, rotation: int, faces: list[FaceRef], detector: Detector
) -> tuple[pl.DataFrame, str]:
    """The detections of faces drawn in one photo, and the reason where there are fewer. Raises StorageError."""
    none = pl.DataFrame(schema=DETECTION_ROWS)
    try:
        photo = open_pyramid(path)
    except UnreadablePhotoError as error:
        return none, f"the photo cannot be read: {error.reason}"
    except OSError as error:
        if storage := as_storage_error(error, path):
            raise storage from None
        return none, f"the photo cannot be opened: {(error.strerror or str(error)).lower()}"
    photo.rotation = rotation
    rows = manual_face_rows(asset_id, photo, {face.face_id: face.box for face in faces}, detector)
    now = pl.lit(datetime.now(UTC).replace(tzinfo=None), pl.Datetime("us")).alias("created_at")
    return pl.DataFrame(rows, schema=DETECTION_ROWS).with_columns(now), "the box lies outside of the photo"
