"""Giving faces to people who are already known: the likest that leads clearly, and one face a person in each photo.

Each face is looked at by itself here; that it belongs to a group of faces, and groups to people, is seen in `follow`.

Who faces were given to, and the words that say why.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from classface_assets.identity.matching.candidates import CandidateList
from classface_assets.identity.matching.margins import MarginRule
from classface_assets.identity.settings import AssignmentSettings


@dataclass(frozen=True)
class Matches:
    """Faces given to persons: row, person, score, lead over the next person, and number of supporting prototypes."""

    faces: np.ndarray
    persons: np.ndarray
    scores: np.ndarray
    margins: np.ndarray
    support: np.ndarray


def match_known_people(
    faces: np.ndarray, photos: np.ndarray, listed: CandidateList, needed: MarginRule, settings: AssignmentSettings
) -> Matches:
    """The faces that belong to known people, each person at most once a photo.

    faces (f,) row numbers, photos of all rows; listed: the shortlist of each of the faces. A face whose best person is
    better liked by another face of its photo may take its next one.
    """
    if not listed.persons.size:
        nobody = np.zeros(0)
        return Matches(np.zeros(0, np.int64), np.zeros(0, np.int64), nobody, nobody, np.zeros(0, np.int64))
    allowed = np.where(listed.scores >= settings.person_threshold, listed.rank, -np.inf)
    choice = np.where(allowed[:, 0] > -np.inf, 0, -1)
    for rows in _contested_photos(photos[faces], listed.persons[:, 0], choice >= 0):
        choice[rows] = _assign_one_to_one(listed.persons[rows], allowed[rows])
    taken = np.flatnonzero(choice >= 0)
    column = choice[taken]
    own = listed.rank[taken, column]
    rival = np.where(np.arange(listed.rank.shape[1]) == column[:, None], -np.inf, listed.rank[taken])
    rival[np.arange(listed.rank.shape[1]) < column[:, None]] = -np.inf  # those fit another face of the photo better
    next_best = rival.argmax(axis=1)
    lead = own - np.maximum(rival[np.arange(len(taken)), next_best], 0.0)
    person = listed.persons[taken, column]
    other = np.where(np.isfinite(rival[np.arange(len(taken)), next_best]), listed.persons[taken, next_best], -1)
    sure = lead >= needed.between(person, other)
    taken, column = taken[sure], column[sure]
    return Matches(faces[taken], person[sure], listed.scores[taken, column], lead[sure], listed.support[taken, column])


def _contested_photos(photos: np.ndarray, persons: np.ndarray, wanting: np.ndarray) -> Iterator[np.ndarray]:
    """The faces of each photo in which two want the same person: few photos, so a loop over them is cheap."""
    order = np.argsort(photos, kind="stable")
    sorted_photos = photos[order]
    rows = np.flatnonzero(wanting)
    _, of, counts = np.unique(
        np.column_stack([photos[rows], persons[rows]]), axis=0, return_inverse=True, return_counts=True
    )
    for photo in np.unique(photos[rows[counts[of.ravel()] > 1]]):
        yield order[slice(*np.searchsorted(sorted_photos, [photo, photo + 1]))]


def _assign_one_to_one(persons: np.ndarray, worth: np.ndarray) -> np.ndarray:
    """Which column of its shortlist each face of a photo gets, -1 for none: the greatest sum, each person once."""
    from scipy.optimize import linear_sum_assignment

    people = np.unique(persons[persons >= 0])
    table = np.zeros((len(persons), len(people)))
    face, column = np.nonzero((persons >= 0) & (worth > 0))
    table[face, np.searchsorted(people, persons[face, column])] = worth[face, column]
    chosen = np.full(len(persons), -1)
    for row, place in zip(*linear_sum_assignment(table, maximize=True), strict=True):
        if table[row, place] > 0:
            chosen[row] = int(np.flatnonzero(persons[row] == people[place])[0])
    return chosen


@dataclass(frozen=True)
class FaceAssignments:
    """Who each of n faces was given to.

    Attributes:
        persons: The person's number (n,), -1 where there is none.
        scores: Similarity to the person (n,), float32.
        margins: Lead over the next best person (n,), float32; nan where none was measured.
        reasons: The reason in words (n,), null where there is no person.
    """

    persons: np.ndarray
    scores: np.ndarray
    margins: np.ndarray
    reasons: pl.Series

    def without(self, rows: np.ndarray) -> "FaceAssignments":
        """The same with these faces nobody's."""
        persons = self.persons.copy()
        persons[rows] = -1
        reasons = pl.select(pl.when(pl.lit(persons >= 0)).then(self.reasons)).to_series()
        return replace(self, persons=persons, reasons=reasons)

    def told(
        self, rows: np.ndarray, persons: np.ndarray, scores: np.ndarray, margins: np.ndarray, reasons: pl.Series
    ) -> "FaceAssignments":
        """The same with these faces named too."""
        all_persons, all_scores, all_margins = self.persons.copy(), self.scores.copy(), self.margins.copy()
        all_persons[rows], all_scores[rows], all_margins[rows] = persons, scores, margins
        new = pl.DataFrame({"row": rows, "new": reasons}, schema={"row": pl.Int64, "new": pl.String})
        old = pl.DataFrame({"old": self.reasons}).with_row_index("row").cast({"row": pl.Int64})
        both = old.join(new, on="row", how="left", maintain_order="left")
        all_reasons = both.select(pl.coalesce("new", "old").alias("reason")).to_series()
        return FaceAssignments(all_persons, all_scores, all_margins, all_reasons)


def similarity_reasons(scores: np.ndarray, support: np.ndarray, lead: np.ndarray) -> pl.Series:
    told = pl.DataFrame({"score": scores, "support": support, "margin": lead}).cast({"support": pl.Int64})
    ending = pl.when(pl.col("support") == 1).then(pl.lit("")).otherwise(pl.lit("s"))
    return told.select(
        pl.format("{} to {} prototype{}, margin {}", _rounded("score"), "support", ending, _rounded("margin"))
    ).to_series()


def propagation_reasons(sizes: np.ndarray, likeness: np.ndarray, lead: np.ndarray) -> pl.Series:
    told = pl.DataFrame({"size": sizes, "likeness": likeness, "margin": lead})
    of = pl.when(pl.col("size") == 1).then(pl.lit("alone")).otherwise(pl.format("with {} more", pl.col("size") - 1))
    words = pl.format(
        "{} liker to the person's faces of near years than strangers are, {}, margin {}",
        _rounded("likeness"),
        of,
        _rounded("margin"),
    )
    return told.select(words).to_series()


def two_nearest_reasons(likeness: pl.Series) -> pl.Series:
    told = likeness.alias("likeness").to_frame()
    words = pl.format("{} to the person's mean, and two of the person's faces are its likest", _rounded("likeness"))
    return told.select(words).to_series()


def _rounded(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.Float64).round(3).cast(pl.String)
