"""An event of the ledger, which events have no effect, and which kinds a check reads that needs only a part."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

# Few and short: who is who. Undo events are among them, since they may be about any of these.
PEOPLE_KINDS = (
    *("person_created", "person_renamed", "person_merged", "person_hidden", "person_shown", "person_kind_set"),
    *("siblings_declared", "birth_date_set", "consent_given", "consent_withdrawn", "person_erased", "undone"),
    "student_linked",
)
SESSION_KINDS = ("session_created", "session_changed", "session_deleted", "attendance_corrected")
ROSTER_KINDS = ("roster_imported",)  # long, and only needed where names and refusals are
NAMING_KINDS = (*PEOPLE_KINDS, *ROSTER_KINDS, *SESSION_KINDS)
"""What may name somebody, and is read when somebody is removed from the ledger."""
LINK_KINDS = ("must_linked", "cannot_linked", "cluster_split")
PHOTO_KINDS = ("photo_marked", "photo_unmarked")
DRAWING_KINDS = ("face_drawn", "person_erased", "photos_followed", "undone")
COVER_KINDS = (*PEOPLE_KINDS, "cover_chosen", "photos_followed")
AUTOMATIC_EVENT_KINDS = ("photos_followed",)
"""Events that runs add by themselves; all others are decisions of people."""
LastEvent = tuple[int, str, str]
"""Number, ISO time and kind of an event, as `Ledger.last` returns them."""


@dataclass(frozen=True)
class Event:
    """One event.

    Attributes:
        id: Grows with every event.
        at: When it was appended, with time zone.
        actor: Who acted.
        kind: What happened, a key of `ledger.payloads.PAYLOADS`.
        payload: What it holds depends on `kind`.
    """

    id: int
    at: datetime
    actor: str
    kind: str
    payload: Mapping[str, Any]


def undone_event_ids(events: Iterable[Event]) -> set[int]:
    """Ids of the events without effect.

    An undo may itself be undone, so the newest event is read first. What an undo takes back with its event, as the
    labels that an import gave, is in its `with`.
    """
    undone: set[int] = set()
    for event in sorted(events, key=lambda e: e.id, reverse=True):
        if event.kind == "undone" and event.id not in undone:
            undone |= {event.payload["event_id"], *event.payload.get("with", ())}
    return undone


def people_of_event(event: Event) -> set[str]:
    """Ids of the persons that an event names."""
    named = {event.payload.get("person_id"), event.payload.get("into_id"), *event.payload.get("person_ids", ())}
    return {person for person in named if person}
