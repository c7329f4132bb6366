"""Who is logged in: an SQLite file of this machine, in which sessions are listed and ended, also by another process.

It holds hashes of session ids and of the access token only: nobody logs in with what is stored here.
"""

import hashlib
import logging
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

SESSION_LIFETIME_S = 30 * 24 * 3600
MAX_SESSIONS = 200
NUMBER_LENGTH = 8
USED_RESOLUTION_S = 60
"""How exactly the time of the last use is recorded; each request would be a write otherwise."""
_LOGGER = logging.getLogger("classface.review")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS sessions (
    digest TEXT PRIMARY KEY, actor TEXT NOT NULL, address TEXT NOT NULL, browser TEXT NOT NULL,
    started_at REAL NOT NULL, used_at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS token (salt BLOB NOT NULL, digest BLOB NOT NULL);
"""


@dataclass(frozen=True)
class StoredSession:
    """A session as it is listed.

    Attributes:
        number: The first characters of the hash of its id: enough to name it, useless to log in with.
        actor: The name given at the login; may be empty.
        address: Where it was last used from.
        browser: Of the login, in words.
        started_at: Seconds since 1970.
        used_at: Seconds since 1970, up to a minute ago more.
    """

    number: str
    actor: str
    address: str
    browser: str
    started_at: float
    used_at: float


class SessionStore:
    """The sessions in a file that several threads and processes share; in memory where there is no file."""

    def __init__(self, file: Path | None) -> None:
        """Open or create the file, readable only by its owner. A damaged one is set aside: all log in again."""
        self._lock, self._file = threading.Lock(), file
        self._connection = _open(file)

    def move_to(self, file: Path) -> None:
        """Store the sessions of memory in a file from now on; one that is in use already stays."""
        with self._lock:
            if self._file is not None or file.exists():
                return
            stored = _open(file)
            self._connection.backup(stored)
            self._connection.close()
            self._connection, self._file = stored, file

    def start(self, session_id: str, actor: str, address: str, browser: str) -> None:
        """Store a session; the least recently used ones make room."""
        now = time.time()
        with self._transaction() as connection:
            connection.execute(
                "INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?)",
                (digest_of(session_id), actor, address, browser, now, now),
            )
            connection.execute("DELETE FROM sessions WHERE used_at < ?", (now - SESSION_LIFETIME_S,))
            connection.execute(
                "DELETE FROM sessions WHERE digest NOT IN "
                "(SELECT digest FROM sessions ORDER BY used_at DESC, rowid DESC LIMIT ?)",
                (MAX_SESSIONS,),
            )

    def use(self, session_id: str, address: str) -> bool:
        """Whether the session exists; its last use is recorded."""
        digest, now = digest_of(session_id), time.time()
        with self._lock:
            row = self._connection.execute(
                "SELECT used_at, address FROM sessions WHERE digest = ? AND started_at > ?",
                (digest, now - SESSION_LIFETIME_S),
            ).fetchone()
        if row is None:
            return False
        if now - row[0] > USED_RESOLUTION_S or row[1] != address:
            with self._transaction() as connection:
                connection.execute(
                    "UPDATE sessions SET used_at = ?, address = ? WHERE digest = ?", (now, address, digest)
                )
        return True

    def end(self, session_id: str) -> None:
        """End the session with this id."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM sessions WHERE digest = ?", (digest_of(session_id),))

    def end_numbered(self, number: str) -> bool:
        """End the session that is listed under this number; False where there is none."""
        with self._transaction() as connection:
            done = connection.execute("DELETE FROM sessions WHERE substr(digest, 1, ?) = ?", (NUMBER_LENGTH, number))
            return done.rowcount > 0

    def end_all(self, but: str | None = None) -> int:
        """End all sessions, but the one with this id; returns how many."""
        with self._transaction() as connection:
            retained = digest_of(but) if but is not None else ""
            return connection.execute("DELETE FROM sessions WHERE digest != ?", (retained,)).rowcount

    def all(self) -> list[StoredSession]:
        """The sessions, the last used one first."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT substr(digest, 1, ?), actor, address, browser, started_at, used_at FROM sessions "
                "WHERE started_at > ? ORDER BY used_at DESC",
                (NUMBER_LENGTH, time.time() - SESSION_LIFETIME_S),
            ).fetchall()
        return [StoredSession(*row) for row in rows]

    def is_known_address(self, address: str) -> bool:
        """Whether a session was used from there."""
        with self._lock:
            row = self._connection.execute("SELECT 1 FROM sessions WHERE address = ? LIMIT 1", (address,)).fetchone()
        return row is not None

    def bind_to_token(self, token: str) -> None:
        """End all sessions if they were started under another access token."""
        with self._transaction() as connection:
            row = connection.execute("SELECT salt, digest FROM token").fetchone()
            if row is not None and secrets.compare_digest(_slow_hash(token, row[0]), row[1]):
                return
            salt = secrets.token_bytes(16)
            connection.execute("DELETE FROM sessions")
            connection.execute("DELETE FROM token")
            connection.execute("INSERT INTO token VALUES (?, ?)", (salt, _slow_hash(token, salt)))

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._connection:
            yield self._connection


def digest_of(session_id: str) -> str:
    """The hash under which a session is stored."""
    return hashlib.sha256(session_id.encode()).hexdigest()


def _slow_hash(token: str, salt: bytes) -> bytes:
    """The hash by scrypt (RFC 7914): a token that somebody chose may be guessed from a fast hash."""
    return hashlib.scrypt(token.encode(), salt=salt, n=2**14, r=8, p=1)


def _open(file: Path | None) -> sqlite3.Connection:
    """A connection to the file with its tables; to memory where the file can neither be read nor written."""
    if file is not None:
        try:
            return _connect(file)
        except sqlite3.OperationalError as error:
            _LOGGER.warning("%s cannot be opened (%s): sessions end with this server.", file, error)
        except sqlite3.DatabaseError:
            aside = file.with_name(f"{file.name}.damaged-{time.time_ns()}")
            file.rename(aside)
            _LOGGER.warning("%s was damaged and lies beside it as %s: everybody logs in again.", file, aside.name)
            return _connect(file)
    return _connect(None)


def _connect(file: Path | None) -> sqlite3.Connection:
    if file is not None and not file.exists():
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch(mode=0o600)
        except OSError as error:
            raise sqlite3.OperationalError(str(error)) from None
    connection = sqlite3.connect(file or ":memory:", timeout=10, check_same_thread=False)
    try:
        connection.executescript(_SCHEMA)
        with closing(connection.execute("SELECT count(*) FROM sessions")) as cursor:
            cursor.fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection
