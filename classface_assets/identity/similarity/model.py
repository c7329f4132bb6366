"""The similarity model of an archive as it is stored from run to run.

It is stored so that one more photo does not shift every similarity a little. It is valid while at least five of six of
the faces that it was fitted to are still in the sample, and the sample is not a fifth larger. It is fitted again then,
and when the settings or FITTING_VERSION change, or when what is stored is deleted. Vectors of another model have
nothing in common with those before.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from classface_assets.identity.sampling import stable_sample, vector_hashes
from classface_assets.identity.settings import AssignmentSettings
from classface_assets.identity.similarity.whitening import SimilarityModel, WhiteningTransform

FITTING_VERSION = 1
"""Counts up when the same faces give another model than before."""
MIN_SHARED_SAMPLE = 5 / 6
"""Least share of the sample that must be the same for a stored model to be valid."""
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
"""Two rows: the preliminary model and the refined one. `turns` holds mean and matrix of each transform, as <f4."""


@dataclass(frozen=True)
class FittedSimilarity:
    """How the faces of an archive are compared."""

    preliminary: SimilarityModel
    """Fitted while nothing is known of which faces are one person."""
    refined: SimilarityModel
    """Fitted with the differences within the people that a first clustering finds."""
    settings: tuple[float, ...]
    """What `fitting_settings` gave."""
    sample_hashes: np.ndarray
    """(s,) uint64, of the faces that it was fitted to."""

    def is_valid_for(self, vectors: np.ndarray, settings: AssignmentSettings) -> bool:
        """Whether the sample of these faces, (n, d), is nearly the one of the fit, and the settings are the same."""
        now = vector_hashes(stable_sample(vectors))
        same = len(np.intersect1d(now, self.sample_hashes))
        needed = MIN_SHARED_SAMPLE * max(len(now), len(self.sample_hashes), 1)
        return self.settings == fitting_settings(settings) and same >= needed

    def to_frame(self) -> pl.DataFrame:
        """Two rows of FITTED_SIMILARITY_SCHEMA."""
        rows = [self._row(model) for model in (self.preliminary, self.refined)]
        return pl.DataFrame(rows, schema=FITTED_SIMILARITY_SCHEMA)

    @staticmethod
    def from_frame(frame: pl.DataFrame) -> "FittedSimilarity | None":
        """What `to_frame` made; None when the frame is empty or of another version of the program."""
        if frame.schema != FITTED_SIMILARITY_SCHEMA or frame.height != 2:
            return None
        preliminary, refined = (_model_from_row(row) for row in frame.iter_rows(named=True))
        return FittedSimilarity(
            preliminary=preliminary,
            refined=refined,
            settings=tuple(frame["made_with"][0]),
            sample_hashes=frame["marks"][0].to_numpy(),
        )

    def _row(self, model: SimilarityModel) -> dict[str, object]:
        transforms = b"".join(np.vstack([t.mean, t.matrix]).astype("<f4").tobytes() for t in model.transforms)
        return {
            "made_with": list(self.settings),
            "marks": self.sample_hashes,
            "turns": transforms,
            "dimensions": len(model.transforms[0].mean) if model.transforms else 0,
            "share": model.share,
            "slope": model.slope,
            "offset": model.offset,
        }


def fitting_settings(settings: AssignmentSettings) -> tuple[float, ...]:
    """The settings that a fit depends on, and FITTING_VERSION: the cache key of a stored model."""
    return (
        float(FITTING_VERSION),
        settings.cluster_threshold,
        settings.whitened_gain,
        settings.whitened_share,
        settings.cluster_year_decay,
    )


def _model_from_row(row: dict[str, object]) -> SimilarityModel:
    size, content = row["dimensions"], row["turns"]
    assert isinstance(size, int) and isinstance(content, bytes)
    parts = np.frombuffer(content, "<f4").reshape(-1, size + 1, size) if size else ()
    transforms = tuple(WhiteningTransform(part[0].astype(np.float32), part[1:].astype(np.float32)) for part in parts)
    share, slope, offset = (float(str(row[name])) for name in ("share", "slope", "offset"))
    return SimilarityModel(transforms=transforms, share=share, slope=slope, offset=offset)
