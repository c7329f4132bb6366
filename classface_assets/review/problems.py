"""Errors of the review server as problem details (RFC 9457): type, title, status and one sentence of detail."""

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from classface_assets.core.errors import StorageError, UserError
from classface_assets.services.identity.method_options import MethodOptionError
from classface_assets.store.files.duckdb import DatabaseError
from classface_assets.store.files.parquet import DamagedFileError
from classface_assets.store.ledger.event_store import DamagedLedgerError
from classface_assets.store.ledger.identity import LostLedgerError
from classface_assets.store.ledger.transaction import ConflictError, LedgerError, UnknownError

# The other errors of a ledger are errors of the request, such as a name that no page can show.
_STATUS_BY_ERROR = {
    UnknownError: 404,
    ConflictError: 409,
    LostLedgerError: 503,
    DamagedLedgerError: 503,
    LedgerError: 422,
    MethodOptionError: 409,
    DatabaseError: 503,
    DamagedFileError: 503,
    StorageError: 503,
}
_LOGGER = logging.getLogger("classface.review")
PROBLEM_MEDIA_TYPE = "application/problem+json"


class ProblemError(UserError):
    """An error response.

    Attributes:
        status: The HTTP status.
        detail: One sentence for the user.
        more: Further members of the problem details.
    """

    def __init__(self, status: int, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.status, self.detail, self.more = status, detail, more


class NotFoundError(ProblemError):
    """Nothing has that id (status 404)."""

    def __init__(self, what: str, name: object) -> None:
        super().__init__(404, f"There is no {what} {name}.")


def problem_response(status: int, detail: str, headers: dict[str, str] | None = None, **more: Any) -> Response:
    """The response with the problem details; `more` are further members of them."""
    title = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Error"
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    return JSONResponse(body, status, headers, PROBLEM_MEDIA_TYPE)


def add_problem_handlers(app: FastAPI) -> None:
    """Answer every error of the app, and of its framework, with problem details."""
    app.add_exception_handler(RequestValidationError, _validation_problem)
    app.add_exception_handler(HTTPException, _http_problem)
    app.add_exception_handler(UserError, _user_error_problem)
    app.add_exception_handler(Exception, _server_error_problem)


def _validation_problem(_: Request, error: Exception) -> Response:
    """Status 404 where the path has an id that nothing can have, else 422."""
    assert isinstance(error, RequestValidationError)
    # The rejected values are not sent back: they may be anything.
    errors = [{"where": ".".join(map(str, e["loc"])), "what": e["msg"], "code": e["type"]} for e in error.errors()]
    detail = "; ".join(f"{one['where']}: {one['what']}" for one in errors[:3]) or "The request is not valid."
    in_path = any(e["loc"][0] == "path" for e in error.errors())
    return problem_response(404 if in_path else 422, detail, errors=errors)


def _http_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        allowed = ", ".join(allowed_methods(request))
        return problem_response(405, f"{request.method} is not possible here, only {allowed}.", {"Allow": allowed})
    status = 422 if error.status_code == 400 else error.status_code  # a body that is no JSON, or no form
    return problem_response(status, str(error.detail), dict(error.headers or {}))


def allowed_methods(request: Request) -> list[str]:
    """The methods of all calls at the path of a request; the framework names those of the first one only."""
    methods: set[str] = set()
    for route in iter_route_contexts(request.app.routes):
        if getattr(route, "path_regex", None) is not None and route.path_regex.match(request.scope["path"]):
            methods |= route.methods or set()
    return sorted(methods)


def _user_error_problem(_: Request, error: Exception) -> Response:
    if isinstance(error, ProblemError):
        return problem_response(error.status, error.detail, **error.more)
    status = next((status for kinds, status in _STATUS_BY_ERROR.items() if isinstance(error, kinds)), 422)
    return problem_response(status, str(error))


def _server_error_problem(request: Request, error: Exception) -> Response:
    _LOGGER.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem_response(500, "Internal server error; see the server's log.")
