"""The language of the pages: the one that was chosen in them, else the one that the browser asks for first.

The API is English: what programs read must not depend on a browser.
"""

from dataclasses import dataclass

from starlette.requests import Request

from classface_assets.core.languages import LANGUAGES, negotiate_language, use_language
from classface_assets.review.auth.guard import App, Receive, Scope
from classface_assets.review.auth.headers import Send
from classface_assets.review.auth.sessions import cookie_name

_API_PATHS = "/api/"


@dataclass(frozen=True)
class LanguageMiddleware:
    """Handles each request of a page in the language that it asks for.

    Attributes:
        app: The ASGI application behind it.
    """

    app: App

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, as ASGI calls a middleware."""
        if scope["type"] != "http" or scope["path"].startswith(_API_PATHS):
            await self.app(scope, receive, send)
            return
        with use_language(requested_language(Request(scope))):
            await self.app(scope, receive, send)


def language_cookie(request: Request) -> str:
    """The name of the cookie that stores the language which was chosen in a page."""
    return f"{cookie_name(request)}_language"


def requested_language(request: Request) -> str:
    """The language of the cookie, else of `Accept-Language`, else English."""
    chosen = request.cookies.get(language_cookie(request), "")
    return chosen if chosen in LANGUAGES else negotiate_language(request.headers.get("accept-language", ""))
