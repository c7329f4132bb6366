"""Of which groups the faces of one cluster are made, looked at by themselves and more closely."""

import numpy as np
import polars as pl

from classface_assets.identity.clustering.splitting import split
from classface_assets.identity.graph.build import build_graph
from classface_assets.identity.graph.knn_graph import Graph
from classface_assets.identity.inputs import Material
from classface_assets.identity.sampling import fair_sample
from classface_assets.identity.settings import settings_for
from classface_assets.store.catalog.faces import Facts
from classface_assets.store.model.face_ref import LabelledFace


def groups_within(faces: list[LabelledFace], least: int, facts: Facts, pack: str) -> list[list[LabelledFace]]:
    """The groups of at least so many faces each that these are made of, by the pack's settings."""
    place = {face: row for row, face in enumerate(facts.faces["face_id"])}
    faces = [face for face in faces if face.face_id in place]
    rows = np.array([place[face.face_id] for face in faces], np.int64)
    table, vectors = facts.faces[rows], facts.vectors[rows]
    pairs, similarities = _all_edges(table["face_id"], vectors).pairs()
    material = Material(
        vectors,
        table["year"].cast(pl.Float64).fill_null(float("nan")).to_numpy(),
        table["asset_id"].rank("dense").to_numpy().astype(np.int64),
        table["quality_score"].fill_null(0.0).to_numpy(),
        pairs,
        similarities,
        sample=fair_sample(facts.vectors),
    )
    labels = split(material, least, settings_for(pack))
    return [[faces[i] for i in np.flatnonzero(labels == group)] for group in range(labels.max() + 1)]


def _all_edges(face_ids: pl.Series, vectors: np.ndarray) -> Graph:
    return build_graph(face_ids, vectors, min(100, max(1, len(vectors) - 1)))
