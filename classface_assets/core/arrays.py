"""Array operations that several rooms share (unit vectors, samples, connected components), and the machine's resources.

These are the CPU cores to use, freed memory, and how often Python looks for garbage.
"""

import ctypes
import gc
import os
import sys
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np

CHUNK_SIZE = 1 << 22
"""Rows, such as pairs of faces, that are looked up at a time."""
NORM_ROWS = 1024
"""Vectors that are scaled at a time."""
MIN_NORM = 1e-12
"""A vector shorter than this is taken for a vector of zeros, which has no direction."""
M_ARENA_MAX = -8
"""Of glibc's malloc.h."""
POLARS_ALLOCATOR = "_RJEM_MALLOC_CONF", "narenas:1,dirty_decay_ms:100,muzzy_decay_ms:0"
"""The variable that Polars' allocator (jemalloc) reads when it is loaded: one heap, whose freed memory goes back to the
system after a tenth of a second. By default it has four a core, and holds freed memory for ten seconds."""
_core_limit: list[int] = []
"""What `limit_cores` set, if anything."""


def l2_normalize(vectors: np.ndarray) -> np.ndarray:
    """Scale vectors to unit length.

    Args:
        vectors: (..., d) floats.

    Returns:
        The same shape and type; a vector of zeros stays one.
    """
    if vectors.ndim != 2 or len(vectors) <= NORM_ROWS:
        return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), MIN_NORM)
    parts = (slice(start, start + NORM_ROWS) for start in range(0, len(vectors), NORM_ROWS))
    result: np.ndarray | None = None
    for part in parts:  # the norms of all at once would need the room of the vectors twice over
        scaled = l2_normalize(vectors[part])
        result = np.empty(vectors.shape, scaled.dtype) if result is None else result
        result[part] = scaled
    assert result is not None
    return result


def unit_mean(vectors: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """The mean of some vectors, scaled to unit length: their centroid on the unit sphere.

    Args:
        vectors: (n, d) floats, n at least 1.

    Returns:
        (d,) float32.
    """
    return l2_normalize(np.mean(vectors, axis=0)).astype(np.float32)


def evenly_spaced(rows: np.ndarray, count: int) -> np.ndarray:
    """Choose elements at equal distances, the first and the last among them.

    Args:
        rows: (n,) any values, for example row numbers.
        count: How many to choose, at most.

    Returns:
        min(n, count) of the elements, in their order.
    """
    if not len(rows):
        return rows
    return rows[np.linspace(0, len(rows) - 1, min(max(count, 0), len(rows))).astype(int)]


def sorted_unique(numbers: np.ndarray) -> np.ndarray:
    """The distinct ones of some integers (n,), ascending; `np.unique` finds them by a hash, which takes longer."""
    ordered = np.sort(numbers)
    is_new = np.ones(len(ordered), bool)
    is_new[1:] = ordered[1:] != ordered[:-1]
    return ordered[is_new]


def is_in_sorted(keys: np.ndarray, sorted_keys: np.ndarray) -> np.ndarray:
    """Which of the keys (m,) are among the sorted ones, (m,) bool."""
    if not len(sorted_keys):
        return np.zeros(len(keys), bool)
    return sorted_keys[np.minimum(np.searchsorted(sorted_keys, keys), len(sorted_keys) - 1)] == keys


def connected_components(count: int, pairs: np.ndarray) -> np.ndarray:
    """The connected component of each node of an undirected graph.

    Args:
        count: Number of nodes.
        pairs: (m, 2) integers, the nodes that each edge connects.

    Returns:
        (count,) int64: the lowest node of each node's component; a node without edges is its own.
    """
    if not len(pairs):
        return np.arange(count, dtype=np.int64)
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components as label_components

    graph = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    _, label = label_components(graph, directed=False)
    lowest: np.ndarray = np.unique(label, return_index=True)[1].astype(np.int64)
    return lowest[label]


def available_cores() -> int:
    """The CPU cores that this process may use, which in a container are fewer than the machine has."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min([cores, *_core_limit])


def limit_cores(count: int) -> None:
    """From now on this process uses at most so many cores, beside others that have the rest."""
    _core_limit[:] = [max(1, count)]


def release_freed_memory() -> None:
    """Return freed memory to the system, where the C library (glibc) would keep it for the process."""
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)


def collect_garbage_rarely() -> None:
    """Look for cyclic garbage after 100,000 new objects instead of 700.

    The decisions and the photos of a large archive are millions of objects that stay. By default all of them were gone
    through several times while they were read, and again in the middle of pages: half of the time of the first requests
    of the review server, and a fifth of that of the pages over all school years.
    """
    gc.set_threshold(100_000, 10, 10)


def share_one_polars_heap() -> None:
    """Let Polars, which is yet to be imported, have one heap; what the user has set stays."""
    os.environ.setdefault(*POLARS_ALLOCATOR)


@cache
def share_one_heap() -> None:
    """Let all threads that are yet to come share one heap of glibc; other systems are left as they are.

    Each would have its own otherwise, of which up to 64 MB stay with the process when the thread has ended.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(M_ARENA_MAX, 1)


def chunks_by_size(counts: np.ndarray, most: int = CHUNK_SIZE) -> Iterator[slice]:
    """Slices of as many rows as their counts sum to about `most` together."""
    ends = np.cumsum(counts)
    cuts = np.searchsorted(ends, np.arange(most, ends[-1] if len(ends) else 0, most), side="right")
    bounds = np.unique([0, *cuts, len(counts)])
    for start, stop in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        yield slice(start, stop)
