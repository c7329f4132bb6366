"""Then the unknown: what groups they make, and how sure each face's place is. Who is looked at says `looks_at`."""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from classface_assets.identity.clustering import grouped, without_small
from classface_assets.identity.looks_at import as_before, good_enough, looks_at, within_scope
from classface_assets.identity.material import Material
from classface_assets.identity.settings import AssignmentSettings
from classface_assets.identity.standing import Standing, standing_in, to_place


@dataclass(frozen=True)
class Grouped:
    """For each of n faces its group or -1, the mean similarity to the rest of the group (NaN), and the reason."""

    labels: np.ndarray
    scores: np.ndarray
    reasons: pl.Series
    standing: Standing | None
    """What the next run may build on."""


def group_unknown(
    material: Material,
    table: pl.DataFrame,
    unknown: np.ndarray,
    previous: pl.DataFrame,
    settings: AssignmentSettings,
    kept: Standing | None = None,
) -> Grouped:
    """Groups the faces of `unknown` (a mask). Those that the settings pass over stay where they were before.

    table: FACES, and path and taken_at where scope or time bucket need them; previous: face_id and cluster_id before;
    kept: the groups of before, where few new faces are to join them.
    """
    looked_at, reasons = looks_at(table, unknown, settings)
    rows = np.flatnonzero(looked_at)
    part = within_scope(material, table, settings).subset(rows)
    now = to_place(table, material, settings).only(rows)
    standing = standing_in(kept, now, part) if _stands(settings) else None
    found = grouped(part, settings, None if standing is None else standing.group)
    labels = np.full(len(table), -1, np.int64)
    labels[rows] = without_small(found, part.must, settings.min_cluster_size)
    labels, dropped = _largest(labels, settings.max_clusters)
    too_many = pl.lit(f"beyond the {settings.max_clusters} largest clusters")
    reasons = pl.select(pl.when(pl.lit(dropped)).then(too_many).otherwise(reasons)).to_series()
    if not looked_at[unknown].all():
        labels = as_before(labels, table, unknown & ~looked_at & good_enough(table, settings), previous)
    scores = _likeness(labels, material.vectors)
    size = np.bincount(labels[labels >= 0], minlength=1)[np.maximum(labels, 0)]
    told = pl.DataFrame({"score": scores, "others": size - 1, "reason": reasons, "in": labels >= 0})
    score = pl.col("score").cast(pl.Float64).round(2).cast(pl.String)
    why = pl.format("{} on average to the {} other faces of the cluster", score, "others")
    standing = replace(standing or now, group=found) if _stands(settings) else None
    return Grouped(labels, scores, told.select(pl.when("in").then(why).otherwise("reason")).to_series(), standing)


def _stands(settings: AssignmentSettings) -> bool:
    """Whether what is found may be built on: a look at a part, or in parts, is done anew each time."""
    all_faces = not settings.time_bucket and not settings.max_faces and settings.scope == "all"
    return settings.method == "temporal" and all_faces


def _largest(labels: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """The labels of the `most` largest groups (0: of all), and which faces lost theirs."""
    groups, counts = np.unique(labels[labels >= 0], return_counts=True)
    if not 0 < most < len(groups):
        return labels, np.zeros(len(labels), bool)
    kept = groups[np.lexsort((groups, -counts))[:most]]
    dropped = (labels >= 0) & ~np.isin(labels, kept)
    return np.where(dropped, -1, labels), dropped


def _likeness(labels: np.ndarray, vectors: np.ndarray) -> np.ndarray:
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
