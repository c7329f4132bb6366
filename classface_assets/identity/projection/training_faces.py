"""The faces that train a head, in an order and a division that depend on what they show, not on ids.

Person ids are random and faces are sorted by id, so whatever is drawn by either would be another head each time the
same people are named. Here faces are sorted by a hash of their vectors, and people by a hash of their faces.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np

from classface_assets.identity.sampling import mixed, vector_hashes

HELD_OUT_SHARE = 5
"""One in so many faces of a person who trains is held out."""


def _nobody() -> np.ndarray:
    return np.empty((0, 0), np.float32)


@dataclass(frozen=True)
class UnlabelledClusters:
    """Clusters of faces that nobody labelled: what they show of how a face changes needs no names."""

    vectors: np.ndarray = field(default_factory=_nobody)
    """(m, d) float32 of unit length."""
    clusters: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    """(m,) int64."""
    years: np.ndarray = field(default_factory=lambda: np.empty(0, np.float64))
    """(m,) float64, NaN where unknown."""

    def __len__(self) -> int:
        return len(self.clusters)

    @property
    def digest(self) -> str:
        """Of all of it."""
        return _digest(self.vectors, self.clusters, self.years)

    def sample(self, faces: int) -> "UnlabelledClusters":
        """Whole clusters, drawn by a hash of their vectors, until they have so many faces; all of fewer."""
        if len(self) <= faces:
            return self
        number = np.unique(self.clusters, return_inverse=True)[1]
        size, hashes = np.bincount(number), np.zeros(int(number.max()) + 1, np.uint64)
        np.add.at(hashes, number, vector_hashes(self.vectors))
        order = np.argsort(mixed(hashes), kind="stable")
        is_drawn = np.zeros(len(size), bool)
        is_drawn[order[np.cumsum(size[order]) - size[order] < faces]] = True
        drawn = is_drawn[number]
        return UnlabelledClusters(self.vectors[drawn], self.clusters[drawn], self.years[drawn])


@dataclass(frozen=True)
class TrainingFaces:
    """n labelled faces, sorted by content: made by `training_faces`."""

    vectors: np.ndarray
    """(n, d) float32 of unit length."""
    people: np.ndarray
    """(n,) int64 from 0, the person of each face."""
    years: np.ndarray
    """(n,) float64, the first calendar year of the school year; NaN where it is unknown."""
    rivals: np.ndarray
    """(n, d) float32: the most similar other face of the same photo, who is somebody else; NaN where it has none."""
    digest: str
    """Of all of it: the same faces of the same people have the same one."""

    def __len__(self) -> int:
        return len(self.people)

    @property
    def count(self) -> int:
        """Number of people."""
        return int(self.people.max(initial=-1)) + 1

    def subset(self, mask: np.ndarray) -> "TrainingFaces":
        """The faces of a mask (n,) bool; people have the numbers that they have here."""
        return TrainingFaces(self.vectors[mask], self.people[mask], self.years[mask], self.rivals[mask], self.digest)


def training_faces(
    vectors: np.ndarray,
    persons: Sequence[str],
    years: np.ndarray | None = None,
    rivals: np.ndarray | None = None,
    least: int = 2,
) -> TrainingFaces:
    """Sort labelled faces by what they show, and leave out people with few of them.

    Args:
        vectors: (n, d) float32 of unit length.
        persons: The person of each face.
        years: (n,) float64, NaN where unknown; None: of all.
        rivals: As in `TrainingFaces`; None: no face has one.
        least: Least number of faces of a person.
    """
    vectors = np.ascontiguousarray(vectors, np.float32)
    n, size = vectors.shape if vectors.ndim == 2 else (0, 0)
    years = np.full(n, np.nan) if years is None else years.astype(np.float64)
    rivals = np.full((n, size), np.nan, np.float32) if rivals is None else rivals.astype(np.float32)
    numbers, counts = np.unique(np.asarray(persons, str), return_inverse=True, return_counts=True)[1:]
    enough = counts[numbers] >= least if n else np.zeros(0, bool)
    vectors, years, rivals, numbers = vectors[enough], years[enough], rivals[enough], numbers[enough]
    hashes = vector_hashes(vectors) if len(vectors) else np.zeros(0, np.uint64)
    marks = {person: _digest(np.sort(hashes[numbers == person])) for person in np.unique(numbers)}
    rank = {person: place for place, person in enumerate(sorted(marks, key=marks.__getitem__))}
    people = np.array([rank[person] for person in numbers], np.int64)
    order = np.lexsort((people, hashes))
    vectors, people, years, rivals = vectors[order], people[order], years[order], rivals[order]
    return TrainingFaces(vectors, people, years, rivals, _digest(vectors, people, years, rivals))


def most_similar_in_photo(vectors: np.ndarray, photos: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """For some faces the most similar other face of the same photo.

    Args:
        vectors: (N, d) float32, all faces of the archive.
        photos: (N,) int64; faces of one number are different people.
        rows: (n,) int64, the faces that are asked for.

    Returns:
        (n, d) float32, NaN where there is no other face.
    """
    order = np.argsort(photos, kind="stable")
    first, last = (np.searchsorted(photos[order], photos[rows], side) for side in ("left", "right"))
    found = np.full((len(rows), vectors.shape[1]), np.nan, np.float32)
    for place, row in enumerate(rows):
        others = order[first[place] : last[place]]
        others = others[others != row]
        if len(others):
            found[place] = vectors[others[np.argmax(vectors[others] @ vectors[row])]]
    return found


def folds_of_people(faces: TrainingFaces, count: int, seed: int) -> np.ndarray:
    """Deal the people out into folds of equal size, by chance.

    Returns:
        (people,) int64 from 0 to count - 1.
    """
    folds = np.empty(faces.count, np.int64)
    folds[np.random.default_rng(seed).permutation(faces.count)] = np.arange(faces.count) % count
    return folds


def held_out_faces(faces: TrainingFaces) -> np.ndarray:
    """The faces (n,) bool that never train, one in HELD_OUT_SHARE of each person, at least one of three."""
    held_out = np.zeros(len(faces), bool)
    for person in range(faces.count):
        own = np.flatnonzero(faces.people == person)
        if len(own) > 2:
            held_out[own[: max(1, len(own) // HELD_OUT_SHARE)]] = True
    return held_out


def _digest(*arrays: np.ndarray) -> str:
    found = blake2b(digest_size=16)
    for array in arrays:
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()
