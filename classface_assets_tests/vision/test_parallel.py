"""Work in threads: the same ones for all school years, none of it left behind, and none of a parent process."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from classface_assets.vision.parallel import ordered_thread_map

FORKED = """
import os, warnings
from classface_assets.vision.parallel import ordered_thread_map
warnings.simplefilter("ignore")  # of Python from 3.12 on, which is right about forks, and why this is tested
results = lambda: [future.result() for _, future in ordered_thread_map(lambda item: item + 1, range(9), 2)]
first = results()
child = os.fork()
if not child:
    os._exit(0 if results() == first else 1)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_items_come_in_their_order_with_what_failed() -> None:
    def invert(item: int) -> float:
        time.sleep(0.01 * (item % 3))
        return 1 / item

    done = list(ordered_thread_map(invert, [4, 0, 2, 5], 2))
    assert [item for item, _ in done] == [4, 0, 2, 5]
    assert [future.exception() is None and future.result() for _, future in done] == [0.25, False, 0.5, 0.2]


def test_the_same_threads_serve_one_school_year_after_the_other() -> None:
    def thread_names() -> set[str]:
        return {future.result() for _, future in ordered_thread_map(_thread_name, range(40), 2)}

    assert len(set().union(*(thread_names() for _ in range(8)))) <= 2


def test_what_nobody_waits_for_any_more_is_not_begun() -> None:
    started: list[int] = []

    def slow(item: int) -> int:
        started.append(item)
        time.sleep(0.05)
        return item

    iterator = ordered_thread_map(slow, range(50), 2)
    next(iterator)
    iterator.close()  # type: ignore[attr-defined]
    time.sleep(0.3)
    assert len(started) <= 4
    assert [future.result() for _, future in ordered_thread_map(slow, [99], 2)] == [99], "the threads work on"


def test_what_is_begun_ends_before_the_caller_goes_on() -> None:
    running: set[int] = set()

    def slow(item: int) -> int:
        running.add(item)
        time.sleep(0.2)
        running.remove(item)
        return item

    iterator = ordered_thread_map(slow, range(50), 2)
    next(iterator)
    iterator.close()  # type: ignore[attr-defined]
    assert not running


def test_where_the_items_themselves_fail_nothing_of_them_is_begun_any_more() -> None:
    started: list[int] = []

    def slow(item: int) -> None:
        time.sleep(0.1)
        started.append(item)

    def items() -> Iterator[int]:
        yield from range(3)
        raise LookupError("the list is broken")

    with pytest.raises(LookupError):
        next(iter(ordered_thread_map(slow, items(), 2)))
    time.sleep(0.4)
    assert len(started) <= 2


def test_a_forked_process_has_threads_of_its_own() -> None:
    done = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def _thread_name(item: int) -> str:
    time.sleep(0.002)
    return threading.current_thread().name
