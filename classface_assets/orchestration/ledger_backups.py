"""When the ledger of an archive is backed up: once decisions rest, at the end of a command, before and after a run.

What a backup is belongs in store.backups.
"""

import atexit
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from classface_assets.core.errors import UserError
from classface_assets.core.layout import ArchiveLayout
from classface_assets.store.backups.copies import back_up
from classface_assets.store.backups.generations import Backup, Retention
from classface_assets.store.ledger.event_store import EventStore
from classface_assets.store.published.ledger_record import record_decisions

QUIET_S = 20.0
"""Seconds without a decision after which a burst is over."""
MAX_WAIT_S = 300.0
"""Seconds after which a burst that does not end is backed up all the same."""
_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class LedgerBackups:
    """The backups of one archive's ledger.

    Attributes:
        layout: The archive.
        open_ledger: Opens the ledger, and checks that it is the archive's.
        retention: How many backups stay.
    """

    layout: ArchiveLayout
    open_ledger: Callable[[], EventStore]
    retention: Retention

    def make(self) -> Backup | None:
        """Back up the ledger if it has new events, and record its last decision; returns the backup that was made.

        Raises:
            LedgerError: The ledger is not the archive's, is damaged, or cannot be used.
            StorageError: The disk, drive or server fails.
        """
        store = self.open_ledger()
        made = back_up(store, self.layout.ledger_backups, self.retention)
        if store.last() is not None:
            record_decisions(self.layout, store)
        return made


class BackupScheduler:
    """Makes a backup after each burst of decisions of one process."""

    def __init__(self, make: Callable[[], object], quiet_s: float = QUIET_S, max_wait_s: float = MAX_WAIT_S) -> None:
        self._make, self._quiet_s, self._max_wait_s = make, quiet_s, max_wait_s
        self._lock = threading.Lock()
        self._first = self._last = 0.0
        self._is_pending = self._is_running = False
        self._wake = threading.Event()

    def notice(self) -> None:
        """A decision was made."""
        with self._lock:
            self._last = time.monotonic()
            self._first = self._first if self._is_pending else self._last
            self._is_pending = True
        self._wake.set()

    def start(self) -> None:
        """From now on until the process ends, make backups by itself whenever decisions rest, and at the end."""
        with self._lock:
            if self._is_running:
                return
            self._is_running = True
        threading.Thread(target=self._watch, daemon=True, name="ledger backups").start()
        atexit.register(self.flush)

    def flush(self) -> str | None:
        """Make the backup that is due, if one is; what prevents it is returned, and is no reason to fail a decision."""
        with self._lock:
            due, self._is_pending = self._is_pending, False
        if not due:
            return None
        try:
            self._make()
        except (UserError, OSError) as error:
            problem = f"The decisions are recorded, but the ledger was not backed up: {error}"
            _LOGGER.warning("%s", problem)
            return problem
        return None

    def _watch(self) -> None:
        while True:
            self._wake.wait()
            with self._lock:
                now = time.monotonic()
                rest = min(self._last + self._quiet_s, self._first + self._max_wait_s) - now
                if not self._is_pending:
                    self._wake.clear()
                    continue
            if rest > 0:
                time.sleep(rest)
            else:
                self.flush()
