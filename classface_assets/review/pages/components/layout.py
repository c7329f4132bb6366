"""What every page has: the header with its counts, the session's token, the answer to a change.

Errors as pages for people, and as problem details for scripts.

What forms send.
"""

import json
from collections.abc import Callable, Coroutine, Sequence
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
from classface_assets.core.schemas import is_noise
from classface_assets.review.auth.sessions import SESSION_LIFETIME_S, cookie_name
from classface_assets.review.context import ReviewContext, context_of
from classface_assets.review.pages.components.messages import describe_events
from classface_assets.review.static_files import STATIC_URL
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.store.files.duckdb import DatabaseError

MAX_EVENTS = 8


@cache
def template_environment() -> Environment:
    """Jinja's environment: everything is escaped, and what is not there is an error."""
    loader = PackageLoader("classface_assets.review")
    made = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals["static"] = STATIC_URL
    made.filters["number"] = lambda n: f"{n:,}"
    made.filters["years"] = format_years
    made.filters["counted"] = lambda n, one, more="": f"{n:,} {one if n == 1 else more or one + 's'}"
    return made


def render_page(request: Request, desk: ReviewContext, template: str, **shown: Any) -> Response:
    """A page with the header's counts, and what was just done where the address says so."""
    view = desk.view()
    ids = _parse_event_ids(request.query_params.get("done", ""))
    done = {"message": describe_events(view, ids), "undo": ids} if ids else None
    response = HTMLResponse(render_template(request, template, counts=section_counts(view), done=done, **shown))
    return _clear_erased_images(request, response, view)


def _clear_erased_images(request: Request, response: Response, view: ArchiveView) -> Response:
    """A browser that was here before somebody was erased drops the pictures that it has kept."""
    name, erased = f"{cookie_name(request)}_erased", str(sum(p.erased for p in view.decisions.persons.values()))
    if erased != request.cookies.get(name, "0"):
        response.headers["Clear-Site-Data"] = '"cache"'
        response.set_cookie(name, erased, max_age=SESSION_LIFETIME_S, httponly=True, samesite="strict")
    return response


def section_counts(view: ArchiveView) -> dict[str, int]:
    """How much there is in each section: groups to name, faces to confirm, people."""
    unknown = view.clusters.filter(pl.col("person_id").is_null(), ~is_noise()).height
    open_ = view.faces.select((pl.col("person_id").is_not_null() & ~pl.col("confirmed")).sum()).item()
    people = view.persons.filter(pl.col("status") == "active", pl.col("kind").is_in(["student", "staff"])).height
    return {"unknown": unknown, "confirm": int(open_), "people": people}


def change_response(
    request: Request, desk: ReviewContext, events: Sequence[int], back: str, notes: Sequence[str] = (), **more: Any
) -> Response:
    """The answer to a change: what was done and how to undo it; a form without JavaScript is shown its page again."""
    view = desk.view()
    if wants_json(request):
        body = {
            "message": describe_events(view, events),
            "notes": list(notes),
            "undo": list(events),
            "counts": section_counts(view),
        }
        return JSONResponse(body | more)
    path = local_path(back)
    joint = "&" if "?" in path else "?"
    return RedirectResponse(f"{path}{joint}done={','.join(map(str, events))}", 303)


def local_path(path: str) -> str:
    """A path of this server, whatever a form says; the first page for anything else."""
    path = path.partition("#")[0]
    fine = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isascii() and path.isprintable()
    return path.partition("done=")[0].rstrip("?&") or "/" if fine else "/"


def wants_json(request: Request) -> bool:
    return "application/json" in request.headers.get("accept", "")


def format_years(years: Sequence[str]) -> str:
    """`2015-2016`, or `2015 to 2019` for the years from 2015-2016 to 2018-2019."""
    if len(years) < 2:
        return "".join(years)
    first, last = years[0].partition("-"), years[-1].rpartition("-")
    whole = all(part.isdecimal() and len(part) == 4 for part in (first[0], first[2], last[0], last[2]))
    return f"{first[0]} to {last[2]}" if whole else f"{years[0]} to {years[-1]}"


def page_address(request: Request) -> str:
    """The page's own address, for forms to come back to."""
    return f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path


def _parse_event_ids(listed: str) -> list[int]:
    return [int(n) for n in listed.split(",")[:MAX_EVENTS] if n.isascii() and n.isdecimal() and len(n) < 16]


def render_template(request: Request, template: str, **shown: Any) -> str:
    session = request.state.session
    frame = {"csrf": session.csrf, "here": local_path(page_address(request)), "path": request.url.path}
    return template_environment().get_template(template).render(frame | shown)


class PageRoute(APIRoute):
    """A route whose errors are pages for who reads pages, and problem details for scripts."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await handle(request)
            except (UserError, RequestValidationError, HTTPException) as error:
                if wants_json(request):
                    raise
                return await _error_page(request, error)

        return answered


def page_router() -> APIRouter:
    return APIRouter(include_in_schema=False, route_class=PageRoute)


def add_not_found_page(app: FastAPI) -> None:
    """Who goes to an address where nothing is gets a page, if they read pages."""
    handler = app.exception_handlers[HTTPException]

    def lost(request: Request, error: Exception) -> Response:
        answer: Response = handler(request, error)  # type: ignore[assignment]
        if answer.status_code != 404 or "text/html" not in request.headers.get("accept", ""):
            return answer
        detail = f"There is nothing at {request.url.path}; perhaps it was named or joined meanwhile."
        return _problem_page(request, {"title": "Not found", "status": 404, "detail": detail})

    app.add_exception_handler(HTTPException, lost)


async def _error_page(request: Request, error: Exception) -> Response:
    """The page of an error, told by whatever tells it to scripts."""
    handlers = request.app.exception_handlers
    handler = next(handlers[kind] for kind in type(error).__mro__ if kind in handlers)
    answer = handler(request, error)
    problem = json.loads((await answer if isawaitable(answer) else answer).body)
    return _problem_page(request, problem, empty=isinstance(error, DatabaseError))


def _problem_page(request: Request, problem: dict[str, Any], empty: bool = False) -> Response:
    try:
        now = section_counts(context_of(request).view())
    except UserError:
        now = None
    html = render_template(request, "problem.html.j2", counts=now, done=None, problem=problem, empty=empty)
    return HTMLResponse(html, problem["status"])


FormText = Annotated[str, Form(max_length=2000)]
FormFaces = Annotated[tuple[str, ...], Form()]
