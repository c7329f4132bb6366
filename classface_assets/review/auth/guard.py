"""The ASGI middleware before all routes: host names, sessions, forged requests, and the size and time of requests.

A change that a browser sends with its cookie needs the session's CSRF token; a script sends `Authorization: Bearer`
instead. Without an access token (on loopback only) everybody on this machine may use the server.
"""

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from classface_assets.core.languages import gettext
from classface_assets.review.auth.attempts import TooManyAttemptsError
from classface_assets.review.auth.headers import Send, with_security_headers
from classface_assets.review.auth.host_names import is_own_name
from classface_assets.review.auth.sessions import Session, Sessions, client_address
from classface_assets.review.problems import problem_response

MAX_BODY_BYTES, MAX_UPLOAD_BYTES = 2 << 20, 48 << 20
MAX_LOGIN_BYTES = 8 << 10
"""Of the only body that is read without a session: the login form."""
MAX_DISCARDED_BYTES = 128 << 20
MAX_HEADERS = 100
BODY_TIMEOUT_S, LOGIN_TIMEOUT_S = 10 * 60, 10
UPLOAD_PATHS = ("/search", "/profiles", "/roster")
UNSAFE_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
PUBLIC_PATHS = frozenset({"/login", "/healthz"})
PUBLIC_FOLDER = "/static/"
CLOSE = {"Connection": "close"}
"""Of answers to requests whose body is not read: the connection ends, and with it what is still being sent."""
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
_MULTIPART_CSRF_FIELD = re.compile(rb'--[^\r\n]+\r\n[^\r\n]*name="csrf_token"\r\n\r\n([\w-]+)\r\n')


class BodyTooLargeError(Exception):
    """The request's body has more bytes than its path allows."""


class BodyTooSlowError(Exception):
    """The request's body did not come within its time."""


@dataclass(frozen=True)
class SecurityMiddleware:
    """Lets a request through to the app only where host name, session, CSRF token and size are right.

    Attributes:
        app: The ASGI application behind it.
        sessions: The sessions of the server.
        names: Host names under which the server is reached, besides `localhost` and plain addresses.
    """

    app: App
    sessions: Sessions
    names: frozenset[str] = field(default_factory=frozenset)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check one request, as ASGI calls a middleware."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": 1008})
            return
        request, send = Request(scope), with_security_headers(send)
        response = self._check_access(request)
        if response is None:
            try:
                body = await self._read_body(request, receive)
            except BodyTooSlowError:
                response = problem_response(408, gettext("The request's body came too slowly."), CLOSE)
            except BodyTooLargeError:
                response = await self._refuse_large_body(request, receive)
            else:
                response = self._check_forgery(request, body)
        if response is not None:
            await response(scope, receive, send)
            return
        await self.app(scope, replay_body(body, receive), send)

    async def _read_body(self, request: Request, receive: Receive) -> bytes:
        if request.state.session is None and request.url.path != "/login":
            return b""
        try:
            async with asyncio.timeout(LOGIN_TIMEOUT_S if request.state.session is None else BODY_TIMEOUT_S):
                return await read_body(request, receive)
        except TimeoutError:
            raise BodyTooSlowError from None

    async def _refuse_large_body(self, request: Request, receive: Receive) -> Response:
        if request.state.session is None:
            return problem_response(413, gettext("The request is too large for a login."), CLOSE)
        await discard_body(receive)
        limit = max_body_bytes(request) >> 20
        detail = gettext("The request is too large: at most %(limit)s MB may be sent here.", limit=limit)
        return problem_response(413, detail)

    def _check_access(self, request: Request) -> Response | None:
        """The refusal or redirect of a request; None to go on, with `request.state.session` set."""
        if len(request.headers.raw) > MAX_HEADERS:
            return problem_response(431, f"The request has more than {MAX_HEADERS} header fields.", CLOSE)
        if not is_own_name(request.headers.get("host", ""), self.names):
            detail = gettext(
                "Unknown host name: use the server's address or `localhost`, or start it with --allowed-host."
            )
            return problem_response(421, detail, CLOSE)
        request.state.session, path = None, request.url.path
        try:
            session = request.state.session = self.sessions.find(request)
            if path == "/" and (given := request.query_params.get("token")) is not None and request.method == "GET":
                return self._log_in(request, given)
        except TooManyAttemptsError as error:
            return problem_response(429, str(error), CLOSE | {"Retry-After": str(error.wait_s)})
        if session is None and path not in PUBLIC_PATHS and not path.startswith(PUBLIC_FOLDER):
            return _login_required(request)
        return None

    def _log_in(self, request: Request, token: str) -> Response:
        if not self.sessions.is_token(token, client_address(request)):
            return RedirectResponse("/login?wrong=1", 303)
        return self.sessions.start(request, RedirectResponse("/", 303))

    def _check_forgery(self, request: Request, body: bytes) -> Response | None:
        """The refusal of a change that another site's page may have sent; None where it is genuine."""
        if request.method not in UNSAFE_METHODS:
            return None
        session: Session | None = request.state.session
        if not _same_origin(request):
            return problem_response(403, gettext("This request came from another site's page; nothing was changed."))
        if session is None or not session.by_cookie:
            return None
        given = request.headers.get("x-csrf-token") or _csrf_token_of_form(request, body)
        if not secrets.compare_digest(given.encode(), session.csrf.encode()):
            return problem_response(403, gettext("The page's CSRF token is missing or old; reload the page."))
        return None


