"""Logging in and out: sessions end at once on the server, are listed and ended, and tokens are guessed slowly."""

import re
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from classface_assets.cli.__main__ import cli
from classface_assets.devtools.benchmark.review.server_thread import running_server
from classface_assets.orchestration.resources import Models
from classface_assets.review.app import create_app
from classface_assets.review.auth.attempts import (
    FREE_ATTEMPTS,
    FREE_ATTEMPTS_IN_ALL,
    LONGEST_WAIT_S,
    MAX_ADDRESSES,
    LoginAttempts,
    TooManyAttemptsError,
)
from classface_assets.review.auth.browsers import browser_in_words
from classface_assets.review.auth.session_store import MAX_SESSIONS, SESSION_LIFETIME_S, SessionStore
from classface_assets.review.server import create_token
from classface_assets_tests.conftest import World
from classface_assets_tests.support.clients import API, Client
from classface_assets_tests.support.helpers import TOKEN

pytestmark = pytest.mark.slow
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:150.0) Gecko/20100101 Firefox/150.0"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def login(url: str, token: str = TOKEN, who: str = "") -> Client:
    """A browser that has logged in."""
    body = f"token={token.replace(' ', '+')}&who={who}".encode()
    entered = Client(url, {}).ask("POST", "/login", body, FORM | {"User-Agent": FIREFOX})
    assert entered.status == 303 and entered.headers["Location"] == "/"
    return Client(url, {"Cookie": entered.headers["Set-Cookie"].partition(";")[0]})


def csrf_of(page: Client) -> str:
    found = re.search(r'csrf-token" content="([\w-]+)"', page.get("/docs").body.decode())
    assert found
    return found[1]


def submit(page: Client, path: str, **fields: str) -> int:
    body = "&".join(f"{key}={value}" for key, value in {"csrf_token": csrf_of(page), **fields}.items())
    return page.ask("POST", path, body.encode(), FORM).status


def may_enter(page: Client) -> bool:
    return page.get(f"{API}/stats").status == 200


def test_a_session_that_logs_out_has_ended_on_the_server_too(client: Client) -> None:
    page = login(client.url)
    assert may_enter(page)
    assert submit(page, "/logout") == 303
    assert not may_enter(page), "the cookie that the browser had is worth nothing"


def test_sessions_are_listed_in_words_and_the_others_can_be_ended(client: Client) -> None:
    ana, ben = login(client.url, who="Ana"), login(client.url, who="Ben")
    text = ana.get("/logins", Accept="text/html").body.decode()
    assert "<bdi>Ana</bdi>" in text and "<bdi>Ben</bdi>" in text
    assert "Firefox on Windows" in text and "127.0.0.1" in text and text.count("this browser") == 1
    (number,) = re.findall(r'name="number" value="(\w+)"', text)
    assert submit(ana, "/logins/end", number=number) == 303
    assert may_enter(ana) and not may_enter(ben)
    assert submit(ana, "/logins/end", number=number) == 404
    cem = login(client.url, who="Cem")
    assert submit(ana, "/logins/end") == 303
    assert may_enter(ana) and not may_enter(cem)


@contextmanager
def served_with_token_file(world: World) -> Iterator[tuple[str, Path]]:
    file = world.archive.layout.local / "review_token"
    token = create_token(file)
    with running_server(create_app(world.archive, Models(pack=world.pack), token, token_file=file)) as url:
        yield url, file


def test_sessions_outlive_a_restart_and_end_with_another_token_at_once(world: World) -> None:
    with served_with_token_file(world) as (url, file):
        token = file.read_text()
        page = login(url, token)
        cookie_value = page.headers["Cookie"].partition("=")[2]
    with running_server(create_app(world.archive, Models(pack=world.pack), token, token_file=file)) as url:
        port = url.rpartition(":")[2]
        page = Client(url, {"Cookie": f"classface_{port}={cookie_value}"})
        assert may_enter(page), "a restart ends no session"
        other = create_token(file)
        assert not may_enter(page)
        assert Client(url, {"Authorization": f"Bearer {token}"}).get(f"{API}/stats").status == 401
        assert may_enter(login(url, other))
    with running_server(create_app(world.archive, Models(pack=world.pack), TOKEN)) as url:
        assert Client(url).get("/logins", Accept="text/html").body.decode().count("<li>") == 0, "nor is one listed"


def test_the_command_line_lists_and_ends_sessions_of_a_running_server(world: World) -> None:
    with served_with_token_file(world) as (url, file):
        folders = ["--data", str(world.archive.layout.data)]
        page = login(url, file.read_text(), who="Ana")
        listed = CliRunner().invoke(cli, ["logins", *folders])
        number, *rest = listed.stdout.strip().split("\t")
        assert rest[:3] == ["Ana", "Firefox on Windows", "127.0.0.1"]
        ended = CliRunner().invoke(cli, ["logins", "end", number, *folders])
        assert ended.exit_code == 0 and not may_enter(page)
        again = CliRunner().invoke(cli, ["logins", "end", number, *folders])
        assert again.exit_code == 1 and "There is no login" in str(again.exception)
        page = login(url, file.read_text())
        assert CliRunner().invoke(cli, ["logins", "new-token", *folders]).exit_code == 0
        assert not may_enter(page)
        page = login(url, file.read_text())
        assert "Logged out: 1" in CliRunner().invoke(cli, ["logins", "end", "--all", *folders]).output
        assert not may_enter(page)


