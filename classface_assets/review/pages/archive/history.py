"""History: every decision as a sentence, and undo."""

from collections.abc import Sequence, Set
from typing import Annotated

import polars as pl
from fastapi import Query, Request
from starlette.responses import Response

from classface_assets.core.languages import gettext
from classface_assets.review.api.common import Context
from classface_assets.review.api.events import face_ids_in
from classface_assets.review.pages.components.layout import FormText, change_response, page_router, render_page
from classface_assets.review.pages.components.messages import (
    event_describer,
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
    context: Context,
    person: Annotated[str, Query(max_length=40)] = "",
    number: Annotated[int, Query(alias="page", ge=1, le=100_000)] = 1,
) -> Response:
    """List the decisions, newest first: all, or those about one person."""
    view = context.view()
    actions = action_history(view, {person} if person else None)
    return render_page(
        request,
        context,
        "history.html.j2",
        lines=history_lines(view, actions[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]),
        total=len(actions),
        number=number,
        pages=-(-len(actions) // PAGE_SIZE),
        person=person,
        name=known.display_name if (known := view.decisions.persons.get(person)) and not known.erased else "",
    )


@router.post("/undo")
def undo(request: Request, context: Context, events: FormText = "", back: FormText = "/") -> Response:
    """Undo these events (comma-separated ids), or the last action of the user."""
    view = context.view()
    given = [int(e) for e in events.split(",") if e.isascii() and e.isdecimal() and len(e) < 16]
    ids = given or last_action(view.events, context.ledger.actor or current_actor())
    if not ids:
        raise ProblemError(404, gettext("You have no action left to undo."))
    undone = {event.id for event in context.ledger.undo_all(independently_undoable(view.events, ids))}
    undoing = [e.id for e in context.view().events if e.kind == "undone" and e.payload["event_id"] in undone]
    return change_response(request, context, undoing[-len(undone) :], back, reload=True)


def action_history(view: ArchiveView, people: Set[str] | None = None) -> list[list[Event]]:
    """The actions, newest first, each with its events: all, or those about these persons."""
    events = [e for e in reversed(view.events) if people is None or people_of_event(e) & people]
    return group_actions(events, {e.id: e for e in view.events})


def history_lines(view: ArchiveView, actions: Sequence[list[Event]]) -> list[dict[str, object]]:
    """What a line of the history shows of each action."""
    undone = undone_event_ids(view.events)
    face_ids = [face for action in actions for event in action for face in face_ids_in(event)]
    existing = set(view.faces.filter(pl.col("face_id").is_in(face_ids))["face_id"])
    lines, describe = [], event_describer(view)
    for action in actions:
        ids = [event.id for event in action]
        faces = [face for event in action for face in face_ids_in(event) if face in existing]
        lines.append(
            {
                "ids": ids,
                "at": action[0].at,
                "actor": action[0].actor,
                "text": describe(ids),
                "undone": is_undone(action, undone),
                "faces": faces[:FACES_PER_LINE],
                "more": max(0, len(faces) - FACES_PER_LINE),
                "photo": action[0].payload.get("asset_id", ""),
            }
        )
    return lines
