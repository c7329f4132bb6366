"""Made-up faces to cluster, their nearest neighbour graph, and the groups that come out."""

import numpy as np
import polars as pl

from classface_assets.core.schemas import ASSIGNMENTS
from classface_assets.identity.inputs import ClusteringInput
from classface_assets_tests.support.vectors import unit

NOTHING_BEFORE = pl.DataFrame(schema=ASSIGNMENTS)


def people_in_photos(
    rng: np.random.Generator, people: int, photos: int, each: int, noise: float
) -> tuple[np.ndarray, np.ndarray]:
    """Faces of `each` of the people in every photo, nobody twice: (n, 2) photo and person, and (n, 64) vectors."""
    centres = unit(rng.normal(size=(people, 64)))
    who = np.array([(photo, person) for photo in range(photos) for person in rng.choice(people, each, replace=False)])
    return who, unit(centres[who[:, 1]] + noise * rng.normal(size=(len(who), 64)))


def clustering_input(
    vectors: np.ndarray, photos: np.ndarray, years: np.ndarray | None = None, k: int | None = None
) -> ClusteringInput:
    """The faces with the k nearest neighbours of each, or with all others; all of one year if none are given."""
    n, k = len(vectors), min(k or len(vectors) - 1, len(vectors) - 1)
    every = vectors @ vectors.T
    np.fill_diagonal(every, -2)
    near = np.argsort(-every, axis=1, kind="stable")[:, :k]
    return ClusteringInput(
        vectors=vectors,
        years=np.full(n, 2010.0) if years is None else years,
        photos=photos.astype(np.int64),
        quality=np.ones(n, np.float32),
        pairs=np.column_stack([np.repeat(np.arange(n), k), near.ravel()]),
        similarities=np.take_along_axis(every, near, axis=1).ravel(),
    )


def partition(labels: np.ndarray) -> set[frozenset[int]]:
    """The groups, whatever their numbers; noise is left out."""
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels[labels >= 0])}


def school(
    seed: int, people: int = 12, photos: int = 20, noise: float = 0.09
) -> tuple[pl.DataFrame, np.ndarray, list[str]]:
    """Faces of people who are each at most once in a photo, their vectors, and who they truly are."""
    rng = np.random.default_rng(seed)
    who, vectors = people_in_photos(rng, people, photos, 5, noise)
    faces = pl.DataFrame(
        {
            "face_id": [f"face_{photo:03d}_{person:02d}" for photo, person in who],
            "asset_id": [f"photo_{photo:03d}" for photo, _ in who],
            "school_year": [f"{2010 + photo % 4}-{2011 + photo % 4}" for photo, _ in who],
            "year": pl.Series([2010 + photo % 4 if photo % 7 else None for photo, _ in who], dtype=pl.Int32),
            "quality_score": pl.Series(rng.uniform(0.3, 1, len(who)), dtype=pl.Float32),
        }
    )
    return faces, vectors, [f"child {person}" for _, person in who]
