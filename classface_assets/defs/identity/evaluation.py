"""The asset `evaluation`: how well the people of this archive are recognised, measured with its labels or a truth."""

from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
from pydantic import Field

from classface_assets.core.schemas import ASSIGNMENTS
from classface_assets.defs.asset_factory import PUBLISH_POOL, archive_asset
from classface_assets.defs.automation import when_all_years_are_ready
from classface_assets.defs.identity.config import AssignmentConfig
from classface_assets.defs.identity.identities import identities
from classface_assets.defs.identity.publications import record_accuracy
from classface_assets.defs.memoized import Output, archive_state, compute_unless_cached, input_fingerprint
from classface_assets.defs.metadata import image_markdown, markdown_table, materialize_result
from classface_assets.identity.evaluation.holdout import TooFewLabelsError
from classface_assets.identity.evaluation.label_sample import LEAST_MEASURED_FACES, MAX_MEASURED_FACES
from classface_assets.identity.evaluation.progress import draw_progress
from classface_assets.identity.evaluation.report import report_rows
from classface_assets.identity.settings import AssignmentSettings, SettingGroup
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.services.identity.evaluation import (
    EvaluationResult,
    evaluate_archive,
    measure_progress,
)
from classface_assets.services.identity.evaluation_context import NoFacesError
from classface_assets.store.artifacts.evaluated_assignments import (
    EvaluatedAssignments,
    read_evaluated,
    write_evaluated,
)
from classface_assets.store.artifacts.memoization import content_digest, file_signature
from classface_assets.store.artifacts.thresholds import calibration_file
from classface_assets.store.files.parquet import read_parquet_or_empty, write_parquet


class EvaluationConfig(AssignmentConfig):
    """The settings of the assignment that is evaluated, and its ground truth."""

    truth: str = Field(
        default="",
        description=SettingGroup.WHOLE_RUN.describe(
            "CSV file with the true person of each face (school_year, path, person, age, x, y, w, h), by which the "
            "published identities are evaluated. Empty: by the archive's own labels, some of which are held out."
        ),
    )
    most_labelled_faces: int = Field(
        default=MAX_MEASURED_FACES,
        ge=LEAST_MEASURED_FACES,
        description=SettingGroup.WHOLE_RUN.describe(
            "Of more labelled faces than this those of a sample of people are held out and looked up, the same in each "
            "run, so that measuring a large archive does not take hours. The metadata say how many were measured."
        ),
    )


@archive_asset(
    deps=[identities],
    group_name="identity",
    kinds={"matplotlib", "parquet"},
    pool=PUBLISH_POOL,
    automate=when_all_years_are_ready,
    code_version="1",
)
def evaluation(config: EvaluationConfig, archive: Archive, models: Models) -> dg.MaterializeResult:
    """How well this archive's faces are clustered and named, measured with held-out labels or a ground truth.

    BCubed and pairwise scores, the naming of known people, by years between and by school year, the accuracy of naming
    as the labels grew, and precision and recall by threshold, both as plots. With too few labels it reports the number
    that is needed. By the labels it is measured again when there are new decisions or other settings, or when more than
    one in a hundred faces is new, gone or in another cluster.
    """
    layout = archive.layout
    truth = Path(config.truth) if config.truth else None
    if truth is not None:
        inputs = archive_state(archive, models), config.model_dump(), file_signature(layout.table("identities"))
        return compute_unless_cached(
            input_fingerprint(
                layout, "evaluation", inputs, file_signature(calibration_file(layout)), file_signature(truth)
            ),
            lambda: _evaluate(config, archive, models, truth),
        )
    evaluated = _assignments_to_evaluate(config, archive, models)

    def evaluate() -> Output:
        output = _evaluate(config, archive, models, None)
        write_evaluated(layout, evaluated)
        return output

    return compute_unless_cached(input_fingerprint(layout, "evaluation", evaluated.digest), evaluate)


def _assignments_to_evaluate(config: EvaluationConfig, archive: Archive, models: Models) -> EvaluatedAssignments:
    """Those that were evaluated last, if what is published now is nearly the same; else what is published."""
    layout, pack = archive.layout, models.describe(archive.layout)
    ledger, calibration = archive.open_ledger().last(), file_signature(calibration_file(layout))
    made_of = content_digest(ledger, calibration, pack.detector_version, pack.key, config.model_dump())
    published = read_parquet_or_empty(layout.table("identities"), ASSIGNMENTS)
    now, last = EvaluatedAssignments.of(published, made_of), read_evaluated(layout)
    return last if last is not None and now.is_nearly(last) else now


def _evaluate(config: EvaluationConfig, archive: Archive, models: Models, truth: Path | None) -> Output:
    settings = config.settings(models.describe(archive.layout), archive.layout)
    try:
        evaluated = evaluate_archive(archive, models, settings, truth, config.most_labelled_faces)
    except (TooFewLabelsError, NoFacesError) as error:
        return Output(materialize_result(0, status="no labels yet", reason=str(error)))
    progress = _progress_metadata(archive, models, settings, config.most_labelled_faces)
    record_accuracy(
        archive.layout, evaluated, "labels" if truth is None else "truth", models.describe(archive.layout).key
    )
    written = [archive.layout.table(name) for name in ("accuracy", *(["labelling_progress"] if progress else []))]
    return Output(_evaluation_metadata(evaluated, progress), written)


def _progress_metadata(
    archive: Archive, models: Models, settings: AssignmentSettings, most_labelled: int
) -> dict[str, Any]:
    """How naming got better as people were labelled, stored for the review page too; nothing with too few labels."""
    try:
        progress = measure_progress(archive, models, settings, most_labelled)
    except TooFewLabelsError:
        return {}
    write_parquet(progress.rows, archive.layout.table("labelling_progress"))
    return {
        "progress_measured_with": progress.source,
        "labelling_progress": markdown_table(progress.rows),
        "progress_curve": image_markdown(draw_progress(progress.rows), "accuracy of naming by people labelled"),
    }


def _evaluation_metadata(evaluated: EvaluationResult, progress: dict[str, Any]) -> dg.MaterializeResult:
    found, named = evaluated.report, evaluated.report.naming
    naming: dict[str, Any] = {"naming_accuracy": named.accuracy, "naming_precision": named.precision} if named else {}
    return materialize_result(
        found.faces,
        status="measured",
        measured_with=evaluated.source,
        precision=found.bcubed.precision,
        recall=found.bcubed.recall,
        f=found.bcubed.f,
        **naming,
        summary=markdown_table(pl.DataFrame(report_rows(found), schema=["what", "measured"], orient="row"), most=20),
        by_years_between=markdown_table(found.by_gap),
        by_school_year=markdown_table(found.by_year, most=60),
        **progress,
        threshold_curve=image_markdown(evaluated.curve_png, "precision and recall by threshold"),
    )
