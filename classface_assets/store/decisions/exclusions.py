"""Faces that may not be: those of people who were erased, taken out of what a detector found and of what was said."""

from collections.abc import Collection, Mapping
from typing import Any

import polars as pl

from classface_assets.core.geometry import SAME_FACE_IOU, box_iou_expr
from classface_assets.store.model.face_ref import FaceRef

ERASED_REASON = "a face was erased"
_PHOTO_COLUMNS = ("asset_id", "rotation", "phash", "created_at")
LOCATION_COLUMNS = ["asset_id", "face_id", "bbox_x", "bbox_y", "bbox_w", "bbox_h"]


def erased_ids_in(rows: pl.DataFrame, barred: Mapping[str, FaceRef]) -> set[str]:
    """The ids of the faces among detection rows that are barred: by id, or by place (overlap of 0.4 or more)."""
    if not barred or not rows.width:
        return set()
    marks = pl.DataFrame(
        [(f.face_id, f.asset_id, *f.box) for f in barred.values()], schema=["barred", "asset_id", *"xywh"], orient="row"
    )
    near = rows.drop_nulls("face_id").select(LOCATION_COLUMNS).join(marks, on="asset_id")
    iou = box_iou_expr([f"bbox_{side}" for side in "xywh"], "xywh")
    same = (pl.col("face_id") == pl.col("barred")) | (iou >= SAME_FACE_IOU)
    return set(near.filter(same)["face_id"])


def drop_erased(rows: pl.DataFrame, barred: Mapping[str, FaceRef]) -> pl.DataFrame:
    """Detection rows without barred faces. A photo of which no face is left keeps a row that says so, or else it would
    be searched again."""
    ids = erased_ids_in(rows, barred)
    if not ids:
        return rows
    is_theirs = pl.col("face_id").is_in(list(ids)).fill_null(value=False)
    kept, gone = rows.filter(~is_theirs), rows.filter(is_theirs)
    empty = gone.unique("asset_id", maintain_order=True).join(kept, on="asset_id", how="anti", maintain_order="left")
    blank = empty.with_columns(
        pl.lit(None, dtype).alias(name) for name, dtype in rows.schema.items() if name not in _PHOTO_COLUMNS
    ).with_columns(status=pl.lit("no face"), reason=pl.lit(ERASED_REASON))
    return pl.concat([kept, blank.select(rows.columns)])


def drop_faces_from_payload(payload: Mapping[str, Any], barred: Collection[str]) -> dict[str, Any]:
    """What an event tells, without the faces of these ids."""
    left = dict(payload)
    if "faces" in payload:
        left["faces"] = [face for face in payload["faces"] if face["face_id"] not in barred]
    if "groups" in payload:
        left["groups"] = [[face for face in group if face["face_id"] not in barred] for group in payload["groups"]]
    return left
