"""Evaluation with the own labels of an archive: some are held out, and scored after assigning faces by the rest.

Every fifth person is held out altogether, and so is to be found as an unknown cluster; of the others half of the
labelled years, or half of the faces of those of one year, are held out and are to be named.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping

import numpy as np
import polars as pl

from classface_assets.core.errors import UserError
from classface_assets.identity.evaluation.ground_truth import ground_truth_table
from classface_assets.identity.evaluation.report import EvaluationReport, evaluation_report

MIN_PEOPLE = 10
"""People with two labelled faces or more that an evaluation takes."""
Assign = Callable[[Mapping[str, str]], pl.DataFrame]
"""From confirmed faces (face id to person id) to face_id, cluster_id, person_id."""


class TooFewLabelsError(UserError):
    """There are too few labels to evaluate with; the message gives the number that is needed."""


def evaluate_holdout(
    confirmed: Mapping[str, str],
    faces: pl.DataFrame,
    assign: Assign,
    seed: int = 0,
    known: Mapping[str, str] | None = None,
) -> EvaluationReport:
    """Hold out some of the labels, assign with the rest, and score the held-out faces.

    Args:
        confirmed: face_id -> person_id of the labels.
        faces: face_id, school_year, year of all faces.
        assign: Assigns all faces by the labels that remain.
        seed: Another one holds out other labels.
        known: face_id -> person_id of further labels, of other people, none of which is held out.

    Raises:
        TooFewLabelsError: There are too few labels.
    """
    hidden = holdout_split(confirmed, dict(faces.select("face_id", "year").iter_rows()), seed)
    remaining = {face: person for face, person in confirmed.items() if face not in hidden}
    measured_people = set(remaining.values())
    rows = pl.DataFrame({"face_id": sorted(hidden)}).join(faces.select("face_id", "school_year", "year"), on="face_id")
    rows = rows.join(
        assign({**(known or {}), **remaining}).select("face_id", "cluster_id", "person_id"), on="face_id", how="left"
    )
    people = pl.col("face_id").replace_strict(dict(confirmed), return_dtype=pl.String)
    return evaluation_report(
        ground_truth_table(
            rows.sort("face_id").with_columns(
                person=people, ageing=False, named=pl.col("person_id"), queried=people.is_in(list(measured_people))
            )
        )
    )


def holdout_split(confirmed: Mapping[str, str], years: Mapping[str, int | None], seed: int = 0) -> set[str]:
    """The face ids whose labels are held out.

    Args:
        confirmed: face_id -> person_id of the labels.
        years: face_id -> calendar year, None where unknown.
        seed: Another one holds out other labels.

    Raises:
        TooFewLabelsError: There are too few labels.
    """
    by_person: dict[str, dict[int | None, list[str]]] = defaultdict(lambda: defaultdict(list))
    for face, person in sorted(confirmed.items()):
        by_person[person][years.get(face)].append(face)
    enough = [p for p, of_year in sorted(by_person.items()) if sum(map(len, of_year.values())) >= 2]
    if len(enough) < MIN_PEOPLE:
        raise TooFewLabelsError(
            f"There are too few labels to measure with: {len(enough)} people have two labelled faces or more, and it "
            f"takes {MIN_PEOPLE}; label {MIN_PEOPLE - len(enough)} more, best in several school years."
        )
    rng = np.random.default_rng(seed)
    order = [enough[i] for i in rng.permutation(len(enough))]
    hidden: set[str] = set()
    for place, person in enumerate(order):
        groups = [sorted(by_person[person][year]) for year in sorted(by_person[person], key=str)]
        if len(groups) == 1 and place % 5:
            groups = [[face] for face in groups[0]]
        chosen = rng.permutation(len(groups))[: len(groups) if place % 5 == 0 else len(groups) // 2]
        hidden.update(face for i in chosen for face in groups[i])
    return hidden
