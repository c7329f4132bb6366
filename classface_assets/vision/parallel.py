"""The same work on many things at once, a thread each: OpenCV and onnxruntime let go of the interpreter's lock."""

import ctypes
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8  # malloc.h


@cache
def retain_freed_memory() -> None:
    """Pictures are put where others were before them, on a glibc; other systems are left as they are.

    Else every block of some 100 kB and more goes back to the system, which then clears the same pages again, one by
    one: of the 220 ms that photos of 6 to 18 megapixels took, 25. With an arena for each thread that would take more
    memory, so they share one.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        for parameter, value in (M_ARENA_MAX, 1), (M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 1 << 28):
            libc.mallopt(parameter, value)


def release_freed_memory() -> None:
    """To the system, once the pictures are done, some 80 MB: else it would stay with this process to its end."""
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)


def ordered_thread_map(act: Callable[[T], R], items: Iterable[T], at_once: int) -> Iterator[tuple[T, "Future[R]"]]:
    """Each item and what is done with it, in their order, `at_once` of them at a time.

    No more than twice as many are finished ahead of the caller.
    """
    import cv2

    cv2.setNumThreads(1)  # its own threads would take the cores from these
    retain_freed_memory()
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
            release_freed_memory()
