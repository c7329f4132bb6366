"""What the last transaction read of people and rosters, so that the next one reduces only what is new.

Every transaction reads the rows again, and compares them as they are stored: names that were removed, what another
process appended, and another ledger in place of this one are seen.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from classface_assets.store.decisions.growing_replay import GrowingReplay
from classface_assets.store.decisions.people.enrolment import StudentMatcher
from classface_assets.store.ledger.database import EventRow, parse_rows, read_rows
from classface_assets.store.model.decisions import Decisions
from classface_assets.store.model.events import PEOPLE_KINDS, ROSTER_KINDS, Event


class KnownPeople:
    """The events about people and rosters as they were read last; of one transaction at a time.

    Attributes:
        events: Oldest first.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._rows: list[EventRow] = []
        self._replay = GrowingReplay()
        self._decisions: Decisions | None = None

    def read(self, con: sa.Connection, only_new: bool) -> None:
        """Read the events; only those that are not known are parsed.

        Args:
            con: The open transaction.
            only_new: Whether the known ones were read in this transaction, so that only newer ones are read.

        Raises:
            UnreadableEventError: A row is no event.
        """
        known = len(self._rows)
        rows = read_rows(con, (*PEOPLE_KINDS, *ROSTER_KINDS), self._rows[-1][0] if only_new and known else 0)
        if not only_new:
            if rows[:known] != self._rows:
                self._rows, self.events, self._decisions, known = [], [], None, 0
            rows = rows[known:]
        if rows:
            self.events = [*self.events, *parse_rows(rows)]
            self._rows, self._decisions = [*self._rows, *rows], None

    def decisions(self) -> Decisions:
        """The decisions about people; later calls do not change them."""
        if self._decisions is None:
            self._decisions = self._replay.decisions(self.events)
        return self._decisions

    def student_matcher(self) -> StudentMatcher:
        """Which students of the rosters the people are; until the next call."""
        return self._replay.state(self.events).student_matcher


class LastKnownPeople:
    """Passes what is known on from one transaction to the next; safe for several threads.

    Transactions of one ledger queue; if two are open for other reasons, the second one reads everything itself.
    """

    def __init__(self) -> None:
        self._free: list[KnownPeople] = []

    @contextmanager
    def borrowed(self) -> Iterator[KnownPeople]:
        """What is known, for one transaction. It may fail: the next one compares what is stored."""
        try:
            known = self._free.pop()
        except IndexError:
            known = KnownPeople()
        try:
            yield known
        finally:
            self._free[:] = [known]

    def forget(self) -> None:
        """Know nothing any more: names may have been removed from the ledger."""
        self._free.clear()
