"""The asset `projection_head`: a small network on top of the embeddings, trained with the labels."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Literal

import dagster as dg
import numpy as np
import polars as pl
from pydantic import Field

from classface_assets.core.languages import current_language
from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.schemas import CLUSTER_PREFIX
from classface_assets.defs.asset_factory import INFERENCE_POOL, archive_asset
from classface_assets.defs.automation import when_all_years_are_ready
from classface_assets.defs.identity.cluster_assignments import cluster_assignments
from classface_assets.defs.ingest.embeddings import embeddings
from classface_assets.defs.memoized import Output, compute_unless_cached, input_fingerprint, state_of_clustering
from classface_assets.defs.metadata import image_markdown, markdown_table, materialize_result
from classface_assets.identity.constraints.rules import photo_numbers
from classface_assets.identity.inputs_from_frames import start_years
from classface_assets.identity.projection.curve import EPOCH_COLUMNS, draw_training, epoch_table
from classface_assets.identity.projection.network import Architecture
from classface_assets.identity.projection.settings import TrainingSettings
from classface_assets.identity.projection.training import TrainingResult, train_head
from classface_assets.identity.projection.training_faces import (
    TrainingFaces,
    UnlabelledClusters,
    most_similar_in_photo,
    training_faces,
)
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.store.artifacts.assignment_tables import TableInputs
from classface_assets.store.artifacts.checkpoints import (
    EpochCheckpoints,
    checkpoint_files,
    load_report,
    save_checkpoint,
)
from classface_assets.store.catalog.faces import FaceCatalog
from classface_assets.store.decisions.reconciliation import constraints_for
from classface_assets.store.files.parquet import read_parquet

CLUSTER_CHANGE = 0.2
"""While the labels are the same and the number of clustered faces changes by less than this share, the head stays: one
more photo moves nothing."""


class HeadConfig(dg.Config):
    """How the head is trained, and how many labels that takes."""

    architecture: Literal["residual", "mlp"] = Field(
        default="residual",
        description="`residual`: a closed-form projection, learned from labels and clusters, and a small correction of "
        "it. `mlp`: a multilayer perceptron of 256 hidden and 128 output units.",
    )
    epochs: int = Field(default=20, ge=1, description="Passes over the labelled faces, at most.")
    margin: float = Field(default=0.2, gt=0, description="Margin of the triplet loss.")
    batch_size: int = Field(default=32, ge=4, description="Faces a training step.")
    learning_rate: float = Field(default=1e-4, gt=0, description="Adam's step size.")
    min_people: int = Field(
        default=5, ge=2, description="Fewer people with enough labelled faces, or fewer than 5: no training."
    )
    min_faces_per_person: int = Field(default=2, ge=2, description="Labelled faces a person needs to take part.")
    quality_threshold: float = Field(default=0.0, ge=0, le=1, description="Faces of less quality do not train.")
    shrinkage: float = Field(
        default=2.0, gt=0, description="How little the directions in which one person's faces differ are changed."
    )
    promotion_margin: float = Field(
        default=0.05,
        ge=0,
        description="Least share of the separation that people it never saw lack without a head which it has to gain.",
    )
    resume: bool = Field(
        default=False,
        description="Train the last head on when the labels have changed, rather than a new one. A training that was "
        "interrupted is always gone on with.",
    )
    seed: int = Field(default=0, description="The same seed and labels give the same head.")

    def settings(self) -> TrainingSettings:
        """As the training takes them."""
        return TrainingSettings(**{**self.model_dump(), "architecture": Architecture(self.architecture)})


@archive_asset(
    deps=[embeddings, cluster_assignments],
    group_name="identity",
    kinds={"torch"},
    publishes=True,
    pool=INFERENCE_POOL,
    automate=when_all_years_are_ready,
    code_version="1",
)
def projection_head(config: HeadConfig, archive: Archive, models: Models) -> dg.MaterializeResult:
    """A projection that separates this school's people better, trained with the labelled faces and a triplet loss.

    Each person is held out once. The head is promoted, and so used by `identities`, only if it separates the people it
    never saw better than the pack's vectors and the archive's clusters do, by a paired test, and names other faces no
    worse. With fewer than five people of two labelled faces it is skipped, with a note.
    """
    state = state_of_clustering(archive, models)
    return compute_unless_cached(
        input_fingerprint(archive.layout, "projection_head", state.state, config.model_dump()),
        lambda: _train(config.settings(), archive, models, state),
    )


def _train(settings: TrainingSettings, archive: Archive, models: Models, state: TableInputs) -> Output:
    layout, catalog = archive.layout, archive.sound_catalog(models)
    pack = models.describe(layout).key
    faces = labelled_faces(catalog, archive, state, settings)
    assignments = read_parquet(layout.table("cluster_assignments"))
    clusters = unlabelled_clusters(catalog.faces, catalog.vectors, assignments)
    made_of = settings.key(faces.digest, pack)
    report = load_report(layout.head)
    if not _is_up_to_date(report, made_of, len(clusters)):
        checkpoints = EpochCheckpoints.beside(layout.head)
        trained = train_head(faces, settings, clusters, checkpoints)
        report = training_report(trained) | {"pack": pack, "made_of": made_of, "clustered_faces": len(clusters)}
        save_checkpoint(layout.head, trained.checkpoint, report)
        checkpoints.prune()
    return Output(
        materialize_result(int(report["training_faces"]), **training_metadata(layout, report)),
        checkpoint_files(layout.head),
    )


def labelled_faces(
    catalog: FaceCatalog, archive: Archive, state: TableInputs, settings: TrainingSettings
) -> TrainingFaces:
    """The labelled faces of sufficient quality, of people who have enough of them."""
    faces = catalog.faces
    if faces.is_empty():
        return training_faces(np.empty((0, 0), np.float32), [])
    constraints = constraints_for(archive.open_ledger().decisions(state.until), faces)
    labels, ids = constraints.confirmed, faces["face_id"].to_list()
    quality = faces["quality_score"].fill_null(0.0).to_numpy()
    rows = np.array(
        [i for i, face in enumerate(ids) if face in labels and quality[i] >= settings.quality_threshold], np.int64
    )
    photos = photo_numbers(faces["asset_id"], constraints.collages)
    return training_faces(
        catalog.vectors[rows],
        [labels[ids[i]] for i in rows],
        years=start_years(faces)[rows],
        rivals=most_similar_in_photo(catalog.vectors, photos, rows),
        least=settings.min_faces_per_person,
    )


def unlabelled_clusters(faces: pl.DataFrame, vectors: np.ndarray, assignments: pl.DataFrame) -> UnlabelledClusters:
    """The faces that are in clusters of unknown people.

    Args:
        faces: face_id, year.
        vectors: (n, d) float32 of unit length, row by row with `faces`.
        assignments: ASSIGNMENTS.
    """
    if faces.is_empty() or assignments.is_empty():
        return UnlabelledClusters()
    found = faces.select("face_id", "year").with_row_index("row")
    found = found.join(assignments.select("face_id", "cluster_id"), on="face_id", maintain_order="left")
    found = found.filter(pl.col("cluster_id").str.starts_with(CLUSTER_PREFIX))
    return UnlabelledClusters(
        vectors[found["row"].to_numpy()],
        found["cluster_id"].rank("dense").cast(pl.Int64).to_numpy() - 1,
        start_years(found),
    )


def training_report(trained: TrainingResult) -> dict[str, Any]:
    """The outcome as JSON holds it, without the checkpoint and with one row an epoch."""
    report = {k: v for k, v in asdict(trained).items() if k not in ("checkpoint", "epochs") and v is not None}
    return report | {"architecture": str(trained.architecture), "epochs": epoch_table(trained.epochs).to_dicts()}


def training_metadata(layout: ArchiveLayout, report: Mapping[str, Any]) -> dict[str, Any]:
    """A report as Dagster shows it, with the epochs as a table and as a plot."""
    tables = {"held_out_metrics": _metrics_table(report), "paired_tests": _tests_table(report)}
    measured = {k: v for k, v in tables.items() if v is not None}
    shown = {k: v for k, v in report.items() if k not in ("epochs", "made_of", *_METRICS, *_TESTS)} | measured
    if not report.get("epochs"):
        return shown
    table = pl.DataFrame(report["epochs"], schema=EPOCH_COLUMNS)
    return shown | {
        "epochs": markdown_table(table, most=60),
        "training_curve": _training_curve(layout, table, curve_title(report)),
    }


def _training_curve(layout: ArchiveLayout, epochs: pl.DataFrame, title: str) -> dg.MetadataValue:
    """The course of a training as a picture, drawn once: a head stays for many runs, and drawing takes a second."""
    fingerprint = input_fingerprint(layout, "training_curve", epochs, title, current_language())
    known = fingerprint.cached_metadata()
    if known is not None:
        return dg.MetadataValue.md(known["picture"])
    drawn = image_markdown(draw_training(epochs, title), "loss and separation by epoch")
    fingerprint.record({"picture": drawn.value}, [])
    return drawn


_METRICS = {
    "raw": ("people it knows", "without a head"),
    "head": ("people it knows", "with the head"),
    "raw_on_strangers": ("people it never saw", "without a head"),
    "head_on_strangers": ("people it never saw", "with the head"),
}
"""Field of a report with metrics of verification → whose faces and which vectors they are of."""
_TESTS = {
    "test_on_strangers": "separation of people it never saw",
    "nearest_on_strangers": "rank-1 of people it never saw",
    "test_on_others": "rank-1 of people it knows",
}
"""Field of a report with a paired test → what was compared."""


def _metrics_table(report: Mapping[str, Any]) -> dg.MetadataValue | None:
    """The metrics of verification, a row for each kind of faces and vectors; None where nothing was trained."""
    rows = [
        {
            "faces of": faces,
            "vectors": vectors,
            "rank-1": one["rank1"],
            "AUC": one["auc"],
            "true at 1 in 1,000": one["tpr"],
        }
        for field, (faces, vectors) in _METRICS.items()
        if (one := report.get(field))
    ]
    return markdown_table(pl.DataFrame(rows)) if rows else None


def _tests_table(report: Mapping[str, Any]) -> dg.MetadataValue | None:
    """The paired tests that decide whether the head is used; None where nothing was trained."""
    rows = [
        {"compared": what, "people": one["people"], "without": one["raw"], "with": one["head"], "p": one["p_value"]}
        for field, what in _TESTS.items()
        if (one := report.get(field))
    ]
    return markdown_table(pl.DataFrame(rows)) if rows else None


def curve_title(report: Mapping[str, Any]) -> str:
    """Of the plot of a training."""
    use = "in use" if report["promoted"] else "not used"
    return f"{report['architecture']} head, {report['people']:,} people, {use}"


def _is_up_to_date(report: Mapping[str, Any], made_of: str, clustered: int) -> bool:
    """Whether the last head was trained on these labels in this way, and in nearly the same archive."""
    before = report.get("clustered_faces", 0)
    return report.get("made_of") == made_of and abs(clustered - before) <= CLUSTER_CHANGE * max(clustered, before)
