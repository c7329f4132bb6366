"""The asset `evaluation`: how well the people of this archive are found, as far as its labels tell."""

from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
from pydantic import Field

from classface_assets.defs.automation import WHEN_ALL_YEARS_ARE_READY
from classface_assets.defs.identity.cluster_assignments import AssignmentConfig
from classface_assets.defs.identity.identities import identities
from classface_assets.defs.memoized import archive_state, cached_result, input_fingerprint, record_result
from classface_assets.defs.metadata import OWNERS, PUBLISH_POOL, image_markdown, markdown_table, materialize_result
from classface_assets.identity.evaluation.holdout import TooFewLabelsError
from classface_assets.identity.evaluation.report import report_rows
from classface_assets.orchestration.failures import report_user_errors
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.services.evaluation import EvaluationResult, NoFacesError, evaluate_archive
from classface_assets.store.artifacts.memoization import file_signature
from classface_assets.store.artifacts.thresholds import calibration_file


class EvaluationConfig(AssignmentConfig):
    """The settings of the assignment that is measured, and what it is measured with."""

    truth: str = Field(
        default="",
        description="CSV file that says who is where (school_year, path, person, age, x, y, w, h): the published "
        "identities are measured with it. Empty: the archive's own labels are, some of which are hidden for that.",
    )


@dg.asset(
    deps=[identities],
    group_name="identity",
    kinds={"matplotlib"},
    owners=OWNERS,
    pool=PUBLISH_POOL,
    automation_condition=WHEN_ALL_YEARS_ARE_READY,
)
@report_user_errors
def evaluation(config: EvaluationConfig, archive: Archive, models: Models) -> dg.MaterializeResult:
    """How well this archive's people are grouped and named, measured by labels that are hidden for it, or by a truth.

    BCubed and pairwise scores, the naming of known people, by years between and by school year, and the curve of the
    threshold as a picture. Without enough labels it says how many it takes.
    """
    layout = archive.layout
    made_of = (
        archive_state(archive, models),
        config.model_dump(),
        [file_signature(file) for file in (layout.table("identities"), calibration_file(layout))],
    )
    truth = Path(config.truth) if config.truth else None
    stamp = input_fingerprint(layout, "evaluation", made_of, file_signature(truth) if truth else None)
    if same := cached_result(stamp):
        return same
    settings = config.settings(models.describe(layout), layout)
    try:
        told = _evaluation_metadata(evaluate_archive(archive, models, settings, truth))
    except (TooFewLabelsError, NoFacesError) as error:
        told = materialize_result(0, status="no labels yet", reason=str(error))
    return record_result(stamp, told, [])


def _evaluation_metadata(measured: EvaluationResult) -> dg.MaterializeResult:
    found, named = measured.found, measured.found.naming
    naming: dict[str, Any] = {"naming_accuracy": named.accuracy, "naming_precision": named.precision} if named else {}
    return materialize_result(
        found.faces,
        status="measured",
        measured_with=measured.source,
        precision=found.bcubed.precision,
        recall=found.bcubed.recall,
        f=found.bcubed.f,
        **naming,
        summary=markdown_table(pl.DataFrame(report_rows(found), schema=["what", "measured"], orient="row"), most=20),
        by_years_between=markdown_table(found.by_gap),
        by_school_year=markdown_table(found.by_year, most=60),
        threshold_curve=image_markdown(measured.picture, "precision and recall by threshold"),
    )
