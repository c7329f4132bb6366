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
from classface_assets.identity.similarity.ageing import AgeingDirection, AgeingStatus
from classface_assets.identity.similarity.known_terms import KnownTerms
from classface_assets.identity.similarity.probability import MatchCalibration
from classface_assets.identity.similarity.space import AffineTransform, SimilarityModel, StrangerCohort

FITTING_VERSION = 2
"""Counts up when the same faces give another model than before."""
MIN_SHARED_SAMPLE = 5 / 6
"""Least share of the sample that must be the same for a stored model to be valid."""
FITTED_SIMILARITY_SCHEMA = pl.Schema(
    [
        ("made_with", pl.List(pl.Float64)),
        ("marks", pl.List(pl.UInt64)),
        ("dimensions", pl.Int64()),
        ("turns", pl.Binary()),
        ("share", pl.Float64()),
        ("slope", pl.Float64()),
        ("offset", pl.Float64()),
        ("spread", pl.Float64()),
        ("cohort", pl.Binary()),
        ("mean_hubness", pl.Float64()),
        ("ageing_direction", pl.Binary()),
        ("ageing_amount", pl.Float64()),
        ("ageing_tracks", pl.Int64()),
        ("ageing_status", pl.String()),
        ("log_odds_slope", pl.Float64()),
        ("log_odds_intercept", pl.Float64()),
    ]
)
"""One row. `turns` holds mean and matrix of the normalisation; all arrays are <f4."""


@dataclass(frozen=True)
class FittedSimilarity:
    """How the faces of an archive are compared."""

    model: SimilarityModel
    ageing: AgeingDirection
    """The direction of age that the model takes off, in the space of centred vectors."""
    settings: tuple[float, ...]
    """What `fitting_settings` gave."""
    sample_hashes: np.ndarray
    """(s,) uint64, of the faces that it was fitted to."""
    calibration: MatchCalibration | None = None
    """Probability of a match by mean similarity in `model.project`; None where too little is known."""
    terms: KnownTerms | None = None
    """Similarities of faces by this model that need not be computed again; not stored with it."""

    def is_valid_for(self, vectors: np.ndarray, settings: AssignmentSettings) -> bool:
        """Whether the sample of these faces, (n, d), is nearly the one of the fit, and the settings are the same."""
        now = vector_hashes(stable_sample(vectors))
        same = len(np.intersect1d(now, self.sample_hashes))
        needed = MIN_SHARED_SAMPLE * max(len(now), len(self.sample_hashes), 1)
        return self.settings == fitting_settings(settings) and same >= needed

    def to_frame(self) -> pl.DataFrame:
        """One row of FITTED_SIMILARITY_SCHEMA."""
        normalisation, cohort = self.model.normalisation, self.model.cohort
        parts = [] if normalisation is None else [normalisation.mean, *normalisation.matrix]
        row = {
            "made_with": list(self.settings),
            "marks": self.sample_hashes,
            "dimensions": len(self.ageing.direction),
            "turns": b"".join(part.astype("<f4").tobytes() for part in parts),
            "share": self.model.share,
            "slope": self.model.slope,
            "offset": self.model.offset,
            "spread": self.model.spread,
            "cohort": b"" if cohort is None else cohort.vectors.astype("<f4").tobytes(),
            "mean_hubness": None if cohort is None else cohort.mean_hubness,
            "ageing_direction": self.ageing.direction.astype("<f4").tobytes(),
            "ageing_amount": self.ageing.amount,
            "ageing_tracks": self.ageing.tracks,
            "ageing_status": self.ageing.status.name,
            "log_odds_slope": None if self.calibration is None else self.calibration.slope,
            "log_odds_intercept": None if self.calibration is None else self.calibration.intercept,
        }
        return pl.DataFrame([row], schema=FITTED_SIMILARITY_SCHEMA)

    @staticmethod
    def from_frame(frame: pl.DataFrame) -> "FittedSimilarity | None":
        """What `to_frame` made; None when the frame is empty or of another version of the program."""
        if frame.schema != FITTED_SIMILARITY_SCHEMA or frame.height != 1:
            return None
        row = frame.row(0, named=True)
        calibration = None
        if row["log_odds_slope"] is not None:
            calibration = MatchCalibration(row["log_odds_slope"], row["log_odds_intercept"])
        return FittedSimilarity(
            model=_model_from_row(row),
            ageing=AgeingDirection(
                direction=np.frombuffer(row["ageing_direction"], "<f4").astype(np.float32),
                amount=row["ageing_amount"],
                tracks=row["ageing_tracks"],
                status=AgeingStatus[row["ageing_status"]],
            ),
            settings=tuple(row["made_with"]),
            sample_hashes=frame["marks"][0].to_numpy(),
            calibration=calibration,
        )


def fitting_settings(settings: AssignmentSettings) -> tuple[float, ...]:
    """The settings that a fit depends on, and FITTING_VERSION: the cache key of a stored model."""
    return (
        float(FITTING_VERSION),
        settings.cluster_reference,
        settings.cluster_spreads,
        settings.whitened_gain,
        settings.whitened_share,
        settings.cluster_year_decay,
    )


def _model_from_row(row: dict[str, object]) -> SimilarityModel:
    size, content, strangers = row["dimensions"], row["turns"], row["cohort"]
    assert isinstance(size, int) and isinstance(content, bytes) and isinstance(strangers, bytes)
    share, slope, offset, spread = (float(str(row[name])) for name in ("share", "slope", "offset", "spread"))
    if not content:
        return SimilarityModel(share=share, slope=slope, offset=offset, spread=spread)
    values = np.frombuffer(content, "<f4").reshape(size + 1, size).astype(np.float32)
    cohort = None
    if strangers:
        vectors = np.frombuffer(strangers, "<f4").reshape(-1, size).astype(np.float32)
        cohort = StrangerCohort(vectors, float(str(row["mean_hubness"])))
    return SimilarityModel(
        normalisation=AffineTransform(values[0], values[1:]),
        share=share,
        slope=slope,
        offset=offset,
        spread=spread,
        cohort=cohort,
    )
