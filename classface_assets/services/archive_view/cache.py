"""The current view of the archive, computed again only when the published file or the ledger has changed."""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl

from classface_assets.services.archive_view.derived import LastingValues
from classface_assets.services.archive_view.model import ArchiveView, PublishedSnapshot, build_archive_view
from classface_assets.store.decisions.growing_replay import GrowingReplay
from classface_assets.store.decisions.reconciliation import constraints_for
from classface_assets.store.decisions.replay import replay
from classface_assets.store.files.duckdb import query_database
from classface_assets.store.ledger.ledger import Ledger
from classface_assets.store.model.events import Event
from classface_assets.store.published import queries

MAX_RECENT_AGE_S = 1.0
LOOK_EVERY_S = 2.0
"""Seconds between two looks at what other machines have published."""
_NAMES_REMOVED = ("person_erased", "roster_struck")
"""Kinds of events after which names are removed from events that were read before."""


class ArchiveViewCache:
    """Holds the current view; safe for several threads."""

    def __init__(
        self,
        database: Path,
        ledger: Ledger,
        on_erased: Callable[[], None] = lambda: None,
        synchronize: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare to read.

        Args:
            database: The published DuckDB file.
            ledger: The ledger.
            on_erased: Is called when somebody was erased, also by another process.
            synchronize: Fetches the file that other machines have published, where the data are at a URL.
        """
        self._database, self._ledger, self._on_erased = database, ledger, on_erased
        self._synchronize, self._looked = synchronize, -LOOK_EVERY_S
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Read everything again the next time: names may have been removed from the ledger."""
        self._events: list[Event] = []
        self._replay = GrowingReplay()
        self._lasting = LastingValues()
        self._snapshot: tuple[object, PublishedSnapshot] | None = None
        self._view: tuple[tuple[object, object], ArchiveView] | None = None
        self._checked = 0.0

    def current(self) -> ArchiveView:
        """The view of the published file and the ledger as they are now.

        Raises:
            DatabaseError: Nothing is published yet, or the file cannot be read.
            LedgerError: The ledger cannot be read.
        """
        checked, view = time.monotonic(), self._view
        last = self._ledger.last()
        # Each decision may be an erasure on another machine, whose database no longer has the person.
        self.look(at_once=view is None or view[0][1] != last)
        version = file_version(self._database), last
        view = self._view
        if view is None or view[0] != version:
            with self._lock:
                view = self._view
                if view is None or view[0] != version:
                    events = self._read_events(self._snapshot is not None and self._snapshot[0] != version[0])
                    snapshot, decisions = self._read_snapshot(version[0], events), self._replay.decisions(events)
                    view = self._view = version, build_archive_view(snapshot, events, decisions, self._lasting)
        self._checked = checked
        return view[1]

    def look(self, at_once: bool = False) -> None:
        """Fetch what other machines have published, unless that was done within the last seconds.

        Raises:
            StorageError: The server fails.
        """
        if at_once or time.monotonic() - self._looked >= LOOK_EVERY_S or not self._database.exists():
            self._synchronize()
            self._looked = time.monotonic()

    def recent(self) -> ArchiveView | None:
        """The view if it was current within the last second.

        A page's many images use it, so that few of them query the ledger.
        """
        view = self._view
        return view[1] if view is not None and time.monotonic() - self._checked < MAX_RECENT_AGE_S else None

    def _read_events(self, other_file: bool) -> list[Event]:
        """All events; only new ones are read, as events never change except for names that are removed.

        Names are removed some time after the erasure, so all events are read again when another file is published.
        """
        last = self._events[-1].id if self._events else 0
        new = self._ledger.events(after=last)
        erased = last > 0 and any(event.kind in _NAMES_REMOVED for event in new)
        if erased:
            self._on_erased()
        if erased or other_file:
            self._events, new = [], self._ledger.events()
            self._lasting = LastingValues()
        self._events = [*self._events, *new]
        return self._events

    def _read_snapshot(self, version: object, events: Sequence[Event]) -> PublishedSnapshot:
        if self._snapshot is None or self._snapshot[0] != version:
            self._snapshot = version, read_snapshot(self._database, events)
        return self._snapshot[1]


def read_snapshot(database: Path, events: Sequence[Event]) -> PublishedSnapshot:
    """Read the published faces and photos.

    Args:
        database: The DuckDB file.
        events: All events of the ledger; those that the file knows tell which faces were confirmed then.

    Raises:
        DatabaseError: The file does not exist or cannot be read.
    """
    last = query_database(database, "SELECT coalesce(max(id), 0) AS last FROM face_assignment_events").item()
    faces, photos = queries.faces_with_photos(database), queries.readable_photos(database)
    faces = faces.with_columns(pl.col("created_at").dt.replace_time_zone("UTC"))
    faces = faces.sort("face_id")
    confirmed = frozenset(constraints_for(replay(events, last), faces).confirmed)
    return PublishedSnapshot(faces, photos.sort("asset_id"), last, confirmed)


def file_version(file: Path) -> tuple[int, ...] | None:
    """A value that changes when another file takes the place of this one; None where there is no file."""
    try:
        status = file.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size
