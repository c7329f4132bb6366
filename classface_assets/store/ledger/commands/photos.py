"""Commands about photos: what one shows more than once, faces that no detector found, and photos of one shot.

A photo is given by its asset id.
"""

from collections.abc import Sequence
from typing import cast, get_args

from classface_assets.core.languages import gettext
from classface_assets.store.ledger.payloads import (
    FaceDrawn,
    PhotoMark,
    PhotoMarked,
    PhotosFollowed,
    PhotoUnmarked,
    face_payloads,
)
from classface_assets.store.ledger.transaction import (
    CommandResult,
    ConflictError,
    LedgerError,
    LedgerTransaction,
    distinct_faces,
)
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.store.model.same_shots import SameShot


def mark_photo(tx: LedgerTransaction, asset_id: str, mark: str) -> CommandResult:
    """Mark a photo as a collage or a mirror: it may show a person more than once."""
    if mark not in get_args(PhotoMark):
        raise LedgerError(gettext("A photo is marked as collage or mirror, not as %(mark)s.", mark=repr(mark)))
    if tx.decisions_for_photos([asset_id]).photo_marks.get(asset_id) == mark:
        raise ConflictError(
            gettext("The photo %(photo)s is marked as %(mark)s already.", photo=asset_id, mark=gettext(mark))
        )
    tx.append(PhotoMarked(asset_id=asset_id, mark=cast("PhotoMark", mark)))
    return tx.result(None)


def unmark_photo(tx: LedgerTransaction, asset_id: str) -> CommandResult:
    """Remove the mark of a photo."""
    if asset_id not in tx.decisions_for_photos([asset_id]).photo_marks:
        raise ConflictError(gettext("The photo %(photo)s is not marked.", photo=asset_id))
    tx.append(PhotoUnmarked(asset_id=asset_id))
    return tx.result(None)


def draw_face(tx: LedgerTransaction, face: FaceRef) -> CommandResult:
    """Add a face that no detector found, by the box that somebody drew around it."""
    return draw_faces(tx, [face])


def draw_faces(tx: LedgerTransaction, faces: Sequence[FaceRef]) -> CommandResult:
    """Add several such faces in one event."""
    faces = distinct_faces(faces)
    for x, y, width, height in (face.box for face in faces):
        if width < 1 or height < 1 or x + width < 1 or y + height < 1:
            raise LedgerError(
                gettext("A face's box must lie in the photo and be at least a pixel wide and high; draw it again.")
            )
    tx.append(FaceDrawn(faces=face_payloads(faces)))
    return tx.result(None, len(faces))


def follow_photos(tx: LedgerTransaction, pairs: Sequence[SameShot]) -> CommandResult:
    """Record that each pair of photos shows one shot; a pair of a photo and itself: its pixels were reoriented."""
    tx.append(PhotosFollowed.model_validate({"photos": [pair.payload() for pair in pairs]}))
    return tx.result(None)
