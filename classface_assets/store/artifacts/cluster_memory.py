"""The cluster numbers of faces that are gone for now: a drive that is away, a folder that was moved and comes back.

A face that is there again counts for the number that its cluster had, as one does that was never away.
"""

import polars as pl

from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.schemas import ASSIGNMENTS, is_unknown_cluster
from classface_assets.store.files.parquet import read_parquet_or_empty, write_parquet

TABLE = "cluster_memory"
MAX_FACES = 2_000_000
"""Faces that are remembered; beyond that those that have been gone longest are not."""
_MEMORY = pl.Schema({"face_id": pl.String, "cluster_id": pl.String})


def previous_cluster_ids(layout: ArchiveLayout) -> pl.DataFrame:
    """face_id and cluster_id of every face as last published, and of those that had gone before that."""
    last = read_parquet_or_empty(layout.table("identities"), ASSIGNMENTS).select(_MEMORY.names())
    return pl.concat([last, _read_memory(layout).join(last, on="face_id", how="anti")])


def remember_cluster_ids(layout: ArchiveLayout, before: pl.DataFrame, rows: pl.DataFrame) -> None:
    """Keep the numbers of the faces that were published `before` and are not among the ASSIGNMENTS to be published.

    To be called before these are written. Who is back is forgotten only once published: a run may be killed between.
    """
    known = _read_memory(layout)
    numbered = before.filter(is_unknown_cluster()).select(_MEMORY.names())
    gone = numbered.join(rows, on="face_id", how="anti")
    kept = pl.concat([known.join(before, on="face_id", how="anti"), gone]).tail(MAX_FACES)
    if not kept.equals(known):
        write_parquet(kept, layout.table(TABLE))


def _read_memory(layout: ArchiveLayout) -> pl.DataFrame:
    return read_parquet_or_empty(layout.table(TABLE), _MEMORY).select(_MEMORY.names())
