"""Rows that are there twice, as after a run that was killed between writing a part and removing the old one."""

from collections.abc import Sequence

import polars as pl


class Seen:
    """The keys of rows that were met, so that of two rows with one key only the first is taken."""

    def __init__(self, key: Sequence[str]) -> None:
        self._key, self._met = list(key), set[tuple[object, ...]]()

    def fresh(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows whose key was not met yet; they are met now."""
        fresh = []
        for key in rows.select(self._key).iter_rows():
            fresh.append(key not in self._met)
            self._met.add(key)
        return rows if all(fresh) else rows.filter(pl.Series(fresh, dtype=pl.Boolean))


def once(frames: Sequence[pl.DataFrame], key: Sequence[str]) -> pl.DataFrame:
    """The rows of all frames, of two with one key the first; a frame without columns where there is none."""
    if not frames:
        return pl.DataFrame()
    rows = pl.concat(frames, how="diagonal_relaxed")
    if rows.select(key).is_unique().all():  # as they nearly always are; the other way would copy all of them
        return rows
    return rows.unique(subset=list(key), keep="first", maintain_order=True)
