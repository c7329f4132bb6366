"""What all pages share: templates and the header, the response to a change, errors as pages, and form fields."""

import json
from collections.abc import Callable, Coroutine, Sequence
from datetime import date
from functools import cache
from inspect import isawaitable
from typing import Annotated, Any

import polars as pl
from fastapi import APIRouter, FastAPI, Form, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from classface_assets.core.errors import UserError
from classface_assets.core.languages import (
    LANGUAGES,
    current_language,
    format_short_date,
    gettext,
    install_translations,
    marked,
    script_texts,
    translated,
)
from classface_assets.core.schemas import is_noise
from classface_assets.review.auth.session_store import SESSION_LIFETIME_S
from classface_assets.review.auth.sessions import cookie_name
from classface_assets.review.context import ReviewContext, context_of
from classface_assets.review.pages.components.cards import nameable_people
from classface_assets.review.pages.components.messages import describe_events
from classface_assets.review.pages.components.updates import header_update
from classface_assets.review.static_files import STATIC_URL
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.store.files.duckdb import DatabaseError

MAX_EVENTS = 8
_WORDS = (
    *(marked("student"), marked("staff"), marked("not a student"), marked("not a face")),
    *(marked("active"), marked("hidden"), marked("merged"), marked("collage"), marked("mirror")),
    *(marked("present"), marked("absent"), marked("unsure"), marked("not known yet"), marked("not judged")),
    *(marked("clear"), marked("guess"), marked("set by hand"), marked("no school year")),
)
"""What is shown of kinds, states and marks; in the catalogs by this list."""
WITHOUT_ARCHIVE = ("/start", "/help", "/login")
"""Pages that are shown before anything of the archive is on the disk."""
FormText = Annotated[str, Form(max_length=2000)]
FormFaces = Annotated[tuple[str, ...], Form()]


@cache
def template_environment() -> Environment:
    """Jinja's environment: values are escaped, and undefined names are errors."""
    loader = PackageLoader("classface_assets.review")
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals["static"] = STATIC_URL
    install_translations(environment)
    environment.globals["languages"] = LANGUAGES
    environment.filters["text"] = lambda marked_text: translated(marked_text) if marked_text else ""
    environment.filters["years"] = format_years
    environment.filters["enum"] = lambda value: gettext(str(value))
    environment.filters["iso_date"] = lambda day: format_short_date(date.fromisoformat(str(day))) if day else ""
    return environment


def render_page(request: Request, context: ReviewContext, template: str, **values: Any) -> Response:
    """Render a page with the header's counts, and the message of the change that led here (`?done=`)."""
    view = context.view()
    ids = _parse_event_ids(request.query_params.get("done", ""))
    done = {"message": describe_events(view, ids), "undo": ids} if ids else None
    response = HTMLResponse(render_template(request, template, counts=section_counts(view), done=done, **values))
    return _clear_erased_images(request, response, view)


def render_page_without_faces(
    request: Request, context: ReviewContext, template: str, status: int = 200, **values: Any
) -> Response:
    """Render a page that needs no published faces: before the first update it has no counts in its header."""
    try:
        counts = section_counts(context.view())
    except UserError:
        counts = None
    return HTMLResponse(render_template(request, template, counts=counts, done=None, **values), status)


def _clear_erased_images(request: Request, response: Response, view: ArchiveView) -> Response:
    """Let the browser drop its cached images if somebody was erased since its last page."""
    name, erased = f"{cookie_name(request)}_erased", str(sum(p.erased for p in view.decisions.persons.values()))
    if erased != request.cookies.get(name, "0"):
        response.headers["Clear-Site-Data"] = '"cache"'
        response.set_cookie(name, erased, max_age=SESSION_LIFETIME_S, httponly=True, samesite="strict")
    return response


def section_counts(view: ArchiveView) -> dict[str, int]:
    """The counts in the header: groups to name, matches to confirm, people."""
    unknown = view.clusters.filter(pl.col("person_id").is_null(), ~is_noise()).height
    to_confirm = view.faces.select((pl.col("person_id").is_not_null() & ~pl.col("confirmed")).sum()).item()
    return {"unknown": unknown, "confirm": int(to_confirm), "people": nameable_people(view).height}


