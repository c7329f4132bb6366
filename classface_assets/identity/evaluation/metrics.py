"""Clustering metrics: BCubed, pairwise, purity and recall, and the same by years between faces and by school year.

Every function takes one true person and one found cluster an item; a face without a cluster has one of its own.
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import polars as pl

YEAR_GAPS = (
    (0, 0, "same year"),
    (1, 1, "1 year"),
    (2, 3, "2-3 years"),
    (4, 6, "4-6 years"),
    (7, 200, "7 years and more"),
)
"""Least and greatest years between two faces, and the label of that range."""


@dataclass(frozen=True)
class PrecisionRecall:
    """Precision, recall and their harmonic mean, each 0 to 1."""

    precision: float
    recall: float
    f: float


def precision_recall(precision: float, recall: float) -> PrecisionRecall:
    """Precision and recall, each 0 to 1, with their harmonic mean.

    >>> precision_recall(0.5, 1.0).f
    0.6666666666666666
    """
    return PrecisionRecall(
        precision, recall, 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    )


def bcubed(truth: Sequence[Hashable], predicted: Sequence[Hashable]) -> PrecisionRecall:
    """BCubed of one predicted cluster an item (Bagga and Baldwin 1998; Amigó et al. 2009)."""
    if not truth:
        return PrecisionRecall(1.0, 1.0, 1.0)
    cells = Counter(zip(truth, predicted, strict=True))
    people, clusters = Counter(truth), Counter(predicted)
    precision = sum(count * count / clusters[cluster] for (_, cluster), count in cells.items()) / len(truth)
    recall = sum(count * count / people[person] for (person, _), count in cells.items()) / len(truth)
    return precision_recall(precision, recall)


def pairwise(truth: Sequence[Hashable], predicted: Sequence[Hashable]) -> PrecisionRecall:
    """Precision and recall over the pairs of items put together; 1 where there is no pair to get wrong."""

    def pairs(counts: Counter) -> int:
        return sum(count * (count - 1) // 2 for count in counts.values())

    together = pairs(Counter(zip(truth, predicted, strict=True)))
    found, true = pairs(Counter(predicted)), pairs(Counter(truth))
    return precision_recall(together / found if found else 1.0, together / true if true else 1.0)


def purity(truth: Sequence[Hashable], predicted: Sequence[Hashable]) -> float:
    """Share of the items that are of the most frequent person of their cluster; 1 without items."""
    largest: dict[Hashable, int] = {}
    for (_, cluster), count in Counter(zip(truth, predicted, strict=True)).items():
        largest[cluster] = max(count, largest.get(cluster, 0))
    return sum(largest.values()) / len(truth) if truth else 1.0


def person_recall(truth: Sequence[Hashable], predicted: Sequence[Hashable]) -> float:
    """How much of a person lies in the one cluster that has most of it, mean over the people; 1 without items."""
    people, largest = Counter(truth), Counter[Hashable]()
    for (person, _), count in Counter(zip(truth, predicted, strict=True)).items():
        largest[person] = max(count, largest[person])
    return sum(largest[person] / count for person, count in people.items()) / len(people) if people else 1.0


def scores_by_year_gap(faces: pl.DataFrame) -> pl.DataFrame:
    """Pairwise scores by the years between: columns years between, pairs, precision, recall, f.

    faces: person, cluster, year (null is left out). `pairs` counts those of one person; precision and recall are null
    where no pair was put together, or there is none to find.
    """
    known = faces.drop_nulls("year")
    true_pairs, found = _pairs(known, ["person"]), _pairs(known, ["cluster"])
    right = _pairs(known, ["person", "cluster"])
    rows = []
    for low, high, name in YEAR_GAPS:
        n, together, both = (
            int(pairs.filter(pl.col("gap").is_between(low, high))["pairs"].sum())
            for pairs in (true_pairs, found, right)
        )
        precision, recall = both / together if together else None, both / n if n else None
        f = None if precision is None or recall is None else precision_recall(precision, recall).f
        rows.append((name, n, precision, recall, f))
    schema = {"years between": pl.String, "pairs": pl.Int64, **dict.fromkeys(("precision", "recall", "f"), pl.Float64)}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _pairs(faces: pl.DataFrame, same: list[str]) -> pl.DataFrame:
    """gap, pairs: how many pairs of faces with the same values lie how many years apart."""
    counts = faces.group_by(*same, "year").agg(pl.len().cast(pl.Int64).alias("n"))
    within = counts.select(pl.lit(0, pl.Int64).alias("gap"), (pl.col("n") * (pl.col("n") - 1) // 2).alias("pairs"))
    across = counts.join(counts, on=same, suffix="_later").filter(pl.col("year") < pl.col("year_later"))
    apart = across.select(
        (pl.col("year_later") - pl.col("year")).cast(pl.Int64).alias("gap"),
        (pl.col("n") * pl.col("n_later")).alias("pairs"),
    )
    return pl.concat([within, apart])


def scores_by_school_year(faces: pl.DataFrame) -> pl.DataFrame:
    """BCubed of each school year's faces alone: school year, faces, found, precision, recall, f.

    faces: person, cluster, school_year, detected.
    """
    rows = []
    for (year,), group in faces.sort("school_year").group_by(["school_year"], maintain_order=True):
        score = bcubed(group["person"].to_list(), group["cluster"].to_list())
        found = int(group["detected"].sum()) / group.height
        rows.append((year, group.height, found, score.precision, score.recall, score.f))
    schema = {"school year": pl.String, "faces": pl.Int64}
    schema |= dict.fromkeys(("found", "precision", "recall", "f"), pl.Float64)
    return pl.DataFrame(rows, schema=schema, orient="row")
