"""Faces that people drew and no run has embedded yet: the ledger has them at once, the view only after a run."""

import polars as pl

from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.store.decisions.reconciliation import match_faces_by_iou


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
