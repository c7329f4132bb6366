"""Who faces were given to, and the words that say why."""

from dataclasses import dataclass

import numpy as np
import polars as pl


@dataclass(frozen=True)
class Named:
    """For each of n faces its person's number or -1, the score, and the reason (null where there is no person)."""

    persons: np.ndarray
    scores: np.ndarray
    reasons: pl.Series

    def without(self, rows: np.ndarray) -> "Named":
        """The same with these faces nobody's."""
        persons = self.persons.copy()
        persons[rows] = -1
        return Named(persons, self.scores, pl.select(pl.when(pl.lit(persons >= 0)).then(self.reasons)).to_series())

    def told(self, rows: np.ndarray, persons: np.ndarray, scores: np.ndarray, reasons: pl.Series) -> "Named":
        """The same with these faces named too."""
        all_persons, all_scores = self.persons.copy(), self.scores.copy()
        all_persons[rows], all_scores[rows] = persons, scores
        new = pl.DataFrame({"row": rows, "new": reasons}, schema={"row": pl.Int64, "new": pl.String})
        old = pl.DataFrame({"old": self.reasons}).with_row_index("row").cast({"row": pl.Int64})
        both = old.join(new, on="row", how="left", maintain_order="left")
        return Named(all_persons, all_scores, both.select(pl.coalesce("new", "old").alias("reason")).to_series())


def by_likeness(scores: np.ndarray, support: np.ndarray, lead: np.ndarray) -> pl.Series:
    told = pl.DataFrame({"score": scores, "support": support, "margin": lead}).cast({"support": pl.Int64})
    ending = pl.when(pl.col("support") == 1).then(pl.lit("")).otherwise(pl.lit("s"))
    return told.select(
        pl.format("{} to {} prototype{}, margin {}", _short("score"), "support", ending, _short("margin"))
    ).to_series()


def by_group(sizes: np.ndarray, likeness: np.ndarray, lead: np.ndarray) -> pl.Series:
    told = pl.DataFrame({"size": sizes, "likeness": likeness, "margin": lead})
    of = pl.when(pl.col("size") == 1).then(pl.lit("alone")).otherwise(pl.format("with {} more", pl.col("size") - 1))
    words = pl.format(
        "{} liker to the person's faces of near years than strangers are, {}, margin {}",
        _short("likeness"),
        of,
        _short("margin"),
    )
    return told.select(words).to_series()


def by_two(likeness: pl.Series) -> pl.Series:
    told = likeness.alias("likeness").to_frame()
    words = pl.format("{} to the person's mean, and two of the person's faces are its likest", _short("likeness"))
    return told.select(words).to_series()


def _short(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.Float64).round(3).cast(pl.String)
