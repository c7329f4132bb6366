"""Schemas of calls about pipeline runs."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Body
from pydantic import Field

from classface_assets.identity.settings import ClusteringMethod, ClusteringScope
from classface_assets.review.api.common import NO_TEXT, ApiModel, Flag, Id
from classface_assets.services.identity.method_options import Metric
from classface_assets.services.identity.presets import Preset

Similarity = Annotated[float, Field(ge=-1, le=1), NO_TEXT] | None
Count = Annotated[int, Field(ge=1, le=100_000_000), NO_TEXT] | None


class Run(ApiModel):
    """A Dagster run. `counts`: numbers that its assets logged; `url`: its page in the Dagster UI.

    The runs of one update have the same `updateId`. Runs of older versions have no pack and folders recorded: "".
    """

    run_id: Id
    job: str
    school_year: str | None
    status: str
    parameters: dict[str, Any]
    created_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    counts: dict[str, dict[str, float]]
    reason: str
    url: str
    update_id: str
    started_by: str
    pack: str
    photos_folder: str
    data_folder: str


class RunStarted(ApiModel):
    """A run that goes on: `/runs/{runId}` returns its status."""

    run_id: Id
    status: Literal["started"] = "started"


class ClusterRequest(ApiModel):
    """Settings of the clustering; those left out have the values calibrated for the model pack."""

    quality_threshold: Annotated[float, Field(ge=0, le=1), NO_TEXT] | None = None
    max_faces: Count = None
    min_cluster_size: Annotated[int, Field(ge=2, le=1_000_000), NO_TEXT] | None = None
    min_samples: Annotated[int, Field(ge=1, le=1_000_000), NO_TEXT] | None = None
    """Of `hdbscan` and `dbscan`; without a method it means `hdbscan`."""
    method: ClusteringMethod | None = None
    max_clusters: Count = None
    """The largest ones only."""
    similarity_threshold: Similarity = None
    """Less similar faces are no neighbours."""
    include_identified: Flag | None = None
    """Also faces that were matched with a person but not labelled."""
    scope: ClusteringScope | None = None
    """Faces are clustered together only within one of these."""
    school_year: Annotated[str, Field(max_length=255)] | None = None
    """Only faces of this school year change."""
    event: Annotated[str, Field(max_length=1000)] | None = None
    """Only faces of this event (a folder such as `2019-2020/sports day`) change."""
    preset: Preset | None = None
    time_bucket: Annotated[str | None, Field(pattern=r"^\d{4}-(0[1-9]|1[0-2])$")] = None
    queue: Flag = False


OptionalClusterRequest = Annotated[ClusterRequest, Body(default_factory=ClusterRequest)]


class ClusterResponse(ApiModel):
    """How many clusters and noise faces the run has found."""

    total_faces: int
    clusters_found: int
    noise_count: int
    status: str
    run_id: Id


class DualClusterRequest(ApiModel):
    """Settings of matching and clustering; those left out have the values calibrated for the model pack."""

    person_threshold: Similarity = None
    unknown_method: ClusteringMethod | None = None
    unknown_min_cluster_size: Annotated[int, Field(ge=2, le=1_000_000), NO_TEXT] | None = None
    unknown_eps: Annotated[float, Field(gt=0, le=2), NO_TEXT] | None = None
    """Greatest distance: of `dbscan` and `agglomerative`; without a method it means `dbscan`."""
    min_samples: Annotated[int, Field(ge=1, le=1_000_000), NO_TEXT] | None = None
    """Of `hdbscan` and `dbscan`; without a method it means `hdbscan`."""
    epsilon: Annotated[float, Field(ge=0, le=2), NO_TEXT] | None = None
    """Clusters that are nearer than this distance are one: of `hdbscan`."""
    linkage: Literal["average", "single", "complete"] | None = None
    """Of `agglomerative`."""
    metric: Metric = "cosine"
    """Of `unknownEps` and `epsilon`: the cosine distance, or the Euclidean one between vectors of unit length."""
    preset: Preset | None = None
    max_faces: Count = None
    queue: Flag = False


OptionalDualClusterRequest = Annotated[DualClusterRequest, Body(default_factory=DualClusterRequest)]


class SupervisedCounts(ApiModel):
    """The faces that were matched to known people."""

    faces_processed: int
    assigned_to_persons: int
    persons_matched: int


class UnsupervisedCounts(ApiModel):
    """The other faces, clustered."""

    unlabeled_faces: int
    clusters_found: int
    noise_count: int


class DualClusterResponse(ApiModel):
    """How many faces the run has matched and clustered."""

    status: str
    supervised: SupervisedCounts
    unsupervised: UnsupervisedCounts
    total_faces: int
    execution_time_seconds: float
    run_id: Id


class TrainRequest(ApiModel):
    """Settings of the training."""

    architecture: Literal["residual", "mlp"] = "residual"
    epochs: Annotated[int, Field(ge=1, le=1000), NO_TEXT] = 20
    margin: Annotated[float, Field(gt=0, le=2), NO_TEXT] = 0.2
    batch_size: Annotated[int, Field(ge=4, le=4096), NO_TEXT] = 32
    learning_rate: Annotated[float, Field(gt=0, le=1), NO_TEXT] = 1e-4
    min_people: Annotated[int, Field(ge=2, le=100_000), NO_TEXT] = 5
    min_faces_per_person: Annotated[int, Field(ge=2, le=1000), NO_TEXT] = 2
    quality_threshold: Annotated[float, Field(ge=0, le=1), NO_TEXT] = 0.0
    resume: Flag = False
    queue: Flag = False


OptionalTrainRequest = Annotated[TrainRequest, Body(default_factory=TrainRequest)]


class TrainingEpoch(ApiModel):
    """An epoch of the training: the mean over the heads that were trained so long; 0 is before any training."""

    epoch: int
    train_loss: float | None
    held_out_loss: float | None
    held_out_separation: float | None
    heads: int
    seconds: float


class TrainResponse(ApiModel):
    """The result of the training, and whether the new projection head is used.

    Each person is held out once, so `validation_faces` are the `training_faces` again. `model_checkpoint` is null where
    nothing was trained.
    """

    status: str
    reason: str
    persons_used: int
    total_faces: int
    training_faces: int
    validation_faces: int
    final_train_loss: float | None
    final_val_loss: float | None
    promoted: bool
    architecture: str | None
    epochs: list[TrainingEpoch]
    model_checkpoint: str | None
    training_time_seconds: float
    run_id: Id
