"""Errors as pages for people, and as problem details for scripts."""

import json
from collections.abc import Callable, Coroutine
from inspect import isawaitable
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from classface_assets.errors import UserError
from classface_assets.review.desk import desk_of
from classface_assets.review.pages.frame import counts, render, wants_json
from classface_assets.store.database import DatabaseError


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


def tell_the_lost(app: FastAPI) -> None:
    """Who goes to an address where nothing is gets a page, if they read pages."""
    told = app.exception_handlers[HTTPException]

    def lost(request: Request, error: Exception) -> Response:
        answer: Response = told(request, error)  # type: ignore[assignment]
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
        now = counts(desk_of(request).view())
    except UserError:
        now = None
    html = render(request, "problem.html.j2", counts=now, done=None, problem=problem, empty=empty)
    return HTMLResponse(html, problem["status"])
