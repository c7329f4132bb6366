"""How the rough scores of an exact search are computed: products of matrices, whose greatest error is known.

Many processors multiply numbers of 16 bits (bfloat16) several times as fast as those of 32. They are used where that is
so, and compared as whole numbers, which numpy does fastest: those of positive ones order as they do. OpenVINO makes the
products, which takes 0.1 GB of memory less than torch; where it is absent torch does.
"""

import importlib.util
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from classface_assets.core.arrays import available_cores

GROUP_SIZE = 64
"""Faces of a group: scores are compared by the best of each group first."""
PRODUCT_ROWS = 32 * GROUP_SIZE
"""Faces in one product: few enough to stay in the cache."""
MIN_SHORT_OPERATIONS = 1e11
"""Fewer multiplications are not worth the seconds that importing OpenVINO or torch takes."""
LOWEST_KEY = np.int16(np.iinfo(np.int16).min)
"""Below the key of every score, whatever its sign."""


@dataclass(frozen=True)
class ScoreKernel:
    """How the scores of all n faces against some queries are computed, as keys that order as the scores do."""

    fill: Callable[[np.ndarray, np.ndarray], Iterator[slice]]
    """`fill(queries, keys)` writes the keys (n, q) of query vectors (q, d), and yields the slices that are done."""
    error: float
    """By how much a score may be off."""
    kind: Any
    """numpy type of the keys."""
    threads: Callable[[int], int]
    """Sets how many threads a product may use, in this thread; returns how many it might use before."""

    def keys(self, scores: np.ndarray) -> np.ndarray:
        """The greatest keys of no greater score; for keys of 16 bits of positive scores only."""
        return scores if self.kind == np.float32 else (scores.view(np.int32) >> 16).astype(np.int16)

    def scores(self, keys: np.ndarray) -> np.ndarray:
        """The scores of keys, float32."""
        return keys if self.kind == np.float32 else (keys.astype(np.int32) << 16).view(np.float32)


def select_kernel(vectors: np.ndarray, queries: int, least: float) -> ScoreKernel:
    """The fastest kernel.

    Args:
        vectors: (n, d) float32 of unit length.
        queries: Number of vectors that are compared with them.
        least: Scores below this need not be right.
    """
    if float(vectors.size) * queries < MIN_SHORT_OPERATIONS:
        return _numpy_kernel(vectors)
    if importlib.util.find_spec("openvino") is None:
        return _torch_kernel(vectors, least)
    openvino = _openvino_with_short_numbers()
    error = _short_error(vectors)
    if openvino is None or least <= error:
        return _numpy_kernel(vectors)
    return ScoreKernel(_openvino_fill(openvino, vectors), error, np.int16, _set_blas_threads)


def _openvino_with_short_numbers() -> Any:
    """OpenVINO (which has no type hints), where it would itself choose bfloat16 on this processor; elsewhere None.

    Its telemetry module would report the import to Google Analytics; with that blocked it uses a stub of its own.
    """
    cast(dict[str, Any], sys.modules)["openvino_telemetry"] = None
    import openvino

    chosen = openvino.Core().get_property("CPU", "INFERENCE_PRECISION_HINT")
    return openvino if chosen == openvino.Type.bf16 else None


def _openvino_fill(openvino: Any, vectors: np.ndarray) -> Callable[[np.ndarray, np.ndarray], Iterator[slice]]:
    """Fills with products in bfloat16. The rows that round up the last group are no one's."""
    from openvino import opset13 as operations

    rows, queries = (operations.parameter([-1, vectors.shape[1]], np.float32) for _ in range(2))
    scores = operations.convert(operations.matmul(rows, queries, False, True), "bf16")
    network = openvino.Core().compile_model(
        openvino.Model([scores], [rows, queries]),
        "CPU",
        {  # each product is made by the thread that asks for it
            "NUM_STREAMS": available_cores(),
            "INFERENCE_NUM_THREADS": available_cores(),
            "ENABLE_CPU_PINNING": False,
            "INFERENCE_PRECISION_HINT": "bf16",
        },
    )
    local = threading.local()

    def fill(queries: np.ndarray, keys: np.ndarray) -> Iterator[slice]:
        if not hasattr(local, "request"):
            local.request = network.create_infer_request()
        query_tensor = openvino.Tensor(np.ascontiguousarray(queries))
        keys[len(vectors) :] = LOWEST_KEY
        for start in range(0, len(vectors), PRODUCT_ROWS):
            stop = min(start + PRODUCT_ROWS, len(vectors))
            out = keys[start:stop]
            local.request.set_output_tensor(openvino.Tensor(out, openvino.Shape(out.shape), openvino.Type.bf16))
            some = vectors[start:stop]  # of what is read-only, OpenVINO takes a copy
            inputs = [openvino.Tensor(some, shared_memory=some.flags.writeable), query_tensor]
            local.request.infer(inputs, share_outputs=True)
            yield slice(start, min(start + PRODUCT_ROWS, len(keys)))

    return fill


