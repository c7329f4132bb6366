"""The table `changes`: which faces moved when the identities were last published, and why."""

import polars as pl

from classface_assets.core.layout import ArchiveLayout
from classface_assets.identity.evaluation.summary import CHANGES_SCHEMA, assignment_changes
from classface_assets.store.artifacts.memoization import content_digest
from classface_assets.store.files.parquet import read_parquet_metadata, read_parquet_or_empty, write_parquet

_LEADS_TO = "leads_to"


def write_changes(layout: ArchiveLayout, previous: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Write what is different in new assignments.

    The file records the assignments that it leads to. Where these are the previous ones already, a run was killed after
    it had written them, or they are only published once more: then the changes that led to them stay.

    Args:
        layout: The archive.
        previous: ASSIGNMENTS as the table `identities` has them.
        rows: ASSIGNMENTS that are to take their place.

    Returns:
        CHANGES_SCHEMA.
    """
    file, changes = layout.table("changes"), assignment_changes(previous, rows)
    leads_to = content_digest(rows.select("face_id", "cluster_id").sort("face_id"))
    if changes.is_empty() and _recorded(layout) == leads_to:
        return read_parquet_or_empty(file, CHANGES_SCHEMA)
    write_parquet(changes, file, {_LEADS_TO: leads_to})
    return changes


def _recorded(layout: ArchiveLayout) -> str | None:
    try:
        return read_parquet_metadata(layout.table("changes")).get(_LEADS_TO)
    except FileNotFoundError:
        return None
