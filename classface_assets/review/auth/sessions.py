"""Tokens and session cookies. A session is a signed cookie, so it outlives a restart; another token ends them all."""

import base64
import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from classface_assets.core.errors import UserError

SESSION_LIFETIME_S = 30 * 24 * 3600
MIN_TOKEN_LENGTH = 16
MAX_ACTOR_LENGTH = 80


class TokenError(UserError):
    """No token where one is needed, or one that is easily guessed."""


@dataclass(frozen=True)
class Session:
    """Who asks. `csrf` is what a page must send back with a change; `by_cookie` says whether it must, as a browser that
    knows the session by itself could be made to ask by somebody else's page."""

    csrf: str
    by_cookie: bool
    who: str = ""
    """Who says they are asking: what the ledger notes of them."""


class Sessions:
    """Starts and knows sessions. Without a token everybody has one."""

    def __init__(self, token: str | None) -> None:
        """Raises TokenError for a token of less than 16 characters."""
        if token is not None and len(token) < MIN_TOKEN_LENGTH:
            raise TokenError(f"The token is too short: give one of {MIN_TOKEN_LENGTH} characters or more.")
        self._token = token
        self._key = hashlib.sha256(f"classface session {token or secrets.token_hex()}".encode()).digest()

    def is_token(self, given: str) -> bool:
        return self._token is not None and hmac.compare_digest(given.encode(), self._token.encode())

    def of(self, request: Request) -> Session | None:
        """The session of a request, by its bearer token or its cookie; None: it has none."""
        kind, _, bearer = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and self.is_token(bearer.strip()):
            return Session("", by_cookie=False, who=request.headers.get("x-classface-actor", "")[:MAX_ACTOR_LENGTH])
        started = self._started(request.cookies.get(cookie_name(request), ""))
        if started is not None:
            return Session(self._sign(f"csrf {started}"), by_cookie=True, who=_decode_actor(started.rpartition(".")[2]))
        if self._token is not None:
            return None
        by_browser = "origin" in request.headers or "sec-fetch-site" in request.headers
        return Session(self._sign("csrf nobody"), by_cookie=by_browser)

    def start(self, request: Request, response: Response, who: str = "") -> Response:
        """The response with the cookie of a new session of somebody."""
        name = base64.urlsafe_b64encode(who[:MAX_ACTOR_LENGTH].encode()).decode().rstrip("=")
        started = f"{int(time.time())}.{secrets.token_urlsafe(12)}.{name}"
        response.set_cookie(
            cookie_name(request),
            f"{started}.{self._sign(f'session {started}')}",
            max_age=SESSION_LIFETIME_S,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
            path="/",
        )
        return response

    def end(self, request: Request, response: Response) -> Response:
        response.delete_cookie(cookie_name(request), path="/")
        return response

    def _started(self, cookie: str) -> str | None:
        started, _, signature = cookie.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(f"session {started}").encode()):
            return None
        when = started.partition(".")[0]
        return started if when.isdecimal() and time.time() - int(when) < SESSION_LIFETIME_S else None

    def _sign(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()


def _decode_actor(name: str) -> str:
    return base64.urlsafe_b64decode(name + "=" * (-len(name) % 4)).decode()


def cookie_name(request: Request) -> str:
    """Browsers keep cookies for a host, whatever its port: two archives side by side must not share one."""
    port = request.headers.get("host", "").rpartition("]")[2].rpartition(":")[2]
    return f"classface_{port if port.isdecimal() else 'session'}"
