"""Matching faces with known people: the best candidate that leads clearly, and each person once in a photo.

Each face is matched by itself here; `tracking` matches groups of faces. `FaceAssignments` holds what both find.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from classface_assets.identity.matching.candidates import CandidateList
from classface_assets.identity.matching.margins import MarginRule
from classface_assets.identity.settings import AssignmentSettings


@dataclass(frozen=True)
class Matches:
    """r faces that match a known person."""

    faces: np.ndarray
    """(r,) int64, their rows."""
    persons: np.ndarray
    """(r,) int64."""
    scores: np.ndarray
    """(r,) float32, similarity."""
    margins: np.ndarray
    """(r,) float32, lead over the next person."""
    support: np.ndarray
    """(r,) int32, number of supporting prototypes."""


@dataclass(frozen=True)
class FaceAssignments:
    """The persons of n faces."""

    persons: np.ndarray
    """(n,) int64, the person's number or -1."""
    scores: np.ndarray
    """(n,) float32, NaN where there is no person."""
    margins: np.ndarray
    """(n,) float32, lead over the next person; NaN where there is no person, or none was compared."""
    reasons: pl.Series
    """(n,) strings, null where there is no person."""

    def without(self, rows: np.ndarray) -> "FaceAssignments":
        """The same, but these faces have no person."""
        persons = self.persons.copy()
        persons[rows] = -1
        reasons = pl.select(pl.when(pl.lit(persons >= 0)).then(self.reasons)).to_series()
        return FaceAssignments(persons, self.scores, self.margins, reasons)

    def updated(self, rows: np.ndarray, new: "FaceAssignments") -> "FaceAssignments":
        """The same, but the faces of these rows, (r,), have the r assignments of `new`."""
        persons, scores, margins = self.persons.copy(), self.scores.copy(), self.margins.copy()
        persons[rows], scores[rows], margins[rows] = new.persons, new.scores, new.margins
        later = pl.DataFrame({"row": rows, "new": new.reasons}, schema={"row": pl.Int64, "new": pl.String})
        earlier = pl.DataFrame({"old": self.reasons}).with_row_index("row").cast({"row": pl.Int64})
        both = earlier.join(later, on="row", how="left", maintain_order="left")
        reasons = both.select(pl.coalesce("new", "old").alias("reason")).to_series()
        return FaceAssignments(persons, scores, margins, reasons)


def match_known_people(
    photos: np.ndarray, candidates: CandidateList, margins: MarginRule, settings: AssignmentSettings
) -> Matches:
    """The faces that match known people, each person at most once in a photo.

    A face whose best person fits another face of its photo better may take its next one.

    Args:
        photos: (n,) int64, the photo of each row.
        candidates: Of the faces to be matched.
        margins: The leads that are needed.
        settings: The threshold.
    """
    persons, faces = candidates.persons, candidates.faces
    if not persons.size:
        nobody = np.zeros(0)
        return Matches(np.zeros(0, np.int64), np.zeros(0, np.int64), nobody, nobody, np.zeros(0, np.int64))
    allowed = np.where(candidates.scores >= settings.person_threshold, candidates.rank, -np.inf)
    choice = np.where(allowed[:, 0] > -np.inf, 0, -1)
    for rows in _contested_photos(photos[faces], persons[:, 0], choice >= 0):
        choice[rows] = _assign_one_to_one(persons[rows], allowed[rows])
    taken = np.flatnonzero(choice >= 0)
    column = choice[taken]
    columns = np.arange(candidates.rank.shape[1])
    own = candidates.rank[taken, column]
    rival = np.where(columns == column[:, None], -np.inf, candidates.rank[taken])
    rival[columns < column[:, None]] = -np.inf  # those fit another face of the photo better
    next_best = rival.argmax(axis=1)
    next_rank = rival[np.arange(len(taken)), next_best]
    lead = own - np.maximum(next_rank, 0.0)
    person = persons[taken, column]
    other = np.where(np.isfinite(next_rank), persons[taken, next_best], -1)
    sure = lead >= margins.between(person, other)
    taken, column = taken[sure], column[sure]
    return Matches(
        faces=faces[taken],
        persons=person[sure],
        scores=candidates.scores[taken, column],
        margins=lead[sure],
        support=candidates.support[taken, column],
    )


def similarity_reasons(matches: Matches) -> pl.Series:
    """Why each face matches its person, (r,) strings."""
    rows = pl.DataFrame({"score": matches.scores, "support": matches.support, "margin": matches.margins})
    rows = rows.cast({"support": pl.Int64})
    plural = pl.when(pl.col("support") == 1).then(pl.lit("")).otherwise(pl.lit("s"))
    reason = pl.format("{} to {} prototype{}, margin {}", _rounded("score"), "support", plural, _rounded("margin"))
    return rows.select(reason).to_series()


def propagation_reasons(sizes: np.ndarray, scores: np.ndarray, margins: np.ndarray) -> pl.Series:
    """Why each face's group continues its person, (r,) strings, from size, score and margin of the group, (r,) each."""
    rows = pl.DataFrame({"size": sizes, "score": scores, "margin": margins})
    group = pl.when(pl.col("size") == 1).then(pl.lit("alone")).otherwise(pl.format("with {} more", pl.col("size") - 1))
    reason = pl.format(
        "{} more similar to the person's faces of near years than strangers are, {}, margin {}",
        _rounded("score"),
        group,
        _rounded("margin"),
    )
    return rows.select(reason).to_series()


def two_nearest_reasons(scores: np.ndarray) -> pl.Series:
    """Why each face joined the person of its two most similar faces, (r,) strings."""
    rows = pl.DataFrame({"score": scores})
    reason = pl.format("{} to the person's mean, and its two most similar faces are the person's", _rounded("score"))
    return rows.select(reason).to_series()


def _contested_photos(photos: np.ndarray, persons: np.ndarray, has_choice: np.ndarray) -> Iterator[np.ndarray]:
    """The faces of each photo in which two have the same best person: few photos, so a loop over them is cheap."""
    order = np.argsort(photos, kind="stable")
    sorted_photos = photos[order]
    rows = np.flatnonzero(has_choice)
    _, of, counts = np.unique(
        np.column_stack([photos[rows], persons[rows]]), axis=0, return_inverse=True, return_counts=True
    )
    for photo in np.unique(photos[rows[counts[of.ravel()] > 1]]):
        yield order[slice(*np.searchsorted(sorted_photos, [photo, photo + 1]))]


def _assign_one_to_one(persons: np.ndarray, rank: np.ndarray) -> np.ndarray:
    """Which of its candidates each face of a photo gets, -1 for none: the greatest sum of ranks, each person once."""
    from scipy.optimize import linear_sum_assignment

    people = np.unique(persons[persons >= 0])
    table = np.zeros((len(persons), len(people)))
    face, column = np.nonzero((persons >= 0) & (rank > 0))
    table[face, np.searchsorted(people, persons[face, column])] = rank[face, column]
    chosen = np.full(len(persons), -1)
    for row, place in zip(*linear_sum_assignment(table, maximize=True), strict=True):
        if table[row, place] > 0:
            chosen[row] = int(np.flatnonzero(persons[row] == people[place])[0])
    return chosen


def _rounded(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.Float64).round(3).cast(pl.String)
