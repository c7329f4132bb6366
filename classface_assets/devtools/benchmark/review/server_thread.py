"""A review server in a thread of this process, for benchmarks and tests."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from classface_assets.core.arrays import collect_garbage_rarely
from classface_assets.review.server import ServerOptions, create_server, open_socket


@contextmanager
def running_server(app: Any, options: ServerOptions | None = None) -> Iterator[str]:
    """Run an ASGI app in a thread, with the limits of a real server; yields its address on this machine."""
    collect_garbage_rarely()
    with open_socket("127.0.0.1", 0) as socket:
        server = create_server(app, options or ServerOptions())
        thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{socket.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
