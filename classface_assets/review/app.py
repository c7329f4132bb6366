"""The web application of `classface review`: REST API and pages over one archive."""

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
    search,
    unknown,
    years,
)
from classface_assets.review.pages import runs as run_pages
from classface_assets.review.pages.components.layout import add_not_found_page
from classface_assets.review.problems import add_problem_handlers
from classface_assets.review.static_files import STATIC_FOLDER, STATIC_URL, ImmutableStaticFiles

if TYPE_CHECKING:
    from classface_assets.orchestration.resources import Archive, Models

API_DESCRIPTION = (
    "Errors are problem details (RFC 9457). A page's changes need its CSRF token, a script's the bearer token."
)
API_MODULES = (clusters, persons, profiles, events, runs, matching, stats, faces)
# In the order in which their paths are matched.
PAGE_MODULES = (unknown, naming, confirm, people, person_actions, photos, search, history, years, run_pages, help)


def create_app(
    archive: "Archive", models: "Models", token: str | None = None, names: frozenset[str] = frozenset()
) -> FastAPI:
    """Create the application of an archive.

    Args:
        archive: The archive to review.
        models: The model pack for uploads and suggestions.
        token: The access token. Without one everybody who can reach the server may use it: bind it to loopback then.
        names: Host names under which the server is reached, besides `localhost` and its addresses.

    Raises:
        TokenError: The token is too short.
        PackError: The model pack does not exist.
        StorageError: The ledger cannot be opened.
    """
    sessions = Sessions(token)
    app = FastAPI(
        title="classface review",
        version="1",
        docs_url=None,
        redoc_url=None,
        middleware=[Middleware(SecurityMiddleware, sessions=sessions, names=names)],
    )
    app.state.context, app.state.sessions = ReviewContext(archive, models), sessions
    add_problem_handlers(app)
    add_not_found_page(app)
    for module in (*API_MODULES, login, docs, *PAGE_MODULES):
        app.include_router(module.router)
    app.mount(STATIC_URL, ImmutableStaticFiles(directory=STATIC_FOLDER))
    app.openapi = lambda: _openapi_schema(app)  # type: ignore[method-assign]
    return app


def _openapi_schema(app: FastAPI) -> dict[str, Any]:
    """FastAPI's schema with the schema of problems and the bearer token added."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, description=API_DESCRIPTION, routes=app.routes)
        components = schema.setdefault("components", {})
        components.setdefault("schemas", {})["Problem"] = Problem.model_json_schema()
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        schema["security"] = [{"token": []}]
        app.openapi_schema = schema
    return app.openapi_schema
