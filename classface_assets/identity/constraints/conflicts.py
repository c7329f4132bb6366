"""Constraints on groups of faces, for any way of clustering.

Faces of one photo and faces with a cannot-link never end in one group, through third faces neither. A must-link always
holds, and where it contradicts one of those it wins, since a person has decided it.
"""

import numpy as np

from classface_assets.core.arrays import chunks_by_size, connected_components, is_in_sorted
from classface_assets.identity.inputs import ClusteringInput


def must_link_groups(inputs: ClusteringInput) -> np.ndarray:
    """The groups that must-links make: for each face the lowest row that they tie it to, (n,) int64, or its own."""
    return connected_components(len(inputs), inputs.must_link)


def merge_must_links(labels: np.ndarray, inputs: ClusteringInput) -> np.ndarray:
    """The same groups, but those that a must-link ties are one.

    Args:
        labels: (n,) int64, the group of each face, -1 for none.
        inputs: The faces and their must-links.

    Returns:
        (n,) int64: a group for every face, numbered by its lowest row.
    """
    clustered = np.flatnonzero(labels >= 0)
    _, first, group = np.unique(labels[clustered], return_index=True, return_inverse=True)
    lowest = np.arange(len(labels))
    lowest[clustered] = clustered[first][group]
    return connected_components(len(labels), lowest[inputs.must_link.reshape(-1, 2)])[lowest]


def conflicting_groups(groups: np.ndarray, inputs: ClusteringInput) -> np.ndarray:
    """The groups, sorted, of (n,) that hold two faces of one photo or of a cannot-link."""
    cannot_link = groups[inputs.cannot_link.reshape(-1, 2)]
    _, photo = np.unique(inputs.photos, return_inverse=True)
    photos = photo.max(initial=0) + 1
    keys, count = np.unique(groups * photos + photo, return_counts=True)
    twice = keys[count > 1] // photos
    return np.unique(np.concatenate([twice, cannot_link[cannot_link[:, 0] == cannot_link[:, 1], 0]]))


class Conflicts:
    """Which groups may not join: they share a photo, or a cannot-link lies between them."""

    def __init__(self, inputs: ClusteringInput) -> None:
        self._photos = np.unique(inputs.photos, return_inverse=True)[1].astype(np.int64)
        self._cannot_link = inputs.cannot_link.reshape(-1, 2)

    def between(self, a: np.ndarray, b: np.ndarray, groups: np.ndarray) -> np.ndarray:
        """Which pairs of groups are in conflict.

        Args:
            a: (m,) int64, a group of each pair.
            b: (m,) int64, the other one.
            groups: (n,) int64, the group of each face.

        Returns:
            (m,) bool.
        """
        if not len(a):
            return np.zeros(0, bool)
        n = len(groups)
        ends = groups[self._cannot_link]
        forbidden = np.unique(ends.min(axis=1) * n + ends.max(axis=1)) if len(ends) else np.empty(0, np.int64)
        found = is_in_sorted(np.minimum(a, b) * n + np.maximum(a, b), forbidden)

        size = np.bincount(groups, minlength=n)
        single = (size[a] == 1) & (size[b] == 1)
        found[single] |= self._photos[a[single]] == self._photos[b[single]]
        rest = np.flatnonzero(~single & ~found)
        if len(rest):
            swap = size[a[rest]] > size[b[rest]]
            small, large = np.where(swap, b[rest], a[rest]), np.where(swap, a[rest], b[rest])
            found[rest] = self._share_photo(small, large, groups, size)
        return found

    def _share_photo(self, small: np.ndarray, large: np.ndarray, groups: np.ndarray, size: np.ndarray) -> np.ndarray:
        """Which pairs share a photo, (m,) bool: each face of the small group is looked up in the large one."""
        photos, involved = int(self._photos.max()) + 1, np.zeros(len(groups), bool)
        involved[small] = involved[large] = True
        rows = np.flatnonzero(involved[groups])
        members = rows[np.argsort(groups[rows], kind="stable")]
        present = np.sort(groups[members] * photos + self._photos[members])
        starts = np.cumsum(np.where(involved, size, 0)) - np.where(involved, size, 0)
        shared = np.zeros(len(small), bool)
        for chunk in chunks_by_size(size[small]):
            pair, place = ragged_arange(size[small[chunk]])
            photo = self._photos[members[starts[small[chunk]][pair] + place]]
            hit = is_in_sorted(large[chunk][pair] * photos + photo, present)
            shared[chunk.start + pair[hit]] = True
        return shared


def ragged_arange(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Owner and position of each element of rows of different lengths.

    >>> [part.tolist() for part in ragged_arange(np.array([2, 3]))]
    [[0, 0, 1, 1, 1], [0, 1, 0, 1, 2]]
    """
    owner = np.repeat(np.arange(len(counts)), counts)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