def _short_error(vectors: np.ndarray) -> float:
    """By how much a score of bfloat16 vectors may be off."""
    lost = 0.0
    for start in range(0, len(vectors), PRODUCT_ROWS):
        some = np.ascontiguousarray(vectors[start : start + PRODUCT_ROWS])
        bits = some.view(np.uint32)
        short = (bits + 0x7FFF + (bits >> 16 & 1) & 0xFFFF0000).view(np.float32)
        lost = max(lost, float(np.linalg.norm(short - some, axis=1).max()))
    # By Cauchy and Schwarz: both vectors lost as much. The score itself is rounded too, by one part in 256 at most.
    return 2.1 * lost + _rounding_error(vectors) + 2.0**-8


def _torch_kernel(vectors: np.ndarray, least: float) -> ScoreKernel:
    """Products by torch, in bfloat16 where that is quicker and precise enough."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # vectors straight from Parquet are read-only; nothing writes to them
        numbers = torch.from_numpy(vectors)
    before = _set_torch_threads(1)
    short_is_quicker = _time_product(numbers[:1024].bfloat16()) < 0.7 * _time_product(numbers[:1024])
    _set_torch_threads(before)
    error = _short_error(vectors)
    if not short_is_quicker or least <= error:
        return ScoreKernel(
            _torch_fill(numbers, torch.float32), _rounding_error(vectors), np.float32, _set_torch_threads
        )
    short = torch.empty(numbers.shape, dtype=torch.bfloat16)
    for start in range(0, len(vectors), PRODUCT_ROWS):
        part = slice(start, start + PRODUCT_ROWS)
        short[part] = numbers[part]
    return ScoreKernel(_torch_fill(short, torch.bfloat16), error, np.int16, _set_torch_threads)


def _numpy_kernel(vectors: np.ndarray) -> ScoreKernel:
    def fill(queries: np.ndarray, keys: np.ndarray) -> Iterator[slice]:
        keys[len(vectors) :] = -np.inf
        for start in range(0, len(vectors), PRODUCT_ROWS):
            stop = min(start + PRODUCT_ROWS, len(vectors))
            np.matmul(vectors[start:stop], queries.T, out=keys[start:stop])
            yield slice(start, min(start + PRODUCT_ROWS, len(keys)))

    return ScoreKernel(fill, _rounding_error(vectors), np.float32, _set_blas_threads)


def _torch_fill(numbers: Any, kind: Any) -> Callable[[np.ndarray, np.ndarray], Iterator[slice]]:
    """Fills with products of a tensor's rows. The rows that round up the last group are no one's."""
    import torch

    def fill(queries: np.ndarray, keys: np.ndarray) -> Iterator[slice]:
        scores = torch.from_numpy(keys).view(kind)
        turned = torch.from_numpy(queries).to(kind).T
        scores[len(numbers) :] = -torch.inf
        for start in range(0, len(numbers), PRODUCT_ROWS):
            stop = min(start + PRODUCT_ROWS, len(numbers))
            torch.mm(numbers[start:stop], turned, out=scores[start:stop])
            yield slice(start, min(start + PRODUCT_ROWS, len(keys)))

    return fill


def _rounding_error(vectors: np.ndarray) -> float:
    """By how much a sum of d products of 32-bit numbers can be wrong, for unit vectors."""
    return float(vectors.shape[1] * 2.0**-23)


def _set_torch_threads(count: int) -> int:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    return int(before)


def _set_blas_threads(count: int) -> int:
    """Products in several threads, each in several of its own, wait for one another: it took half as long again."""
    from threadpoolctl import ThreadpoolController

    libraries = ThreadpoolController().select(user_api="blas").lib_controllers
    before = max((library.num_threads for library in libraries), default=1)
    for library in libraries:
        library.set_num_threads(count)
    return before


def _time_product(numbers: Any) -> float:
    numbers @ numbers.T  # the first time is slower
    start = time.thread_time()
    numbers @ numbers.T
    return time.thread_time() - start
