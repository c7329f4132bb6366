"""Faces that may not be stored: those of erased people, removed from detections and from payloads of events."""

from collections.abc import Collection, Mapping
from typing import Any

import polars as pl

from classface_assets.core.geometry import SAME_FACE_IOU, box_iou_expr
from classface_assets.core.schemas import DetectionStatus
from classface_assets.store.model.face_ref import FaceRef

ERASED_REASON = "a face was erased"
LOCATION_COLUMNS = ["asset_id", "face_id", "bbox_x", "bbox_y", "bbox_w", "bbox_h"]
_PHOTO_COLUMNS = ("asset_id", "rotation", "phash", "strip_search", "created_at")


def erased_ids_in(rows: pl.DataFrame, erased: Mapping[str, FaceRef]) -> set[str]:
    """The ids of the faces among detection rows that are erased.

    Args:
        rows: Detections (`LOCATION_COLUMNS`); face_id is null where a photo has no face.
        erased: Face id -> an erased face. A row is one by its id, or by its place (IoU of `SAME_FACE_IOU` or more).
    """
    if not erased or not rows.width:
        return set()
    schema = ["erased", "asset_id", *"xywh"]
    table = pl.DataFrame([(f.face_id, f.asset_id, *f.box) for f in erased.values()], schema=schema, orient="row")
    pairs = rows.drop_nulls("face_id").select(LOCATION_COLUMNS).join(table, on="asset_id")
    is_same = (pl.col("face_id") == pl.col("erased")) | (box_iou_expr("xywh", LOCATION_COLUMNS[2:]) >= SAME_FACE_IOU)
    return set(pairs.filter(is_same)["face_id"])


def drop_erased(rows: pl.DataFrame, erased: Mapping[str, FaceRef]) -> pl.DataFrame:
    """Detection rows without erased faces.

    A photo of which no face is left keeps a row that says so, or else it would be searched again.
    """
    ids = erased_ids_in(rows, erased)
    if not ids:
        return rows
    is_erased = pl.col("face_id").is_in(list(ids)).fill_null(value=False)
    left, gone = rows.filter(~is_erased), rows.filter(is_erased)
    empty = gone.unique("asset_id", maintain_order=True).join(left, on="asset_id", how="anti", maintain_order="left")
    blank = empty.with_columns(
        pl.lit(None, dtype).alias(name) for name, dtype in rows.schema.items() if name not in _PHOTO_COLUMNS
    ).with_columns(status=pl.lit(DetectionStatus.NO_FACE.value), reason=pl.lit(ERASED_REASON))
    return pl.concat([left, blank.select(rows.columns)])


def drop_faces_from_payload(payload: Mapping[str, Any], erased: Collection[str]) -> dict[str, Any]:
    """The payload of an event without the faces of these ids."""
    left = dict(payload)
    if "faces" in payload:
        left["faces"] = [face for face in payload["faces"] if face["face_id"] not in erased]
    if "groups" in payload:
        left["groups"] = [[face for face in group if face["face_id"] not in erased] for group in payload["groups"]]
    return left
