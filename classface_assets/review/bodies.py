"""Bodies of requests: bounded, read whole, and handed on."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.requests import Request

MOST_BYTES, MOST_UPLOADED = 2 << 20, 48 << 20
UPLOADS = ("/search", "/profiles", "/roster")
CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class TooLarge(Exception):  # noqa: N818
    """The body has more bytes than it may."""


def most_bytes(request: Request) -> int:
    return MOST_UPLOADED if any(part in request.url.path for part in UPLOADS) else MOST_BYTES


async def whole_body(request: Request, receive: Receive) -> bytes:
    """Raises TooLarge, before the rest is read."""
    most = most_bytes(request)
    said = request.headers.get("content-length", "0")
    if not said.isdecimal() or int(said) > most:
        raise TooLarge
    pieces, size, more = [], 0, request.method in CHANGING
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        piece = message.get("body", b"")
        size += len(piece)
        if size > most:
            raise TooLarge
        pieces.append(piece)
        more = message.get("more_body", False)
    return b"".join(pieces)


def replayed(body: bytes, receive: Receive) -> Receive:
    """The body once more, then whatever comes."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> MutableMapping[str, Any]:
        return waiting.pop() if waiting else await receive()

    return again
