"""The cluster ids of faces that are gone for now, as when a drive is away or a folder was moved and comes back.

A face that returns has a say in the number of its cluster, as if it had never been away.
"""

import polars as pl

from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.schemas import ASSIGNMENTS, is_unknown_cluster
from classface_assets.store.files.parquet import read_parquet_or_empty, write_parquet

TABLE = "cluster_memory"
MAX_FACES = 2_000_000
"""The most faces that are remembered; beyond that those that have been gone longest are forgotten."""
CLUSTER_MEMORY = pl.Schema({"face_id": pl.String, "cluster_id": pl.String})


def previous_cluster_ids(layout: ArchiveLayout) -> pl.DataFrame:
    """The last known cluster of every face, also of those that had gone before the last publication.

    Returns:
        Columns face_id and cluster_id.
    """
    last = read_parquet_or_empty(layout.table("identities"), ASSIGNMENTS).select(CLUSTER_MEMORY.names())
    return pl.concat([last, _read_memory(layout).join(last, on="face_id", how="anti")])


def remember_cluster_ids(layout: ArchiveLayout, before: pl.DataFrame, rows: pl.DataFrame) -> None:
    """Remember the clusters of the faces that were published before and are gone now.

    To be called before the new assignments are written. A face that is back is forgotten only after it is published,
    because a run may be killed in between.

    Args:
        layout: The archive.
        before: ASSIGNMENTS as last published.
        rows: ASSIGNMENTS that are to be published.
    """
    known = _read_memory(layout)
    numbered = before.filter(is_unknown_cluster()).select(CLUSTER_MEMORY.names())
    gone = numbered.join(rows, on="face_id", how="anti")
    memory = pl.concat([known.join(before, on="face_id", how="anti"), gone]).tail(MAX_FACES)
    if not memory.equals(known):
        write_parquet(memory, layout.table(TABLE))


def _read_memory(layout: ArchiveLayout) -> pl.DataFrame:
    return read_parquet_or_empty(layout.table(TABLE), CLUSTER_MEMORY).select(CLUSTER_MEMORY.names())
