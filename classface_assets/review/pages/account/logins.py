"""Logged in: the list of sessions, and ending them."""

from datetime import UTC, datetime

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from classface_assets.review.api.common import Context
from classface_assets.review.auth.session_store import NUMBER_LENGTH, digest_of
from classface_assets.review.auth.sessions import Sessions
from classface_assets.review.pages.components.layout import FormText, page_router, render_page
from classface_assets.review.problems import NotFoundError

router = page_router()


@router.get("/logins")
def logins_page(request: Request, context: Context) -> Response:
    """Who is logged in, from where, and since when."""
    sessions: Sessions = request.app.state.sessions
    own = request.state.session.session_id
    rows = [
        {
            "number": session.number,
            "actor": session.actor,
            "address": session.address,
            "browser": session.browser,
            "started_at": datetime.fromtimestamp(session.started_at, UTC),
            "used_at": datetime.fromtimestamp(session.used_at, UTC),
            "own": bool(own) and session.number == digest_of(own)[:NUMBER_LENGTH],
        }
        for session in sessions.store.all()
    ]
    return render_page(request, context, "logins.html.j2", sessions=rows)


@router.post("/logins/end")
def end_sessions(request: Request, number: FormText = "") -> Response:
    """End the session with this number, or all but the one that asks for it."""
    sessions: Sessions = request.app.state.sessions
    if not number:
        sessions.store.end_all(but=request.state.session.session_id or None)
    elif not sessions.store.end_numbered(number):
        raise NotFoundError("session", number)
    return RedirectResponse("/logins", 303)
