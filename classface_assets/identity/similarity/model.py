"""What was measured of an archive, kept from run to run, so that one more photo does not shift every likeness a little.

It stands while at least five of six of the faces that it was measured on are still among those that would be measured
now, and these are not a fifth more: then it is measured anew. So it is too when the settings or MADE change, or when
what was kept is deleted. Vectors of another model have nothing in common with those before.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from classface_assets.identity.sampling import stable_sample, vector_hashes
from classface_assets.identity.settings import AssignmentSettings
from classface_assets.identity.similarity.whitening import SimilarityModel, WhiteningTransform

FITTING_VERSION = 1
"""Counts up when the same faces are measured otherwise than before."""
MIN_SHARED_SAMPLE = 5 / 6
FITTED_SIMILARITY_SCHEMA = pl.Schema(
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
class FittedSimilarity:
    """How the faces of an archive are compared."""

    blind: SimilarityModel
    """As long as nothing is known of who is one person."""
    told: SimilarityModel
    """Knowing how the faces of one person differ."""
    made_with: tuple[float, ...]
    marks: np.ndarray
    """(s,) uint64, of the faces that were measured."""

    def is_valid_for(self, vectors: np.ndarray, settings: AssignmentSettings) -> bool:
        """Whether these faces, (n, d), are nearly those that were measured, and to be measured in the same way."""
        now = vector_hashes(stable_sample(vectors))
        same = len(np.intersect1d(now, self.marks))
        return self.made_with == fitting_settings(settings) and same >= MIN_SHARED_SAMPLE * max(
            len(now), len(self.marks), 1
        )

    def to_frame(self) -> pl.DataFrame:
        """Two rows of SCHEMA: `blind` and `told`."""
        return pl.DataFrame([self._row(one) for one in (self.blind, self.told)], schema=FITTED_SIMILARITY_SCHEMA)

    def _row(self, one: SimilarityModel) -> dict[str, object]:
        turns = b"".join(np.vstack([turn.mean, turn.matrix]).astype("<f4").tobytes() for turn in one.turns)
        size = len(one.turns[0].mean) if one.turns else 0
        kept = {"turns": turns, "dimensions": size, "share": one.share, "slope": one.slope, "offset": one.offset}
        return {"made_with": list(self.made_with), "marks": self.marks, **kept}

    @staticmethod
    def from_frame(frame: pl.DataFrame) -> "FittedSimilarity | None":
        """None when nothing was kept, or by another version of the program."""
        if frame.schema != FITTED_SIMILARITY_SCHEMA or frame.height != 2:
            return None
        blind, told = (_model_from_row(row) for row in frame.iter_rows(named=True))
        return FittedSimilarity(blind, told, tuple(frame["made_with"][0]), frame["marks"][0].to_numpy())


def fitting_settings(settings: AssignmentSettings) -> tuple[float, ...]:
    """The settings that a measure depends on."""
    return (
        float(FITTING_VERSION),
        settings.cluster_threshold,
        settings.whitened_gain,
        settings.whitened_share,
        settings.cluster_fade_years,
    )


def _model_from_row(row: dict[str, object]) -> SimilarityModel:
    size, turns = row["dimensions"], row["turns"]
    assert isinstance(size, int) and isinstance(turns, bytes)
    parts = np.frombuffer(turns, "<f4").reshape(-1, size + 1, size) if size else ()
    found = tuple(WhiteningTransform(part[0].astype(np.float32), part[1:].astype(np.float32)) for part in parts)
    return SimilarityModel(found, *(float(str(row[name])) for name in ("share", "slope", "offset")))
