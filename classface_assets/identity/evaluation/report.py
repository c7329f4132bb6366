"""The evaluation report: all metrics of a table of faces whose person is known (`ground_truth`)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from classface_assets.identity.evaluation.ground_truth import match_to_ground_truth
from classface_assets.identity.evaluation.metrics import (
    PrecisionRecall,
    bcubed,
    pairwise,
    person_recall,
    purity,
    scores_by_school_year,
    scores_by_year_gap,
)


@dataclass(frozen=True)
class IdentificationMetrics:
    """How well known people were named."""

    queried: int
    """Number of faces without a label whose person has labelled faces."""
    accuracy: float
    """Share of the queried faces that got the right name."""
    precision: float
    """Share of all names given, also to people without labels, that are right; 1 where none was given."""
    named: int = 0
    """How many of the queried faces got a name."""
    strangers: int = 0
    """Faces of people without any labelled face."""
    strangers_named: int = 0

    def in_archive(self, known: int, strangers: int) -> "IdentificationMetrics":
        """The same, but with the precision in an archive with these numbers of known people's faces and strangers'."""
        each = known / max(1, self.queried)
        wrongly = strangers * self.strangers_named / max(1, self.strangers)
        given = each * self.named + wrongly
        return replace(self, precision=each * self.accuracy * self.queried / given if given else 1.0)


@dataclass(frozen=True)
class EvaluationReport:
    """The metrics; those of ageing are None where no ages are known, naming where nobody has a label."""

    faces: int
    detected: int
    people: int
    bcubed: PrecisionRecall
    pairwise: PrecisionRecall
    ageing_faces: int
    ageing_bcubed: PrecisionRecall | None
    ageing_pairwise: PrecisionRecall | None
    naming: IdentificationMetrics | None
    unknown_purity: float
    """Share of the faces in unknown clusters that are of the most frequent person of their cluster."""
    person_recall: float
    """How much of a person lies in the one cluster or under the one name that has most of it, mean over people."""
    by_gap: pl.DataFrame
    by_year: pl.DataFrame


def evaluate(truth: pl.DataFrame, found: pl.DataFrame) -> EvaluationReport:
    """Score clusters against the boxes of a ground truth; both as in `match_to_ground_truth`.

    A labelled face that was missed, has no cluster or is noise counts as a cluster of its own; faces that match no
    label are ignored.
    """
    return evaluation_report(match_to_ground_truth(truth, found))


def evaluation_report(judged: pl.DataFrame) -> EvaluationReport:
    """Score faces whose person is known. judged: GROUND_TRUTH_SCHEMA."""
    everybody, aged, unknown = _columns(judged), _columns(judged.filter("ageing")), _columns(judged.filter("unknown"))
    return EvaluationReport(
        faces=judged.height,
        detected=int(judged["detected"].sum()),
        people=judged["person"].n_unique(),
        bcubed=bcubed(*everybody),
        pairwise=pairwise(*everybody),
        ageing_faces=len(aged[0]),
        ageing_bcubed=bcubed(*aged) if aged[0] else None,
        ageing_pairwise=pairwise(*aged) if aged[0] else None,
        naming=identification_metrics(judged),
        unknown_purity=purity(*unknown),
        person_recall=person_recall(*everybody),
        by_gap=scores_by_year_gap(judged),
        by_year=scores_by_school_year(judged),
    )


def report_rows(found: EvaluationReport) -> list[tuple[str, str]]:
    """The report as rows of text: name of the metric, and its value."""
    rows = [("faces found", f"{found.detected:,} of {found.faces:,}, of {found.people:,} people")]
    for name, score in (
        ("BCubed", found.bcubed),
        ("BCubed of ageing people", found.ageing_bcubed),
        ("pairs", found.pairwise),
    ):
        if score:
            rows.append((name, f"precision {score.precision:.3f}  recall {score.recall:.3f}  F {score.f:.3f}"))
    if found.naming:
        right = f"{found.naming.accuracy:.3f} of {found.naming.queried:,} faces rightly"
        rows.append(("known people named", f"{right}, {found.naming.precision:.3f} of the names given are right"))
    rows.append(("purity of unknown clusters", f"{found.unknown_purity:.3f}"))
    rows.append(("a person's faces in one place", f"{found.person_recall:.3f}"))
    return rows


def _columns(judged: pl.DataFrame) -> tuple[Sequence[str], Sequence[str]]:
    return judged["person"].to_list(), judged["cluster"].to_list()


def identification_metrics(judged: pl.DataFrame) -> IdentificationMetrics | None:
    """How well known people were named; None where nobody is known. judged: GROUND_TRUTH_SCHEMA."""
    queried, given = judged.filter("queried"), judged.filter(pl.col("named").is_not_null())
    if queried.is_empty():
        return None
    right = int((given["named"] == given["person"]).sum())
    named = given.filter("queried")
    return IdentificationMetrics(
        queried=queried.height,
        accuracy=int((named["named"] == named["person"]).sum()) / queried.height,
        precision=right / given.height if given.height else 1.0,
        named=named.height,
        strangers=judged.filter(~pl.col("person").is_in(queried["person"].unique().to_list())).height,
        strangers_named=given.height - named.height,
    )
