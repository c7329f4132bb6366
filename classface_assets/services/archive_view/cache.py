"""The view of the moment, made anew only when the published file or the ledger has changed."""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl

from classface_assets.services.archive_view.model import ArchiveView, PublishedSnapshot, build_archive_view
from classface_assets.store.decisions.reconciliation import constraints_for
from classface_assets.store.decisions.replay import replay
from classface_assets.store.files.duckdb import query_database
from classface_assets.store.ledger.ledger import Ledger
from classface_assets.store.model.events import Event
from classface_assets.store.published import queries

MAX_RECENT_AGE_S = 1.0


class ArchiveViewCache:
    """Hands out the view of the moment; several threads may ask."""

    def __init__(self, database: Path, ledger: Ledger, erased: Callable[[], None] = lambda: None) -> None:
        """`erased` is called when somebody was erased, be it by another process."""
        self._database, self._ledger, self._erased = database, ledger, erased
        self._lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        """Read everything again, the next time: names may have been taken out of the ledger."""
        self._events: list[Event] = []
        self._snapshot: tuple[object, PublishedSnapshot] | None = None
        self._view: tuple[object, ArchiveView] | None = None
        self._looked = 0.0

    def now(self) -> ArchiveView:
        """Raises DatabaseError while nothing is published, LedgerError when the ledger cannot be read."""
        looked = time.monotonic()
        version = file_version(self._database), self._ledger.last()
        view = self._view
        if view is None or view[0] != version:
            with self._lock:
                view = self._view
                if view is None or view[0] != version:
                    events = self._said(self._snapshot is not None and self._snapshot[0] != version[0])
                    view = self._view = version, build_archive_view(self._published(version[0], events), events)
        self._looked = looked
        return view[1]

    def recent(self) -> ArchiveView | None:
        """The view if it was looked for within the last second: of a page's many pictures, few ask the ledger."""
        view = self._view
        return view[1] if view is not None and time.monotonic() - self._looked < MAX_RECENT_AGE_S else None

    def _said(self, other_file: bool) -> list[Event]:
        """Only what is new is read: events are never changed, but for the names of people who are erased or struck.

        These are taken out some time after the erasure, so all is read again too when another file is published.
        """
        last = self._events[-1].id if self._events else 0
        new = self._ledger.events(after=last)
        erased = last > 0 and any(event.kind in ("person_erased", "roster_struck") for event in new)
        if erased:
            self._erased()
        if erased or other_file:
            self._events, new = [], self._ledger.events()
        self._events = [*self._events, *new]
        return self._events

    def _published(self, file: object, events: Sequence[Event]) -> PublishedSnapshot:
        if self._snapshot is None or self._snapshot[0] != file:
            self._snapshot = file, read_snapshot(self._database, events)
        return self._snapshot[1]


def read_snapshot(database: Path, events: Sequence[Event]) -> PublishedSnapshot:
    """Raises DatabaseError."""
    last = query_database(database, "SELECT coalesce(max(id), 0) AS last FROM face_assignment_events").item()
    faces, photos = queries.faces_with_photos(database), queries.readable_photos(database)
    faces = faces.with_columns(pl.col("created_at").dt.replace_time_zone("UTC"))
    faces = faces.sort("face_id")
    confirmed = frozenset(constraints_for(replay(events, last), faces).confirmed)
    return PublishedSnapshot(faces, photos.sort("asset_id"), last, confirmed)


def file_version(file: Path) -> tuple[int, ...] | None:
    """What changes when another file is put in its place; None when there is none."""
    try:
        status = file.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size
