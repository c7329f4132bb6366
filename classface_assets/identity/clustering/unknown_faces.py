"""Clustering the unknown faces of an archive: which are selected, what groups they make, and how sure each place is."""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from classface_assets.identity.clustering.cluster_ids import CLUSTER_ID_PATTERN
from classface_assets.identity.clustering.incremental import ClusterState, carry_over_clusters, unplaced
from classface_assets.identity.clustering.methods import drop_small_groups, group_faces
from classface_assets.identity.inputs import ClusteringInput
from classface_assets.identity.settings import AssignmentSettings
from classface_assets.identity.similarity.probability import mean_similarity_to_others

NOISE_REASON = "no other face is near enough"


@dataclass(frozen=True)
class ClusteringResult:
    """The clusters of n faces."""

    labels: np.ndarray
    """(n,) int64, the cluster of each face, -1 for none."""
    scores: np.ndarray
    """(n,) float32, mean similarity to the other faces of the cluster, NaN for none."""
    reasons: pl.Series
    """(n,) strings."""
    state: ClusterState | None
    """What the next run may build on."""


def cluster_unknown_faces(
    inputs: ClusteringInput,
    table: pl.DataFrame,
    unknown: np.ndarray,
    previous: pl.DataFrame,
    settings: AssignmentSettings,
    stored: ClusterState | None = None,
) -> ClusteringResult:
    """Cluster the unknown faces. Those that the settings do not select stay where they were before.

    Args:
        inputs: All faces.
        table: Their rows: face_id, asset_id, school_year, quality_score, and path and taken_at where scope or time
            bucket need them.
        unknown: (n,) bool, the faces without a person.
        previous: face_id and cluster_id of the run before.
        settings: Method and thresholds.
        stored: The groups of the run before, where few new faces are to join them.
    """
    selected, reasons = select_faces(table, unknown, settings)
    rows = np.flatnonzero(selected)
    part = restrict_to_scope(inputs, table, settings).subset(rows)
    now = unplaced(table, inputs, settings).subset(rows)
    incremental = _is_incremental(settings)
    carried = carry_over_clusters(stored, now, part) if incremental else None
    groups = group_faces(part, settings, None if carried is None else carried.groups)
    labels = np.full(len(table), -1, np.int64)
    labels[rows] = drop_small_groups(groups, part.must_link, settings.min_cluster_size)
    labels, dropped = _largest_clusters(labels, settings.max_clusters)
    too_many = pl.lit(f"beyond the {settings.max_clusters} largest clusters")
    reasons = pl.select(pl.when(pl.lit(dropped)).then(too_many).otherwise(reasons)).to_series()
    if not selected[unknown].all():
        passed_over = unknown & ~selected & has_enough_quality(table, settings)
        labels = keep_previous_clusters(labels, table, passed_over, previous)
    scores = mean_similarity_to_others(inputs.vectors, labels)
    state = replace(carried or now, groups=groups) if incremental else None
    return ClusteringResult(labels, scores, _cluster_reasons(labels, scores, reasons), state)


def select_faces(
    table: pl.DataFrame, unknown: np.ndarray, settings: AssignmentSettings
) -> tuple[np.ndarray, pl.Series]:
    """Which of the unknown faces are clustered, by quality, month and number.

    Args:
        table: quality_score of n faces, and taken_at where the settings name a month.
        unknown: (n,) bool.
        settings: Of which faces are clustered.

    Returns:
        The faces that are clustered, (n,) bool, and the reason that each face has while it is in no cluster, (n,).
    """
    good, in_month = has_enough_quality(table, settings), _taken_in_month(table, settings.time_bucket)
    selected = unknown & good & in_month
    if 0 < settings.max_faces < selected.sum():
        rows = np.flatnonzero(selected)
        order = np.lexsort((rows, -table["quality_score"].fill_null(0.0).to_numpy()[rows]))
        selected = np.zeros(len(table), bool)
        selected[rows[order[: settings.max_faces]]] = True
    reason = (
        pl.when(pl.lit(~good))
        .then(pl.lit(f"quality below {settings.quality_threshold:g}"))
        .when(pl.lit(~in_month))
        .then(pl.lit(f"not taken in {settings.time_bucket}"))
        .when(pl.lit(~selected))
        .then(pl.lit(f"not among the {settings.max_faces} best faces"))
        .otherwise(pl.lit(NOISE_REASON))
    )
    return selected, pl.select(reason).to_series()


def has_enough_quality(table: pl.DataFrame, settings: AssignmentSettings) -> np.ndarray:
    """Which faces reach the quality threshold, (n,) bool."""
    return table["quality_score"].fill_null(0.0).to_numpy() >= settings.quality_threshold


