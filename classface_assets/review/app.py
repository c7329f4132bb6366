"""The app of `classface review`: REST API and pages over one archive, behind one guard."""

from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.middleware import Middleware

from classface_assets.review.api import clusters, docs, events, faces, matching, persons, profiles, runs, stats
from classface_assets.review.api.common import Problem
from classface_assets.review.auth import login
from classface_assets.review.auth.guard import SecurityMiddleware
from classface_assets.review.auth.sessions import Sessions
from classface_assets.review.context import ReviewContext
from classface_assets.review.pages import (
    confirm,
    help,
    history,
    naming,
    people,
    person_actions,
    photos,
    unknown,
    years,
)
from classface_assets.review.pages import runs as run_pages
from classface_assets.review.pages.components.layout import add_not_found_page
from classface_assets.review.problems import add_problem_handlers
from classface_assets.review.static_files import STATIC_FOLDER, STATIC_URL, ImmutableStaticFiles

if TYPE_CHECKING:
    from classface_assets.orchestration.resources import Archive, Models

# In the order in which their addresses are tried.
PAGE_ROUTERS = tuple(
    module.router
    for module in (unknown, naming, confirm, people, person_actions, photos, history, years, run_pages, help)
)
API_DESCRIPTION = (
    "Errors are problem details (RFC 9457). A page's changes need its CSRF token, a script's the bearer token."
)
API_ROUTERS = tuple(part.router for part in (clusters, persons, profiles, events, runs, matching, stats, faces))
ROUTERS = (*API_ROUTERS, login.router, docs.router, *PAGE_ROUTERS)


def create_app(
    archive: "Archive", models: "Models", token: str | None = None, names: frozenset[str] = frozenset()
) -> FastAPI:
    """The app of an archive. Without a token everybody who can reach it may use it: then bind it to loopback only.

    `names`: host names beside `localhost` by which it is called. Raises TokenError, PackError, StorageError.
    """
    sessions = Sessions(token)
    app = FastAPI(
        title="classface review",
        version="1",
        docs_url=None,
        redoc_url=None,
        middleware=[Middleware(SecurityMiddleware, sessions=sessions, names=names)],
    )
    app.state.desk, app.state.sessions = ReviewContext(archive, models), sessions
    add_problem_handlers(app)
    add_not_found_page(app)
    for router in ROUTERS:
        app.include_router(router)
    app.mount(STATIC_URL, ImmutableStaticFiles(directory=STATIC_FOLDER))
    app.openapi = lambda: _openapi_schema(app)  # type: ignore[method-assign]
    return app


def _openapi_schema(app: FastAPI) -> dict[str, Any]:
    """OpenAPI with the shape of problems, and how to log in as a script."""
    if app.openapi_schema is None:
        described = get_openapi(title=app.title, version=app.version, description=API_DESCRIPTION, routes=app.routes)
        parts = described.setdefault("components", {})
        parts.setdefault("schemas", {})["Problem"] = Problem.model_json_schema()
        parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        described["security"] = [{"token": []}]
        app.openapi_schema = described
    return app.openapi_schema
