"""The web application of `classface review`: REST API and pages over one archive."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from starlette.middleware import Middleware

from classface_assets.review.api import archive as archive_api
from classface_assets.review.api import events, exports, runs, stats
from classface_assets.review.api.document import pages as document_pages
from classface_assets.review.api.document.completion import create_document
from classface_assets.review.api.faces import captions, clusters, faces, matching, portraits, vectors
from classface_assets.review.api.faces import photos as photo_search
from classface_assets.review.api.faces import regions as regions_api
from classface_assets.review.api.persons import persons, profiles
from classface_assets.review.api.sessions import selections, sessions
from classface_assets.review.auth import login
from classface_assets.review.auth.guard import SecurityMiddleware
from classface_assets.review.auth.session_store import SessionStore
from classface_assets.review.auth.sessions import Sessions
from classface_assets.review.context import ReviewContext
from classface_assets.review.languages import LanguageMiddleware
from classface_assets.review.pages import help
from classface_assets.review.pages.account import language, logins
from classface_assets.review.pages.archive import history, start, updates, years
from classface_assets.review.pages.archive import runs as run_pages
from classface_assets.review.pages.components.layout import add_not_found_page
from classface_assets.review.pages.exports import coverage as coverage_pages
from classface_assets.review.pages.exports import export as export_pages
from classface_assets.review.pages.faces import confirm, naming, unknown
from classface_assets.review.pages.people import actions as person_actions
from classface_assets.review.pages.people import erasure as person_erasure
from classface_assets.review.pages.people import listing as people
from classface_assets.review.pages.people import profile
from classface_assets.review.pages.people.roster import upload as roster_upload
from classface_assets.review.pages.photos import captions as caption_pages
from classface_assets.review.pages.photos import class_photo, listing, regions, search, viewer
from classface_assets.review.pages.sessions import listing as session_list
from classface_assets.review.pages.sessions import session as session_pages
from classface_assets.review.problems import add_problem_handlers
from classface_assets.review.static_files import STATIC_FOLDER, STATIC_URL, ImmutableStaticFiles

if TYPE_CHECKING:
    from classface_assets.orchestration.resources import Archive, Models

API_MODULES = (
    photo_search,
    sessions,
    selections,
    vectors,
    clusters,
    persons,
    profiles,
    events,
    runs,
    archive_api,
    matching,
    regions_api,
    exports,
    portraits,
    stats,
    captions,
    faces,
)
# In the order in which their paths are matched.
PAGE_MODULES = (
    unknown,
    naming,
    confirm,
    people,
    profile,
    person_actions,
    person_erasure,
    roster_upload,
    listing,
    viewer,
    class_photo,
    caption_pages,
    regions,
    search,
    history,
    session_list,
    session_pages,
    export_pages,
    coverage_pages,
    years,
    run_pages,
    updates,
    start,
    logins,
    language,
    help,
)


def create_app(
    archive: "Archive",
    models: "Models",
    token: str | None = None,
    names: frozenset[str] = frozenset(),
    token_file: Path | None = None,
) -> FastAPI:
    """Create the application of an archive.

    Args:
        archive: The archive to review.
        models: The model pack for uploads and suggestions.
        token: The access token. Without one everybody who can reach the server may use it: bind it to loopback then.
        names: Host names under which the server is reached, besides `localhost` and its addresses.
        token_file: The file that the token is in, if it is in one: another token there ends all sessions at once.

    Raises:
        TokenError: The token is too short.
        PackError: The model pack does not exist.
        LedgerError: The ledger is not the one that the archive knows, or cannot be used.
    """
    # Nothing is made on the disk before somebody starts the archive.
    store = SessionStore(archive.layout.sessions if archive.layout.local.exists() else None) if token else None
    sessions = Sessions(token, store, token_file)
    app = FastAPI(
        title="classface review",
        version="1",
        openapi_url=None,  # the document with examples is in `api.document`
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
        middleware=[Middleware(LanguageMiddleware), Middleware(SecurityMiddleware, sessions=sessions, names=names)],
    )
    app.state.context, app.state.sessions = ReviewContext(archive, models), sessions
    add_problem_handlers(app)
    add_not_found_page(app)
    for module in (*API_MODULES, login, document_pages, *PAGE_MODULES):
        app.include_router(module.router)
    app.mount(STATIC_URL, ImmutableStaticFiles(directory=STATIC_FOLDER))
    app.openapi = lambda: _openapi_document(app)  # type: ignore[method-assign]
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """While the server runs the ledger is backed up whenever decisions rest, and once more at the end."""
    backups = app.state.context.archive.backup_scheduler
    backups.start()
    yield
    backups.flush()
    app.state.context.export_jobs.close()


def _openapi_document(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        app.openapi_schema = create_document(app)
    return app.openapi_schema
