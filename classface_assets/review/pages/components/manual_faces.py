"""Faces that people drew: the ledger has them at once, the view only after a run has embedded them."""

from collections.abc import Sequence

from classface_assets.core.geometry import Box
from classface_assets.core.languages import gettext
from classface_assets.review.context import face_refs
from classface_assets.review.problems import ProblemError
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.services.photos.manual_faces import drawn_face
from classface_assets.store.model.face_ref import FaceRef


def face_refs_with_manual(view: ArchiveView, face_ids: Sequence[str]) -> list[FaceRef]:
    """The faces as the ledger stores them, including drawn ones that no run has processed yet.

    Raises:
        NotFoundError: There is no such face.
    """
    drawn = view.decisions.drawn
    pending = {face: drawn[face] for face in face_ids if view.face(face) is None and face in drawn}
    return [*face_refs(view, [face for face in face_ids if face not in pending]), *pending.values()]


def manual_face(asset_id: str, size: tuple[int, int], box: Box) -> FaceRef:
    """The face of a box drawn in a photo.

    Args:
        asset_id: The photo.
        size: Its width and height in pixels, upright.
        box: x, y, width and height in pixels; what lies outside the photo is cut off.

    Raises:
        ProblemError: The box is too small for a face.
    """
    face = drawn_face(asset_id, size, box)
    if face is None:
        raise ProblemError(422, gettext("The box is too small for a face; draw it from the forehead to the chin."))
    return face
