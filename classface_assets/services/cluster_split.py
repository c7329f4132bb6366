"""Of which groups the faces of one cluster are made, looked at by themselves and more closely."""

import numpy as np
import polars as pl

from classface_assets.identity.clustering.splitting import split_into_people
from classface_assets.identity.graph.build import build_graph
from classface_assets.identity.graph.knn_graph import KnnGraph
from classface_assets.identity.inputs import ClusteringInput
from classface_assets.identity.sampling import stable_sample
from classface_assets.identity.settings import settings_for
from classface_assets.store.catalog.faces import FaceCatalog
from classface_assets.store.model.face_ref import FaceRef


def split_cluster(faces: list[FaceRef], least: int, facts: FaceCatalog, pack: str) -> list[list[FaceRef]]:
    """The groups of at least so many faces each that these are made of, by the pack's settings."""
    place = {face: row for row, face in enumerate(facts.faces["face_id"])}
    faces = [face for face in faces if face.face_id in place]
    rows = np.array([place[face.face_id] for face in faces], np.int64)
    table, vectors = facts.faces[rows], facts.vectors[rows]
    pairs, similarities = _dense_graph(table["face_id"], vectors).pairs()
    material = ClusteringInput(
        vectors,
        table["year"].cast(pl.Float64).fill_null(float("nan")).to_numpy(),
        table["asset_id"].rank("dense").to_numpy().astype(np.int64),
        table["quality_score"].fill_null(0.0).to_numpy(),
        pairs,
        similarities,
        sample=stable_sample(facts.vectors),
    )
    labels = split_into_people(material, least, settings_for(pack))
    return [[faces[i] for i in np.flatnonzero(labels == group)] for group in range(labels.max() + 1)]


def _dense_graph(face_ids: pl.Series, vectors: np.ndarray) -> KnnGraph:
    return build_graph(face_ids, vectors, min(100, max(1, len(vectors) - 1)))
