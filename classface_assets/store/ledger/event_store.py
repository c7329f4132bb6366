"""The events of a ledger's database: how they are read, and how one transaction appends to them."""

import getpass
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import sqlalchemy as sa
from pydantic import ValidationError

from classface_assets.core.failpoints import Failpoint, reached
from classface_assets.core.languages import gettext, sentence
from classface_assets.store.decisions.replay import replay
from classface_assets.store.ledger.database import (
    UnreadableEventError,
    create_tables,
    has_tables,
    hide_password,
    open_engine,
    read_events,
    read_events_of,
    read_last_event,
    sqlite_file,
)
from classface_assets.store.ledger.identity import (
    LedgerExpectation,
    LedgerRecord,
    LostLedgerError,
    RecordSource,
    missing_ledger_error,
    read_record,
    require_known_ledger,
)
from classface_assets.store.ledger.known_people import LastKnownPeople
from classface_assets.store.ledger.transaction import LedgerError, LedgerTransaction
from classface_assets.store.model.decisions import Decisions
from classface_assets.store.model.events import Event, LastEvent

T = TypeVar("T")
_MAX_ACTOR_LENGTH = 255
_DAMAGE_MESSAGES = ("malformed", "file is not a database", "unsupported file format")


@dataclass(frozen=True)
class EventStore:
    """The events at one database URL.

    Attributes:
        url: A SQLAlchemy URL.
        actor: Who acts; empty for `current_actor`.
        expected: What is known of the ledger; a transaction on another one fails and writes nothing. None to take any.
        after_write: Called after each transaction that may have appended events.
        known: What the last transaction read of people, for the next one.
    """

    url: str
    actor: str = ""
    expected: LedgerExpectation | None = field(default=None, compare=False, repr=False)
    after_write: Callable[[], None] | None = field(default=None, compare=False, repr=False)
    known: LastKnownPeople = field(default_factory=LastKnownPeople, compare=False, repr=False)

    def events(self, after: int = 0, kinds: Collection[str] = ()) -> list[Event]:
        """The events later than the event `after`, of these kinds or, without any, of all; oldest first."""
        if kinds:
            return self._read(lambda con: read_events_of(con, kinds, after=after))
        return self._read(lambda con: read_events(con, after))

    def last(self) -> LastEvent | None:
        """Number, time and kind of the last event: since no event is ever changed, these stand for all of them."""
        return self._read(read_last_event)

    def read_people(self) -> None:
        """Read the people and rosters, so that the first command finds them known.

        Raises:
            LedgerError: The ledger cannot be read.
        """

        def read(con: sa.Connection) -> None:
            with self.known.borrowed() as known:
                known.read(con, only_new=False)
                known.decisions()

        self._read(read)

    def require_known(self) -> None:
        """Check that the ledger is the one that is expected; nothing is created.

        Raises:
            LostLedgerError: It is missing, empty, older, another one, or diverged.
            DamagedLedgerError: It cannot be read.
            LedgerError: The database cannot be used.
        """
        if self._records():
            self._connected(False, lambda _: None)

    def record(self, source: RecordSource = RecordSource.PUBLICATION) -> LedgerRecord:
        """Which ledger this is, and the last decision in it; a ledger without an identity gets one."""

        def read(con: sa.Connection) -> LedgerRecord | None:
            found = read_record(con, source) if has_tables(con) else None
            return None if found is None or found.ledger_id is None else found

        return self._connected(False, read) or self.write(lambda tx: read_record(tx.con, source))

    def decisions(self, until: int | None = None) -> Decisions:
        """The decisions in force, or those in force after the event `until`."""
        return replay(self.events(), until)

    def write(self, command: Callable[[LedgerTransaction], T]) -> T:
        """Run a command in one transaction that reads, checks and appends; nothing is stored when it raises.

        Raises:
            LedgerError: The database cannot be used, or an event of the command cannot be stored.
        """

        def run(con: sa.Connection) -> T:
            create_tables(con, self._known_id())
            with self.known.borrowed() as known:
                try:
                    return command(LedgerTransaction(con, self.actor or current_actor(), known))
                except ValidationError as error:
                    reason = error.errors()[0]["msg"]
                    raise LedgerError(
                        gettext("This cannot be recorded (%(reason)s); check what was given.", reason=reason)
                    ) from None

        result = self._connected(True, run)
        if self.after_write is not None:
            self.after_write()
        return result

    def require_writable(self) -> None:
        """Check that a command could be recorded now, before something is done that has to be recorded.

        Raises:
            LedgerError: The database cannot be used.
        """
        self.write(lambda _: None)

    def _read(self, read: Callable[[sa.Connection], T]) -> T:
        """Read without keeping a writer waiting; a ledger that does not exist yet is created first."""

        def read_if_there(con: sa.Connection) -> tuple[bool, T | None]:
            return (True, read(con)) if has_tables(con) else (False, None)

        there, found = self._connected(False, read_if_there)
        if there:
            return found  # type: ignore[return-value]
        return self.write(lambda tx: read(tx.con))

    def _connected(self, writing: bool, use: Callable[[sa.Connection], T]) -> T:
        try:
            return self._use_known(writing, use)
        except LostLedgerError as error:
            if self.expected is not None and self.expected.refresh():
                return self._use_known(writing, use)  # another process has put another ledger in its place meanwhile
            if self._is_one_of_several:
                raise error.of_one_machine() from None
            raise

    def _use_known(self, writing: bool, use: Callable[[sa.Connection], T]) -> T:
        records = self._records()
        with translate_database_errors(self.url):
            file = sqlite_file(self.url) if records else None
            if file and not file.exists():
                lost = missing_ledger_error(records, hide_password(self.url), self._is_one_of_several)
                if lost is not None:
                    raise lost
            with open_engine(self.url, writing).begin() as con:
                if records:
                    where, is_shared = hide_password(self.url), self._is_one_of_several
                    require_known_ledger(con, has_tables(con), records, where, is_shared)
                found = use(con)
                if writing:
                    reached(Failpoint.EVENT_APPENDED)
        if writing:
            reached(Failpoint.EVENTS_COMMITTED)
        return found

    @property
    def _is_one_of_several(self) -> bool:
        """Whether other machines may have a ledger of their own, as this one has."""
        return self.expected is not None and self.expected.is_shared and sqlite_file(self.url) is not None

    def _records(self) -> Sequence[LedgerRecord]:
        return () if self.expected is None else self.expected.records()

    def _known_id(self) -> str | None:
        """The identity that the archive knows, for a ledger that fits with it and has none yet."""
        return next((one.ledger_id for one in self._records() if one.ledger_id and one.decisions), None)