def max_body_bytes(request: Request) -> int:
    """How many bytes the body of a request to this path may have."""
    if request.state.session is None:
        return MAX_LOGIN_BYTES
    return MAX_UPLOAD_BYTES if any(part in request.url.path for part in UPLOAD_PATHS) else MAX_BODY_BYTES


async def read_body(request: Request, receive: Receive) -> bytes:
    """Read the whole body of a changing request.

    Raises:
        BodyTooLargeError: The body is too large; the rest is not read.
    """
    limit = max_body_bytes(request)
    declared = request.headers.get("content-length", "0")
    if not declared.isdecimal() or int(declared) > limit:
        raise BodyTooLargeError
    chunks, size, more = [], 0, request.method in UNSAFE_METHODS
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise BodyTooLargeError
        chunks.append(chunk)
        more = message.get("more_body", False)
    return b"".join(chunks)


async def discard_body(receive: Receive) -> None:
    """Read what a client still sends, at most MAX_DISCARDED_BYTES of it, so that it gets to see the answer.

    A connection that is closed while its client is still sending is an error to the client (RFC 9112, section 9.6).
    """
    size, more = 0, True
    while more and size < MAX_DISCARDED_BYTES:
        message = await receive()
        size += len(message.get("body", b""))
        more = message["type"] != "http.disconnect" and message.get("more_body", False)


def replay_body(body: bytes, receive: Receive) -> Receive:
    """An ASGI `receive` that hands out a body that was read already, and then what follows."""
    pending = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> MutableMapping[str, Any]:
        return pending.pop() if pending else await receive()

    return replay


def _same_origin(request: Request) -> bool:
    """Whether the request came from one of our pages, or from a script, which sends neither header."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    return origin is None or origin.partition("://")[2] == request.headers.get("host")


def _csrf_token_of_form(request: Request, body: bytes) -> str:
    """The field `csrf_token` of a plain form; in a form with a file it is the first field."""
    kind = request.headers.get("content-type", "")
    if kind.startswith("multipart/form-data"):
        found = _MULTIPART_CSRF_FIELD.match(body[:1000])
        return found[1].decode() if found else ""
    if not kind.startswith("application/x-www-form-urlencoded"):
        return ""
    return parse_qs(body.decode("utf-8", "replace")).get("csrf_token", [""])[-1]


def _login_required(request: Request) -> Response:
    """The login page for a browser, status 401 for a script."""
    wants_page = request.method == "GET" and "text/html" in request.headers.get("accept", "")
    if wants_page:
        return RedirectResponse("/login", 303)
    headers = {"WWW-Authenticate": "Bearer"} | (CLOSE if _has_body(request) else {})
    return problem_response(401, gettext("Log in, or send the token as `Authorization: Bearer …`."), headers)


def _has_body(request: Request) -> bool:
    return request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers
