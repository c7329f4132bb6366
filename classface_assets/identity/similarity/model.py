"""What was measured of an archive, kept from run to run, so that one more photo does not shift every likeness a little.

It stands while at least five of six of the faces that it was measured on are still among those that would be measured
now, and these are not a fifth more: then it is measured anew. So it is too when the settings or MADE change, or when
what was kept is deleted. Vectors of another model have nothing in common with those before.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from classface_assets.identity.sampling import fair_sample, marks
from classface_assets.identity.settings import AssignmentSettings
from classface_assets.identity.similarity.whitening import Measure, Turn

MADE = 1
"""Counts up when the same faces are measured otherwise than before."""
STILL_THERE = 5 / 6
SCHEMA = pl.Schema(
    [
        ("made_with", pl.List(pl.Float64)),
        ("marks", pl.List(pl.UInt64)),
        ("turns", pl.Binary()),
        ("dimensions", pl.Int64()),
        ("share", pl.Float64()),
        ("slope", pl.Float64()),
        ("offset", pl.Float64()),
    ]
)


@dataclass(frozen=True)
class Measured:
    """How the faces of an archive are compared."""

    blind: Measure
    """As long as nothing is known of who is one person."""
    told: Measure
    """Knowing how the faces of one person differ."""
    made_with: tuple[float, ...]
    marks: np.ndarray
    """(s,) uint64, of the faces that were measured."""

    def holds_for(self, vectors: np.ndarray, settings: AssignmentSettings) -> bool:
        """Whether these faces, (n, d), are nearly those that were measured, and to be measured in the same way."""
        now = marks(fair_sample(vectors))
        same = len(np.intersect1d(now, self.marks))
        return self.made_with == made_with(settings) and same >= STILL_THERE * max(len(now), len(self.marks), 1)

    def to_frame(self) -> pl.DataFrame:
        """Two rows of SCHEMA: `blind` and `told`."""
        return pl.DataFrame([self._row(one) for one in (self.blind, self.told)], schema=SCHEMA)

    def _row(self, one: Measure) -> dict[str, object]:
        turns = b"".join(np.vstack([turn.mean, turn.matrix]).astype("<f4").tobytes() for turn in one.turns)
        size = len(one.turns[0].mean) if one.turns else 0
        kept = {"turns": turns, "dimensions": size, "share": one.share, "slope": one.slope, "offset": one.offset}
        return {"made_with": list(self.made_with), "marks": self.marks, **kept}

    @staticmethod
    def of_frame(frame: pl.DataFrame) -> "Measured | None":
        """None when nothing was kept, or by another version of the program."""
        if frame.schema != SCHEMA or frame.height != 2:
            return None
        blind, told = (_measure(row) for row in frame.iter_rows(named=True))
        return Measured(blind, told, tuple(frame["made_with"][0]), frame["marks"][0].to_numpy())


def made_with(settings: AssignmentSettings) -> tuple[float, ...]:
    """The settings that a measure depends on."""
    return (
        float(MADE),
        settings.cluster_threshold,
        settings.whitened_gain,
        settings.whitened_share,
        settings.cluster_fade_years,
    )


def _measure(row: dict[str, object]) -> Measure:
    size, turns = row["dimensions"], row["turns"]
    assert isinstance(size, int) and isinstance(turns, bytes)
    parts = np.frombuffer(turns, "<f4").reshape(-1, size + 1, size) if size else ()
    found = tuple(Turn(part[0].astype(np.float32), part[1:].astype(np.float32)) for part in parts)
    return Measure(found, *(float(str(row[name])) for name in ("share", "slope", "offset")))
