"""The same work on many things at once, a thread each: OpenCV and onnxruntime let go of the interpreter's lock."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def side_by_side(act: Callable[[T], R], items: Iterable[T], at_once: int) -> Iterator[tuple[T, "Future[R]"]]:
    """Each item and what is done with it, in their order, `at_once` of them at a time.

    No more than twice as many are finished ahead of the caller.
    """
    import cv2

    cv2.setNumThreads(1)  # its own threads would take the cores from these
    left = iter(items)
    with ThreadPoolExecutor(at_once) as pool:
        try:
            queue = deque((item, pool.submit(act, item)) for item in islice(left, 2 * at_once))
            while queue:
                item, doing = queue.popleft()
                doing.exception()  # waits, so that no further one is begun before this one is done
                queue.extend((item, pool.submit(act, item)) for item in islice(left, 1))
                yield item, doing
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
