"""The asset `projection_head`: a small network that learns from the names."""

from dataclasses import asdict

import dagster as dg
import numpy as np
from pydantic import Field

from classface_assets.defs.automation import WHEN_ALL_YEARS_ARE_READY
from classface_assets.defs.identity.cluster_assignments import cluster_assignments
from classface_assets.defs.ingest.embeddings import embeddings
from classface_assets.defs.memoized import cached_result, input_fingerprint, record_result, state_of_clustering
from classface_assets.defs.metadata import INFERENCE_POOL, OWNERS, materialize_result
from classface_assets.identity.projection.training import TrainingSettings, train_head
from classface_assets.orchestration.failures import report_user_errors
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.services.working_set import current_catalog
from classface_assets.store.artifacts.checkpoints import checkpoint_files, save_checkpoint
from classface_assets.store.decisions.reconciliation import confirmed_faces


class HeadConfig(dg.Config):
    """How the head is trained, and the least it needs."""

    epochs: int = Field(default=20, ge=1, description="Passes over the labelled faces.")
    margin: float = Field(default=0.2, gt=0, description="How much nearer one's own faces must be than others'.")
    batch_size: int = Field(default=32, ge=4, description="Faces a training step.")
    learning_rate: float = Field(default=1e-4, gt=0, description="Adam's step size.")
    min_people: int = Field(default=5, ge=2, description="Fewer people with enough labelled faces: no training.")
    min_faces_per_person: int = Field(default=5, ge=2, description="Labelled faces a person needs to take part.")
    seed: int = Field(default=0, description="The same seed and labels give the same head.")


@dg.asset(
    deps=[embeddings, cluster_assignments],
    group_name="identity",
    kinds={"torch"},
    owners=OWNERS,
    pool=INFERENCE_POOL,
    automation_condition=WHEN_ALL_YEARS_ARE_READY,
)
@report_user_errors
def projection_head(config: HeadConfig, archive: Archive, models: Models) -> dg.MaterializeResult:
    """Learns to tell this school's people apart better, from the labelled faces, with a triplet loss.

    Some faces of each person, and some people altogether, are held out. The head is promoted, and so used by
    `identities`, only if it beats the plain vectors on those faces and does no worse on those people. With fewer than
    five people of five labelled faces it is skipped, and says so.
    """
    layout, pack = archive.layout, models.describe(archive.layout)
    state = state_of_clustering(archive, models)
    stamp = input_fingerprint(layout, "projection_head", state.state, config.model_dump())
    if same := cached_result(stamp):
        return same
    facts = current_catalog(archive, models)
    labelled = confirmed_faces(archive.open_ledger().decisions(state.until), facts.faces)
    faces = facts.faces["face_id"].to_list() if facts.faces.height else []
    rows = np.array([i for i, face in enumerate(faces) if face in labelled], np.int64)
    trained = train_head(
        facts.vectors[rows], [labelled[faces[i]] for i in rows], TrainingSettings(**config.model_dump())
    )
    report = {k: v for k, v in asdict(trained).items() if k != "checkpoint" and v is not None}
    save_checkpoint(layout.head, trained.checkpoint, {**report, "pack": pack.key})
    return record_result(stamp, materialize_result(trained.training_faces, **report), checkpoint_files(layout.head))
