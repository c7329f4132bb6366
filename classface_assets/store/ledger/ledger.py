"""The ledger: what people said, appended to a small database and never changed.

Any SQLAlchemy URL serves; SQLite is the default. Events are keyed by face id, never by cluster id, so no re-run can
lose a name. SQLite and PostgreSQL themselves refuse to update or delete a row, and writers queue.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from classface_assets.store.ledger.commands.links import LinkCommands
from classface_assets.store.ledger.commands.roster import RosterCommands
from classface_assets.store.ledger.database import events, read_events
from classface_assets.store.ledger.transaction import (
    ConflictError,
    LedgerTransaction,
    UnknownError,
)
from classface_assets.store.model.events import Event, people_of_event, undone_event_ids


class Ledger(LinkCommands, RosterCommands):
    """Every act is one transaction that reads what its check needs, and appends."""

    def undo(self, event_id: int | None = None) -> Event:
        """Take back one event (the last one in force, unless told), by appending an event that says so.

        With the import of a roster go the names that its portraits gave, and with the last of these the import; who was
        named so stays known if more was said of them. Any event may be undone, an undo too. Raises UnknownError, or
        ConflictError when that would leave two people of one name, or a merge without those it merged.
        """

        def act(now: LedgerTransaction) -> Event:
            chosen = _find_event_in_force(now.con, event_id)
            if chosen is None:
                which = "nothing in the ledger" if event_id is None else f"no event {event_id} in force"
                raise UnknownError(f"There is {which} to undo; `classface history` lists the events.")
            return _append_undos(now, [chosen if event_id else _import_of_event(now.con, chosen)])[0]

        return self.write(act)

    def undo_all(self, event_ids: Sequence[int]) -> list[Event]:
        """Take back several events, as those of one click, or none of them."""

        def act(now: LedgerTransaction) -> list[Event]:
            for event_id in event_ids:
                if _find_event_in_force(now.con, event_id) is None:
                    raise UnknownError(
                        f"There is no event {event_id} in force to undo; `classface history` lists the events."
                    )
            return _append_undos(now, sorted(set(event_ids), reverse=True))

        return self.write(act)


def _append_undos(now: LedgerTransaction, chosen: Sequence[int]) -> list[Event]:
    before = now.names_twice()
    for event_id in chosen:
        given = _labels_of_import(now.con, event_id)
        now.append("undone", event_id=event_id, **({"with": given} if given else {}))
    for event_id in chosen:
        now.no_name_twice(before, f"Undoing event {event_id}")
        _require_merges_intact(now, event_id)
    return read_events(now.con, ["no other"], chosen)


def _find_event_in_force(con: sa.Connection, event_id: int | None) -> int | None:
    """That event, or the last decision, if nobody has undone it."""
    undone = undone_event_ids(read_events(con, ["undone"]))
    query = sa.select(events.c.id).where(events.c.kind != "undone" if event_id is None else events.c.id == event_id)
    if event_id is None:
        query = query.where(events.c.kind != "photos_followed")  # a run's word, not a person's
    query = query.where(events.c.kind != "roster_struck")  # nothing is left to be brought back
    return next((number for number in con.scalars(query.order_by(events.c.id.desc())) if number not in undone), None)


def _import_of_event(con: sa.Connection, event_id: int) -> int:
    """The import of a roster that gave a name by this event, or the event itself."""
    (event,) = (e for e in read_events(con, ["no other"], [event_id]) if e.id == event_id)
    roster = event.payload.get("roster")
    return event_id if roster is None or _find_event_in_force(con, roster) is None else int(roster)


def _labels_of_import(con: sa.Connection, event_id: int) -> list[int]:
    """The events in force by which the import of a roster named faces; without people of whom more was said."""
    if not any(e.id == event_id for e in read_events(con, ["roster_imported"])):
        return []
    told = read_events(con)
    undone = undone_event_ids(told)
    told = [e for e in told if e.id not in undone]
    given = [e for e in told if e.payload.get("roster") == event_id]
    busy = {person for e in told if e.payload.get("roster") != event_id for person in people_of_event(e)}
    return [e.id for e in given if e.kind != "person_created" or not people_of_event(e) & busy]


def _require_merges_intact(now: LedgerTransaction, undone: int) -> None:
    """Raises ConflictError when a merge in force has lost its sense: one of the two is gone, or both were merged."""
    told = read_events(now.con, ["person_merged", "undone"])
    without = undone_event_ids(told)
    for event in told:
        if event.kind == "person_merged" and event.id not in without:
            person = now.people().persons.get(event.payload["person_id"])
            if person is None or person.merged_into_id != event.payload["into_id"]:
                raise ConflictError(
                    f"Undoing event {undone} contradicts the merge of event {event.id}; undo that first."
                )
