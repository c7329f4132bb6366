"""Writes the record of an update while it goes on: its stages, how far each step is, and what went wrong."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace

from classface_assets.core.errors import StorageError, UserError, sentence_of
from classface_assets.core.languages import stored_sentence
from classface_assets.core.layout import ArchiveLayout
from classface_assets.orchestration.progress import TaskProgress
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.orchestration.updates.record import (
    StepProgress,
    UpdateRecord,
    UpdateState,
    new_update_id,
    own_process,
    read_record,
    write_record,
)

WRITE_EVERY_S = 0.5
MAX_PROBLEMS = 200
SEARCH_UNIT = "photos"


class UpdateRecorder:
    """The record of the update that this process runs. A disk that is full stops no update for the sake of it."""

    def __init__(self, layout: ArchiveLayout, command: str, pack: str, update_id: str = "", job: str = "") -> None:
        """Start a record.

        Args:
            layout: The archive.
            command: What started the update, such as `classface run`.
            pack: The model pack.
            update_id: Of an update that another process has announced already; "" for a new one.
            job: The only job that is run; "" for the whole chain.
        """
        self._layout, self._lock, self._written = layout, threading.RLock(), 0.0
        self.step_failed = False
        process, process_began = own_process()
        announced = read_record(layout, update_id)
        self.record = UpdateRecord(
            update_id=update_id or new_update_id(),
            command=command,
            process=process,
            process_began=process_began,
            began=announced.began if announced else time.time(),
            pack=pack,
            photos_folder=str(layout.photos),
            data_folder=str(layout.data),
            job=job,
        )
        self._write()

    def wait(self, reason: str) -> None:
        """Record what is waited for."""
        self._change(state=UpdateState.WAITING, stage=str(reason), waits_for=stored_sentence(reason))

    def begin(self, years: Sequence[str], photos_expected: int | None) -> None:
        """Record that the runs begin, for these school years with so many new photos."""
        self._change(
            state=UpdateState.RUNNING, years=tuple(years), years_done=0, photos_expected=photos_expected, stage=""
        )

    def enter_stage(self, sentence: str, years_done: int | None = None) -> None:
        """Record what goes on now, and how many of the school years are through."""
        done = self.record.years_done if years_done is None else years_done
        self._change(stage=sentence, step=None, years_done=done)

    def add_problems(self, sentences: Sequence[str]) -> None:
        """Record what went wrong, in all languages where they are a `Sentence`; of very many only the first."""
        new = [one for one in sentences if one not in self.record.problems]
        self._change(
            problems=(*self.record.problems, *map(str, new))[:MAX_PROBLEMS],
            sentences=(*self.record.sentences, *map(stored_sentence, new))[:MAX_PROBLEMS],
        )

    def add_failures(self, sentences: Sequence[str]) -> None:
        """Record that steps failed, and why."""
        self.step_failed = True
        self.add_problems(sentences)

    def finish(self, failed: bool) -> None:
        """Record that it has ended."""
        state = UpdateState.FAILED if failed else UpdateState.DONE
        self._change(state=state, ended=time.time(), step=None, stage="")

    @contextmanager
    def listen(self, progress: TaskProgress) -> Iterator[Callable[[], None]]:
        """A ProgressListener."""
        photos, faces, errors = self.record.photos, self.record.faces, self.record.errors
        is_search = progress.unit == SEARCH_UNIT and progress.label.endswith("finding faces")

        def update() -> None:
            with self._lock:
                self.record = replace(
                    self.record,
                    step=StepProgress(
                        progress.label,
                        progress.unit,
                        progress.done,
                        progress.total,
                        progress.items_per_second,
                        is_search,
                    ),
                    photos=photos + (progress.done if is_search else 0),
                    faces=faces + (progress.faces if is_search else 0),
                    errors=errors + progress.errors,
                )
                if time.monotonic() - self._written >= WRITE_EVERY_S:
                    self._write()

        update()
        self._write()
        try:
            yield update
        finally:
            self._write()

    def _change(self, **values: object) -> None:
        with self._lock:
            self.record = replace(self.record, **values)  # type: ignore[arg-type]
            self._write()

    def _write(self) -> None:
        self._written = time.monotonic()
        with suppress(StorageError):
            write_record(self._layout, self.record)


@contextmanager
def recorded_update(
    archive: Archive, models: Models, command: str, update_id: str = "", job: str = ""
) -> Iterator[UpdateRecorder]:
    """A context with the recorder of an update, which ends with it: as failed where a step failed.

    Args:
        archive: The archive.
        models: The model pack.
        command: What started the update.
        update_id: Of an update that another process has announced already.
        job: The only job that is run; "" for the whole chain.
    """
    recorder = UpdateRecorder(archive.layout, command, models.pack, update_id, job)
    try:
        yield recorder
    except UserError as error:
        recorder.add_problems([sentence_of(error)])
        recorder.finish(failed=True)
        raise
    except BaseException:
        recorder.finish(failed=True)
        raise
    recorder.finish(failed=recorder.step_failed)
