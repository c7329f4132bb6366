"""The tables `publications` and `accuracy`: each publication and evaluation in a few numbers, for checks."""

from datetime import UTC, datetime

import polars as pl

from classface_assets.core.layout import ArchiveLayout
from classface_assets.identity.evaluation.drift import ACCURACY, PUBLICATIONS, summarize_publication
from classface_assets.services.identity.evaluation import EvaluationResult
from classface_assets.store.artifacts.history import append_to_history
from classface_assets.store.artifacts.memoization import content_digest
from classface_assets.store.catalog.faces import FaceCatalog


def record_publication(layout: ArchiveLayout, catalog: FaceCatalog, rows: pl.DataFrame, model: str) -> None:
    """Record what is published; the same assignments once, also where a run was killed in between.

    Args:
        layout: The archive.
        catalog: The faces.
        rows: ASSIGNMENTS.
        model: The key of the model pack.
    """
    summary = summarize_publication(catalog.faces, catalog.vectors, rows)
    values = {
        "published_at": _now(),
        "assignments": content_digest(rows.select("face_id", "cluster_id").sort("face_id")),
        "faces": summary.faces,
        "named_faces": summary.named_faces,
        "named_share": summary.named_share,
        "quality": summary.quality,
        "strangers_similarity": summary.strangers_similarity,
        "model": model,
    }
    append_to_history(layout.table("publications"), PUBLICATIONS, values, "published_at")


def record_accuracy(layout: ArchiveLayout, evaluated: EvaluationResult, measured_with: str, model: str) -> None:
    """Record how accurate the archive is.

    Args:
        layout: The archive.
        evaluated: What was measured.
        measured_with: `labels` or `truth`.
        model: The key of the model pack.
    """
    found, named = evaluated.report, evaluated.report.naming
    values = {
        "measured_at": _now(),
        "measured_with": measured_with,
        "faces": found.faces,
        "precision": found.bcubed.precision,
        "recall": found.bcubed.recall,
        "f": found.bcubed.f,
        "naming_accuracy": named.accuracy if named else None,
        "naming_precision": named.precision if named else None,
        "model": model,
    }
    append_to_history(layout.table("accuracy"), ACCURACY, values, "measured_at")


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
