"""Faces that people drew: they are in the ledger, and in the view only when a run has embedded them."""

import uuid
from collections.abc import Sequence

import polars as pl

from classface_assets.review.desk import marks
from classface_assets.review.problems import ProblemError
from classface_assets.review.view import View
from classface_assets.store.decisions import Box, LabelledFace
from classface_assets.store.homes import homes

LEAST_SIDE = 8


def marks_with_drawn(view: View, face_ids: Sequence[str]) -> list[LabelledFace]:
    """The faces as the ledger keeps them, those too that no run has seen yet. Raises NotFoundError."""
    waiting = {f: view.decisions.drawn[f] for f in face_ids if view.face(f) is None and f in view.decisions.drawn}
    return [*marks(view, [f for f in face_ids if f not in waiting]), *waiting.values()]


def drawn_in(view: View, asset_id: str) -> list[dict[str, object]]:
    """The faces drawn in a photo that are not in the view yet, as rows of it; a box around a face is that face."""
    persons, said = view.decisions.persons, view.decisions.marks
    drawn = {f: face for f, face in view.decisions.drawn.items() if face.asset_id == asset_id}
    there = homes(drawn, view.faces.filter(pl.col("asset_id") == asset_id)) if drawn else {}
    rows = []
    for face_id, face in drawn.items():
        if face_id not in there:
            person = persons.get(said[face_id].person_id) if face_id in said else None
            box = dict(zip(("bbox_x", "bbox_y", "bbox_w", "bbox_h"), face.box, strict=True))
            named = {"person_id": person and person.id, "person_name": person and person.display_name}
            rows.append({"face_id": face_id, "confirmed": person is not None, "drawn": True} | named | box)
    return rows


def new_face(asset_id: str, size: tuple[int, int], box: Box) -> LabelledFace:
    """The face of a box drawn in a photo of that width and height, cut to the photo.

    Raises ProblemError for one that is too small to be a face.
    """
    x, y, w, h = box
    left, top = max(0, round(x)), max(0, round(y))
    right, bottom = min(size[0], round(x + w)), min(size[1], round(y + h))
    if right - left < LEAST_SIDE or bottom - top < LEAST_SIDE:
        raise ProblemError(422, "The box is too small for a face; draw it from the forehead to the chin.")
    whole = (left, top, right - left, bottom - top)
    face_id = str(uuid.uuid5(uuid.UUID(asset_id), ",".join(map(str, whole))))
    return LabelledFace(face_id, asset_id, whole)
