"""How many faces a second find their nearest neighbours among COUNT others (a million), as the knn_graph does it."""

import os
import time
from collections.abc import Iterator

import numpy as np

from classface_assets.core.arrays import l2_normalize
from classface_assets.devtools.benchmark.gpu.machine import missing_cuda_in_faiss
from classface_assets.devtools.benchmark.gpu.measurements import Device, Measurement, Outcome
from classface_assets.identity.graph.approximate import (
    build_index,
    neighbour_recall,
    sample_rows,
    search_index,
)
from classface_assets.identity.graph.blocks import BLOCK_ROWS
from classface_assets.identity.graph.exact import exact_knn

COUNT, DIMENSIONS, FACES_A_PERSON, SPREAD = 1_000_000, 128, 12, 0.8
NEIGHBOURS, LEAST = 32, 0.45
SEARCH_SECONDS = 30.0  # what is not searched by then is counted, not waited for


def synthetic_vectors(count: int) -> np.ndarray:
    """Vectors (count, DIMENSIONS) float32 of unit length, FACES_A_PERSON similar ones for each person.

    People lie evenly in all directions, which makes it harder for an index than real faces do.
    """
    rng = np.random.default_rng(0)
    people = l2_normalize(rng.standard_normal((-(-count // FACES_A_PERSON), DIMENSIONS), np.float32))
    vectors = np.repeat(people, FACES_A_PERSON, axis=0)[:count]
    vectors += rng.standard_normal(vectors.shape, np.float32) * np.float32(SPREAD / DIMENSIONS**0.5)
    return np.asarray(l2_normalize(vectors), np.float32)


def measure_search(device: Device) -> Iterator[Measurement]:
    """The index of the device, and as many searches as time allows."""
    count = int(os.environ.get("COUNT") or COUNT)
    task, setting = "nearest neighbours", f"{count:,} faces of {DIMENSIONS} numbers, k = {NEIGHBOURS}"
    if device is Device.CUDA and (missing := missing_cuda_in_faiss()):
        yield Measurement(task, setting, device, Outcome.NOT_RUN, note=missing)
        return
    # Each row is better than the one before, of which the last counts where time runs out.
    yield Measurement(task, setting, device, Outcome.NOT_RUN, note="the index was not built in time")
    vectors = synthetic_vectors(count)
    tuning, judging = sample_rows(count, 2)
    start = time.perf_counter()
    built = build_index(vectors, tuning, NEIGHBOURS, LEAST)
    indexed = time.perf_counter() - start
    if built is None:
        yield Measurement(task, setting, device, Outcome.NOT_RUN, note="no index reaches the recall that is needed")
        return
    index, method = built
    outcome = Outcome.MEASURED if method.endswith("on the GPU") == (device is Device.CUDA) else Outcome.FELL_BACK
    start = time.perf_counter()
    for rows in np.split(np.arange(count), range(BLOCK_ROWS, count, BLOCK_ROWS)):
        search_index(index, vectors, rows, NEIGHBOURS, LEAST)
        seconds, done = time.perf_counter() - start, int(rows[-1]) + 1
        note = f"{method}: built in {indexed:.1f} s, {done:,} searched in {seconds:.1f} s"
        yield Measurement(task, setting, device, outcome, done / seconds, "faces", note)
        if seconds > SEARCH_SECONDS:
            break
    found = search_index(index, vectors, judging, NEIGHBOURS, LEAST)[0]
    recall = neighbour_recall(found, exact_knn(vectors, judging, NEIGHBOURS, LEAST)[0])
    yield Measurement(task, setting, device, outcome, done / seconds, "faces", f"{note}, recall {recall:.4f}")
