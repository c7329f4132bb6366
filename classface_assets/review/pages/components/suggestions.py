"""Suggested names and similar groups, by mean vectors of the sample faces and of the confirmed faces."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from classface_assets.core.arrays import l2_normalize
from classface_assets.review.faces.similar_faces import FaceSimilarity
from classface_assets.review.pages.components.students import student_text
from classface_assets.store.decisions.roster import entries_by_person

MAX_SIMILAR_CLUSTERS = 6


def suggest_names(
    face_similarity: FaceSimilarity, cluster_ids: Sequence[str], threshold: float
) -> dict[str, dict[str, Any]]:
    """The most similar known person of each cluster.

    A cluster is represented by the mean of its sample faces, a person by the mean of the confirmed faces. A person who
    is in a photo of the cluster already is not suggested.

    Returns:
        Cluster id → the person's name, a face, the similarity, and class and student id (`known`); without clusters
        where nobody reaches the threshold.
    """
    view = face_similarity.view
    of_clusters = view.clusters.filter(pl.col("cluster_id").is_in(list(cluster_ids)))
    ids, cluster_means = _mean_vectors(face_similarity, _sample_faces(of_clusters))
    confirmed = view.faces.filter("confirmed").select(pl.col("person_id").alias("group"), "face_id")
    people, person_means = _mean_vectors(face_similarity, confirmed)
    if not ids or not people:
        return {}
    scores = cluster_means @ person_means.T
    for row, column in _in_one_photo(view.faces, ids, people):
        scores[row, column] = -1
    names = dict(view.persons.select("id", "name").iter_rows())
    entries = entries_by_person(view.decisions)
    best = scores.argmax(axis=1)
    face = dict(confirmed.group_by("group").agg(pl.col("face_id").first()).iter_rows())
    return {
        ids[i]: {
            "name": names[people[b]],
            "face": face[people[b]],
            "similarity": round(float(scores[i, b]), 2),
            "known": student_text(entries.get(people[b])),
        }
        for i, b in enumerate(best)
        if scores[i, b] >= threshold
    }


def similar_clusters(
    face_similarity: FaceSimilarity, cluster_id: str, threshold: float, limit: int = MAX_SIMILAR_CLUSTERS
) -> pl.DataFrame:
    """The most similar other clusters, also of known people: rows of `view.clusters` with `similarity`."""
    clusters = face_similarity.view.clusters
    ids, means = _mean_vectors(face_similarity, _sample_faces(clusters))
    if cluster_id not in ids:
        return clusters.clear()
    scores = means @ means[ids.index(cluster_id)]
    scored = pl.DataFrame({"cluster_id": ids, "similarity": scores.astype(np.float64)})
    others = scored.filter(pl.col("cluster_id") != cluster_id, pl.col("similarity") >= threshold)
    return others.top_k(limit, by="similarity").join(clusters, on="cluster_id", maintain_order="left")


def _sample_faces(clusters: pl.DataFrame) -> pl.DataFrame:
    """The sample faces of clusters, as `group` and `face_id`."""
    columns = pl.col("cluster_id").alias("group"), pl.col("sample_faces").alias("face_id")
    return clusters.select(*columns).explode("face_id")


def _mean_vectors(face_similarity: FaceSimilarity, faces: pl.DataFrame) -> tuple[list[str], np.ndarray]:
    """The groups of `faces` (group, face_id) that have vectors, and the mean (n, d) of each, of unit length."""
    rows = faces.join(face_similarity.known.rows, on="face_id").sort("group")
    if rows.is_empty():
        return [], np.zeros((0, 0), np.float32)
    starts = np.flatnonzero(rows["group"].rle_id().diff().fill_null(1).to_numpy())
    sums = np.add.reduceat(face_similarity.known.vectors[rows["row"].to_numpy()], starts)
    return rows["group"].gather(starts).to_list(), l2_normalize(sums)


def _in_one_photo(faces: pl.DataFrame, clusters: list[str], people: list[str]) -> list[tuple[int, int]]:
    """The pairs (number of a cluster, number of a person) that are in one photo."""
    rows = pl.DataFrame({"cluster_id": clusters}).with_row_index("row")
    columns = pl.DataFrame({"person_id": people}).with_row_index("column")
    of_cluster = faces.select("asset_id", "cluster_id").join(rows, on="cluster_id").select("asset_id", "row")
    of_person = faces.select("asset_id", "person_id").join(columns, on="person_id").select("asset_id", "column")
    return list(of_cluster.join(of_person, on="asset_id").select("row", "column").unique().iter_rows())
