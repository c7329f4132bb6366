"""Who may ask the review server, and what it refuses: tokens, other hosts, bodies that are too large."""

import re
import uuid
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from classface_assets.orchestration.resources import Models
from classface_assets.review.app import create_app
from classface_assets.review.auth.sessions import TokenError
from classface_assets.review.server import ServerOptions, resolve_token, serve
from classface_assets_tests.conftest import World
from classface_assets_tests.support.clients import API, Client
from classface_assets_tests.support.helpers import TOKEN


def test_nothing_is_shown_without_the_token(client: Client) -> None:
    stranger = Client(client.url, {})
    for path in ("/", "/openapi.json", "/docs", f"{API}/clusters", f"{API}/stats", f"{API}/{uuid.uuid4()}/chip"):
        assert stranger.get(path).status == 401
    assert Client(client.url, {"Authorization": f"Bearer {TOKEN}x"}).get(f"{API}/stats").status == 401
    assert stranger.get("/", Accept="text/html").status == 303
    assert stranger.get("/login").status == 200
    assert stranger.get("/?token=wrong").headers["Location"].startswith("/login")


def test_a_page_changes_something_only_with_its_csrf_token(client: Client) -> None:
    entered = Client(client.url, {}).get(f"/?token={TOKEN.replace(' ', '%20')}")
    cookie = entered.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and TOKEN not in cookie
    page = Client(client.url, {"Cookie": cookie.partition(";")[0]})
    assert page.get(f"{API}/stats").status == 200
    assert page.post(f"{API}/persons", {"name": "Ana"}).status == 403
    token = re.search(r'csrf-token" content="([\w-]+)"', page.get("/docs").body.decode())
    assert token
    assert page.post(f"{API}/persons", {"name": "Ana"}, X_CSRF_Token=token[1]).status == 201
    assert page.post(f"{API}/persons", {"name": "Bo"}, X_CSRF_Token=token[1][::-1]).status == 403
    forged = page.post(f"{API}/persons", {"name": "Bo"}, X_CSRF_Token=token[1], Origin="http://evil.example")
    assert forged.status == 403
    signed = cookie.partition(";")[0]
    at = signed.rindex(".") + 1
    forged_signature = signed[:at] + ("B" if signed[at] == "A" else "A") + signed[at + 1 :]
    for altered in (forged_signature, signed.replace("=", "=1", 1)):
        assert Client(client.url, {"Cookie": altered}).get(f"{API}/stats").status == 401, (
            "the signature covers the whole cookie"
        )
    assert client.get(f"{API}/persons").json["total"] == 1


def test_changes_are_recorded_under_the_name_of_the_login(client: Client) -> None:
    form = f"token={TOKEN.replace(' ', '+')}&who=Fr%C3%A4ulein+Rottenmeier".encode()
    sent = {"Content-Type": "application/x-www-form-urlencoded"}
    entered = Client(client.url, {}).ask("POST", "/login", form, sent)
    page = Client(client.url, {"Cookie": entered.headers["Set-Cookie"].partition(";")[0]})
    token = re.search(r'csrf-token" content="([\w-]+)"', page.get("/docs").body.decode())
    assert token and page.post(f"{API}/persons", {"name": "Ana"}, X_CSRF_Token=token[1]).status == 201
    assert client.get(f"{API}/events").json["items"][0]["actor"] == "Fräulein Rottenmeier"


def test_another_host_name_is_refused_and_every_response_has_security_headers(client: Client) -> None:
    assert client.get(f"{API}/stats", Host="evil.example").status == 421
    for path in (f"{API}/stats", "/login", "/nothing", f"{API}/clusters?page=0"):
        headers = client.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "same-origin"
        assert "Access-Control-Allow-Origin" not in headers


def test_the_size_of_bodies_and_pictures_is_limited(client: Client) -> None:
    assert client.post(f"{API}/persons", b" " * (3 << 20)).status == 413

    large = BytesIO()
    Image.new("1", (9000, 9000)).save(large, "PNG")
    response = client.upload("POST", f"{API}/search", [large.getvalue()])
    assert response.status == 422 and "pixels" in response.json["detail"]


def test_a_server_that_other_machines_can_reach_does_not_start_without_a_token(world: World, tmp_path: Path) -> None:
    for host in ("0.0.0.0", "192.168.1.5", "::", "school.example"):
        with pytest.raises(TokenError, match="--token"):
            serve(world.archive, Models(pack="builtin"), ServerOptions(host, 0), print)
    with pytest.raises(TokenError, match="16 characters"):
        create_app(world.archive, Models(pack="builtin"), "short")
    made = resolve_token("127.0.0.1", None, tmp_path / "token")
    assert made == resolve_token("localhost", None, tmp_path / "token") and len(made) > 20
    assert (tmp_path / "token").stat().st_mode & 0o077 == 0
