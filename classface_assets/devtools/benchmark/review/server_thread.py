"""A review server in a thread of this process, for benchmarks and tests."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def running_server(app: Any) -> Iterator[str]:
    """Run an ASGI app in a thread; yields its address on this machine."""
    import uvicorn

    from classface_assets.review.server import open_socket

    with open_socket("127.0.0.1", 0) as socket:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{socket.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