class DamagedLedgerError(LedgerError):
    """A ledger whose file is damaged."""


@contextmanager
def translate_database_errors(url: str) -> Iterator[None]:
    """Raise LedgerError, one sentence, in place of what a database raises."""
    try:
        yield
    except UnreadableEventError as error:
        raise _damaged(url, str(error)) from None
    except (sa.exc.SQLAlchemyError, OSError, ImportError) as error:
        reason = str(getattr(error, "orig", error)).strip()
        if any(message in reason for message in _DAMAGE_MESSAGES):
            raise _damaged(url, reason) from None
        if "database is locked" in reason:
            raise LedgerError(
                sentence(
                    "The ledger %(ledger)s is in use by another program, which did not finish in time; nothing was "
                    "recorded: close that program, or wait until it is done, and try again.",
                    ledger=hide_password(url),
                )
            ) from None
        raise LedgerError(
            sentence(
                "The ledger %(ledger)s cannot be used (%(why)s); make it writable, or name another one with "
                "CLASSFACE_LEDGER.",
                ledger=hide_password(url),
                why=reason,
            )
        ) from None


def _damaged(url: str, reason: str) -> DamagedLedgerError:
    return DamagedLedgerError(
        sentence(
            "The ledger %(ledger)s cannot be used (it is damaged: %(why)s); put its last backup back with `classface "
            "ledger restore`, or name another one with CLASSFACE_LEDGER.",
            ledger=hide_password(url),
            why=reason,
        )
    )


def current_actor() -> str:
    """CLASSFACE_ACTOR, or the user of the machine."""
    try:
        name = os.environ.get("CLASSFACE_ACTOR") or getpass.getuser()
        return name.encode("utf-8", "replace").decode("utf-8")[:_MAX_ACTOR_LENGTH]
    except (KeyError, OSError):  # a container's user often has a number and no name
        return f"user {os.getuid()}"
