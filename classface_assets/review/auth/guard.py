"""Who may ask what: host names, sessions, tokens, forged requests, sizes.

One ASGI middleware before all routes. A change that the browser makes with its cookie needs the session's CSRF token; a
script sends `Authorization: Bearer` instead. Without a token (on loopback only) everybody on this machine may ask.

Bodies of requests: bounded, read whole, and handed on.
"""

import ipaddress
import re
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from classface_assets.review.auth.headers import Send, with_security_headers
from classface_assets.review.auth.sessions import Session, Sessions
from classface_assets.review.problems import problem_response

MAX_BODY_BYTES, MAX_UPLOAD_BYTES = 2 << 20, 48 << 20
UPLOAD_PATHS = ("/search", "/profiles", "/roster")
UNSAFE_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class BodyTooLargeError(Exception):
    """The body has more bytes than it may."""


def max_body_bytes(request: Request) -> int:
    return MAX_UPLOAD_BYTES if any(part in request.url.path for part in UPLOAD_PATHS) else MAX_BODY_BYTES


async def read_body(request: Request, receive: Receive) -> bytes:
    """Raises TooLarge, before the rest is read."""
    most = max_body_bytes(request)
    said = request.headers.get("content-length", "0")
    if not said.isdecimal() or int(said) > most:
        raise BodyTooLargeError
    pieces, size, more = [], 0, request.method in UNSAFE_METHODS
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        piece = message.get("body", b"")
        size += len(piece)
        if size > most:
            raise BodyTooLargeError
        pieces.append(piece)
        more = message.get("more_body", False)
    return b"".join(pieces)


def replay_body(body: bytes, receive: Receive) -> Receive:
    """The body once more, then whatever comes."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> MutableMapping[str, Any]:
        return waiting.pop() if waiting else await receive()

    return again


PUBLIC_PATHS = ("/login", "/static/", "/healthz")
Scope = MutableMapping[str, Any]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
_MULTIPART_CSRF_FIELD = re.compile(rb'--[^\r\n]+\r\n[^\r\n]*name="csrf_token"\r\n\r\n([0-9a-f]+)\r\n')


@dataclass(frozen=True)
class SecurityMiddleware:
    """The middleware. `names`: host names beside `localhost` and plain addresses by which this server may be called."""

    app: App
    sessions: Sessions
    names: frozenset[str] = field(default_factory=frozenset)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        request, send = Request(scope), with_security_headers(send)
        answer = self._before(request)
        if answer is not None:
            await answer(scope, receive, send)
            return
        try:
            body = await read_body(request, receive)
        except BodyTooLargeError:
            await problem_response(413, f"At most {max_body_bytes(request) >> 20} MB may be sent here.")(
                scope, receive, send
            )
            return
        refused = self._forged(request, body)
        if refused is not None:
            await refused(scope, receive, send)
            return
        await self.app(scope, replay_body(body, receive), send)

    def _before(self, request: Request) -> Response | None:
        """What is answered without asking the app; None: go on, with `scope["state"]["session"]` set."""
        if not self._called_right(request.headers.get("host", "")):
            return problem_response(421, "This server is not called so: use its address or `localhost`.")
        session, path = self.sessions.of(request), request.url.path
        request.state.session = session
        if path == "/" and (given := request.query_params.get("token")) is not None and request.method == "GET":
            return self._let_in(request, given)
        if session is None and not path.startswith(PUBLIC_PATHS):
            return _login_required(request)
        return None

    def _let_in(self, request: Request, token: str) -> Response:
        if not self.sessions.is_token(token):
            return RedirectResponse("/login?wrong=1", 303)
        return self.sessions.start(request, RedirectResponse("/", 303))

    def _called_right(self, host: str) -> bool:
        """A name that an attacker's page was rebound to this machine under is not ours; addresses cannot be rebound."""
        name = host.rpartition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]
        name = name.lower().rstrip(".")
        return name == "localhost" or name in self.names or _is_address(name)

    def _forged(self, request: Request, body: bytes) -> Response | None:
        if request.method not in UNSAFE_METHODS:
            return None
        session: Session | None = request.state.session
        if not _same_origin(request):
            return problem_response(403, "Another site's page has sent this; nothing was changed.")
        if session is None or not session.by_cookie:
            return None
        given = request.headers.get("x-csrf-token") or _csrf_token_of_form(request, body)
        if not secrets.compare_digest(given.encode(), session.csrf.encode()):
            return problem_response(403, "The page's CSRF token is missing or old; load the page again.")
        return None


def _same_origin(request: Request) -> bool:
    """Browsers say from where a change comes; scripts say nothing."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    return origin is None or origin.partition("://")[2] == request.headers.get("host")


def _csrf_token_of_form(request: Request, body: bytes) -> str:
    """What a plain form sends as `csrf_token`; in one with a file it comes first."""
    kind = request.headers.get("content-type", "")
    if kind.startswith("multipart/form-data"):
        found = _MULTIPART_CSRF_FIELD.match(body[:1000])
        return found[1].decode() if found else ""
    if not kind.startswith("application/x-www-form-urlencoded"):
        return ""
    return parse_qs(body.decode("utf-8", "replace")).get("csrf_token", [""])[-1]


def _login_required(request: Request) -> Response:
    wants_page = request.method == "GET" and "text/html" in request.headers.get("accept", "")
    if wants_page:
        return RedirectResponse("/login", 303)
    headers = {"WWW-Authenticate": "Bearer"}
    return problem_response(401, "Log in, or send the token as `Authorization: Bearer …`.", headers)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
