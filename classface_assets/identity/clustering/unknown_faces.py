"""Then the unknown: what groups they make, and how sure each face's place is. Who is looked at says `looks_at`.

Which of the unknown faces are looked at, within what they may be one, and what becomes of those passed over.
"""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from classface_assets.identity.clustering.cluster_ids import CLUSTER_ID_PATTERN
from classface_assets.identity.clustering.incremental import ClusterState, carry_over_clusters, unplaced
from classface_assets.identity.clustering.methods import drop_small_groups, group_faces
from classface_assets.identity.inputs import ClusteringInput
from classface_assets.identity.settings import AssignmentSettings

NOISE_REASON = "no other face is near enough"


def select_faces(
    table: pl.DataFrame, unknown: np.ndarray, settings: AssignmentSettings
) -> tuple[np.ndarray, pl.Series]:
    """Which faces are grouped, and for each face the reason that it has while it is in no group."""
    quality = pl.col("quality_score").fill_null(0.0)
    good = table.select(quality >= settings.quality_threshold).to_series().to_numpy()
    now = _taken_in_month(table, settings.time_bucket)
    wanted = unknown & good & now
    if 0 < settings.max_faces < wanted.sum():
        rows = np.flatnonzero(wanted)
        order = np.lexsort((rows, -table["quality_score"].fill_null(0.0).to_numpy()[rows]))
        wanted = np.zeros(len(table), bool)
        wanted[rows[order[: settings.max_faces]]] = True
    why = (
        pl.when(pl.lit(~good))
        .then(pl.lit(f"quality below {settings.quality_threshold:g}"))
        .when(pl.lit(~now))
        .then(pl.lit(f"not taken in {settings.time_bucket}"))
        .when(pl.lit(~wanted))
        .then(pl.lit(f"not among the {settings.max_faces} best faces"))
        .otherwise(pl.lit(NOISE_REASON))
    )
    return wanted, pl.select(why).to_series()


def _taken_in_month(table: pl.DataFrame, bucket: str) -> np.ndarray:
    if not bucket:
        return np.ones(len(table), bool)
    return table.select((pl.col("taken_at").dt.strftime("%Y-%m") == bucket).fill_null(False)).to_series().to_numpy()


def has_enough_quality(table: pl.DataFrame, settings: AssignmentSettings) -> np.ndarray:
    """Faces that a partial look leaves as they were; one that is not good enough is not grouped at all."""
    return table["quality_score"].fill_null(0.0).to_numpy() >= settings.quality_threshold


def restrict_to_scope(material: ClusteringInput, table: pl.DataFrame, settings: AssignmentSettings) -> ClusteringInput:
    """The material with only such edges as the scope and the similarity threshold leave."""
    kept = material.similarities >= settings.similarity_threshold
    if settings.scope != "all":
        place = pl.col("school_year")
        if settings.scope == "event":
            place = pl.concat_str(
                "school_year", pl.col("path").str.replace(r"/?[^/]*$", "").fill_null(""), separator="/"
            )
        code = table.select(place.rank("dense")).to_series().to_numpy()
        kept &= code[material.pairs[:, 0]] == code[material.pairs[:, 1]]
    if kept.all():
        return material
    return replace(material, pairs=material.pairs[kept], similarities=material.similarities[kept])


def keep_previous_clusters(
    labels: np.ndarray, table: pl.DataFrame, rows: np.ndarray, previous: pl.DataFrame
) -> np.ndarray:
    """Faces that were not looked at keep the company that they had, with such of the others as are still together."""
    before = table.select("face_id", "asset_id").join(
        previous.select("face_id", "cluster_id"), on="face_id", how="left", maintain_order="left"
    )
    clusters = before.select(
        pl.when(pl.col("cluster_id").str.contains(CLUSTER_ID_PATTERN)).then("cluster_id")
    ).to_series()
    faces = pl.DataFrame({"label": labels, "code": clusters.rank("dense"), "photo": before["asset_id"], "stays": rows})
    faces = faces.cast({"code": pl.Int64}).with_row_index("row")
    kept = faces.filter(pl.col("stays") & pl.col("code").is_not_null() & (pl.col("label") < 0))
    shares = faces.filter(pl.col("label") >= 0, pl.col("code").is_not_null()).group_by("label", "code").len("shared")
    shares = shares.sort(["shared", "label"], descending=[True, False])
    heirs = shares.unique("label", keep="first", maintain_order=True).unique("code", keep="first", maintain_order=True)
    clash = kept.join(heirs, on="code", suffix="_heir").join(
        faces.select("label", "photo"), left_on=["label_heir", "photo"], right_on=["label", "photo"]
    )
    heirs = heirs.filter(~pl.col("code").is_in(clash["code"].unique().to_list()))
    joined = kept.join(heirs.select("code", pl.col("label").alias("heir")), on="code", how="left")
    new = joined.select(pl.coalesce("heir", pl.col("code") + int(labels.max(initial=-1)))).to_series()
    found = labels.copy()
    found[joined["row"].to_numpy()] = new.to_numpy()
    return found


