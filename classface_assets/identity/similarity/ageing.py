"""The direction in which faces change as people grow up, learned from an archive's own groups without any label.

Embedders leave a direction along which one child's vectors move from year to year: the slope of the vectors over the
years within one person (a session effect, as in nuisance attribute projection: Solomonoff, Campbell and Boardman 2005).
It is taken off before faces are compared. It must come from change within people: the principal components of an
archive mix it with what tells people apart.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from classface_assets.identity.similarity.rows import VectorRows

BLOCK_ROWS = 2_048
"""Faces at a time."""
MIN_SCHOOL_YEARS = 3
"""In fewer years a slope is mostly noise."""
MIN_TRACKS = 10
"""Fewer groups that span years than this show nothing."""
FULL_TRACKS = 100
"""From this many groups on the direction is taken off whole; half of it at half as many."""
MAX_FACES_PER_TRACK = 20
"""A group counts for no more faces than this."""


class AgeingStatus(StrEnum):
    """Whether a direction of age was learned, or why not."""

    LEARNED = "learned"
    TOO_FEW_PEOPLE = "the archive shows too few people"
    TOO_FEW_YEARS = "the archive has fewer than three school years"
    TOO_FEW_TRACKS = "too few people are seen in more than one school year"


@dataclass(frozen=True)
class AgeingDirection:
    """A direction of age, and how much of it is taken off."""

    direction: np.ndarray
    """(d,) float32 of unit length; zeros where none was learned."""
    amount: float
    """0 to 1."""
    tracks: int
    """Number of groups that span school years."""
    status: AgeingStatus

    @staticmethod
    def absent(dimensions: int, status: AgeingStatus, tracks: int = 0) -> "AgeingDirection":
        """No direction, for this reason."""
        return AgeingDirection(np.zeros(dimensions, np.float32), 0.0, tracks, status)

    def removal(self) -> np.ndarray:
        """The (d, d) float32 matrix that takes the direction off vectors that are multiplied by it."""
        removed = np.eye(len(self.direction)) - self.amount * np.outer(self.direction, self.direction)
        return removed.astype(np.float32)

    def agrees_with(self, other: "AgeingDirection", cosine: float) -> bool:
        """Whether both are absent, or both point the same way."""
        if self.amount == 0 or other.amount == 0:
            return self.amount == other.amount
        return abs(float(self.direction @ other.direction)) >= cosine


def learn_ageing_direction(vectors: VectorRows, years: np.ndarray, groups: np.ndarray) -> AgeingDirection:
    """The slope of vectors over the years within groups, summed over all groups.

    Args:
        vectors: (n, d) of unit length, centred.
        years: (n,) calendar years, NaN where unknown.
        groups: (n,) int64, the group of each face: faces that are surely of one person.
    """
    dimensions, known = vectors.shape[1], np.isfinite(years)
    if len(np.unique(years[known])) < MIN_SCHOOL_YEARS:
        return AgeingDirection.absent(dimensions, AgeingStatus.TOO_FEW_YEARS)
    of, year = np.unique(groups[known], return_inverse=True)[1], years[known]
    size = np.bincount(of)
    from_mean = year - (np.bincount(of, year) / size)[of]
    tracks = int((np.bincount(of, from_mean**2) > 0).sum())
    if tracks < MIN_TRACKS:
        return AgeingDirection.absent(dimensions, AgeingStatus.TOO_FEW_TRACKS, tracks)
    weight = from_mean * np.minimum(1.0, MAX_FACES_PER_TRACK / size)[of]
    rows, slope = np.flatnonzero(known), np.zeros(dimensions)
    for start in range(0, len(rows), BLOCK_ROWS):  # all at once would need the room of the vectors three times over
        block = slice(start, start + BLOCK_ROWS)
        slope += vectors[rows[block]].T.astype(np.float64) @ weight[block]
    length = float(np.linalg.norm(slope))
    if length == 0:
        return AgeingDirection.absent(dimensions, AgeingStatus.TOO_FEW_TRACKS, tracks)
    direction = (slope / length).astype(np.float32)
    return AgeingDirection(direction, min(1.0, tracks / FULL_TRACKS), tracks, AgeingStatus.LEARNED)
