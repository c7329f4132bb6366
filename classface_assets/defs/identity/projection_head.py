"""The asset `projection_head`: a small network on top of the embeddings, trained with the labels."""

from dataclasses import asdict

import dagster as dg
import numpy as np
from pydantic import Field

from classface_assets.defs.asset_factory import INFERENCE_POOL, archive_asset
from classface_assets.defs.automation import WHEN_ALL_YEARS_ARE_READY
from classface_assets.defs.identity.cluster_assignments import cluster_assignments
from classface_assets.defs.ingest.embeddings import embeddings
from classface_assets.defs.memoized import Output, compute_unless_cached, input_fingerprint, state_of_clustering
from classface_assets.defs.metadata import materialize_result
from classface_assets.identity.projection.training import TrainingSettings, train_head
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.store.artifacts.assignment_tables import TableInputs
from classface_assets.store.artifacts.checkpoints import checkpoint_files, save_checkpoint
from classface_assets.store.decisions.reconciliation import confirmed_faces


class HeadConfig(dg.Config):
    """How the head is trained, and how many labels that takes."""

    epochs: int = Field(default=20, ge=1, description="Passes over the labelled faces.")
    margin: float = Field(default=0.2, gt=0, description="Margin of the triplet loss.")
    batch_size: int = Field(default=32, ge=4, description="Faces a training step.")
    learning_rate: float = Field(default=1e-4, gt=0, description="Adam's step size.")
    min_people: int = Field(default=5, ge=2, description="Fewer people with enough labelled faces: no training.")
    min_faces_per_person: int = Field(default=5, ge=2, description="Labelled faces a person needs to take part.")
    seed: int = Field(default=0, description="The same seed and labels give the same head.")


@archive_asset(
    deps=[embeddings, cluster_assignments],
    group_name="identity",
    kinds={"torch"},
    pool=INFERENCE_POOL,
    automation_condition=WHEN_ALL_YEARS_ARE_READY,
    memoized=True,
)
def projection_head(config: HeadConfig, archive: Archive, models: Models) -> dg.MaterializeResult:
    """A projection that separates this school's people better, trained with the labelled faces and a triplet loss.

    Some faces of each person, and some people altogether, are held out. The head is promoted, and so used by
    `identities`, only if it beats the pack's own vectors on those faces and is not worse on those people. With fewer
    than five people of five labelled faces it is skipped, with a note.
    """
    state = state_of_clustering(archive, models)
    return compute_unless_cached(
        input_fingerprint(archive.layout, "projection_head", state.state, config.model_dump()),
        lambda: _train(config, archive, models, state),
    )


def _train(config: HeadConfig, archive: Archive, models: Models, state: TableInputs) -> Output:
    layout, catalog = archive.layout, archive.catalog(models)
    labels = confirmed_faces(archive.open_ledger().decisions(state.until), catalog.faces)
    faces = catalog.faces["face_id"].to_list() if catalog.faces.height else []
    rows = np.array([i for i, face in enumerate(faces) if face in labels], np.int64)
    trained = train_head(
        catalog.vectors[rows], [labels[faces[i]] for i in rows], TrainingSettings(**config.model_dump())
    )
    report = {k: v for k, v in asdict(trained).items() if k != "checkpoint" and v is not None}
    save_checkpoint(layout.head, trained.checkpoint, {**report, "pack": models.describe(layout).key})
    return Output(materialize_result(trained.training_faces, **report), checkpoint_files(layout.head))
