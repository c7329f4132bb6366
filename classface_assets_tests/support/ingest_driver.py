"""A process that test_ingest starts: it imports the code once and forks a child for each run, so that a run that is
killed costs no start of Python. Each child is a process of its own, with its own models, and dies a real death.

One JSON object a line: what to do comes in on standard input, what came of it goes out on standard output.
"""

import json
import os
import random
import shutil
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

Job = dict[str, Any]


def small_batches() -> None:
    """Parts of two files, one photo, one face: a handful of photos then makes as many parts as thousands would."""
    from classface_assets.defs.ingest import images

    images.BATCH_SIZE = 2


def ingest(job: Job) -> dict[str, Any]:
    """One run of a school year on an instance of its own; returns the sentences of the steps that failed."""
    import dagster as dg
    from rich.console import Console

    from classface_assets.defs.runner.console import console_log
    from classface_assets.defs.runner.pipeline import PipelineRunner
    from classface_assets.orchestration.failures import failure_reason
    from classface_assets.orchestration.resources import Archive, Models

    archive = Archive(photos=job["photos"], data=job["data"], local=job.get("local", ""))
    config = {
        **console_log(),
        "ops": {
            "detections": {"config": {"photos_a_part": 1}},
            "embeddings": {"config": {"batch": 1, "faces_a_part": 1}},
        },
    }
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("school_year", [job["year"]])
        chain = PipelineRunner(instance, archive, Models(pack="builtin"), Console(quiet=True))
        outcome = chain.definitions.resolve_job_def("ingest_year").execute_in_process(
            run_config=config, instance=instance, partition_key=job["year"], raise_on_error=False
        )
    return {"reasons": [failure_reason(e.step_failure_data) for e in outcome.all_events if e.is_step_failure]}


def at_the_nth(job: Job) -> None:
    """Do something to this process at the n-th rename or removal of a part of an asset, just before it happens."""
    when = job["when"]
    happened = 0

    def watched(original: Callable[..., Any], which: int) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal happened
            path = Path(os.fspath(args[which]))
            if path.name.startswith("part-") and f"/parts/{when['asset']}/" in path.as_posix():
                happened += 1
                if happened == when["n"]:
                    ACTIONS[when["do"]](job)
            return original(*args, **kwargs)

        return call

    if when["call"] == "replace":
        os.replace = watched(os.replace, 1)  # what Path.replace calls
    elif when["call"] == "unlink":
        os.unlink = watched(os.unlink, 0)
    else:
        watch_requests(job)


def watch_requests(job: Job) -> None:
    """The same at the n-th PUT or DELETE of a part at an object storage; who dies at a PUT has sent half of it."""
    when, original = job["when"], socket.socket.send
    happened, putting = 0, None

    def send(self: socket.socket, data: Any, *flags: int) -> int:
        nonlocal happened, putting
        line = bytes(data[:400]).partition(b"\r\n")[0].decode("latin-1")
        if line.startswith(f"{when['call']} ") and f"/parts/{when['asset']}/" in line:
            happened += 1
            if happened == when["n"]:
                putting = self
        if putting is self and not line.startswith("PUT "):  # headers and content are sent one after the other
            putting = None
            if (when["call"], when["do"]) == ("PUT", "die"):
                original(self, data[: len(data) // 2])
            ACTIONS[when["do"]](job)
        return original(self, data, *flags)

    socket.socket.send = send  # type: ignore[method-assign]


def die(_job: Job) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_soon(job: Job) -> None:
    """A real kill at a random moment of the work that follows."""
    threading.Timer(job["when"]["seconds"], die, [job]).start()


def take_the_photos_away(job: Job) -> None:
    Path(job["photos"]).rename(job["away"])


ACTIONS: dict[str, Callable[[Job], None]] = {
    "die": die,
    "die soon": die_soon,
    "take the photos away": take_the_photos_away,
}


def run_in_a_child(job: Job) -> int:
    """Fork; the child runs the job and writes what came of it into the job's `answer` file."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        if "when" in job:
            at_the_nth(job)
        if "wait_for" in job:
            while not Path(job["wait_for"]).exists():
                time.sleep(0.001)
        Path(job["answer"]).write_text(json.dumps(ingest(job)))
        for timer in (t for t in threading.enumerate() if isinstance(t, threading.Timer)):
            timer.join()  # a death that comes late comes all the same
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)
    return 0


def wait(child: int, kill_after: float | None) -> int | None:
    """The exit code of a child, None when it was killed; killed by us after so many seconds."""
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return None if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def fill(folder: Path, leave: int) -> None:
    """Fill a disk with random bytes, which no file system makes smaller, but for so many bytes."""
    count = shutil.disk_usage(folder).free - leave
    (folder / "filler").write_bytes(random.randbytes(count))


def import_once() -> None:
    """What children would import themselves. No model and no thread: neither lives on in a child."""
    import cv2  # noqa: F401
    import dagster as dg
    import onnxruntime  # noqa: F401
    import pillow_heif  # noqa: F401
    import pyarrow.parquet  # noqa: F401

    from classface_assets.definitions import defs

    with dg.DagsterInstance.ephemeral():
        defs().resolve_job_def("ingest_year")


def main() -> None:
    import_once()
    small_batches()
    for line in sys.stdin:
        request = json.loads(line)
        if "fill" in request:
            fill(Path(request["fill"]), request["leave"])
        for path in request.get("remove", []):
            Path(path).unlink()
        if "copy" in request:
            shutil.copytree(*request["copy"])
        children = [run_in_a_child(job) for job in request.get("jobs", [])]
        if "start" in request:
            Path(request["start"]).touch()
        codes = [wait(child, request.get("kill_after")) for child in children]
        print(json.dumps(codes), flush=True)


if __name__ == "__main__":
    main()