def change_response(
    request: Request, context: ReviewContext, events: Sequence[int], back: str, notes: Sequence[str] = (), **more: Any
) -> Response:
    """The response to a change of the ledger.

    Args:
        request: A script's request for JSON, or a plain form.
        context: The archive.
        events: The ids of the appended events.
        back: The page to which a plain form returns.
        notes: Sentences that the user should read.
        more: Further members of the JSON, such as `go`, the page to go to.

    Returns:
        JSON with the message and how to undo the change; for a plain form a redirect.
    """
    view = context.view()
    if wants_json(request):
        body = {
            "message": describe_events(view, events),
            "notes": list(notes),
            "undo": list(events),
            "counts": section_counts(view),
        }
        return JSONResponse(body | more)
    path = local_path(back)
    separator = "&" if "?" in path else "?"
    return RedirectResponse(f"{path}{separator}done={','.join(map(str, events))}", 303)


def local_path(path: str) -> str:
    """The path if it is one of this server, else the first page: a form may send anything."""
    path = path.partition("#")[0]
    is_local = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isascii() and path.isprintable()
    return path.partition("done=")[0].rstrip("?&") or "/" if is_local else "/"


def wants_json(request: Request) -> bool:
    """Whether the request comes from a script."""
    return "application/json" in request.headers.get("accept", "")


def format_years(years: Sequence[str]) -> str:
    """`2015-2016`, or `2015 to 2019` for the years from 2015-2016 to 2018-2019."""
    if len(years) < 2:
        return "".join(years)
    first, last = years[0].partition("-"), years[-1].rpartition("-")
    are_school_years = all(part.isdecimal() and len(part) == 4 for part in (first[0], first[2], last[0], last[2]))
    start, end = (first[0], last[2]) if are_school_years else (years[0], years[-1])
    return gettext("%(first)s to %(last)s", first=start, last=end)


def page_address(request: Request) -> str:
    """The page's own path and query, to which its forms return."""
    return f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path


def _parse_event_ids(listed: str) -> list[int]:
    return [int(n) for n in listed.split(",")[:MAX_EVENTS] if n.isascii() and n.isdecimal() and len(n) < 16]


def render_template(request: Request, template: str, **values: Any) -> str:
    """Render a template, with the session's CSRF token and the page's address."""
    frame = {
        "csrf": request.state.session.csrf,
        "here": local_path(page_address(request)),
        "path": request.url.path,
        "update": header_update(context_of(request)),
        "chosen_language": current_language(),
        "script_texts": script_texts(current_language()),
    }
    return template_environment().get_template(template).render(frame | values)


class PageRoute(APIRoute):
    """A route whose errors are pages for browsers, and problem details for scripts."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with errors rendered as pages."""
        handle = super().get_route_handler()

        async def handle_with_error_page(request: Request) -> Response:
            is_new = not context_of(request).layout.local.exists()
            if is_new and not wants_json(request) and not request.url.path.startswith(WITHOUT_ARCHIVE):
                return RedirectResponse("/start", 303)
            try:
                return await handle(request)
            except (UserError, RequestValidationError, HTTPException) as error:
                if wants_json(request):
                    raise
                return await _error_page(request, error)

        return handle_with_error_page


def page_router() -> APIRouter:
    """A router for pages, which are not part of the API's schema."""
    return APIRouter(include_in_schema=False, route_class=PageRoute)


def add_not_found_page(app: FastAPI) -> None:
    """Show browsers a page for an unknown address."""
    handler = app.exception_handlers[HTTPException]

    def not_found(request: Request, error: Exception) -> Response:
        answer: Response = handler(request, error)  # type: ignore[assignment]
        is_page = "text/html" in request.headers.get("accept", "") and request.state.session is not None
        if answer.status_code != 404 or not is_page:
            return answer
        detail = gettext(
            "There is nothing at %(path)s; it may have been named or merged meanwhile.", path=request.url.path
        )
        return _problem_page(request, {"title": gettext("Not found"), "status": 404, "detail": detail})

    app.add_exception_handler(HTTPException, not_found)


async def _error_page(request: Request, error: Exception) -> Response:
    """The page of an error, with the problem details that a script would get."""
    handlers = request.app.exception_handlers
    handler = next(handlers[kind] for kind in type(error).__mro__ if kind in handlers)
    answer = handler(request, error)
    problem = json.loads((await answer if isawaitable(answer) else answer).body)
    if isinstance(error, DatabaseError) and not context_of(request).layout.database.exists():
        return RedirectResponse("/start", 303)
    return _problem_page(request, problem, empty=isinstance(error, DatabaseError))


def _problem_page(request: Request, problem: dict[str, Any], empty: bool = False) -> Response:
    try:
        header_counts = section_counts(context_of(request).view())
    except UserError:
        header_counts = None
    html = render_template(request, "problem.html.j2", counts=header_counts, done=None, problem=problem, empty=empty)
    return HTMLResponse(html, problem["status"])
