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
from classface_assets.core.languages import gettext, marked, translated
from classface_assets.orchestration.settings.value_errors import value_error_text
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
_TITLES = (
    marked("Unauthorized"),
    marked("Forbidden"),
    marked("Not Found"),
    marked("Method Not Allowed"),
    marked("Request Timeout"),
    marked("Conflict"),
    marked("Content Too Large"),
    marked("Request Entity Too Large"),
    marked("Misdirected Request"),
    marked("Unprocessable Content"),
    marked("Unprocessable Entity"),
    marked("Too Many Requests"),
    marked("Internal Server Error"),
    marked("Service Unavailable"),
    marked("There was an error parsing the body"),
)
"""Phrases of statuses, and of the framework, that a page can have, for the catalogs."""
_NOT_FOUND = {
    "album page": marked("There is no album page %(name)s."),
    "cluster": marked("There is no cluster %(name)s."),
    "curve of the progress": marked("There is no progress curve."),
    "curve of the training": marked("There is no training curve."),
    "document": marked("There is no document %(name)s."),
    "face": marked("There is no face %(name)s."),
    "face with a vector": marked("There is no face with a vector %(name)s."),
    "help page": marked("There is no help page %(name)s."),
    "language": marked("There is no language %(name)s."),
    "person": marked("There is no person %(name)s."),
    "person called": marked("There is no person called %(name)s."),
    "photo": marked("There is no photo %(name)s."),
    "picture of the face": marked("There is no picture of the face %(name)s."),
    "portrait": marked("There is no portrait %(name)s."),
    "run": marked("There is no run %(name)s."),
    "school year": marked("There is no school year %(name)s."),
    "session": marked("There is no session %(name)s."),
    "student at any session": marked("There is no student at any session %(name)s."),
    "update": marked("There is no update %(name)s."),
}
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
    """Nothing has that id (status 404); `what` is a key of _NOT_FOUND."""

    def __init__(self, what: str, name: object) -> None:
        super().__init__(404, gettext(_NOT_FOUND[what], name=name))


def problem_response(status: int, detail: str, headers: dict[str, str] | None = None, **more: Any) -> Response:
    """The response with the problem details; `more` are further members of them."""
    title = translated(HTTPStatus(status).phrase) if status in HTTPStatus._value2member_map_ else gettext("Error")
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    return JSONResponse(body, status, headers, PROBLEM_MEDIA_TYPE)


def add_problem_handlers(app: FastAPI) -> None:
    """Answer every error of the app, and of its framework, with problem details."""
    app.add_exception_handler(RequestValidationError, _validation_problem)
    app.add_exception_handler(HTTPException, _http_problem)
    app.add_exception_handler(UserError, _user_error_problem)
    app.add_exception_handler(Exception, _server_error_problem)


def _validation_problem(request: Request, error: Exception) -> Response:
    """Status 404 where the path has an id that nothing can have, else 422. Pages name a field by its name alone."""
    assert isinstance(error, RequestValidationError)
    # The rejected values are not sent back: they may be anything.
    errors = [
        {"where": ".".join(map(str, e["loc"])), "what": value_error_text(e), "code": e["type"]} for e in error.errors()
    ]
    is_api = request.url.path.startswith("/api/")
    fields = [one["where"] if is_api else one["where"].partition(".")[2] for one in errors]
    described = [f"{name}: {one['what']}" for name, one in zip(fields, errors, strict=True)]
    detail = "; ".join(described[:3]) or gettext("The request is not valid.")
    in_path = any(e["loc"][0] == "path" for e in error.errors())
    return problem_response(404 if in_path else 422, detail, errors=errors)


def _http_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        allowed = ", ".join(allowed_methods(request))
        detail = gettext("%(method)s is not possible here, only %(allowed)s.", method=request.method, allowed=allowed)
        return problem_response(405, detail, {"Allow": allowed})
    status = 422 if error.status_code == 400 else error.status_code  # a body that is no JSON, or no form
    return problem_response(status, translated(str(error.detail)), dict(error.headers or {}))


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
    return problem_response(500, gettext("Internal server error; see the server's log."))
