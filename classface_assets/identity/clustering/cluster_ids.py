"""Cluster ids that stay with their faces from run to run: `unknown_cluster_{N}`, and parts of one, `…_sub_{i}`."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from classface_assets.core.schemas import CLUSTER_PREFIX

CLUSTER_ID_PATTERN = rf"^{CLUSTER_PREFIX}(\d+)(_sub_\d+)*$"
_SUB_SUFFIX = r"_sub_\d+$"


def highest_cluster_number(clusters: pl.Series) -> int:
    """The greatest N among cluster ids, 0 where there is none."""
    highest = clusters.str.extract(CLUSTER_ID_PATTERN).cast(pl.Int64).max()
    return highest if isinstance(highest, int) else 0


def name_clusters(
    face_ids: pl.Series, labels: np.ndarray, previous: pl.DataFrame, highest: int, split_names: Mapping[str, str]
) -> pl.Series:
    """Give each cluster the id of the former one that it continues, or a new one.

    Each cluster takes the id of the former one with which it shares most faces, greatest share first and one to one;
    the rest, in order of size and then of face id, get numbers above all that were ever given, so none is given twice.

    Args:
        face_ids: (n,) ids.
        labels: (n,) int64, the cluster of each face, negative for none.
        previous: face_id and cluster_id of the run before.
        highest: The greatest number ever given.
        split_names: face_id -> what its former cluster is to be called where a person split it.

    Returns:
        (n,) cluster ids, null where labels are negative.
    """
    now = pl.DataFrame({"face_id": face_ids, "label": labels}).with_row_index("row").filter(pl.col("label") >= 0)
    before = previous.select("face_id", "cluster_id").filter(pl.col("cluster_id").str.contains(CLUSTER_ID_PATTERN))
    if split_names:
        before = _apply_split_names(before, split_names)
    size = now.group_by("label").agg(pl.len().alias("size"), pl.col("face_id").min().alias("first"))
    shares = now.join(before, on="face_id").group_by("label", "cluster_id").agg(pl.len().alias("shared"))
    parts = shares.filter(pl.col("cluster_id").is_in(list(set(split_names.values()))))
    parents = parts.select("label", pl.col("cluster_id").str.replace(_SUB_SUFFIX, ""))
    shares = shares.join(parents, on=["label", "cluster_id"], how="anti")  # a part keeps its name with what joins it
    shares = shares.join(size, on="label").sort(
        ["shared", "cluster_id", "first"], descending=[True, False, False], maintain_order=True
    )
    names: dict[int, str] = {}
    taken: set[str] = set()
    for label, cluster_id in shares.select("label", "cluster_id").iter_rows():
        if label not in names and cluster_id not in taken:
            names[label] = cluster_id
            taken.add(cluster_id)
    following = max(highest, highest_cluster_number(before["cluster_id"])) + 1
    fresh = size.filter(~pl.col("label").is_in(list(names))).sort(["size", "first"], descending=[True, False])
    names.update({label: f"{CLUSTER_PREFIX}{following + i}" for i, label in enumerate(fresh["label"])})
    if not names:
        return pl.Series("cluster_id", [None] * len(labels), pl.String)
    return pl.Series("label", labels).replace_strict(names, default=None, return_dtype=pl.String).alias("cluster_id")


def _apply_split_names(before: pl.DataFrame, split_names: Mapping[str, str]) -> pl.DataFrame:
    """The clusters of the run before by the names of their parts; a cluster that has another name by now keeps it."""
    new = pl.col("face_id").replace_strict(split_names, default=None, return_dtype=pl.String)
    is_part = new.str.replace(_SUB_SUFFIX, "") == pl.col("cluster_id")
    return before.with_columns(pl.when(is_part).then(new).otherwise("cluster_id").alias("cluster_id"))
