"""Whom a group of unknown faces looks like: by the mean of its sample faces, against what is confirmed."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from classface_assets.core.arrays import l2_normalize
from classface_assets.review.faces.similar_faces import FaceSimilarity

MAX_SIMILAR_CLUSTERS = 6


def suggest_names(likeness: FaceSimilarity, cluster_ids: Sequence[str], least: float) -> dict[str, dict[str, Any]]:
    """Cluster id -> name, face and similarity of the likest known person, where that is at least `least`.

    A person is the mean of their confirmed faces. Who is in a photo of the group already is not guessed.
    """
    view = likeness.view
    ids, means = _mean_vectors(
        likeness, _sample_faces(view.clusters.filter(pl.col("cluster_id").is_in(list(cluster_ids))))
    )
    known = view.faces.filter("confirmed").select(pl.col("person_id").alias("group"), "face_id")
    people, centres = _mean_vectors(likeness, known)
    if not ids or not people:
        return {}
    scores = means @ centres.T
    for row, column in _in_one_photo(view.faces, ids, people):
        scores[row, column] = -1
    names = dict(view.persons.select("id", "name").iter_rows())
    best = scores.argmax(axis=1)
    first = dict(known.group_by("group").agg(pl.col("face_id").first()).iter_rows())
    return {
        ids[i]: {"name": names[people[b]], "face": first[people[b]], "similarity": round(float(scores[i, b]), 2)}
        for i, b in enumerate(best)
        if scores[i, b] >= least
    }


def similar_clusters(
    likeness: FaceSimilarity, cluster_id: str, least: float, most: int = MAX_SIMILAR_CLUSTERS
) -> pl.DataFrame:
    """The clusters that look most like one, with `similarity`; those of known people too."""
    clusters = likeness.view.clusters
    ids, means = _mean_vectors(likeness, _sample_faces(clusters))
    if cluster_id not in ids:
        return clusters.clear()
    scores = means @ means[ids.index(cluster_id)]
    found = pl.DataFrame({"cluster_id": ids, "similarity": scores.astype(np.float64)})
    near = found.filter(pl.col("cluster_id") != cluster_id, pl.col("similarity") >= least).top_k(most, by="similarity")
    return near.join(clusters, on="cluster_id", maintain_order="left")


def _sample_faces(clusters: pl.DataFrame) -> pl.DataFrame:
    return clusters.select(pl.col("cluster_id").alias("group"), pl.col("sample_faces").alias("face_id")).explode(
        "face_id"
    )


def _mean_vectors(likeness: FaceSimilarity, faces: pl.DataFrame) -> tuple[list[str], np.ndarray]:
    """The groups of `faces` (group, face_id) that have vectors, and the mean (n, d) of each, of unit length."""
    rows = faces.join(likeness.known.rows, on="face_id").sort("group")
    if rows.is_empty():
        return [], np.zeros((0, 0), np.float32)
    starts = np.flatnonzero(rows["group"].rle_id().diff().fill_null(1).to_numpy())
    sums = np.add.reduceat(likeness.known.vectors[rows["row"].to_numpy()], starts)
    return rows["group"].gather(starts).to_list(), l2_normalize(sums)


def _in_one_photo(faces: pl.DataFrame, clusters: list[str], people: list[str]) -> list[tuple[int, int]]:
    """The pairs (row number of a cluster, of a person) that are in one photo."""
    groups = pl.DataFrame({"cluster_id": clusters}).with_row_index("row")
    whose = pl.DataFrame({"person_id": people}).with_row_index("column")
    inside = faces.select("asset_id", "cluster_id").join(groups, on="cluster_id").select("asset_id", "row")
    known = faces.select("asset_id", "person_id").join(whose, on="person_id").select("asset_id", "column")
    return list(inside.join(known, on="asset_id").select("row", "column").unique().iter_rows())
