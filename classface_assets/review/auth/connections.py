"""Limits on connections that uvicorn has no setting for: the time for a request's header, and how many wait for one.

A request's header has to be there ten seconds after its first byte (or after the connection was opened). When there are
too many connections, the one that has waited longest without a request makes room, so that people are still served.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_TIMEOUT_S = 10.0
MAX_CONNECTIONS = 256
MAX_BUSY_CONNECTIONS = 512
"""Beyond it uvicorn answers 503 at once."""
MAX_HEADER_BYTES = 16 << 10
KEEP_ALIVE_S = 10


class LimitedH11Protocol(H11Protocol):
    """uvicorn's protocol for HTTP/1.1 in pure Python (h11), which bounds the size of headers, with the limits above."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._waiting_since: float | None = None
        self._header_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Make room for the connection, and wait for its first header."""
        if len(self.connections) >= MAX_CONNECTIONS:
            self._close_longest_waiting()
        super().connection_made(transport)
        self._wait_for_header()

    def data_received(self, data: bytes) -> None:
        """Pass on what came; the time for a header ends with the header."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
        elif self._header_timer is None and not self.transport.is_closing():
            self._wait_for_header()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_waiting()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """The connection waits for the next request, which uvicorn's `timeout_keep_alive` bounds."""
        super().on_response_complete()
        if self.cycle.response_complete:  # else it started a request that was sent ahead
            self._waiting_since = self.loop.time()

    def _wait_for_header(self) -> None:
        self._waiting_since = self.loop.time()
        self._header_timer = self.loop.call_later(HEADER_TIMEOUT_S, self.transport.close)

    def _stop_waiting(self) -> None:
        self._waiting_since = None
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _close_longest_waiting(self) -> None:
        waiting = [
            (connection._waiting_since, connection)
            for connection in self.connections
            if isinstance(connection, LimitedH11Protocol)
            and connection._waiting_since is not None
            and not connection.transport.is_closing()
        ]
        if waiting:
            min(waiting, key=lambda pair: pair[0])[1].transport.close()


def connection_limits() -> dict[str, Any]:
    """The arguments of uvicorn.Config that limit connections and headers, and refuse WebSocket upgrades."""
    return {
        "http": LimitedH11Protocol,
        "ws": "none",
        "h11_max_incomplete_event_size": MAX_HEADER_BYTES,
        "limit_concurrency": MAX_BUSY_CONNECTIONS,
        "timeout_keep_alive": KEEP_ALIVE_S,
    }
