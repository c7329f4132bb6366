"""How much memory learning from an archive takes: counted in bytes of numpy's arrays, so the same on every machine."""

import importlib
import tracemalloc

import numpy as np
import polars as pl
import pytest

from classface_assets.devtools.benchmark.scale.synthetic_faces import make_people
from classface_assets.identity.graph.build import build_graph
from classface_assets.identity.inputs_from_frames import EmbeddedFaces, load_or_fit_similarity
from classface_assets.identity.settings import ARCFACE_SETTINGS

pytestmark = pytest.mark.slow

FACES = 5_000


@pytest.fixture(scope="module")
def school() -> EmbeddedFaces:
    people, rows = make_people(FACES, 1), np.arange(FACES)
    vectors = people.vectors(rows, np.random.default_rng(1))
    ids = pl.Series("face_id", [f"{row:05}" for row in rows])
    table = pl.DataFrame(
        {
            "face_id": ids,
            "asset_id": people.photo.astype(str),
            "school_year": people.year.astype(str),
            "year": people.year + 1994,
            "quality_score": people.quality,
        }
    )
    return EmbeddedFaces(table, vectors, build_graph(ids, vectors, 30, 0.25))


def test_learning_how_faces_are_compared_takes_little_beside_their_vectors(school: EmbeddedFaces) -> None:
    for library in ("sklearn.linear_model", "scipy.sparse.csgraph"):
        importlib.import_module(library)
    tracemalloc.start()
    try:
        load_or_fit_similarity(school, ARCFACE_SETTINGS)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * school.vectors.nbytes
