"""Commands about sessions, the sets of photos of one occasion, and about who was there."""

import uuid
from collections.abc import Sequence
from dataclasses import replace

from classface_assets.core.languages import gettext
from classface_assets.core.names import clean_name, normalize_name
from classface_assets.store.decisions.replay import replay
from classface_assets.store.ledger.commands.people import create_student
from classface_assets.store.ledger.database import read_events_of
from classface_assets.store.ledger.payloads import AttendanceCorrected, SessionChanged, SessionCreated, SessionDeleted
from classface_assets.store.ledger.transaction import (
    CommandResult,
    ConflictError,
    LedgerTransaction,
    UnknownError,
)
from classface_assets.store.model.decisions import Decisions
from classface_assets.store.model.events import PEOPLE_KINDS, SESSION_KINDS
from classface_assets.store.model.photo_session import PhotoSession
from classface_assets.store.model.roster_entry import RosterEntry


def create_session(tx: LedgerTransaction, session: PhotoSession) -> CommandResult:
    """Store a session. Its id is given here, and returned by `session_of_result`.

    Raises:
        ConflictError: There is one of that title, or nothing says which photos belong to it.
    """
    made = _checked(tx, replace(session, id=str(uuid.uuid4())))
    tx.append(SessionCreated.model_validate(_payload(made)))
    return tx.result(None)


def change_session(tx: LedgerTransaction, session: PhotoSession) -> CommandResult:
    """Give a session another title or other photos; corrections stay.

    Raises:
        UnknownError: There is no such session.
        ConflictError: As in `create_session`.
    """
    find_session(_sessions(tx), session.id)
    tx.append(SessionChanged.model_validate(_payload(_checked(tx, session))))
    return tx.result(None)


def delete_session(tx: LedgerTransaction, which: str) -> CommandResult:
    """Remove a session with its corrections, until that is undone; photos, faces and names stay.

    Raises:
        UnknownError: There is no such session.
    """
    tx.append(SessionDeleted(session_id=find_session(_sessions(tx), which).id))
    return tx.result(None)


def correct_attendance(tx: LedgerTransaction, which: str, who: str, present: bool | None) -> CommandResult:
    """Record that somebody was, or was not, at a session, whatever the photos show.

    Args:
        tx: The open transaction.
        which: Id or title of the session.
        who: Id or name of the person, or of a student on the rosters, who becomes a person by it.
        present: None takes an earlier correction back.

    Raises:
        UnknownError: There is no such session, or nobody of that name.
        ConflictError: Several people may be meant.
    """
    session = find_session(_sessions(tx), which)
    student = next((entry for entry in tx.people().roster if entry.key == who), None)
    found = student or tx.resolve_name(who)
    if found is None:
        raise UnknownError(gettext("Nobody is called %(name)s; `classface people` lists the names.", name=repr(who)))
    if isinstance(found, RosterEntry):
        person_id = tx.people().students.get(found.key) or create_student(tx, found.name, found)
    else:
        person_id = found.id
    tx.append(AttendanceCorrected(session_id=session.id, person_id=person_id, present=present))
    return tx.result(tx.people().canonical_id(person_id))


def find_session(decisions: Decisions, which: str) -> PhotoSession:
    """The session of that id or title.

    Raises:
        UnknownError: There is none.
    """
    title = normalize_name(which)
    found = decisions.sessions.get(which)
    found = found or next((one for one in decisions.sessions.values() if normalize_name(one.title) == title), None)
    if found is None:
        raise UnknownError(
            gettext("There is no session %(title)s; `classface session list` lists them.", title=repr(which))
        )
    return found


def sessions_of_events(decisions: Decisions, event_ids: Sequence[int]) -> list[PhotoSession]:
    """The sessions that were stored last by one of these events."""
    return [decisions.sessions[key] for key, event in decisions.session_events.items() if event in event_ids]


def _sessions(tx: LedgerTransaction) -> Decisions:
    return replay(read_events_of(tx.con, (*PEOPLE_KINDS, *SESSION_KINDS)))


def _checked(tx: LedgerTransaction, session: PhotoSession) -> PhotoSession:
    session = replace(session, title=clean_name(session.title), event=session.event.strip("/"))
    if not (session.event or session.school_year or session.from_day or session.to_day or session.photos):
        raise ConflictError(
            gettext("A session needs photos: give a folder, a school year, a day, or the photos themselves.")
        )
    if session.from_day and session.to_day and session.from_day > session.to_day:
        raise ConflictError(gettext("The first day of a session must not be after its last day."))
    same = normalize_name(session.title)
    others = (one for one in _sessions(tx).sessions.values() if one.id != session.id)
    if any(normalize_name(one.title) == same for one in others):
        raise ConflictError(
            gettext("There is already a session called %(title)s; choose another title.", title=repr(session.title))
        )
    return session


def _payload(session: PhotoSession) -> dict[str, object]:
    return {
        "session_id": session.id,
        "title": session.title,
        "event": session.event,
        "school_year": session.school_year,
        "classes": list(session.classes),
        "from_day": session.from_day.isoformat() if session.from_day else None,
        "to_day": session.to_day.isoformat() if session.to_day else None,
        "asset_ids": list(session.photos),
    }
