"""Access tokens and session cookies.

A session is a signed cookie (itsdangerous), so it outlives a restart of the server; another token ends all sessions.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass

from itsdangerous import BadData, Signer, URLSafeTimedSerializer
from starlette.requests import Request
from starlette.responses import Response

from classface_assets.core.errors import UserError

SESSION_LIFETIME_S = 30 * 24 * 3600
MIN_TOKEN_LENGTH = 16
MAX_ACTOR_LENGTH = 80


class TokenError(UserError):
    """A token is missing where one is needed, or is too easily guessed."""


@dataclass(frozen=True)
class Session:
    """The session of a request.

    Attributes:
        csrf: The token that a page sends back with each change.
        by_cookie: Whether the CSRF token is required: a browser sends its cookie by itself, so that another site's
            page could make it send a change. Scripts send the access token.
        actor: The name under which the ledger records the changes; empty for the operating system's user.
    """

    csrf: str
    by_cookie: bool
    actor: str = ""


class Sessions:
    """Starts, recognises and ends sessions. Without an access token every request has one."""

    def __init__(self, token: str | None) -> None:
        """Derive the signing keys from the access token, or from random bytes where there is none.

        Args:
            token: The access token; None lets everybody in.

        Raises:
            TokenError: The token has fewer than 16 characters.
        """
        if token is not None and len(token) < MIN_TOKEN_LENGTH:
            raise TokenError(f"The token is too short: give one of {MIN_TOKEN_LENGTH} characters or more.")
        self._token = token
        key = token or secrets.token_hex()
        self._cookies = URLSafeTimedSerializer(
            key, salt="classface session", signer_kwargs={"digest_method": hashlib.sha256}
        )
        self._csrf_signer = Signer(key, salt="classface csrf", digest_method=hashlib.sha256)

    def is_token(self, given: str) -> bool:
        """Whether this is the access token, compared in constant time."""
        return self._token is not None and hmac.compare_digest(given.encode(), self._token.encode())

    def find(self, request: Request) -> Session | None:
        """The session of a request, by its bearer token or its cookie; None where it has neither."""
        kind, _, bearer = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and self.is_token(bearer.strip()):
            return Session("", by_cookie=False, actor=request.headers.get("x-classface-actor", "")[:MAX_ACTOR_LENGTH])
        started = self._read_cookie(request.cookies.get(cookie_name(request), ""))
        if started is not None:
            session_id, actor = started
            return Session(self._csrf_token(session_id), by_cookie=True, actor=actor)
        if self._token is not None:
            return None
        by_browser = "origin" in request.headers or "sec-fetch-site" in request.headers
        return Session(self._csrf_token("nobody"), by_cookie=by_browser)

    def start(self, request: Request, response: Response, actor: str = "") -> Response:
        """The response with the cookie of a new session."""
        response.set_cookie(
            cookie_name(request),
            self._cookies.dumps([secrets.token_urlsafe(12), actor[:MAX_ACTOR_LENGTH]]),
            max_age=SESSION_LIFETIME_S,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
            path="/",
        )
        return response

    def end(self, request: Request, response: Response) -> Response:
        """The response that removes the session's cookie."""
        response.delete_cookie(cookie_name(request), path="/")
        return response

    def _read_cookie(self, cookie: str) -> tuple[str, str] | None:
        """The session id and actor of a cookie; None where it was not signed here, or is too old."""
        try:
            session_id, actor = self._cookies.loads(cookie, max_age=SESSION_LIFETIME_S)
        except BadData:
            return None
        return session_id, actor

    def _csrf_token(self, session_id: str) -> str:
        return self._csrf_signer.get_signature(session_id).decode()


def cookie_name(request: Request) -> str:
    """The name of the session's cookie, by port.

    Browsers share the cookies of a host among its ports, but two archives served side by side must not share one.
    """
    port = request.headers.get("host", "").rpartition("]")[2].rpartition(":")[2]
    return f"classface_{port if port.isdecimal() else 'session'}"
