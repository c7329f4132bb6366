"""Commands that take back earlier events, by appending an event that says so."""

from collections.abc import Sequence

import sqlalchemy as sa

from classface_assets.core.languages import gettext
from classface_assets.store.ledger.database import events, read_events, read_events_by_id, read_events_of
from classface_assets.store.ledger.payloads import (
    PersonCreated,
    PersonMerged,
    PhotosFollowed,
    RosterImported,
    StudentRemoved,
    Undone,
)
from classface_assets.store.ledger.transaction import ConflictError, LedgerTransaction, UnknownError
from classface_assets.store.model.events import Event, people_of_event, undone_event_ids


def undo(tx: LedgerTransaction, event_id: int | None = None) -> Event:
    """Undo one event, or the last one in force; returns it.

    With the import of a roster go the labels that its portraits gave, and with the last of these the import; people
    who were created by them stay if more is recorded of them. Any event may be undone, an undo too.

    Raises:
        UnknownError: There is no such event in force.
        ConflictError: That would leave two people of one name, or a merge without one of its people.
    """
    chosen = _find_event_in_force(tx.con, event_id)
    if chosen is None:
        raise UnknownError(
            gettext("There is nothing in the ledger to undo; `classface history` lists the events.")
            if event_id is None
            else gettext(
                "There is no event %(event)s in force to undo; `classface history` lists the events.", event=event_id
            )
        )
    return _append_undos(tx, [chosen if event_id else _import_of_event(tx.con, chosen)])[0]


def undo_all(tx: LedgerTransaction, event_ids: Sequence[int]) -> list[Event]:
    """Undo several events, as those of one click, or none of them; returns them, oldest first.

    Raises:
        UnknownError: One of them is not in force.
        ConflictError: As in `undo`.
    """
    for event_id in event_ids:
        if _find_event_in_force(tx.con, event_id) is None:
            raise UnknownError(
                gettext(
                    "There is no event %(event)s in force to undo; `classface history` lists the events.",
                    event=event_id,
                )
            )
    return _append_undos(tx, sorted(set(event_ids), reverse=True))


def _append_undos(tx: LedgerTransaction, chosen: Sequence[int]) -> list[Event]:
    before = tx.ambiguous_names()
    for event_id in chosen:
        tx.append(Undone(event_id=event_id, with_=_labels_of_import(tx.con, event_id) or None))
    for event_id in chosen:
        tx.require_no_new_ambiguity(before, gettext("Undoing event %(event)s", event=event_id))
        _require_merges_intact(tx, event_id)
    return read_events_by_id(tx.con, chosen)


def _find_event_in_force(con: sa.Connection, event_id: int | None) -> int | None:
    """That event, or the last decision, unless it was undone."""
    undone = undone_event_ids(read_events_of(con, [Undone.kind]))
    query = sa.select(events.c.id).where(events.c.kind != StudentRemoved.kind)  # its rows cannot be brought back
    if event_id is None:
        query = query.where(events.c.kind.not_in([Undone.kind, PhotosFollowed.kind]))  # the latter comes from a run
    else:
        query = query.where(events.c.id == event_id)
    return next((number for number in con.scalars(query.order_by(events.c.id.desc())) if number not in undone), None)


def _import_of_event(con: sa.Connection, event_id: int) -> int:
    """The import of a roster that gave labels by this event, if it is in force, or the event itself."""
    (event,) = read_events_by_id(con, [event_id])
    roster = event.payload.get("roster")
    return event_id if roster is None or _find_event_in_force(con, roster) is None else int(roster)


def _labels_of_import(con: sa.Connection, event_id: int) -> list[int]:
    """The events in force by which the import of a roster labelled faces.

    People with further records are not among them.
    """
    if not any(event.id == event_id for event in read_events_of(con, [RosterImported.kind])):
        return []
    every = read_events(con)
    undone = undone_event_ids(every)
    in_force = [e for e in every if e.id not in undone]
    of_import = [e for e in in_force if e.payload.get("roster") == event_id]
    others = {person for e in in_force if e.payload.get("roster") != event_id for person in people_of_event(e)}
    return [e.id for e in of_import if e.kind != PersonCreated.kind or not people_of_event(e) & others]


def _require_merges_intact(tx: LedgerTransaction, undone_id: int) -> None:
    """Check that every merge in force still holds.

    Raises:
        ConflictError: One of the two people of a merge is gone, or both were merged.
    """
    events_ = read_events_of(tx.con, [PersonMerged.kind, Undone.kind])
    undone = undone_event_ids(events_)
    for event in events_:
        if event.kind == PersonMerged.kind and event.id not in undone:
            person = tx.people().persons.get(event.payload["person_id"])
            if person is None or person.merged_into_id != event.payload["into_id"]:
                raise ConflictError(
                    gettext(
                        "Undoing event %(event)s contradicts the merge of event %(merge)s; undo that first.",
                        event=undone_id,
                        merge=event.id,
                    )
                )
