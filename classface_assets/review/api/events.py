"""The ledger's events: what was decided, by whom and when; and undo."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query

from classface_assets.review.api.common import API_PREFIX, ApiModel, Context, Id, Page, PageParams, problem_responses
from classface_assets.review.api.schemas.assignments import UndoEvents, UndoneEvents
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.store.model.events import Event, people_of_event, undone_event_ids

router = APIRouter(prefix=f"{API_PREFIX}/events", tags=["history"])
MAX_EVENT_ID = 2**63 - 1
MAX_FACE_IDS = 24


class LedgerEvent(ApiModel):
    """An event of the ledger. `faces`: how many it is about; `faceIds`: some of them; `payload`: its other values."""

    id: int
    at: datetime
    actor: str
    kind: str
    person_id: Id | None
    person_name: str | None
    faces: int
    face_ids: list[Id]
    undone: bool
    payload: dict[str, Any]


class UndoResponse(ApiModel):
    """The event that undoes another one, and the kind of that one."""

    id: int
    undone_event_id: int
    kind: str


def filter_events(view: ArchiveView, person_id: str | None = None, face_id: str | None = None) -> list[Event]:
    """The events about a person or a face, or all, newest first."""
    return [
        e
        for e in reversed(view.events)
        if (person_id is None or person_id in people_of_event(e)) and (face_id is None or face_id in face_ids_in(e))
    ]


def face_ids_in(event: Event) -> list[str]:
    """The ids of the faces that an event is about, in its order."""
    groups = event.payload.get("groups", [event.payload.get("faces", [])])
    return [face["face_id"] for group in groups for face in group]


@router.get("", response_model=Page[LedgerEvent], responses=problem_responses())
def list_events(
    context: Context,
    pagination: PageParams,
    person_id: Annotated[UUID | None, Query(alias="personId")] = None,
    face_id: Annotated[UUID | None, Query(alias="faceId")] = None,
) -> dict[str, Any]:
    """List the decisions, newest first."""
    view = context.view()
    events = filter_events(view, str(person_id) if person_id else None, str(face_id) if face_id else None)
    start, undone = (pagination.page - 1) * pagination.page_size, undone_event_ids(view.events)
    on_page = events[start : start + pagination.page_size]
    return pagination.response([_event_model(view, event, event.id in undone) for event in on_page], len(events))


@router.post("/undo", response_model=UndoneEvents, responses=problem_responses(404, 409))
def undo_several(context: Context, body: UndoEvents) -> dict[str, Any]:
    """Undo several events, as those of one call, or none of them."""
    events = context.ledger.undo_all(body.event_ids)
    return {"undone_event_ids": [event.id for event in events]}


@router.post("/{id}/undo", response_model=UndoResponse, responses=problem_responses(404, 409))
def undo(context: Context, event_id: Annotated[int, Path(alias="id", ge=1, le=MAX_EVENT_ID)]) -> dict[str, Any]:
    """Undo an event by appending another one; an undo can be undone too."""
    event = context.ledger.undo(event_id)
    newest_first = reversed(context.view().events)
    undoing = next(e for e in newest_first if e.kind == "undone" and e.payload["event_id"] == event.id)
    return {"id": undoing.id, "undone_event_id": event.id, "kind": event.kind}


def _event_model(view: ArchiveView, event: Event, undone: bool) -> LedgerEvent:
    person_id, faces = event.payload.get("person_id"), set(face_ids_in(event))
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
