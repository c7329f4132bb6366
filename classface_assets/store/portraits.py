"""Portraits that people were enrolled with: not photos of the archive, but what a person is known to look like.

Kept are the chip and the vector, by model pack; the uploaded picture itself is not.
"""

from datetime import UTC, datetime

import numpy as np
import polars as pl

from classface_assets.places import entries
from classface_assets.store.layout import Layout
from classface_assets.store.parts import Parts
from classface_assets.store.prune import drop_rows

COLUMNS = ["person_id", "face_id", "vector"]


def portrait_parts(layout: Layout, pack: str) -> Parts:
    """The portraits of one pack's vectors."""
    return Parts(layout.parts("portraits", pack), ("face_id", "person_id"))


def keep_portrait(layout: Layout, pack: str, person_id: str, face_id: str, vector: np.ndarray, chip: bytes) -> None:
    """Let a portrait stand for a person, in place of any before. vector: (d,) float32."""
    parts = portrait_parts(layout, pack)
    now = datetime.now(UTC).replace(tzinfo=None)
    row = pl.DataFrame({"person_id": [person_id], "face_id": [face_id], "chip": [chip], "created_at": [now]})
    before = set(parts.pick("person_id", [person_id], ["face_id"])["face_id"]) if person_id in people(parts) else set()
    parts.append(row.with_columns(pl.Series("vector", vector[None], dtype=pl.Array(pl.Float32, len(vector)))))
    drop_rows(parts, "face_id", before - {face_id})


def people(parts: Parts) -> set[str]:
    return parts.ids("person_id") if parts.files() else set()


def portraits_of(layout: Layout, pack: str, persons: set[str]) -> np.ndarray:
    """The vectors (n, d) of these people's portraits; (0, 0) where there are none."""
    parts = portrait_parts(layout, pack)
    rows = parts.pick("person_id", persons, COLUMNS) if people(parts) & persons else pl.DataFrame()
    return rows["vector"].to_numpy() if rows.height else np.zeros((0, 0), np.float32)


def all_portraits(layout: Layout) -> list[Parts]:
    """The portraits of every pack."""
    folders = [e.path for e in entries(layout.parts("portraits")) if e.is_folder]
    return [Parts(folder, ("face_id", "person_id")) for folder in folders]