def test_wrong_tokens_wait_and_nobody_who_is_logged_in_notices(client: Client) -> None:
    page = login(client.url)
    wrong = Client(client.url, {"Authorization": "Bearer guessed wrongly again"})
    statuses = [wrong.get(f"{API}/stats").status for _ in range(FREE_ATTEMPTS + 40)]
    assert statuses.count(401) < FREE_ATTEMPTS + 5
    assert statuses[-1] == 429
    for response in (
        Client(client.url).get(f"{API}/stats"),
        Client(client.url, {}).get(f"/?token={TOKEN.replace(' ', '%20')}"),
        Client(client.url, {}).ask("POST", "/login", f"token={TOKEN.replace(' ', '+')}".encode(), FORM),
    ):
        assert response.status == 429 and int(response.headers["Retry-After"]) >= 1
        assert "Too many wrong tokens. Try again in" in response.body.decode()
    assert may_enter(page)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def is_refused(attempts: LoginAttempts, address: str, known: bool = False) -> bool:
    try:
        attempts.check(address, lambda: known)
    except TooManyAttemptsError:
        return True
    return False


def test_each_wrong_token_of_an_address_doubles_its_wait_up_to_a_quarter_of_an_hour() -> None:
    clock = Clock()
    attempts = LoginAttempts(clock)
    waits = []
    for _ in range(20):
        attempts.record_failure("192.0.2.7")
        start = clock.now
        while is_refused(attempts, "192.0.2.7"):
            clock.now += 1
        waits.append(clock.now - start)
    assert waits[: FREE_ATTEMPTS - 1] == [0] * (FREE_ATTEMPTS - 1)
    assert waits[FREE_ATTEMPTS - 1 : FREE_ATTEMPTS + 4] == [1, 2, 4, 8, 16]
    assert waits[-1] == LONGEST_WAIT_S
    assert not is_refused(attempts, "192.0.2.8")
    attempts.record_success("192.0.2.7")
    attempts.record_failure("192.0.2.7")
    assert not is_refused(attempts, "192.0.2.7")


def test_wrong_tokens_of_many_addresses_make_strangers_wait_but_no_known_address() -> None:
    clock = Clock()
    attempts = LoginAttempts(clock)
    for number in range(FREE_ATTEMPTS_IN_ALL + 10):
        attempts.record_failure(f"198.51.100.{number}")
    assert is_refused(attempts, "203.0.113.1")
    assert not is_refused(attempts, "203.0.113.1", known=True)
    attempts.record_success("203.0.113.2")
    assert not is_refused(attempts, "203.0.113.2"), "a script's token was right from there within the hour"
    clock.now += 61
    assert not is_refused(attempts, "203.0.113.1")


def test_addresses_of_one_ipv6_network_count_as_one_and_memory_is_bounded() -> None:
    attempts = LoginAttempts(Clock())
    for number in range(FREE_ATTEMPTS):
        attempts.record_failure(f"2001:db8::{number:x}")
    assert is_refused(attempts, "2001:db8::ffff")
    assert not is_refused(attempts, "2001:db8:0:1::1", known=True)
    for number in range(MAX_ADDRESSES + 50):
        attempts.record_failure(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
        attempts.check(f"172.16.{number >> 8 & 255}.{number & 255}", lambda: True)
    assert len(attempts._of_address) <= MAX_ADDRESSES


def test_the_store_holds_no_secret_is_bounded_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "sessions.sqlite"
    store = SessionStore(file)
    store.bind_to_token(TOKEN)
    store.start("the secret id", "Ana", "127.0.0.1", "Firefox")
    for number in range(MAX_SESSIONS + 5):
        store.start(f"another {number}", "", "127.0.0.1", "Firefox")
    assert len(store.all()) == MAX_SESSIONS
    assert not store.use("the secret id", "127.0.0.1"), "the least recently used one made room"
    content = file.read_bytes()
    assert b"another 7" not in content and TOKEN.encode() not in content
    assert file.stat().st_mode & 0o077 == 0


def test_a_session_ends_after_thirty_days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SessionStore(tmp_path / "sessions.sqlite")
    store.start("id", "", "127.0.0.1", "Firefox")
    assert store.use("id", "127.0.0.1")
    later = time.time() + SESSION_LIFETIME_S + 1
    monkeypatch.setattr(time, "time", lambda: later)
    assert not store.use("id", "127.0.0.1")
    assert store.all() == []


def test_a_damaged_store_is_set_aside_and_everybody_logs_in_again(tmp_path: Path) -> None:
    file = tmp_path / "sessions.sqlite"
    SessionStore(file).start("id", "", "127.0.0.1", "Firefox")
    file.write_bytes(b"no database at all" * 100)
    store = SessionStore(file)
    assert not store.use("id", "127.0.0.1")
    store.start("id", "", "127.0.0.1", "Firefox")
    assert store.use("id", "127.0.0.1")
    assert len(list(tmp_path.glob("sessions.sqlite.damaged-*"))) == 1


def test_threads_and_processes_share_a_store(tmp_path: Path) -> None:
    file = tmp_path / "sessions.sqlite"
    first, second = SessionStore(file), SessionStore(file)

    def start_many(store: SessionStore, name: str) -> None:
        for number in range(20):
            store.start(f"{name} {number}", "", "127.0.0.1", "Firefox")
            assert store.use(f"{name} {number}", "127.0.0.1")

    threads = [threading.Thread(target=start_many, args=(s, n)) for s, n in ((first, "a"), (second, "b"), (first, "c"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(first.all()) == len(second.all()) == 60
    with sqlite3.connect(file) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_browsers_are_named_as_people_name_them() -> None:
    assert browser_in_words(FIREFOX) == "Firefox on Windows"
    safari = "Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X) AppleWebKit/605.1 Version/26.0 Mobile Safari/604.1"
    assert browser_in_words(safari) == "Safari on an iPhone"
    assert browser_in_words("curl/8.5") == "another program"
