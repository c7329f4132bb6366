"""History: every decision as a sentence, and undo."""

from collections.abc import Sequence, Set
from typing import Annotated

import polars as pl
from fastapi import Query, Request
from starlette.responses import Response

from classface_assets.review.api.common import Context
from classface_assets.review.pages.components.layout import FormText, change_response, page_router, render_page
from classface_assets.review.pages.components.messages import (
    event_describer,
    face_ids_in,
    group_actions,
    independently_undoable,
    is_undone,
    last_action,
)
from classface_assets.review.problems import ProblemError
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.store.ledger.event_store import current_actor
from classface_assets.store.model.events import Event, people_of_event, undone_event_ids

PAGE_SIZE, FACES_PER_LINE = 50, 6
router = page_router()


@router.get("/history")
def history(
    request: Request,
    desk: Context,
    person: Annotated[str, Query(max_length=40)] = "",
    number: Annotated[int, Query(alias="render_page", ge=1, le=100_000)] = 1,
) -> Response:
    """The ledger, last first; all of it, or what is about one person."""
    view = desk.view()
    found = action_history(view, {person} if person else None)
    return render_page(
        request,
        desk,
        "history.html.j2",
        lines=history_lines(view, found[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]),
        total=len(found),
        number=number,
        pages=-(-len(found) // PAGE_SIZE),
        person=person,
        name=known.display_name if (known := view.decisions.persons.get(person)) and not known.erased else "",
    )


@router.post("/undo")
def undo(
    request: Request,
    desk: Context,
    events: FormText = "",
    back: FormText = "/",
) -> Response:
    """Take back these events, those of one click together, or what whoever asks did last."""
    view = desk.view()
    asked = [int(e) for e in events.split(",") if e.isascii() and e.isdecimal() and len(e) < 16]
    ids = asked or last_action(view.events, desk.ledger.actor or current_actor())
    if not ids:
        raise ProblemError(404, "There is nothing of yours left to undo.")
    gone = {event.id for event in desk.ledger.undo_all(independently_undoable(view.events, ids))}
    undoing = [e.id for e in desk.view().events if e.kind == "undone" and e.payload["event_id"] in gone]
    return change_response(request, desk, undoing[-len(gone) :], back, reload=True)


def action_history(view: ArchiveView, people: Set[str] | None = None) -> list[list[Event]]:
    """What was done, last first, each with the events of one click; all of it, or what is about these persons."""
    events = [e for e in reversed(view.events) if people is None or people_of_event(e) & people]
    return group_actions(events, {e.id: e for e in view.events})


def history_lines(view: ArchiveView, shown_acts: Sequence[list[Event]]) -> list[dict[str, object]]:
    """What a line of the history shows of each act."""
    undone = undone_event_ids(view.events)
    named = [f for act in shown_acts for e in act for f in face_ids_in(e)]
    there = set(view.faces.filter(pl.col("face_id").is_in(named))["face_id"])
    shown, tell = [], event_describer(view)
    for act in shown_acts:
        ids = [e.id for e in act]
        faces = [f for e in act for f in face_ids_in(e) if f in there]
        shown.append(
            {
                "ids": ids,
                "at": act[0].at,
                "actor": act[0].actor,
                "text": tell(ids),
                "undone": is_undone(act, undone),
                "faces": faces[:FACES_PER_LINE],
                "more": max(0, len(faces) - FACES_PER_LINE),
                "photo": act[0].payload.get("asset_id", ""),
            }
        )
    return shown
