"""The assignments that were evaluated last: while nearly all are as they were, an evaluation measures the same."""

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import polars as pl

from classface_assets.core.layout import ArchiveLayout
from classface_assets.store.artifacts.memoization import content_digest
from classface_assets.store.files.parquet import read_parquet_or_empty, write_parquet

TABLE = "evaluated_assignments"
EVALUATED_ASSIGNMENTS = pl.Schema({"made_of": pl.String(), "assignment": pl.UInt64()})
MOST_CHANGED = 0.01
"""Share of the faces that may be new, gone or in another cluster before it is measured again."""


@dataclass(frozen=True)
class EvaluatedAssignments:
    """Which face is in which cluster, and what else an evaluation depends on.

    Attributes:
        made_of: The digest of all else, such as the decisions and the settings.
        hashes: (n,) uint64, ascending, a hash of each face with its cluster.
    """

    made_of: str
    hashes: np.ndarray

    @staticmethod
    def of(assignments: pl.DataFrame, made_of: str) -> "EvaluatedAssignments":
        """Of the rows of ASSIGNMENTS."""
        hashes = assignments.select(pl.struct("face_id", "cluster_id").hash(seed=0)).to_series()
        return EvaluatedAssignments(made_of, np.unique(hashes.to_numpy()))

    @property
    def digest(self) -> str:
        """Of all of it."""
        return content_digest(self.made_of, blake2b(self.hashes.tobytes(), digest_size=16).hexdigest())

    def is_nearly(self, other: "EvaluatedAssignments") -> bool:
        """Whether all else is the same, and at most MOST_CHANGED of the faces are new, gone or moved."""
        same = len(np.intersect1d(self.hashes, other.hashes, assume_unique=True))
        most = max(len(self.hashes), len(other.hashes))
        return self.made_of == other.made_of and most - same <= MOST_CHANGED * most


def read_evaluated(layout: ArchiveLayout) -> EvaluatedAssignments | None:
    """The assignments that were evaluated last; None where there is no record of any."""
    rows = read_parquet_or_empty(layout.table(TABLE), EVALUATED_ASSIGNMENTS)
    if rows.is_empty() or rows.schema != EVALUATED_ASSIGNMENTS:
        return None
    return EvaluatedAssignments(rows["made_of"][0], rows["assignment"].to_numpy())


def write_evaluated(layout: ArchiveLayout, evaluated: EvaluatedAssignments) -> None:
    """Record what was evaluated.

    Raises:
        StorageError: The disk, drive or server fails.
    """
    rows = {"made_of": [evaluated.made_of] * len(evaluated.hashes), "assignment": evaluated.hashes}
    write_parquet(pl.DataFrame(rows, schema=EVALUATED_ASSIGNMENTS), layout.table(TABLE))
