"""Which ledger this is: its identity, and whether it is the one that an archive knows.

An archive records the identity and the last event of its ledger (`LedgerRecord`). That a ledger is the same, and not
older, is seen by that one event: no event is ever removed, and its number, time and kind are never changed, not even by
an erasure, which overwrites names in payloads.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Protocol

import sqlalchemy as sa

from classface_assets.core.errors import sentence_of
from classface_assets.core.languages import Sentence, marked, sentence
from classface_assets.store.ledger.database import events, read_identity, read_last_event
from classface_assets.store.ledger.transaction import LedgerError
from classface_assets.store.model.events import AUTOMATIC_EVENT_KINDS, LastEvent


class LedgerTrouble(StrEnum):
    """What is wrong with a ledger."""

    MISSING = "missing"
    EMPTY = "empty"
    OLDER = "older"
    """It lacks the last decisions that the archive knows."""
    OTHER = "other"
    """It has another identity, or never had the events that the archive knows."""
    DIVERGED = "diverged"
    """It has the same identity, and another event under the number of the last one that the archive knows."""


class LostLedgerError(LedgerError):
    """The ledger is not the one that the archive knows; nothing may be published by it or written into it.

    Attributes:
        trouble: What is wrong.
    """

    def __init__(self, trouble: LedgerTrouble, what: Sentence) -> None:
        self.trouble = trouble
        if trouble in (LedgerTrouble.MISSING, LedgerTrouble.EMPTY):
            message = marked(
                "%(what)s; put it back with `classface ledger restore`, or run `classface run --new-ledger` if a new "
                "one is meant."
            )
        else:
            message = marked(
                "%(what)s; put it back with `classface ledger restore`, or run `classface run --new-ledger` if this "
                "one is meant."
            )
        super().__init__(sentence(message, what=what))

    def of_one_machine(self) -> "LostLedgerError":
        """The same error, with what to do where the ledger lies on one of several machines."""
        self.args = (
            sentence(
                "%(what)s A ledger in SQLite is of one machine: where several work on data at a URL, set "
                "CLASSFACE_LEDGER to the same PostgreSQL database on all of them.",
                what=sentence_of(self),
            ),
        )
        return self


class RecordSource(StrEnum):
    """When an archive recorded the state of its ledger."""

    PUBLICATION = "publication"
    DECISIONS = "decisions"
    """When decisions had been made and rested."""


@dataclass(frozen=True)
class LedgerRecord:
    """What an archive knows of its ledger.

    Attributes:
        ledger_id: The identity; None in archives of versions that recorded none.
        decisions: How many events people had added.
        last: The last of them; None where it is not known, or none was there.
        source: When it was recorded.
    """

    ledger_id: str | None
    decisions: int
    last: LastEvent | None
    source: RecordSource = RecordSource.PUBLICATION

    @property
    def known(self) -> Sentence:
        """The beginning of a sentence."""
        published = self.source is RecordSource.PUBLICATION
        if self.decisions == 1:
            one = marked("The archive was published with 1 decision")
            return sentence(one if published else marked("The archive has seen 1 decision"))
        several = marked("The archive was published with %(number)s decisions")
        return sentence(
            several if published else marked("The archive has seen %(number)s decisions"), number=self.decisions
        )


class LedgerExpectation(Protocol):
    """What is known of the ledger that is to be opened; asked in every transaction.

    Attributes:
        is_shared: Whether other machines may work on the archive, so that a ledger on this one may be a second one.
    """

    is_shared: bool

    def records(self) -> Sequence[LedgerRecord]:
        """The records that the ledger must fit with."""

    def refresh(self) -> bool:
        """Read again what was read a while ago; whether it is something else now."""


def read_record(con: sa.Connection, source: RecordSource = RecordSource.PUBLICATION) -> LedgerRecord:
    """The record of a ledger as it is now."""
    return LedgerRecord(read_identity(con), count_decisions(con), read_last_event(con, AUTOMATIC_EVENT_KINDS), source)


def count_decisions(con: sa.Connection, until: int | None = None) -> int:
    """How many events people have added, up to the event `until` or in all."""
    query = sa.select(sa.func.count()).select_from(events).where(events.c.kind.not_in(AUTOMATIC_EVENT_KINDS))
    return con.scalar(query if until is None else query.where(events.c.id <= until)) or 0


def missing_ledger_error(
    records: Sequence[LedgerRecord], where: str, is_shared: bool = False
) -> LostLedgerError | None:
    """The error where a ledger does not exist at all; None where no decision can have been lost.

    Args:
        records: What the archive knows.
        where: The ledger as the user knows it.
        is_shared: Whether another machine may have the ledger, so that one without decisions is missed too.
    """
    for record in _that_matter(records, is_shared):
        return LostLedgerError(
            LedgerTrouble.MISSING,
            sentence("%(known)s, and its ledger (%(where)s) is missing", known=record.known, where=where),
        )
    return None


def require_known_ledger(
    con: sa.Connection, has_tables: bool, records: Sequence[LedgerRecord], where: str, is_shared: bool = False
) -> None:
    """Check that a ledger is the one that an archive knows, and has all events that it knows.

    Args:
        con: An open connection.
        has_tables: Whether the ledger has its tables.
        records: What the archive knows.
        where: The ledger as the user knows it.
        is_shared: Whether another machine may have the ledger, so that one without decisions is compared too.

    Raises:
        LostLedgerError: It is empty, older, another one, or diverged.
    """
    for record in _that_matter(records, is_shared):
        trouble = _trouble(con, record) if has_tables else LedgerTrouble.EMPTY
        if trouble is not None:
            raise LostLedgerError(trouble, _sentence(con, trouble, record, where))


def _that_matter(records: Sequence[LedgerRecord], is_shared: bool) -> list[LedgerRecord]:
    """The records of decisions that can have been lost, most decisions first; of a shared ledger, every identity."""
    found = (one for one in records if one.decisions or (is_shared and one.ledger_id is not None))
    return sorted(found, key=lambda one: one.decisions, reverse=True)


def _trouble(con: sa.Connection, record: LedgerRecord) -> LedgerTrouble | None:
    ledger_id = read_identity(con)
    last = read_last_event(con)
    is_known = record.ledger_id is not None and ledger_id is not None
    if not record.decisions and is_known:
        return None if ledger_id == record.ledger_id else LedgerTrouble.OTHER
    if last is None:
        return LedgerTrouble.EMPTY
    if is_known and ledger_id != record.ledger_id:
        return LedgerTrouble.OTHER
    if record.last is None:
        return None
    number, at, kind = record.last
    row = con.execute(sa.select(events.c.at, events.c.kind).where(events.c.id == number)).first()
    if row is None:
        return LedgerTrouble.OLDER if last[0] < number else LedgerTrouble.DIVERGED
    if (_moment(row.at), row.kind) != (_moment(at), kind):
        return LedgerTrouble.DIVERGED if is_known else LedgerTrouble.OTHER
    return None


def _sentence(con: sa.Connection, trouble: LedgerTrouble, record: LedgerRecord, where: str) -> Sentence:
    known = record.known
    if trouble is LedgerTrouble.EMPTY:
        return sentence("%(known)s; this ledger (%(where)s) has none", known=known, where=where)
    count = count_decisions(con)
    if trouble is LedgerTrouble.OLDER:
        return sentence("%(known)s; this ledger (%(where)s) has %(number)s", known=known, where=where, number=count)
    if trouble is LedgerTrouble.OTHER:
        return sentence(
            "%(known)s of another ledger; this one (%(where)s) has %(number)s", known=known, where=where, number=count
        )
    assert record.last is not None
    return sentence(
        "%(known)s; this ledger (%(where)s) has %(number)s, and event %(event)s is another one in it, so they went "
        "different ways",
        known=known,
        where=where,
        number=count,
        event=record.last[0],
    )


def _moment(at: str) -> datetime:
    """The moment; the published database stores it without a time zone, in UTC."""
    moment = datetime.fromisoformat(at)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
