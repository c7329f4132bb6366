"""Update: starting one, watching its progress while it goes on (server-sent events), and opening the albums."""

import asyncio
import json
import time
from collections.abc import AsyncIterator

from fastapi import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse

from classface_assets.core.errors import UserError
from classface_assets.core.languages import gettext
from classface_assets.review.api.common import Context
from classface_assets.review.context import ReviewContext, context_of
from classface_assets.review.pages.components.album_files import album_path_on_disk, album_response, has_albums
from classface_assets.review.pages.components.layout import page_router, render_page_without_faces, wants_json
from classface_assets.review.problems import NotFoundError
from classface_assets.review.runs.update_texts import describe_update
from classface_assets.review.static_files import STATIC_URL

LOOK_EVERY_S = 0.5
STREAM_LIFETIME_S = 60.0
"""After that the browser connects again by itself: whoever was logged out meanwhile gets nothing more."""
HEARTBEAT_S = 10.0
RETRY_MS = 2000
router = page_router()


@router.get("/update")
def update(request: Request, context: Context) -> Response:
    """The update that goes on, or the last one."""
    record = context.updates.latest()
    return render_page_without_faces(
        request,
        context,
        "update.html.j2",
        shown=describe_update(record) if record else None,
        albums=has_albums(context.layout),
        albums_path=album_path_on_disk(context.layout),
        has_data=context.layout.database.exists(),
    )


@router.post("/update")
def start(request: Request, context: Context) -> Response:
    """Start an update of everything: new photos, faces, names, albums."""
    context.updates.start()
    if wants_json(request):
        return JSONResponse({"message": gettext("The update was started"), "notes": [], "undo": [], "go": "/update"})
    return RedirectResponse("/update", 303)


@router.get("/update/events")
async def events(request: Request) -> Response:
    """The progress of the update as server-sent events, each the JSON of `describe_update`, when something changed."""
    return StreamingResponse(
        _progress(request),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


@router.get("/favicon.ico")
def icon() -> Response:
    """For the pages of albums, which name no icon."""
    return RedirectResponse(f"{STATIC_URL}/icon.svg", 301)


@router.get("/albums")
@router.get("/albums/{path:path}")
def albums(context: Context, path: str = "") -> Response:
    """The finished albums, for who is logged in: the same files as in the folder of the albums."""
    if not path and has_albums(context.layout):
        return RedirectResponse("/albums/index.html", 303)
    response = album_response(context.layout, path) if path else None
    if response is None:
        raise NotFoundError("album page", path or "index.html")
    return response


async def _progress(request: Request) -> AsyncIterator[bytes]:
    end, beat, last = time.monotonic() + STREAM_LIFETIME_S, time.monotonic(), ""
    yield f"retry: {RETRY_MS}\n\n".encode()
    while time.monotonic() < end and not _is_stopping(request):
        shown = await asyncio.to_thread(_shown, context_of(request))
        if shown != last or time.monotonic() - beat >= HEARTBEAT_S:
            yield (f"data: {shown}\n\n" if shown != last else ": still here\n\n").encode()
            last, beat = shown, time.monotonic()
        await asyncio.sleep(LOOK_EVERY_S)


def _shown(context: ReviewContext) -> str:
    try:
        record = context.updates.latest()
    except UserError:
        record = None
    return json.dumps(describe_update(record) if record else None, ensure_ascii=False)


def _is_stopping(request: Request) -> bool:
    """Whether the server is being shut down: it waits for the ends of all responses."""
    server = getattr(request.app.state, "server", None)
    return server is not None and bool(server.should_exit)
