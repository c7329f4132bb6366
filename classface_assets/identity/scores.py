"""Roughly how alike faces are, many at once, by products of matrices; how wrong each may be is known.

Many processors multiply numbers of 16 bits (bfloat16) several times as fast as those of 32. They are used where that
is so, and compared as whole numbers, which numpy does quickest: those of positive ones order as they do.
"""

import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

GROUP = 64
"""Scores are looked at in groups of so many faces, by the best of each."""
DEPTH = 128 * GROUP
"""Faces in one product."""
FEW = 1e11
"""Fewer multiplications are not worth the seconds that importing torch takes."""


@dataclass(frozen=True)
class Scores:
    """Scores of all faces against some, held as keys that order as the scores do.

    `fill(asked, keys)` writes the keys (faces, asked) of the vectors `asked`, piece by piece. A score is off by at most
    `error`.
    """

    fill: Callable[[np.ndarray, np.ndarray], Iterator[slice]]
    error: float
    kind: Any
    threads: Callable[[int], int]
    """Sets how many threads a product may use, in this thread; returns how many it might use before."""

    def keys(self, scores: np.ndarray) -> np.ndarray:
        """The greatest keys of no greater score; for keys of 16 bits of positive scores only."""
        return scores if self.kind == np.float32 else (scores.view(np.int32) >> 16).astype(np.int16)

    def scores(self, keys: np.ndarray) -> np.ndarray:
        return keys if self.kind == np.float32 else (keys.astype(np.int32) << 16).view(np.float32)


def scores_of(vectors: np.ndarray, asked: int, least: float) -> Scores:
    """The quickest for these unit vectors (n, d) float32 and so many asked; scores below `least` need not be right."""
    if float(vectors.size) * asked < FEW:
        return _by_numpy(vectors)
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # vectors straight from Parquet are read-only; nothing writes to them
        numbers = torch.from_numpy(vectors)
    before = _threads(1)
    short_is_quicker = _seconds(numbers[:1024].bfloat16()) < 0.7 * _seconds(numbers[:1024])
    _threads(before)
    if not short_is_quicker:
        return Scores(_filler(numbers, torch.float32), _rounding(vectors), np.float32, _threads)
    short, lost = torch.empty(numbers.shape, dtype=torch.bfloat16), 0.0
    for start in range(0, len(vectors), DEPTH):
        part = slice(start, start + DEPTH)
        short[part] = numbers[part]
        lost = max(lost, float((short[part].float() - numbers[part]).norm(dim=1).max()))
    # By Cauchy and Schwarz: both vectors lost as much. The score itself is rounded too, by one part in 256 at most.
    error = 2.1 * lost + _rounding(vectors) + 2.0**-8
    if least <= error:
        return Scores(_filler(numbers, torch.float32), _rounding(vectors), np.float32, _threads)
    return Scores(_filler(short, torch.bfloat16), error, np.int16, _threads)


def _by_numpy(vectors: np.ndarray) -> Scores:
    def fill(asked: np.ndarray, keys: np.ndarray) -> Iterator[slice]:
        keys[len(vectors) :] = -np.inf
        for start in range(0, len(vectors), DEPTH):
            stop = min(start + DEPTH, len(vectors))
            np.matmul(vectors[start:stop], asked.T, out=keys[start:stop])
            yield slice(start, min(start + DEPTH, len(keys)))

    return Scores(fill, _rounding(vectors), np.float32, _blas_threads)


def _filler(numbers: Any, kind: Any) -> Callable[[np.ndarray, np.ndarray], Iterator[slice]]:
    """Fills with products of a tensor's rows. The rows that round up the last group are no one's."""
    import torch

    def fill(asked: np.ndarray, keys: np.ndarray) -> Iterator[slice]:
        scores = torch.from_numpy(keys).view(kind)
        turned = torch.from_numpy(asked).to(kind).T
        scores[len(numbers) :] = -torch.inf
        for start in range(0, len(numbers), DEPTH):
            stop = min(start + DEPTH, len(numbers))
            torch.mm(numbers[start:stop], turned, out=scores[start:stop])
            yield slice(start, min(start + DEPTH, len(keys)))

    return fill


def _rounding(vectors: np.ndarray) -> float:
    """By how much a sum of d products of 32-bit numbers can be wrong, for unit vectors."""
    return float(vectors.shape[1] * 2.0**-23)


def _threads(count: int) -> int:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    return int(before)


def _blas_threads(count: int) -> int:
    """Products in several threads, each in several of its own, wait for one another: it took half as long again."""
    from threadpoolctl import ThreadpoolController

    libraries = ThreadpoolController().select(user_api="blas").lib_controllers
    before = max((library.num_threads for library in libraries), default=1)
    for library in libraries:
        library.set_num_threads(count)
    return before


def _seconds(numbers: Any) -> float:
    numbers @ numbers.T  # the first time is slower
    start = time.thread_time()
    numbers @ numbers.T
    return time.thread_time() - start
