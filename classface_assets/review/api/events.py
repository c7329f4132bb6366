"""The ledger: what was said, by whom and when; and undo."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query

from classface_assets.review.api.common import API_PREFIX, ApiModel, Context, Page, PageParams, problem_responses
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.store.model.events import Event, undone_event_ids

router = APIRouter(prefix=f"{API_PREFIX}/events", tags=["history"])
MAX_EVENT_ID = 2**63 - 1
MAX_FACE_IDS = 24


class LedgerEvent(ApiModel):
    """An event of the ledger. `faces`: how many it is about; `faceIds`: some of them; `payload`: what else it says."""

    id: int
    at: datetime
    actor: str
    kind: str
    person_id: str | None
    person_name: str | None
    faces: int
    face_ids: list[str]
    undone: bool
    payload: dict[str, Any]


class UndoResponse(ApiModel):
    id: int
    undone_event_id: int
    kind: str


def filter_events(view: ArchiveView, person_id: str | None = None, face_id: str | None = None) -> list[Event]:
    """The events about a person or a face, or all, last first."""
    return [
        e
        for e in reversed(view.events)
        if (person_id is None or person_id in people_in(e)) and (face_id is None or face_id in face_ids_in(e))
    ]


def people_in(event: Event) -> set[str]:
    """The persons that an event names."""
    named = (event.payload.get(key) for key in ("person_id", "into_id"))
    return {person for person in named if person} | set(event.payload.get("person_ids", ()))


def face_ids_in(event: Event) -> set[str]:
    """The faces that an event is about."""
    groups = event.payload.get("groups", [event.payload.get("faces", [])])
    return {face["face_id"] for group in groups for face in group}


@router.get("", response_model=Page[LedgerEvent], responses=problem_responses())
def list_events(
    desk: Context,
    asked: PageParams,
    person_id: Annotated[UUID | None, Query(alias="personId")] = None,
    face_id: Annotated[UUID | None, Query(alias="faceId")] = None,
) -> dict[str, Any]:
    """What was said, last first."""
    view = desk.view()
    found = filter_events(view, str(person_id) if person_id else None, str(face_id) if face_id else None)
    start, undone = (asked.page - 1) * asked.page_size, undone_event_ids(view.events)
    shown = found[start : start + asked.page_size]
    return asked.answer([_event_model(view, event, event.id in undone) for event in shown], len(found))


@router.post("/{id}/undo", response_model=UndoResponse, responses=problem_responses(404, 409))
def undo(desk: Context, event_id: Annotated[int, Path(alias="id", ge=1, le=MAX_EVENT_ID)]) -> dict[str, Any]:
    """Take an event back, by an event that says so; an undo too."""
    event = desk.ledger.undo(event_id)
    undoing = next(e for e in reversed(desk.view().events) if e.kind == "undone" and e.payload["event_id"] == event.id)
    return {"id": undoing.id, "undone_event_id": event.id, "kind": event.kind}


def _event_model(view: ArchiveView, event: Event, undone: bool) -> LedgerEvent:
    person_id, faces = event.payload.get("person_id"), face_ids_in(event)
    person = view.decisions.persons.get(person_id or "")
    return LedgerEvent(
        id=event.id,
        at=event.at,
        actor=event.actor,
        kind=event.kind,
        person_id=person_id,
        person_name=person.display_name if person else None,
        faces=len(faces),
        face_ids=sorted(faces)[:MAX_FACE_IDS],
        undone=undone,
        payload={key: value for key, value in event.payload.items() if key not in ("faces", "groups", "entries")},
    )
