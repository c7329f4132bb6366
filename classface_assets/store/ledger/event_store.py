"""The events of a ledger's database: how they are read, and how one transaction appends to them."""

import getpass
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import sqlalchemy as sa
from pydantic import ValidationError

from classface_assets.store.decisions.replay import replay
from classface_assets.store.ledger.database import (
    create_tables,
    has_tables,
    hide_password,
    open_engine,
    read_events,
    read_events_of,
    read_last_event,
)
from classface_assets.store.ledger.transaction import LedgerError, LedgerTransaction
from classface_assets.store.model.decisions import Decisions
from classface_assets.store.model.events import Event

T = TypeVar("T")
_MAX_ACTOR_LENGTH = 255


@dataclass(frozen=True)
class EventStore:
    """The events at one database URL.

    Attributes:
        url: A SQLAlchemy URL.
        actor: Who acts; empty for `current_actor`.
    """

    url: str
    actor: str = ""

    def events(self, after: int = 0, kinds: Collection[str] = ()) -> list[Event]:
        """The events later than the event `after`, of these kinds or, without any, of all; oldest first."""
        if kinds:
            return self._read(lambda con: read_events_of(con, kinds, after=after))
        return self._read(lambda con: read_events(con, after))

    def last(self) -> tuple[int, str, str] | None:
        """Number, time and kind of the last event: since no event is ever changed, these stand for all of them."""
        return self._read(read_last_event)

    def decisions(self, until: int | None = None) -> Decisions:
        """The decisions in force, or those in force after the event `until`."""
        return replay(self.events(), until)

    def write(self, command: Callable[[LedgerTransaction], T]) -> T:
        """Run a command in one transaction that reads, checks and appends; nothing is stored when it raises.

        Raises:
            LedgerError: The database cannot be used, or an event of the command cannot be stored.
        """

        def run(con: sa.Connection) -> T:
            create_tables(con)
            try:
                return command(LedgerTransaction(con, self.actor or current_actor()))
            except ValidationError as error:
                reason = error.errors()[0]["msg"]
                raise LedgerError(f"This cannot be recorded ({reason}); check what was given.") from None

        return self._connected(True, run)

    def _read(self, read: Callable[[sa.Connection], T]) -> T:
        """Read without keeping a writer waiting; a ledger that does not exist yet is created first."""

        def read_if_there(con: sa.Connection) -> tuple[bool, T | None]:
            return (True, read(con)) if has_tables(con) else (False, None)

        there, found = self._connected(False, read_if_there)
        if there:
            return found  # type: ignore[return-value]
        return self.write(lambda tx: read(tx.con))

    def _connected(self, writing: bool, use: Callable[[sa.Connection], T]) -> T:
        with translate_database_errors(self.url), open_engine(self.url, writing).begin() as con:
            return use(con)


@contextmanager
def translate_database_errors(url: str) -> Iterator[None]:
    """Raise LedgerError, one sentence, in place of what a database raises."""
    try:
        yield
    except (sa.exc.SQLAlchemyError, OSError, ImportError) as error:
        reason = str(getattr(error, "orig", error)).strip()
        raise LedgerError(
            f"The ledger {hide_password(url)} cannot be used ({reason}); make it writable, or name "
            "another one with CLASSFACE_LEDGER."
        ) from None


def current_actor() -> str:
    """CLASSFACE_ACTOR, or the user of the machine."""
    try:
        name = os.environ.get("CLASSFACE_ACTOR") or getpass.getuser()
        return name.encode("utf-8", "replace").decode("utf-8")[:_MAX_ACTOR_LENGTH]
    except (KeyError, OSError):  # a container's user often has a number and no name
        return f"user {os.getuid()}"
