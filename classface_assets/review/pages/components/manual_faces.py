"""Faces that people drew: the ledger has them at once, the view only after a run has embedded them."""

import uuid
from collections.abc import Sequence

import polars as pl

from classface_assets.core.geometry import Box
from classface_assets.review.context import face_refs
from classface_assets.review.problems import ProblemError
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.store.decisions.reconciliation import match_faces_by_iou
from classface_assets.store.model.face_ref import FaceRef

MIN_BOX_SIDE = 8


def face_refs_with_manual(view: ArchiveView, face_ids: Sequence[str]) -> list[FaceRef]:
    """The faces as the ledger stores them, including drawn ones that no run has processed yet.

    Raises:
        NotFoundError: There is no such face.
    """
    drawn = view.decisions.drawn
    pending = {face: drawn[face] for face in face_ids if view.face(face) is None and face in drawn}
    return [*face_refs(view, [face for face in face_ids if face not in pending]), *pending.values()]


def pending_manual_faces(view: ArchiveView, asset_id: str) -> list[dict[str, object]]:
    """The drawn faces of a photo that are not in the view yet, as rows of it.

    A box drawn around a face of the view is that face.
    """
    persons, labels = view.decisions.persons, view.decisions.labels
    drawn = {face_id: face for face_id, face in view.decisions.drawn.items() if face.asset_id == asset_id}
    matched = match_faces_by_iou(drawn, view.faces.filter(pl.col("asset_id") == asset_id)) if drawn else {}
    rows = []
    for face_id, face in drawn.items():
        if face_id not in matched:
            person = persons.get(labels[face_id].person_id) if face_id in labels else None
            box = dict(zip(("bbox_x", "bbox_y", "bbox_w", "bbox_h"), face.box, strict=True))
            named = {"person_id": person and person.id, "person_name": person and person.display_name}
            rows.append({"face_id": face_id, "confirmed": person is not None, "drawn": True} | named | box)
    return rows


def manual_face(asset_id: str, size: tuple[int, int], box: Box) -> FaceRef:
    """The face of a box drawn in a photo.

    Args:
        asset_id: The photo.
        size: Its width and height in pixels, upright.
        box: x, y, width and height in pixels; what lies outside the photo is cut off.

    Raises:
        ProblemError: The box is too small for a face.
    """
    x, y, w, h = box
    left, top = max(0, round(x)), max(0, round(y))
    right, bottom = min(size[0], round(x + w)), min(size[1], round(y + h))
    if right - left < MIN_BOX_SIDE or bottom - top < MIN_BOX_SIDE:
        raise ProblemError(422, "The box is too small for a face; draw it from the forehead to the chin.")
    clipped = (left, top, right - left, bottom - top)
    face_id = str(uuid.uuid5(uuid.UUID(asset_id), ",".join(map(str, clipped))))
    return FaceRef(face_id, asset_id, clipped)
