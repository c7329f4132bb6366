"""History: every decision as a sentence, and undo."""

from collections.abc import Sequence, Set
from typing import Annotated

import polars as pl
from fastapi import Query, Request
from starlette.responses import Response

from classface_assets.review.api.common import AtDesk
from classface_assets.review.pages.components.layout import Text, changed, page, page_router
from classface_assets.review.pages.components.messages import acts, alone, faces_in, last_act, taken_back, telling
from classface_assets.review.problems import ProblemError
from classface_assets.services.archive_view.model import View
from classface_assets.store.ledger.event_store import who_acts
from classface_assets.store.model.events import Event, people_in, undone_events

PAGE, SHOWN = 50, 6
router = page_router()


@router.get("/history")
def history(
    request: Request,
    desk: AtDesk,
    person: Annotated[str, Query(max_length=40)] = "",
    number: Annotated[int, Query(alias="page", ge=1, le=100_000)] = 1,
) -> Response:
    """The ledger, last first; all of it, or what is about one person."""
    view = desk.view()
    found = acts_of(view, {person} if person else None)
    return page(
        request,
        desk,
        "history.html.j2",
        lines=lines(view, found[(number - 1) * PAGE : number * PAGE]),
        total=len(found),
        number=number,
        pages=-(-len(found) // PAGE),
        person=person,
        name=known.display_name if (known := view.decisions.persons.get(person)) and not known.erased else "",
    )


@router.post("/undo")
def undo(
    request: Request,
    desk: AtDesk,
    events: Text = "",
    back: Text = "/",
) -> Response:
    """Take back these events, those of one click together, or what whoever asks did last."""
    view = desk.view()
    asked = [int(e) for e in events.split(",") if e.isascii() and e.isdecimal() and len(e) < 16]
    ids = asked or last_act(view.events, desk.ledger.actor or who_acts())
    if not ids:
        raise ProblemError(404, "There is nothing of yours left to undo.")
    gone = {event.id for event in desk.ledger.undo_all(alone(view.events, ids))}
    undoing = [e.id for e in desk.view().events if e.kind == "undone" and e.payload["event_id"] in gone]
    return changed(request, desk, undoing[-len(gone) :], back, reload=True)


def acts_of(view: View, people: Set[str] | None = None) -> list[list[Event]]:
    """What was done, last first, each with the events of one click; all of it, or what is about these persons."""
    events = [e for e in reversed(view.events) if people is None or people_in(e) & people]
    return acts(events, {e.id: e for e in view.events})


def lines(view: View, shown_acts: Sequence[list[Event]]) -> list[dict[str, object]]:
    """What a line of the history shows of each act."""
    undone = undone_events(view.events)
    named = [f for act in shown_acts for e in act for f in faces_in(e)]
    there = set(view.faces.filter(pl.col("face_id").is_in(named))["face_id"])
    shown, tell = [], telling(view)
    for act in shown_acts:
        ids = [e.id for e in act]
        faces = [f for e in act for f in faces_in(e) if f in there]
        shown.append(
            {
                "ids": ids,
                "at": act[0].at,
                "actor": act[0].actor,
                "text": tell(ids),
                "undone": taken_back(act, undone),
                "faces": faces[:SHOWN],
                "more": max(0, len(faces) - SHOWN),
                "photo": act[0].payload.get("asset_id", ""),
            }
        )
    return shown
