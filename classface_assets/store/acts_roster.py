"""The acts about the school's rosters: taking in a file, and striking a student out of all of them."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from classface_assets.store.book import Book
from classface_assets.store.decisions import fold
from classface_assets.store.events import Event, undone_events
from classface_assets.store.ledger_table import read_events
from classface_assets.store.redact import strike
from classface_assets.store.replay import replay
from classface_assets.store.roster import without_names
from classface_assets.store.roster_entry import RosterEntry
from classface_assets.store.writing import UnknownError, Writing

_KINDS = ("roster_imported", "undone")


@dataclass(frozen=True)
class Imported:
    """What an import came to. `event`: None when it changed nothing. `new` and `changed` count students.

    `rows_of`: the event that imported these very rows, now or before.
    """

    event: int | None
    new: int
    changed: int
    students: int
    rows_of: int | None = None


class RosterActs(Book):
    """A roster is one event, so one undo takes it back whole, with the names that its portraits gave to faces."""

    def import_roster(self, entries: Sequence[RosterEntry], source: str) -> Imported:
        """Take in the rows of a file. The rows of an import in force, or what is known already, change nothing."""
        rows = [entry.payload() for entry in entries]
        digest = hashlib.blake2b(json.dumps(rows, sort_keys=True).encode(), digest_size=16).hexdigest()

        def act(now: Writing) -> Imported:
            events = read_events(now.con, _KINDS)
            undone = undone_events(events)
            before = replay(events).roster
            payload = {"source": _shown(source), "digest": digest, "entries": rows}
            number = max((e.id for e in events), default=0) + 1
            after = replay([*events, Event(number, datetime.now(UTC), "", "roster_imported", payload)]).roster
            changed = sum(old.payload() != new.payload() for old, new in zip(before, after, strict=False))
            same = [e.id for e in events if e.id not in undone and e.payload.get("digest") == digest]
            if same or not (changed or len(after) > len(before)):
                return Imported(None, 0, 0, len(before), same[-1] if same else None)
            now.append("roster_imported", **payload)
            return Imported(now.appended[0], len(after) - len(before), changed, len(after), now.appended[0])

        return self.write(act)

    def strike_student(self, who: str) -> int:
        """Take a student (name or student id) out of every roster for good; returns out of how many imports.

        It cannot be undone: nothing of them is left, and the same files do not bring them back. Raises UnknownError.
        """
        roster = self.decisions().roster
        if len(without_names(roster, {fold(who)})) == len(roster):
            raise UnknownError(f"Nobody on the roster is called {who!r}; `classface roster list` lists the students.")
        count = strike(self.url, {fold(who)})
        self.write(lambda now: now.append("roster_struck", imports=max(1, count)))
        return count


def _shown(source: str) -> str:
    return "".join(c if c.isprintable() else "_" for c in source)[-255:] or "roster"
