"""Work on many things in parallel, a thread each: OpenCV and onnxruntime release the interpreter lock.

Also how this process treats freed memory, since pictures are large and come one after another.
"""

import ctypes
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache
from itertools import islice
from typing import TypeVar

from classface_assets.core.arrays import release_freed_memory

T = TypeVar("T")
R = TypeVar("R")
M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8  # malloc.h


@cache
def retain_freed_memory() -> None:
    """Let glibc reuse freed memory for later pictures; other systems are left as they are.

    By default each block of some 100 kB and more is returned to the system, which then clears the same pages again, one
    by one: 25 of the 220 ms that photos of 6 to 18 megapixels took. With an arena for each thread that would take more
    memory, so all threads share one.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        for parameter, value in (M_ARENA_MAX, 1), (M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 1 << 28):
            libc.mallopt(parameter, value)


def ordered_thread_map(function: Callable[[T], R], items: Iterable[T], workers: int) -> Iterator[tuple[T, "Future[R]"]]:
    """Call a function on each item, `workers` of them at a time.

    Args:
        function: Called in a thread.
        items: Consumed as needed: no more than 2 × workers are finished ahead of the caller.
        workers: The number of threads.

    Yields:
        Each item and its finished future, in the order of the items.
    """
    import cv2

    cv2.setNumThreads(1)  # its own threads would take the cores from these
    retain_freed_memory()
    pool, remaining = _thread_pool(workers, os.getpid()), iter(items)
    queue: deque[tuple[T, Future[R]]] = deque()
    try:
        queue.extend((item, pool.submit(function, item)) for item in islice(remaining, 2 * workers))
        while queue:
            item, future = queue.popleft()
            future.exception()  # waits, so that no further item is started before this one is done
            queue.extend((item, pool.submit(function, item)) for item in islice(remaining, 1))
            yield item, future
    finally:
        wait([future for _, future in queue if not future.cancel()])  # what is begun ends before the caller goes on
        release_freed_memory()  # some 80 MB once the pictures are done


@cache
def _thread_pool(workers: int, process: int) -> ThreadPoolExecutor:
    """The threads of a process, the same for all school years: what networks hold for a thread stays with new ones.

    With threads of its own for each of 16 school years an ingest took 0.2 GB more. A forked process has none of them.
    """
    return ThreadPoolExecutor(workers, thread_name_prefix=f"vision-{process}")
