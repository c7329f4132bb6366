"""Access tokens and sessions.

A session is a random id in a signed cookie (itsdangerous) that is also in the session store: it outlives a restart of
the server, and ends at once when it is ended there or the access token is another one.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from pathlib import Path

from itsdangerous import BadData, Signer, URLSafeTimedSerializer
from starlette.requests import Request
from starlette.responses import Response

from classface_assets.core.errors import UserError
from classface_assets.review.auth.attempts import LoginAttempts
from classface_assets.review.auth.browsers import browser_in_words
from classface_assets.review.auth.session_store import SESSION_LIFETIME_S, SessionStore

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
        session_id: Of a session that is in the store; empty for a script's, or where no token is needed.
    """

    csrf: str
    by_cookie: bool
    actor: str = ""
    session_id: str = ""


class Sessions:
    """Starts, recognises and ends sessions. Without an access token every request has one."""

    def __init__(self, token: str | None, store: SessionStore | None = None, token_file: Path | None = None) -> None:
        """Derive the signing keys from the access token, or from random bytes where there is none.

        Args:
            token: The access token; None lets everybody in.
            store: Where sessions are stored; None stores them in memory.
            token_file: The file that the token is in. When that has another one, all sessions end.

        Raises:
            TokenError: The token has fewer than 16 characters.
        """
        self.store, self.attempts = store or SessionStore(None), LoginAttempts()
        self._token_file = token_file
        self._file_changed_at = _changed_at(token_file)
        self._set_token(token)

    def is_token(self, given: str, address: str) -> bool:
        """Whether this is the access token, compared in constant time; a wrong one is counted against its address.

        Raises:
            TooManyAttemptsError: There were too many wrong ones: this one was not looked at.
        """
        self._reread_token()
        if self._token is None:
            return False
        self.attempts.check(address, lambda: self.store.is_known_address(address))
        right = hmac.compare_digest(given.encode(), self._token.encode())
        (self.attempts.record_success if right else self.attempts.record_failure)(address)
        return right

    def find(self, request: Request) -> Session | None:
        """The session of a request, by its cookie or its bearer token; None where it has neither.

        Raises:
            TooManyAttemptsError: It has a bearer token, after too many wrong ones.
        """
        self._reread_token()
        started = self._read_cookie(request.cookies.get(cookie_name(request), ""))
        if started is not None and self.store.use(started[0], client_address(request)):
            session_id, actor = started
            return Session(self._csrf_token(session_id), by_cookie=True, actor=actor, session_id=session_id)
        kind, _, bearer = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and self.is_token(bearer.strip(), client_address(request)):
            return Session("", by_cookie=False, actor=request.headers.get("x-classface-actor", "")[:MAX_ACTOR_LENGTH])
        if self._token is not None:
            return None
        by_browser = "origin" in request.headers or "sec-fetch-site" in request.headers
        return Session(self._csrf_token("nobody"), by_cookie=by_browser)

    def start(self, request: Request, response: Response, actor: str = "") -> Response:
        """The response with the cookie of a new session."""
        session_id, actor = secrets.token_urlsafe(24), actor[:MAX_ACTOR_LENGTH]
        browser = browser_in_words(request.headers.get("user-agent", ""))
        self.store.start(session_id, actor, client_address(request), browser)
        response.set_cookie(
            cookie_name(request),
            self._cookies.dumps([session_id, actor]),
            max_age=SESSION_LIFETIME_S,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
            path="/",
        )
        return response

    def end(self, request: Request, response: Response) -> Response:
        """End the session of the request; the response removes its cookie."""
        session: Session = request.state.session
        if session.session_id:
            self.store.end(session.session_id)
        response.delete_cookie(cookie_name(request), path="/")
        return response

    def store_on_disk(self, file: Path) -> None:
        """Store sessions, and a token that was made for this machine, in files: their folder has just been made.

        Args:
            file: Of the sessions.
        """
        if self._token is None:
            return
        self.store.move_to(file)
        if self._token_file is not None and not self._token_file.exists():
            self._token_file.touch(mode=0o600)
            self._token_file.write_text(self._token, encoding="utf-8")

    def _set_token(self, token: str | None) -> None:
        if token is not None and len(token) < MIN_TOKEN_LENGTH:
            raise TokenError(f"The token is too short: give one of {MIN_TOKEN_LENGTH} characters or more.")
        self._token = token
        key = token or secrets.token_hex()
        self._cookies = URLSafeTimedSerializer(
            key, salt="classface session", signer_kwargs={"digest_method": hashlib.sha256}
        )
        self._csrf_signer = Signer(key, salt="classface csrf", digest_method=hashlib.sha256)
        if token is not None:
            self.store.bind_to_token(token)

    def _reread_token(self) -> None:
        """Take the token of the file if that was changed; one that is missing or too short changes nothing."""
        changed_at = _changed_at(self._token_file)
        if self._token_file is None or changed_at in (None, self._file_changed_at):
            return
        self._file_changed_at = changed_at
        token = self._token_file.read_text(encoding="utf-8").strip()
        if len(token) >= MIN_TOKEN_LENGTH and token != self._token:
            self._set_token(token)

    def _read_cookie(self, cookie: str) -> tuple[str, str] | None:
        """The session id and actor of a cookie; None where it was not signed here, or is too old."""
        try:
            session_id, actor = self._cookies.loads(cookie, max_age=SESSION_LIFETIME_S)
        except BadData:
            return None
        return session_id, actor

    def _csrf_token(self, session_id: str) -> str:
        return self._csrf_signer.get_signature(session_id).decode()


def client_address(request: Request) -> str:
    """Where the request came from; of a trusted proxy's request, what the proxy says."""
    return request.client.host if request.client else ""


def _changed_at(file: Path | None) -> int | None:
    try:
        return file.stat().st_mtime_ns if file is not None else None
    except OSError:
        return None


def cookie_name(request: Request) -> str:
    """The name of the session's cookie, by port.

    Browsers share the cookies of a host among its ports, but two archives served side by side must not share one.
    """
    port = request.headers.get("host", "").rpartition("]")[2].rpartition(":")[2]
    return f"classface_{port if port.isdecimal() else 'session'}"
