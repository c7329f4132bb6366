"""The ledger: what people said, appended to a small database and never changed.

Any SQLAlchemy URL serves; SQLite is the default. Events are keyed by face id, never by cluster id, so no re-run can
lose a name. SQLite and PostgreSQL themselves refuse to update or delete a row, and writers queue.
"""

import unicodedata
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import sqlalchemy as sa

from classface_assets.errors import UserError
from classface_assets.store.ledger_table import (
    append_event,
    metadata,
    open_table,
    read_events,
    read_last,
    without_password,
)
from classface_assets.store.replay import Box, Decisions, Event, Person, fold, replay, undone_events

LONGEST_NAME = 255
T = TypeVar("T")


class LedgerError(UserError):
    """A decision that cannot be taken, or a ledger that cannot be opened."""


@dataclass(frozen=True)
class LabelledFace:
    """A face as the ledger keeps it: its id, and the photo and box by which it is found when a detector changes."""

    face_id: str
    asset_id: str
    box: Box


@dataclass(frozen=True)
class Ledger:
    """The ledger at one database URL. Every act is one transaction that reads, checks and appends."""

    url: str

    def events(self) -> list[Event]:
        """All events, oldest first."""
        return self._transact(read_events)

    def last(self) -> tuple[int, str, str] | None:
        """Number, time and kind of the last event: since none is ever changed, these stand for all of them."""
        return self._transact(read_last)

    def decisions(self) -> Decisions:
        return replay(self.events())

    def label(self, name: str, faces: Sequence[LabelledFace]) -> Person:
        """Say that the faces are the person of that name, who is created if nobody is called so."""
        name = _clean(name)

        def act(con: sa.Connection) -> Person:
            person = replay(read_events(con)).named(name)
            person_id = person.id if person else str(uuid.uuid4())
            if person is None:
                append_event(con, "person_created", {"person_id": person_id, "name": name})
            marks = [{"face_id": f.face_id, "asset_id": f.asset_id, "box": list(f.box)} for f in faces]
            append_event(con, "faces_labelled", {"person_id": person_id, "faces": marks})
            return replay(read_events(con)).persons[person_id]

        return self._transact(act)

    def rename(self, old: str, new: str) -> Person:
        """Give a person another name. Raises LedgerError when nobody has the old one, or somebody else the new one."""
        new = _clean(new)

        def act(con: sa.Connection) -> Person:
            decisions = replay(read_events(con))
            person, other = decisions.named(old), decisions.named(new)
            if person is None:
                raise LedgerError(f"Nobody is called {old!r}; `classface people` lists the names.")
            if other is not None and other.id != person.id:
                raise LedgerError(f"There is already a person called {other.name!r}; choose another name.")
            append_event(con, "person_renamed", {"person_id": person.id, "name": new})
            return replay(read_events(con)).persons[person.id]

        return self._transact(act)

    def undo(self, event_id: int | None = None) -> Event:
        """Take back one event (the last one in force, unless told), by appending an event that says so."""

        def act(con: sa.Connection) -> Event:
            events = read_events(con)
            undone = undone_events(events)
            open_events = [e for e in events if e.id not in undone and (event_id is not None or e.kind != "undone")]
            chosen = [e for e in open_events if event_id in (None, e.id)]
            if not chosen:
                which = "nothing in the ledger" if event_id is None else f"no event {event_id} in force"
                raise LedgerError(f"There is {which} to undo; `classface history` lists the events.")
            append_event(con, "undone", {"event_id": chosen[-1].id})
            _no_name_twice(con, chosen[-1])
            return chosen[-1]

        return self._transact(act)

    def _transact(self, act: Callable[[sa.Connection], T]) -> T:
        try:
            engine = open_table(self.url)
            with engine.begin() as con:
                metadata.create_all(con)
                return act(con)
        except (sa.exc.SQLAlchemyError, OSError, ImportError) as error:
            reason = str(getattr(error, "orig", error)).strip()
            raise LedgerError(
                f"The ledger {without_password(self.url)} cannot be used ({reason}); make it writable, or name "
                "another one with CLASSFACE_LEDGER."
            ) from None


def _no_name_twice(con: sa.Connection, undone: Event) -> None:
    """Raises LedgerError, and so takes the act back, when two persons are called the same now."""
    seen: set[str] = set()
    for person in replay(read_events(con)).persons.values():
        if fold(person.name) in seen:
            raise LedgerError(
                f"Undoing event {undone.id} would leave two people called {person.name!r}; rename one of them first."
            )
        seen.add(fold(person.name))


def _clean(name: str) -> str:
    """A name without stray white space. Raises LedgerError when nothing, too much, or what no page can show is left."""
    cleaned = " ".join(name.split())
    if not fold(cleaned):
        raise LedgerError("A name is needed: an empty one was given.")
    if len(cleaned) > LONGEST_NAME:
        raise LedgerError(f"A name has at most {LONGEST_NAME} characters; this one has {len(cleaned)}.")
    if any(unicodedata.category(c) in ("Cc", "Cs") for c in cleaned):
        raise LedgerError(f"The name {cleaned!r} has characters that cannot be shown; leave them out.")
    return cleaned
