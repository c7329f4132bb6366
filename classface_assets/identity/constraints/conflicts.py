"""What people and photos say about which faces are one person, for any way of grouping.

Faces of one photo and faces with a cannot-link never end together, through third faces neither; a must-link always
holds, and where it contradicts one of those it is the stronger: a person said it.
"""

from collections.abc import Iterator

import numpy as np

from classface_assets.core.arrays import connected_components
from classface_assets.identity.inputs import ClusteringInput

CHUNK_SIZE = 1 << 22


def must_link_groups(material: ClusteringInput) -> np.ndarray:
    """For each face the lowest number among the faces that must-links tie it to, (n,) int64; itself without any."""
    return connected_components(len(material), material.must_link)


class Conflicts:
    """Which groups may not join: they share a photo, or a cannot-link lies between them."""

    def __init__(self, material: ClusteringInput) -> None:
        self.photos = np.unique(material.photos, return_inverse=True)[1].astype(np.int64)
        self.cannot_link = material.cannot_link.reshape(-1, 2)

    def between(self, a: np.ndarray, b: np.ndarray, group: np.ndarray) -> np.ndarray:
        """Whether groups a and b, (m,) each, are in conflict, (m,) bool. group (n,): the group of each face."""
        if not len(a):
            return np.zeros(0, bool)
        n = len(group)
        ends = group[self.cannot_link]
        forbidden = np.unique(ends.min(axis=1) * n + ends.max(axis=1)) if len(ends) else np.empty(0, np.int64)
        found = _is_in_sorted(np.minimum(a, b) * n + np.maximum(a, b), forbidden)

        size = np.bincount(group, minlength=n)
        single = (size[a] == 1) & (size[b] == 1)
        found[single] |= self.photos[a[single]] == self.photos[b[single]]
        rest = np.flatnonzero(~single & ~found)
        if len(rest):
            swap = size[a[rest]] > size[b[rest]]
            small, large = np.where(swap, b[rest], a[rest]), np.where(swap, a[rest], b[rest])
            found[rest] = self._share_a_photo(small, large, group, size)
        return found

    def _share_a_photo(self, small: np.ndarray, large: np.ndarray, group: np.ndarray, size: np.ndarray) -> np.ndarray:
        """Each face of the small group is looked up in the large one."""
        photos, wanted = int(self.photos.max()) + 1, np.zeros(len(group), bool)
        wanted[small] = wanted[large] = True
        rows = np.flatnonzero(wanted[group])
        members = rows[np.argsort(group[rows], kind="stable")]
        present = np.sort(group[members] * photos + self.photos[members])
        starts = np.cumsum(np.where(wanted, size, 0)) - np.where(wanted, size, 0)
        shared = np.zeros(len(small), bool)
        for piece in chunks_by_size(size[small]):
            link, place = ragged_arange(size[small[piece]])
            photo = self.photos[members[starts[small[piece]][link] + place]]
            hit = _is_in_sorted(large[piece][link] * photos + photo, present)
            shared[piece.start + link[hit]] = True
        return shared


def chunks_by_size(counts: np.ndarray) -> Iterator[slice]:
    """Slices of as many rows as count to about four million together."""
    ends = np.cumsum(counts)
    cuts = np.searchsorted(ends, np.arange(CHUNK_SIZE, ends[-1] if len(ends) else 0, CHUNK_SIZE), side="right")
    bounds = np.unique([0, *cuts, len(counts)])
    for start, stop in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        yield slice(start, stop)


def ragged_arange(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For counts (2, 3): (0, 0, 1, 1, 1) and (0, 1, 0, 1, 2)."""
    owner = np.repeat(np.arange(len(counts)), counts)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)


def _is_in_sorted(keys: np.ndarray, sorted_keys: np.ndarray) -> np.ndarray:
    if not len(sorted_keys):
        return np.zeros(len(keys), bool)
    return sorted_keys[np.minimum(np.searchsorted(sorted_keys, keys), len(sorted_keys) - 1)] == keys


def merge_must_links(labels: np.ndarray, material: ClusteringInput) -> np.ndarray:
    """The same groups, (n,) int64, -1 for none, but those that a must-link ties are one; every face has a group then,
    numbered by its lowest face."""
    clustered = np.flatnonzero(labels >= 0)
    _, first, of = np.unique(labels[clustered], return_index=True, return_inverse=True)
    lowest = np.arange(len(labels))
    lowest[clustered] = clustered[first][of]
    return connected_components(len(labels), lowest[material.must_link.reshape(-1, 2)])[lowest]


def conflicting_groups(group: np.ndarray, material: ClusteringInput) -> np.ndarray:
    """The groups, sorted, that hold two faces of one photo or of a cannot-link."""
    cannot = group[material.cannot_link.reshape(-1, 2)]
    _, photo = np.unique(material.photos, return_inverse=True)
    keys, count = np.unique(group * (photo.max(initial=0) + 1) + photo, return_counts=True)
    twice = keys[count > 1] // (photo.max(initial=0) + 1)
    return np.unique(np.concatenate([twice, cannot[cannot[:, 0] == cannot[:, 1], 0]]))