def restrict_to_scope(inputs: ClusteringInput, table: pl.DataFrame, settings: AssignmentSettings) -> ClusteringInput:
    """The input with only the edges that scope and similarity threshold leave.

    Args:
        inputs: All faces.
        table: school_year and path of each, where the scope needs them.
        settings: Scope and similarity threshold.
    """
    retained = inputs.similarities >= settings.similarity_threshold
    if settings.scope != "all":
        place = pl.col("school_year")
        if settings.scope == "event":
            folder = pl.col("path").str.replace(r"/?[^/]*$", "").fill_null("")
            place = pl.concat_str("school_year", folder, separator="/")
        code = table.select(place.rank("dense")).to_series().to_numpy()
        retained &= code[inputs.pairs[:, 0]] == code[inputs.pairs[:, 1]]
    return inputs.with_edges(retained)


def keep_previous_clusters(
    labels: np.ndarray, table: pl.DataFrame, mask: np.ndarray, previous: pl.DataFrame
) -> np.ndarray:
    """Let faces that were not selected stay in the clusters that they had, with those that are still in them.

    Args:
        labels: (n,) int64, the clusters of the faces that were selected, -1 for the others.
        table: face_id and asset_id of all faces.
        mask: (n,) bool, the faces that stay.
        previous: face_id and cluster_id of the run before.

    Returns:
        (n,) int64, the clusters of both.
    """
    before = table.select("face_id", "asset_id").join(
        previous.select("face_id", "cluster_id"), on="face_id", how="left", maintain_order="left"
    )
    is_cluster = pl.col("cluster_id").str.contains(CLUSTER_ID_PATTERN)
    code = before.select(pl.when(is_cluster).then("cluster_id")).to_series().rank("dense")
    faces = pl.DataFrame({"label": labels, "code": code, "photo": before["asset_id"], "stays": mask})
    faces = faces.cast({"code": pl.Int64}).with_row_index("row")
    staying = faces.filter(pl.col("stays") & pl.col("code").is_not_null() & (pl.col("label") < 0))
    shares = faces.filter(pl.col("label") >= 0, pl.col("code").is_not_null()).group_by("label", "code").len("shared")
    shares = shares.sort(["shared", "label"], descending=[True, False])
    heirs = shares.unique("label", keep="first", maintain_order=True).unique("code", keep="first", maintain_order=True)
    clash = staying.join(heirs, on="code", suffix="_heir").join(
        faces.select("label", "photo"), left_on=["label_heir", "photo"], right_on=["label", "photo"]
    )
    heirs = heirs.filter(~pl.col("code").is_in(clash["code"].unique().to_list()))
    joined = staying.join(heirs.select("code", pl.col("label").alias("heir")), on="code", how="left")
    new = joined.select(pl.coalesce("heir", pl.col("code") + int(labels.max(initial=-1)))).to_series()
    found = labels.copy()
    found[joined["row"].to_numpy()] = new.to_numpy()
    return found


def _taken_in_month(table: pl.DataFrame, month: str) -> np.ndarray:
    """Which faces are of photos taken in this month (YYYY-MM), (n,) bool; all where none is given."""
    if not month:
        return np.ones(len(table), bool)
    return table.select((pl.col("taken_at").dt.strftime("%Y-%m") == month).fill_null(False)).to_series().to_numpy()


def _is_incremental(settings: AssignmentSettings) -> bool:
    """Whether the next run may build on what is found: clustering a part, or in parts, is done from scratch."""
    all_faces = not settings.time_bucket and not settings.max_faces and settings.scope == "all"
    return settings.method == "temporal" and all_faces


def _largest_clusters(labels: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The labels of the `count` largest clusters (0: of all), and which faces lost theirs."""
    groups, counts = np.unique(labels[labels >= 0], return_counts=True)
    if not 0 < count < len(groups):
        return labels, np.zeros(len(labels), bool)
    largest = groups[np.lexsort((groups, -counts))[:count]]
    dropped = (labels >= 0) & ~np.isin(labels, largest)
    return np.where(dropped, -1, labels), dropped


def _cluster_reasons(labels: np.ndarray, scores: np.ndarray, reasons: pl.Series) -> pl.Series:
    """The reason of each face's place: its similarity to its cluster, or the one given where it has none."""
    size = np.bincount(labels[labels >= 0], minlength=1)[np.maximum(labels, 0)]
    faces = pl.DataFrame({"score": scores, "others": size - 1, "reason": reasons, "clustered": labels >= 0})
    score = pl.col("score").cast(pl.Float64).round(2).cast(pl.String)
    in_cluster = pl.format("{} on average to the {} other faces of the cluster", score, "others")
    return faces.select(pl.when("clustered").then(in_cluster).otherwise("reason")).to_series()
