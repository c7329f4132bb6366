"""History: every decision as a sentence, and undo."""

from typing import Annotated

import polars as pl
from fastapi import Query, Request
from starlette.responses import Response

from classface_assets.review.api.common import AtDesk
from classface_assets.review.pages.fields import Text
from classface_assets.review.pages.frame import changed, page, page_router
from classface_assets.review.pages.told import acts, alone, faces_in, last_act, people_in, telling
from classface_assets.review.problems import ProblemError
from classface_assets.review.view import View
from classface_assets.store.book import who_acts
from classface_assets.store.events import Event, undone_events

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
    events = [e for e in reversed(view.events) if not person or person in people_in(e)]
    shown = events[(number - 1) * PAGE : number * PAGE]
    return page(
        request,
        desk,
        "history.html.j2",
        lines=lines(view, shown),
        total=len(events),
        number=number,
        pages=-(-len(events) // PAGE),
        person=person,
        name=known.name if (known := view.decisions.persons.get(person)) and not known.erased else "",
    )


@router.post("/undo")
def undo(
    request: Request,
    desk: AtDesk,
    events: Text = "",
    back: Text = "/",
) -> Response:
    """Take back these events, or what whoever asks did last."""
    view = desk.view()
    asked = [int(e) for e in events.split(",") if e.isascii() and e.isdecimal() and len(e) < 16]
    ids = asked or last_act(view.events, desk.ledger.actor or who_acts())
    if not ids:
        raise ProblemError(404, "There is nothing of yours left to undo.")
    for number in alone(view.events, ids):
        desk.ledger.undo(number)
    gone = set(ids)
    undoing = [e.id for e in desk.view().events if e.kind == "undone" and e.payload["event_id"] in gone]
    return changed(request, desk, undoing[-len(ids) :], back, reload=True)


def lines(view: View, events: list[Event]) -> list[dict[str, object]]:
    """What a line of the history shows of each act."""
    undone, by_id = undone_events(view.events), {e.id: e for e in view.events}
    there = set(view.faces.filter(pl.col("face_id").is_in([f for e in events for f in faces_in(e)]))["face_id"])
    shown, tell = [], telling(view)
    for act in acts(events, by_id):
        ids = [e.id for e in act]
        faces = [f for e in act for f in faces_in(e) if f in there]
        shown.append(
            {
                "ids": ids,
                "at": act[0].at,
                "actor": act[0].actor,
                "text": tell(ids),
                "undone": undone.issuperset(ids),
                "faces": faces[:SHOWN],
                "more": max(0, len(faces) - SHOWN),
                "photo": act[0].payload.get("asset_id", ""),
            }
        )
    return shown
