"""An archive measured by itself: what the program found against a file of the truth, or against hidden labels.

The asset `evaluation` and the commands `evaluate` and `calibrate` use this; the measures themselves are in `identity`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from classface_assets.errors import UserError
from classface_assets.identity.calibrate import Calibration, calibrate
from classface_assets.identity.curve import draw, threshold_curve, threshold_of
from classface_assets.identity.evaluate import Evaluation, Naming, evaluation
from classface_assets.identity.held_out import measure_labels
from classface_assets.identity.judged import TruthError, judged_by_truth, read_truth
from classface_assets.identity.settings import AssignmentSettings
from classface_assets.measurable import MOST_FACES, Measurable
from classface_assets.resources import Archive, Models


@dataclass(frozen=True)
class Measured:
    """The scores, what they were measured with, and the curve of the method in use with its picture (PNG)."""

    source: str
    found: Evaluation
    curve: pl.DataFrame
    picture: bytes


def measure(archive: Archive, models: Models, settings: AssignmentSettings, truth: Path | None) -> Measured:
    """What is published against a file of the truth, or the settings by the archive's own labels.

    Raises UserError, and TooFewLabelsError where there is no truth.
    """
    measurable = Measurable(archive, models)
    return _by_truth(measurable, settings, truth) if truth else _by_labels(measurable, settings)


def calibrated(archive: Archive, models: Models, settings: AssignmentSettings) -> Calibration:
    """Thresholds fitted to the labels. Raises UserError, TooFewLabelsError."""
    measurable = Measurable(archive, models)
    confirmed = measurable.said.confirmed
    today = measurable.assign(confirmed, settings)
    unlabelled = today.filter(~pl.col("face_id").is_in(list(confirmed)))
    known = unlabelled["person_id"].count()
    strangers = unlabelled.height - known

    def name(settings: AssignmentSettings, seed: int) -> Naming:
        found = measure_labels(confirmed, measurable.faces, lambda kept: measurable.assign(kept, settings), seed)
        return (found.naming or Naming(0, 1.0, 1.0)).in_archive(known, strangers)

    return calibrate(measurable.material(), measurable.people(confirmed), settings, name)


def _by_truth(measurable: Measurable, settings: AssignmentSettings, file: Path) -> Measured:
    """What is published against a file of the truth. Raises UserError when it is none, or of other photos."""
    paths = measurable.images.filter(pl.col("status") == "ok").select("asset_id", "path").unique("asset_id")
    placed = measurable.faces.join(paths, on="asset_id").join(
        measurable.published.select("face_id", "cluster_id", "person_id"), on="face_id"
    )
    found = placed.with_columns(labelled=pl.col("face_id").is_in(list(measurable.said.confirmed)))
    try:
        truth = read_truth(pl.read_csv(file, infer_schema=False), found["path"].to_list())
    except (TruthError, OSError, pl.exceptions.PolarsError) as error:
        raise UserError(f"{file} cannot be used: {str(error).splitlines()[0].rstrip('.')}.") from None
    judged = judged_by_truth(truth, found)
    people = dict(judged.drop_nulls("face_id").select("face_id", "person").iter_rows())
    return _measured(measurable, settings, f"the truth in {file.name}", evaluation(judged), people, 1.0)


def _by_labels(measurable: Measurable, settings: AssignmentSettings) -> Measured:
    """What comes out for labels when they are hidden. Raises TooFewLabelsError."""
    confirmed, faces = measurable.said.confirmed, measurable.faces
    found = measure_labels(confirmed, faces, lambda kept: measurable.assign(kept, settings))
    source = f"{len(confirmed):,} labelled faces, about half of them hidden"
    some = f", among {MOST_FACES:,} of {faces.height:,} faces" if faces.height > MOST_FACES else ""
    return _measured(measurable, settings, source + some, found, confirmed, faces.height / len(confirmed))


def _measured(
    measurable: Measurable,
    settings: AssignmentSettings,
    source: str,
    found: Evaluation,
    people: Mapping[str, str],
    strangers: float,
) -> Measured:
    curve = threshold_curve(measurable.material(), measurable.people(people), settings, strangers)
    title = f"{settings.method}, nobody named: {len(people):,} faces whose person is known"
    return Measured(source, found, curve, draw(curve, threshold_of(settings), title))
