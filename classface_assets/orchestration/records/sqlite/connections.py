"""How this process connects to Dagster's SQLite files: one connection to each of the last few stays open.

Dagster opens a connection for every event and closes it again. Where no other one is open, SQLite then writes its
write-ahead log back and deletes it, with several calls that wait for the disk: of 16 school years with nothing new that
was most of the time. While one connection stays open the log stays too, and with `synchronous = NORMAL` a commit into
it does not wait: a loss of power may cost the last events, and never damages a file
(https://www.sqlite.org/pragma.html#pragma_synchronous). Nothing else is changed: not the ledger, and no other database.

While a connection is held, this process may open the file by SQLite only: closing it after any other opening would take
the locks off it (https://www.sqlite.org/howtocorrupt.html, 2.2).
"""

import atexit
import functools
import os
import sqlite3
import threading
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MOST_OPEN = 4
"""Files that a run writes: the index of events, the runs, the schedules, and its own events."""


@dataclass(frozen=True)
class _Held:
    connection: sqlite3.Connection
    inode: tuple[int, int]


class HeldConnections:
    """Idle connections to the SQLite files that were used last.

    Args:
        most: Files of which one is held.
    """

    def __init__(self, most: int = MOST_OPEN) -> None:
        self._most = most
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self._lock = threading.Lock()

    def hold(self, file: str) -> None:
        """Hold a connection to a file that has a write-ahead log, and none to that which was not used for longest.

        Raises:
            sqlite3.Error: It cannot be opened.
            OSError: It is gone.
        """
        status = Path(file).stat()
        inode = (status.st_dev, status.st_ino)
        with self._lock:
            held = self._held.pop(file, None)
            if held and held.inode != inode:  # another file has its name by now
                held.connection.close()
                held = None
            self._held[file] = held or _Held(_open_idle(file), inode)
            while len(self._held) > self._most:
                self._held.popitem(last=False)[1].connection.close()

    def files(self) -> list[str]:
        """Those to which a connection is held."""
        with self._lock:
            return list(self._held)

    def close(self) -> None:
        """Hold none any longer."""
        with self._lock:
            while self._held:
                self._held.popitem()[1].connection.close()


_HELD = HeldConnections()


def keep_records_open() -> None:
    """From now on this process connects to Dagster's SQLite files in that way.

    Not on Windows, where nobody could delete a file that somebody holds open.
    """
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    if os.name != "nt" and not event.contains(Engine, "connect", _on_connect):
        event.listen(Engine, "connect", _on_connect)
        atexit.register(_HELD.close)


def held_files() -> list[str]:
    """The files to which this process holds a connection."""
    return _HELD.files()


def _on_connect(connection: object, _record: object) -> None:
    if not isinstance(connection, sqlite3.Connection):
        return
    file = str(connection.execute("PRAGMA database_list").fetchone()[2])  # "" of one in memory
    home = os.environ.get("DAGSTER_HOME")
    if not file or not home or not file.startswith(_inside(home)):
        return
    connection.execute("PRAGMA synchronous = NORMAL")
    # Before it has a log, which Dagster sets after it made the tables, a connection would hold nothing.
    if connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
        with suppress(sqlite3.Error, OSError):  # it is an improvement only: what is wrong with the file, Dagster finds
            _HELD.hold(file)


@functools.cache
def _inside(home: str) -> str:
    return str(Path(home).resolve()) + os.sep


def _open_idle(file: str) -> sqlite3.Connection:
    connection = sqlite3.connect(file, check_same_thread=False)
    connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()  # only now it takes part in the log
    return connection
