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
ROSTER_KINDS = ("roster_imported",)  # long, and only needed where names and refusals are
LINK_KINDS = ("must_linked", "cannot_linked", "cluster_split")
PHOTO_KINDS = ("photo_marked", "photo_unmarked")
DRAWING_KINDS = ("face_drawn", "person_erased", "photos_followed", "undone")


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
