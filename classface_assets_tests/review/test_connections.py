"""What strangers may send to the review server: connections, headers and bodies, by raw sockets."""

import contextlib
import gc
import json
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from classface_assets.devtools.benchmark.review.server_thread import running_server
from classface_assets.review.auth import connections, guard
from classface_assets.review.auth.host_names import is_own_name
from classface_assets.review.server import ServerOptions, create_server
from classface_assets_tests.support.clients import API, Client

pytestmark = pytest.mark.slow


def connect(url: str, timeout: float = 30) -> socket.socket:
    address = urlsplit(url)
    return socket.create_connection((address.hostname, address.port), timeout)


def exchange(url: str, sent: bytes) -> bytes:
    """What the server answers until it closes the connection."""
    with connect(url) as connection, contextlib.suppress(ConnectionError):
        received = b""
        with contextlib.suppress(ConnectionError):
            connection.sendall(sent)
        while chunk := connection.recv(65536):
            received += chunk
    return received


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def is_closed(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def health_seconds(url: str) -> float:
    start = time.perf_counter()
    assert Client(url, {}).get("/healthz").status == 200
    return time.perf_counter() - start


@pytest.fixture
def half_sent(client: Client) -> Iterator[list[socket.socket]]:
    """More connections than may wait, each with a header that does not end."""
    opened = []
    for _ in range(connections.MAX_CONNECTIONS + 60):
        connection = connect(client.url)
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-")
        opened.append(connection)
    yield opened
    for connection in opened:
        connection.close()


def test_half_sent_headers_keep_nobody_out_and_are_bounded(client: Client, half_sent: list[socket.socket]) -> None:
    assert health_seconds(client.url) < 5
    open_now = [connection for connection in half_sent if not is_closed(connection)]
    assert len(open_now) <= connections.MAX_CONNECTIONS
    assert half_sent[-1] in open_now, "those that wait longest make room"


def test_a_header_that_does_not_end_is_given_up(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADER_TIMEOUT_S", 0.3)
    for sent in (b"", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: "):
        with connect(client.url) as connection:
            connection.sendall(sent)
            assert connection.recv(100) == b""
    with connect(client.url) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert status(connection.recv(65536)) == 200
        connection.sendall(b"GET /healthz HTTP/1.1\r\nX-Slow: ")
        assert connection.recv(65536) == b"", "nor is the second request of a connection waited for"


def test_one_endless_header_is_refused_and_slows_nobody(client: Client) -> None:
    with connect(client.url) as connection, contextlib.suppress(ConnectionError):
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: ")
        for _ in range(200):
            connection.sendall(b"a" * 65536)
    assert health_seconds(client.url) < 5
    answer = exchange(client.url, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"a" * (20 << 10))
    assert status(answer) == 400


def test_a_request_with_too_many_header_fields_is_refused(client: Client) -> None:
    fields = b"".join(b"X-%d: a\r\n" % number for number in range(guard.MAX_HEADERS + 5))
    answer = exchange(client.url, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + fields + b"\r\n")
    assert status(answer) == 431


@pytest.mark.parametrize("path", ["/", f"{API}/persons", f"{API}/search", "/nothing", "/logout"])
def test_without_a_session_no_body_is_read(client: Client, path: str) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n"
    answer = exchange(client.url, head.encode())
    assert status(answer) == 401, "answered before a byte of the body came"
    assert b"connection: close" in answer.lower()


def test_a_login_form_is_bounded_in_size_and_time(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    head = b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    large = exchange(client.url, head + b"Content-Length: 9000\r\n\r\n")
    assert status(large) == 413
    chunk = b"1fff\r\n" + b"a" * 0x1FFF + b"\r\n"
    chunked = exchange(client.url, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk + chunk)
    assert status(chunked) == 413
    monkeypatch.setattr(guard, "LOGIN_TIMEOUT_S", 0.3)
    slow = exchange(client.url, head + b"Content-Length: 50\r\n\r\ntoken=")
    assert status(slow) == 408


@pytest.mark.parametrize(
    "path", ["/login/x", "/loginx", "/static/nothing.js", "/static/..%2f..%2fapp.py", "/healthz/x"]
)
def test_an_unknown_page_without_a_login_is_refused_without_a_server_error(client: Client, path: str) -> None:
    stranger = Client(client.url, {})
    for method in ("GET", "POST", "HEAD", "OPTIONS"):
        assert stranger.ask(method, path, headers={"Accept": "text/html"}).status in (303, 401, 404, 405)


def test_a_websocket_upgrade_is_no_server_error(client: Client) -> None:
    upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    upgrade += "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
    for path, expected in (("/", 401), ("/nothing", 401), ("/static/nothing", 404), ("/healthz", 200)):
        with connect(client.url) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{upgrade}\r\n".encode())
            assert status(connection.recv(65536)) == expected


def test_a_websocket_of_another_server_than_uvicorn_is_closed() -> None:
    import asyncio

    from classface_assets.review.auth.sessions import Sessions

    sent = []

    async def send(message: object) -> None:
        sent.append(message)

    async def app(*_: object) -> None:
        raise AssertionError("it must not come here")

    middleware = guard.SecurityMiddleware(app, Sessions(None))
    asyncio.run(middleware({"type": "websocket", "path": "/"}, None, send))  # type: ignore[arg-type]
    assert sent == [{"type": "websocket.close", "code": 1008}]


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8765", "127.0.0.1", "192.168.1.5:80", "[::1]", "[::1]:8765", "school.example:443"]
)
def test_own_names_and_addresses_are_answered(host: str) -> None:
    assert is_own_name(host, frozenset({"school.example"}))


@pytest.mark.parametrize(
    "host",
    [
        *("", "evil.example", "localhost.", "localhost:8765:evil", "localhost:evil.example", "localhost@evil.example"),
        *(
            "evil@localhost",
            "localhost/evil",
            "[::1]evil.example",
            "[::1",
            "::1",
            "[localhost]",
            "127.0.0.1.evil.example",
        ),
        *("school.example.evil", "localhost ", "localhost\t", "local\u212ahost", "127.1", "0x7f.0.0.1", "[127.0.0.1]"),
    ],
)
def test_every_other_host_is_refused(host: str) -> None:
    assert not is_own_name(host, frozenset({"school.example"}))


def test_two_host_headers_are_refused(client: Client) -> None:
    answer = exchange(client.url, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n")
    assert status(answer) == 400


@pytest.mark.parametrize(("trusted", "expected"), [((), "127.0.0.1"), (("127.0.0.1",), "203.0.113.9")])
def test_only_a_trusted_proxy_says_where_a_request_came_from(trusted: tuple[str, ...], expected: str) -> None:
    async def app(scope: dict[str, object], _: object, send: object) -> None:
        assert callable(send)
        if scope["type"] != "http":
            return
        body = json.dumps([scope["client"], scope["scheme"]]).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})

    with running_server(app, ServerOptions(trusted_proxies=trusted)) as url:
        answer = Client(url, {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}).get("/")
    assert answer.json[0][0] == expected
    assert answer.json[1] == ("https" if trusted else "http")


def test_the_server_that_people_start_has_these_limits() -> None:
    config = create_server(lambda *_: None, ServerOptions()).config  # type: ignore[arg-type]
    assert config.http is connections.LimitedH11Protocol
    assert config.h11_max_incomplete_event_size == connections.MAX_HEADER_BYTES
    assert config.limit_concurrency == connections.MAX_BUSY_CONNECTIONS


def test_the_garbage_collector_does_not_go_through_a_large_archive_in_the_middle_of_pages() -> None:
    before = gc.get_threshold()
    try:
        create_server(lambda *_: None, ServerOptions())  # type: ignore[arg-type]
        assert gc.get_threshold()[0] >= 100_000
    finally:
        gc.set_threshold(*before)
