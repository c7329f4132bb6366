"""Exports that take a while, one after the other in the background: how far they are, and the file at the end."""

import tempfile
import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from classface_assets.core.errors import UserError
from classface_assets.core.languages import current_language, gettext, use_language

ProgressCallback = Callable[[int, int], None]
ExportWriter = Callable[[BinaryIO, ProgressCallback], tuple[str, ...]]
"""Writes the file of an export; returns sentences that the user should read, such as what was left out."""
MOST_JOBS = 12
"""Finished exports whose files stay, the newest."""


class JobState(StrEnum):
    """How far an export is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class ExportJob:
    """An export.

    Attributes:
        id: UUID.
        name: The name of its file.
        media_type: Of its file.
        version: Of the archive's view that it shows; a file of another version is not given out.
        state: How far it is.
        done: Pictures that are done.
        total: Pictures in all; 0 while that is not known.
        notes: See ExportWriter.
        reason: Why it failed; "" else.
    """

    id: str
    name: str
    media_type: str
    version: str
    state: JobState = JobState.WAITING
    done: int = 0
    total: int = 0
    notes: tuple[str, ...] = ()
    reason: str = ""


class ExportJobs:
    """The exports of one server; safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: OrderedDict[str, ExportJob] = OrderedDict()
        self._ended: dict[str, threading.Event] = {}
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="export")
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def start(self, name: str, media_type: str, version: str, write: ExportWriter) -> ExportJob:
        """Start an export; it waits until those before it are done."""
        job = ExportJob(str(uuid.uuid4()), name, media_type, version)
        with self._lock:
            if self._folder is None:
                self._folder = tempfile.TemporaryDirectory(prefix="classface-exports-")
            self._jobs[job.id], self._ended[job.id] = job, threading.Event()
            self._forget_oldest()
        self._pool.submit(self._run, job, write, current_language())
        return job

    def find(self, job_id: str) -> ExportJob | None:
        """The export of that id; None where there is none any more."""
        with self._lock:
            return self._jobs.get(job_id)

    def recent(self) -> list[ExportJob]:
        """All exports, the newest first."""
        with self._lock:
            return list(reversed(self._jobs.values()))

    def wait(self, job_id: str, seconds: float) -> ExportJob | None:
        """The export of that id, once it has ended or that time is over."""
        with self._lock:
            ended = self._ended.get(job_id)
        if ended is not None:
            ended.wait(seconds)
        return self.find(job_id)

    def file(self, job: ExportJob) -> Path:
        """The file of an export that is done."""
        assert self._folder is not None
        return Path(self._folder.name) / job.id

    def clear(self) -> None:
        """Remove all files: somebody was erased."""
        with self._lock:
            for job in list(self._jobs.values()):
                self._drop(job)

    def close(self) -> None:
        """End the exports and remove all files; called when the server ends."""
        self.clear()
        self._pool.shutdown(cancel_futures=True)
        if self._folder is not None:
            self._folder.cleanup()

    def _run(self, job: ExportJob, write: ExportWriter, reader: str) -> None:
        self._change(job, state=JobState.RUNNING)
        part = self.file(job).with_suffix(".part")
        try:
            with part.open("wb") as out:
                notes = write(out, lambda done, total: self._change(job, done=done, total=total))
            part.replace(self.file(job))
            self._change(job, state=JobState.DONE, notes=notes)
        except UserError as error:
            self._change(job, state=JobState.FAILED, reason=str(error))
        except Exception as error:  # the thread would swallow it, and the page would wait for ever
            with use_language(reader):
                reason = gettext("It could not be made: %(reason)s", reason=error)
            self._change(job, state=JobState.FAILED, reason=reason)
            raise
        finally:
            part.unlink(missing_ok=True)
            with self._lock:
                if job.id not in self._jobs:
                    self.file(job).unlink(missing_ok=True)
                if job.id in self._ended:
                    self._ended[job.id].set()

    def _change(self, job: ExportJob, **values: object) -> None:
        with self._lock:
            if job.id in self._jobs:
                self._jobs[job.id] = replace(self._jobs[job.id], **values)  # type: ignore[arg-type]

    def _forget_oldest(self) -> None:
        ended = [j for j in self._jobs.values() if j.state in (JobState.DONE, JobState.FAILED)]
        for job in ended[: max(len(self._jobs) - MOST_JOBS, 0)]:
            self._drop(job)

    def _drop(self, job: ExportJob) -> None:
        del self._jobs[job.id]
        self._ended.pop(job.id).set()
        self.file(job).unlink(missing_ok=True)
