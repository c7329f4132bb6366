"""Similarities that each face has by itself: to strangers, and to the rest of its group; those of the run before count.

The first depends on the face's vector and the similarity model, the second also on the vectors and years of the whole
group. All of that is hashed into one number (`made_of`), by which they are found again: one more photo changes few
groups, and only what is new is computed.
"""

import hashlib

import numpy as np
import polars as pl

from classface_assets.identity.sampling import exact_vector_hashes, mixed
from classface_assets.identity.similarity.probability import similarity_in_near_years
from classface_assets.identity.similarity.space import ProjectedRows, SimilarityModel

TERMS_VERSION = 1
"""Counts up when the same faces have another similarity than before."""
FACE_TERMS_SCHEMA = pl.Schema({"made_of": pl.UInt64(), "similarity": pl.Float32()})
BLOCK_ROWS = 2_048
"""Faces whose similarity to strangers is computed at a time."""
_STRANGERS, _GROUP = np.uint64(1), np.uint64(2)


class KnownTerms:
    """Gives the similarities of faces, and computes those that are not known. Mutable: it remembers what it gave."""

    def __init__(self, stored: pl.DataFrame | None = None) -> None:
        """Take what `to_frame` made in the run before; None, or a frame of another version of the program: nothing."""
        is_known = stored is not None and stored.schema == FACE_TERMS_SCHEMA
        before = stored if stored is not None and is_known else pl.DataFrame(schema=FACE_TERMS_SCHEMA)
        self._keys, first = np.unique(before["made_of"].to_numpy(), return_index=True)
        self._values = before["similarity"].to_numpy()[first]
        self._given: list[pl.DataFrame] = []

    def hub_terms(self, model: SimilarityModel, vectors: np.ndarray) -> np.ndarray:
        """The last number of each face's vector in the space of a model that `has_hub_terms`, (n,) float32.

        Args:
            model: By which faces are compared.
            vectors: (n, d) float32 of unit length.
        """
        keys = mixed(exact_vector_hashes(vectors) + _STRANGERS) ^ _key_of(model)
        terms, missing = self._look_up(keys)
        rows = np.flatnonzero(missing)
        for start in range(0, len(rows), BLOCK_ROWS):
            some = rows[start : start + BLOCK_ROWS]
            terms[some] = model.transform(vectors[some]).vectors[:, -1]
        return self._remember(keys, terms)

    def similarity_in_groups(
        self, model: SimilarityModel, vectors: np.ndarray, years: np.ndarray, groups: np.ndarray
    ) -> np.ndarray:
        """What `similarity_in_near_years` gives in the space of a model, (n,) float32; NaN for a face without others.

        Args:
            model: By which faces are compared.
            vectors: (n, d) float32 of unit length.
            years: (n,) calendar years, NaN where unknown.
            groups: (n,) int64, negative for none.
        """
        found = np.full(len(groups), np.nan, np.float32)
        inside = np.flatnonzero(groups >= 0)
        inside = inside[np.bincount(groups[inside])[groups[inside]] > 1] if len(inside) else inside
        if not len(inside):
            return found
        of = groups[inside]
        own = mixed(
            mixed(exact_vector_hashes(vectors[inside])) ^ np.nan_to_num(years[inside], nan=-1.0).view(np.uint64)
        )
        whole = np.zeros(int(of.max()) + 1, np.uint64)
        np.add.at(whole, of, mixed(own + _GROUP))
        keys = mixed(own ^ mixed(whole)[of]) ^ _key_of(model)
        similarities, missing = self._look_up(keys)
        if missing.any():
            is_changed = np.zeros(len(whole), bool)
            is_changed[of[missing]] = True
            changed = is_changed[of]
            rows = inside[changed]
            similarities[changed] = similarity_in_near_years(
                ProjectedRows(model, vectors[rows]), years[rows], groups[rows]
            )
        found[inside] = self._remember(keys, similarities)
        return found

    def to_frame(self) -> pl.DataFrame:
        """Rows of FACE_TERMS_SCHEMA: all that was given."""
        return pl.concat([pl.DataFrame(schema=FACE_TERMS_SCHEMA), *self._given])

    def _look_up(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The similarity of each key (q,) uint64, any number where there is none, and which are missing, (q,) bool."""
        if not len(self._keys):
            return np.zeros(len(keys), np.float32), np.ones(len(keys), bool)
        place = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return self._values[place], self._keys[place] != keys

    def _remember(self, keys: np.ndarray, similarities: np.ndarray) -> np.ndarray:
        self._given.append(pl.DataFrame({"made_of": keys, "similarity": similarities}, schema=FACE_TERMS_SCHEMA))
        return similarities


def _key_of(model: SimilarityModel) -> np.uint64:
    """What the similarities of all faces depend on, as a number."""
    digest = hashlib.blake2b(repr((TERMS_VERSION, model.share, model.slope)).encode(), digest_size=8)
    if model.normalisation is not None:
        digest.update(model.normalisation.mean.tobytes() + model.normalisation.matrix.tobytes())
    if model.cohort is not None:
        digest.update(model.cohort.vectors.tobytes() + repr(model.cohort.mean_hubness).encode())
    return np.uint64(int.from_bytes(digest.digest()))
