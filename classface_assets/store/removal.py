"""Taking things out of the data: files, empty folders, and rows of parts. What is to go is the caller's business."""

from collections.abc import Callable, Set
from pathlib import Path

import polars as pl

from classface_assets.places import Place, remove
from classface_assets.store.listing import folders
from classface_assets.store.parts import Parts
from classface_assets.store.tables import read_table
from classface_assets.temporary import discard


def take_away(left: Place) -> None:
    """Delete a file or, as a temporary one may be on this machine, a whole folder."""
    if isinstance(left, Path):
        discard(left)
    else:
        remove(left)


def drop_rows(parts: Parts, column: str, ids: Set[str]) -> None:
    """Remove the rows of these ids, part by part. A part that holds none of them stays as it is."""
    keep_rows(parts, lambda rows: rows.filter(~pl.col(column).is_in(list(ids)).fill_null(value=False)))


def keep_rows(parts: Parts, wanted: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    """Keep only the wanted rows of each part. The new part is there before the old one goes."""
    for file in parts.files():
        rows = read_table(file)
        kept = wanted(rows)
        if kept.height < rows.height:
            parts.append(kept)
            remove(file)


def remove_empty(folder: Place) -> None:
    """An object storage has no folders of its own to remove."""
    if isinstance(folder, Path):
        for inner in folders(folder):
            remove_empty(inner)
        if not any(folder.iterdir()):
            folder.rmdir()
