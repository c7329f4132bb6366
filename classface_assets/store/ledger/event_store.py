"""The ledger as it is opened, read and written: one transaction an act. What the acts are stands in other modules."""

import getpass
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import sqlalchemy as sa

from classface_assets.store.decisions.replay import replay
from classface_assets.store.ledger.database import (
    create_tables,
    has_tables,
    hide_password,
    open_engine,
    read_events,
    read_last_event,
)
from classface_assets.store.ledger.transaction import LedgerError, LedgerTransaction
from classface_assets.store.model.decisions import Decisions
from classface_assets.store.model.events import Event

T = TypeVar("T")


@dataclass(frozen=True)
class EventStore:
    """The ledger at one database URL. `actor` is who acts; empty: CLASSFACE_ACTOR, or the user of the machine."""

    url: str
    actor: str = ""

    def events(self, after: int = 0, kinds: Collection[str] = ()) -> list[Event]:
        """All events later than the event `after`, or those of these kinds, oldest first."""
        return self._read(lambda con: read_events(con, kinds, after=after))

    def last(self) -> tuple[int, str, str] | None:
        """Number, time and kind of the last event: since none is ever changed, these stand for all of them."""
        return self._read(read_last_event)

    def decisions(self, until: int | None = None) -> Decisions:
        """What is in force, or was after the event `until`."""
        return replay(self.events(), until)

    def _read(self, read: Callable[[sa.Connection], T]) -> T:
        """Reading keeps no writer waiting; a ledger that is not there yet is made first."""

        def look(con: sa.Connection) -> tuple[bool, T | None]:
            return (True, read(con)) if has_tables(con) else (False, None)

        there, found = self._connected(False, look)
        if there:
            return found  # type: ignore[return-value]
        return self.write(lambda act: read(act.con))

    def write(self, act: Callable[[LedgerTransaction], T]) -> T:
        """One transaction that reads, checks and appends; what raises leaves nothing behind."""

        def begun(con: sa.Connection) -> T:
            create_tables(con)
            return act(LedgerTransaction(con, self.actor or current_actor()))

        return self._connected(True, begun)

    def _connected(self, writing: bool, use: Callable[[sa.Connection], T]) -> T:
        with translate_database_errors(self.url), open_engine(self.url, writing).begin() as con:
            return use(con)


@contextmanager
def translate_database_errors(url: str) -> Iterator[None]:
    """Raises LedgerError, a sentence, in place of what a database raises."""
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
        return name.encode("utf-8", "replace").decode("utf-8")[:255]
    except (KeyError, OSError):  # a container's user often has a number and no name
        return f"user {os.getuid()}"
