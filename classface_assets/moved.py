"""What the command about changes tells: which faces moved when the students were last published."""

from collections.abc import Callable, Iterator

import polars as pl

from classface_assets.identity.changes import CHANGES_SCHEMA, kinds_of_changes
from classface_assets.resources import Archive
from classface_assets.store.tables import read_or_empty


def change_lines(archive: Archive, name_of: Callable[[str], str], most: int) -> Iterator[str]:
    """What moved when it was last published: counts by kind, then face, from, to and why."""
    moved = read_or_empty(archive.layout.table("changes"), CHANGES_SCHEMA)
    if moved.is_empty():
        yield "Nothing moved when the students were last published."
        return
    for old, new, faces in kinds_of_changes(moved).iter_rows():
        yield f"{faces:>7,}  {old} -> {new}"
    shown = moved.filter(pl.col("from").is_not_null()).head(most)
    for face, old, new, reason in shown.iter_rows():
        yield f"{face}  {name_of(old)} -> {name_of(new or 'nothing')}  {reason}"
    left = moved.filter(pl.col("from").is_not_null()).height - shown.height
    if left:
        yield f"… and {left:,} more; --most shows more of them."
