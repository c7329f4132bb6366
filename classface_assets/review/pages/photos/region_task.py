"""The work behind the page of names in photo files: one piece at a time, in a thread, with its progress."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from classface_assets.core.errors import UserError
from classface_assets.core.languages import current_language, gettext, use_language
from classface_assets.services.face_regions.files import WriteReport
from classface_assets.services.face_regions.reading import ReadOptions, ReadReport
from classface_assets.services.face_regions.writing import WriteOptions

Progress = Callable[[int, int], None]


class Action(StrEnum):
    """What the page does."""

    READ = "read"
    WRITE = "write"
    REMOVE = "remove"


@dataclass(frozen=True)
class RegionJob:
    """What somebody asked for on the page: the action with its options, and whether it is done or only previewed."""

    action: Action
    apply: bool
    read: ReadOptions = field(default_factory=ReadOptions)
    write: WriteOptions = field(default_factory=WriteOptions)


@dataclass(frozen=True)
class TaskState:
    """How far the work is.

    Attributes:
        job: What was asked for; None before anything was.
        running: Whether it goes on.
        done: How many files are done.
        total: Of how many; 0 while that is not known yet.
        report: The result, once there is one.
        problem: Why there is none.
        erased: How many people were erased when it began: after another erasure it is shown no more.
    """

    job: RegionJob | None = None
    running: bool = False
    done: int = 0
    total: int = 0
    report: ReadReport | WriteReport | None = None
    problem: str = ""
    erased: int = 0


class RegionTask:
    """The one piece of work of a server; safe for several threads."""

    def __init__(self) -> None:
        """Nothing was asked for yet."""
        self._lock = threading.Lock()
        self._state = TaskState()

    @property
    def state(self) -> TaskState:
        """The state now."""
        return self._state

    def start(self, job: RegionJob, erased: int, work: Callable[[Progress], ReadReport | WriteReport]) -> bool:
        """Begin some work in a thread.

        Args:
            job: What is asked for.
            erased: How many people are erased.
            work: Does it, and calls its argument with the files done and their number.

        Returns:
            False where other work still goes on.
        """
        with self._lock:
            if self._state.running:
                return False
            self._state = TaskState(job, running=True, erased=erased)
        language = current_language()

        def run() -> None:
            with use_language(language):
                self._run(job, erased, work)

        threading.Thread(target=run, name="face regions", daemon=True).start()
        return True

    def forget_report(self) -> None:
        """Drop a report that may name somebody who was erased since."""
        with self._lock:
            if not self._state.running:
                self._state = TaskState()

    def _run(self, job: RegionJob, erased: int, work: Callable[[Progress], ReadReport | WriteReport]) -> None:
        def progress(done: int, total: int) -> None:
            self._state = TaskState(job, running=True, done=done, total=total, erased=erased)

        try:
            self._state = TaskState(job, report=work(progress), erased=erased)
        except UserError as error:
            self._state = TaskState(job, problem=str(error), erased=erased)
        except BaseException:
            self._state = TaskState(
                job, problem=gettext("It stopped because of an error; see the server's log."), erased=erased
            )
            raise
