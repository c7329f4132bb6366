"""The arrays that services are given, checked: unit vectors, one value a face, and sentences on mistakes."""

from collections.abc import Sequence

import numpy as np

from classface_assets.core.arrays import MIN_NORM, l2_normalize
from classface_assets.core.errors import UserError


class ArrayError(UserError):
    """Embeddings or other arrays that cannot be used together."""


def as_unit_vectors(embeddings: np.ndarray | Sequence[np.ndarray]) -> np.ndarray:
    """Embeddings as (n, d) float32 of unit length.

    Raises:
        ArrayError: they are no table of finite numbers, or one of them is zero.
    """
    try:
        vectors = np.asarray(embeddings, np.float32)
    except (TypeError, ValueError):
        raise ArrayError("The embeddings differ in length: give an array (n, d), or n arrays of d numbers.") from None
    if vectors.ndim != 2:
        raise ArrayError(f"The embeddings have the shape {vectors.shape}: give an array (n, d), one row per face.")
    lengths = np.linalg.norm(vectors, axis=1)
    if not (np.isfinite(lengths) & (lengths > MIN_NORM)).all():
        raise ArrayError("An embedding is zero or not finite: leave that face out.")
    return l2_normalize(vectors)


def as_unit_vector(embedding: np.ndarray) -> np.ndarray:
    """One embedding as (d,) float32 of unit length. Raises ArrayError."""
    if np.ndim(embedding) != 1:
        raise ArrayError(f"The embedding has the shape {np.shape(embedding)}: give an array (d,).")
    return as_unit_vectors(np.asarray(embedding)[None])[0]


def one_each(name: str, values: Sequence[float | None] | np.ndarray | None, count: int, default: float) -> np.ndarray:
    """One number a face as (n,) float64; the default where none are given, NaN for None.

    Raises:
        ArrayError: there are more or fewer than faces.
    """
    if values is None:
        return np.full(count, default)
    found = np.array([np.nan if value is None else float(value) for value in values], np.float64)
    if len(found) != count:
        raise ArrayError(f"There are {count} embeddings but {len(found)} {name}: give one per face.")
    return found
