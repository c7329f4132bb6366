"""An S3 server on loopback (moto's) that counts its requests by kind, and the bytes that go in and out."""

import logging
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from upath import UPath

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
KEYS = {"AWS_ACCESS_KEY_ID": "somebody", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}


@dataclass
class Traffic:
    """What a server was asked for.

    Attributes:
        requests: Method → number; a GET without an object is a LIST.
        bytes_in: Sent to it.
        bytes_out: Sent by it.
    """

    requests: Counter[str] = field(default_factory=Counter)
    bytes_in: int = 0
    bytes_out: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, method: str, path: str, received: int, sent: int) -> None:
        """Count one request."""
        kind = "LIST" if method == "GET" and not path.strip("/").partition("/")[2] else method
        with self._lock:
            self.requests[kind] += 1
            self.bytes_in += received
            self.bytes_out += sent

    def __add__(self, other: "Traffic") -> "Traffic":
        """Both together."""
        return Traffic(self.requests + other.requests, self.bytes_in + other.bytes_in, self.bytes_out + other.bytes_out)

    def __sub__(self, other: "Traffic") -> "Traffic":
        """What came since `other` was counted."""
        return Traffic(self.requests - other.requests, self.bytes_in - other.bytes_in, self.bytes_out - other.bytes_out)


def counted(app: WsgiApp, traffic: Traffic) -> WsgiApp:
    """The same WSGI application, whose requests are counted."""

    def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        answer = b"".join(app(environ, start_response))
        received = int(environ.get("CONTENT_LENGTH") or 0)
        traffic.count(environ["REQUEST_METHOD"], environ["PATH_INFO"], received, len(answer))
        return [answer]

    return serve


@contextmanager
def counted_s3() -> Iterator[Traffic]:
    """A running server, which this process and its children know by the usual variables."""
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    traffic = Traffic()
    server = make_server("127.0.0.1", 0, counted(DomainDispatcherApplication(create_backend_app), traffic), True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    before = dict(os.environ)
    os.environ.update(KEYS, AWS_ENDPOINT_URL=f"http://127.0.0.1:{server.server_port}", AWS_EC2_METADATA_DISABLED="true")
    known = type(UPath("s3://bench").fs)
    known.clear_instance_cache()  # those that there are know another server
    try:
        yield traffic
    finally:
        server.shutdown()
        known.clear_instance_cache()
        os.environ.clear()
        os.environ.update(before)
