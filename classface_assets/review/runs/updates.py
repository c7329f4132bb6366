"""The updates of an archive as the review server starts and shows them, and how many photos wait for the next one.

Nothing here waits: the count is that of the last look at the photos folder, which a thread takes from time to time.
"""

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil

from classface_assets.core.errors import UserError
from classface_assets.core.languages import gettext
from classface_assets.orchestration.updates.record import (
    UpdateRecord,
    latest_update,
    new_update_id,
    read_record,
    write_record,
)
from classface_assets.review.problems import NotFoundError, ProblemError
from classface_assets.review.runs.launcher import COMMAND, UPDATE_JOB, RunSpec, launch
from classface_assets.services.photos.new_photos import NewPhotoCounter

if TYPE_CHECKING:
    from classface_assets.orchestration.resources import Archive, Models

LOOK_EVERY_S = 20.0


class UpdateCenter:
    """The updates of one archive."""

    def __init__(self, archive: "Archive", models: "Models") -> None:
        self._archive, self._models, self._layout = archive, models, archive.layout
        self._counter, self._lock = NewPhotoCounter(archive.layout), threading.Lock()
        self._new_photos: int | None = None
        self._looked_at = float("-inf")

    def start(self) -> UpdateRecord:
        """Start an update in a process of its own, which outlives the server.

        Raises:
            ProblemError: One goes on already.
        """
        with self._lock:
            last = self.latest()
            if last is not None and last.in_progress:
                raise ProblemError(409, gettext("An update goes on already; its progress is on the page Update."))
            update_id = new_update_id()
            process = launch(RunSpec(UPDATE_JOB), update_id, self._archive, self._models)
            record = UpdateRecord(
                update_id=update_id,
                command=COMMAND,
                process=process.pid,
                process_began=_began(process.pid),
                began=time.time(),
                pack=self._models.pack,
                photos_folder=str(self._layout.photos),
                data_folder=str(self._layout.data),
            )
            # The process needs seconds to import what it runs; until then this is what is known of it.
            if read_record(self._layout, update_id) is None:
                write_record(self._layout, record)
            self._looked_at = float("-inf")
            return record

    def latest(self) -> UpdateRecord | None:
        """The update that goes on, else the one that was started last."""
        return latest_update(self._layout)

    def find(self, update_id: str) -> UpdateRecord:
        """One update.

        Raises:
            NotFoundError: There is none with this id.
        """
        record = read_record(self._layout, update_id)
        if record is None:
            raise NotFoundError("update", update_id)
        return record

    def new_photos(self) -> int | None:
        """How many photos no update has read, at the last look; None before the first, or where it cannot be known."""
        if time.monotonic() - self._looked_at > LOOK_EVERY_S and self._lock.acquire(blocking=False):
            self._looked_at = time.monotonic()
            threading.Thread(target=self._look, daemon=True).start()
        return self._new_photos

    def _look(self) -> None:
        """Count the new photos; the lock is held by who started the thread."""
        try:
            with suppress(UserError, OSError):
                self._new_photos = self._counter.count()
        finally:
            self._lock.release()


def _began(pid: int) -> float:
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return 0.0