@dataclass(frozen=True)
class ClusteringResult:
    """For each of n faces its group or -1, the mean similarity to the rest of the group (NaN), and the reason."""

    labels: np.ndarray
    scores: np.ndarray
    reasons: pl.Series
    standing: ClusterState | None
    """What the next run may build on."""


def cluster_unknown_faces(
    material: ClusteringInput,
    table: pl.DataFrame,
    unknown: np.ndarray,
    previous: pl.DataFrame,
    settings: AssignmentSettings,
    kept: ClusterState | None = None,
) -> ClusteringResult:
    """Groups the faces of `unknown` (a mask). Those that the settings pass over stay where they were before.

    table: FACES, and path and taken_at where scope or time bucket need them; previous: face_id and cluster_id before;
    kept: the groups of before, where few new faces are to join them.
    """
    looked_at, reasons = select_faces(table, unknown, settings)
    rows = np.flatnonzero(looked_at)
    part = restrict_to_scope(material, table, settings).subset(rows)
    now = unplaced(table, material, settings).only(rows)
    standing = carry_over_clusters(kept, now, part) if _is_incremental(settings) else None
    found = group_faces(part, settings, None if standing is None else standing.group)
    labels = np.full(len(table), -1, np.int64)
    labels[rows] = drop_small_groups(found, part.must_link, settings.min_cluster_size)
    labels, dropped = _largest_clusters(labels, settings.max_clusters)
    too_many = pl.lit(f"beyond the {settings.max_clusters} largest clusters")
    reasons = pl.select(pl.when(pl.lit(dropped)).then(too_many).otherwise(reasons)).to_series()
    if not looked_at[unknown].all():
        labels = keep_previous_clusters(
            labels, table, unknown & ~looked_at & has_enough_quality(table, settings), previous
        )
    scores = _cluster_similarity(labels, material.vectors)
    size = np.bincount(labels[labels >= 0], minlength=1)[np.maximum(labels, 0)]
    told = pl.DataFrame({"score": scores, "others": size - 1, "reason": reasons, "in": labels >= 0})
    score = pl.col("score").cast(pl.Float64).round(2).cast(pl.String)
    why = pl.format("{} on average to the {} other faces of the cluster", score, "others")
    standing = replace(standing or now, group=found) if _is_incremental(settings) else None
    return ClusteringResult(
        labels, scores, told.select(pl.when("in").then(why).otherwise("reason")).to_series(), standing
    )


def _is_incremental(settings: AssignmentSettings) -> bool:
    """Whether what is found may be built on: a look at a part, or in parts, is done anew each time."""
    all_faces = not settings.time_bucket and not settings.max_faces and settings.scope == "all"
    return settings.method == "temporal" and all_faces


def _largest_clusters(labels: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """The labels of the `most` largest groups (0: of all), and which faces lost theirs."""
    groups, counts = np.unique(labels[labels >= 0], return_counts=True)
    if not 0 < most < len(groups):
        return labels, np.zeros(len(labels), bool)
    kept = groups[np.lexsort((groups, -counts))[:most]]
    dropped = (labels >= 0) & ~np.isin(labels, kept)
    return np.where(dropped, -1, labels), dropped


def _cluster_similarity(labels: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Mean similarity of each face to the other faces of its group, (n,) float32; NaN for a face without others."""
    scores = np.full(len(labels), np.nan, np.float32)
    rows = np.flatnonzero(labels >= 0)
    rows = rows[np.argsort(labels[rows], kind="stable")]
    if len(rows):
        first = np.flatnonzero(np.diff(labels[rows], prepend=-1))
        size = np.diff(np.append(first, len(rows)))
        for start in range(0, len(first), 64):  # few groups at a time stay in the cache
            part = slice(start, start + 64)
            own = rows[first[start] : first[start] + size[part].sum()]
            held, each = vectors[own], np.repeat(np.arange(len(size[part])), size[part])
            sums = np.add.reduceat(held, first[part] - first[start], axis=0)
            total = np.einsum("ij,ij->i", held, sums[each]) - 1.0
            scores[own] = total / np.maximum(size[part][each] - 1, 1)
    return scores
