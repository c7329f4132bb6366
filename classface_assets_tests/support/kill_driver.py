"""A process that tests of kills start: it imports the code once and forks a child for each step.

The child dies a real death at a failpoint, or when it is about to change a file of the archive for the n-th time.

One JSON object a line: what to do comes in on standard input, what came of it goes out on standard output. A child is a
process of its own, with its own locks and models, and nobody cleans up behind it.
"""

import json
import logging
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from classface_assets_tests.support import killed_steps

Job = dict[str, Any]
MUTATIONS = {"os.rename": 1, "os.remove": 0, "os.link": 1, "os.mkdir": 0, "os.rmdir": 0, "open": 0}
"""Audit events that stand for a change of a file or folder, and which of their arguments is its path."""


@dataclass(frozen=True)
class Outcome:
    """What became of a step.

    Attributes:
        code: The exit code; None: it was killed.
        error: What it raised, in one sentence.
        mutations: How often it changed a file or folder of the archive.
        result: What the step returned.
    """

    code: int | None
    error: str = ""
    mutations: int = 0
    result: Any = None

    @property
    def killed(self) -> bool:
        return self.code is None


class KillDriver:
    """The process that forks a child for each step."""

    def __init__(self, before: Sequence[str] = ()) -> None:
        """Start it, by the command `before` if one is given."""
        command = [*before, sys.executable, "-m", __name__]
        environment = {**os.environ, "POLARS_ALLOW_FORKING_THREAD": "1", "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def run(
        self, step: str, folder: Path, *, failpoint: str = "", kill_at: int = 0, env: dict[str, str] | None = None,
        **arguments: Any,
    ) -> Outcome:  # fmt: skip
        """One step on the archive in a folder.

        Args:
            step: A function of `killed_steps`.
            folder: With `photos` and `data`.
            failpoint: Where it is killed, as CLASSFACE_FAILPOINT says it.
            kill_at: Before which change of a file it is killed, from 1; 0: never.
            env: Further environment variables.
            **arguments: Of the step.
        """
        answer = folder / "answer.json"
        answer.unlink(missing_ok=True)
        job = {"step": step, "folder": str(folder), "answer": str(answer), "kill_at": kill_at, "arguments": arguments}
        job["env"] = {**(env or {}), **({"CLASSFACE_FAILPOINT": failpoint} if failpoint else {})}
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the driver ended"
        code = json.loads(line)
        found = json.loads(answer.read_text()) if answer.exists() else {}
        return Outcome(code, **found)

    def end(self) -> None:
        self._process.communicate()


@contextmanager
def kill_driver(before: Sequence[str] = ()) -> Iterator[KillDriver]:
    driver = KillDriver(before)
    try:
        yield driver
    finally:
        driver.end()


def count_mutations(folder: Path, kill_at: int) -> Callable[[], int]:
    """Count the changes of files below a folder from now on, and die before the one of that number."""
    root, count = str(folder / "data"), 0

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        which = MUTATIONS.get(event)
        if which is None:
            return
        if event == "open" and not _writes(arguments):
            return
        path = arguments[which]
        if not isinstance(path, str | os.PathLike) or not os.fspath(path).startswith(root):
            return
        count += 1
        if count == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    return lambda: count


def _writes(arguments: tuple[Any, ...]) -> bool:
    _, mode, flags = arguments
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return bool(flags & (os.O_WRONLY | os.O_RDWR) and flags & (os.O_CREAT | os.O_TRUNC))


def run_in_a_child(job: Job) -> int | None:
    """Fork; the child does the step and writes what came of it. Its exit code, None where it was killed."""
    child = os.fork()
    if not child:
        _child(job)
    _, status = os.waitpid(child, 0)
    return None if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _child(job: Job) -> None:
    code = 1
    logging.disable(logging.WARNING)
    try:
        os.environ.update(job["env"])
        counted = count_mutations(Path(job["folder"]), job["kill_at"])
        answer: dict[str, Any] = {}
        try:
            answer["result"] = getattr(killed_steps, job["step"])(Path(job["folder"]), **job["arguments"])
            code = 0
        except Exception as error:
            answer["error"] = str(error) or type(error).__name__
            code = 3
            if os.environ.get("SHOW_TRACEBACKS"):
                traceback.print_exc()
        answer["mutations"] = counted()
        Path(job["answer"]).write_text(json.dumps(answer))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def import_once() -> None:
    """What children would import themselves. No model and no thread: neither lives on in a child."""
    import cv2  # noqa: F401
    import duckdb  # noqa: F401
    import onnxruntime  # noqa: F401
    import pillow_heif  # noqa: F401
    import pyarrow.parquet  # noqa: F401
    import scipy.sparse.csgraph  # noqa: F401
    import sqlalchemy.dialects.sqlite  # noqa: F401

    from classface_assets.definitions import defs

    defs()


def main() -> None:
    import_once()
    for line in sys.stdin:
        print(json.dumps(run_in_a_child(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
