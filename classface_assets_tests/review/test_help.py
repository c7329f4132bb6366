"""The documentation under /help: rendered without a network or a run, linked within, behind the token."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from classface_assets import review
from classface_assets.devtools.benchmark.review.server_thread import running_server
from classface_assets.orchestration.resources import Models
from classface_assets.review.app import create_app
from classface_assets.review.pages.help import address_of, anchor_of, documents, rendered_page
from classface_assets_tests.conftest import World
from classface_assets_tests.support.clients import Client
from classface_assets_tests.support.helpers import TOKEN
from classface_assets_tests.support.windows import open_window

PAGES = {address_of(file): file for file in documents()}


@pytest.mark.parametrize("address", PAGES)
def test_links_of_a_help_page_lead_to_help_pages_and_their_headings(address: str) -> None:
    page = rendered_page(PAGES[address])
    assert not re.search(r"<(script|style|img|iframe)|\sstyle=|\son\w+=", page.html)
    for target in re.findall(r'href="([^"]+)"', page.html):
        path, _, anchor = target.partition("#")
        if "://" in path:
            continue
        linked = rendered_page(PAGES[path]) if path else page
        assert not anchor or f'id="{anchor}"' in linked.html, target


def test_headings_have_the_anchors_that_code_hosts_give_them() -> None:
    assert anchor_of("What a re-run changes") == "what-a-re-run-changes"
    assert anchor_of("CI and cron: `a_b`?") == "ci-and-cron-a_b"


def test_help_is_for_those_who_know_the_token_and_nothing_outside_its_folder_is_shown(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    archive = World(tmp_path, None).archive  # type: ignore[arg-type]
    with running_server(create_app(archive, Models(pack="builtin"), TOKEN)) as url:
        stranger, known = Client(url, {}), Client(url)
        assert stranger.get("/help").status == 401
        assert stranger.get("/help", accept="text/html").status == 303
        index = known.get("/help")
        assert index.status == 200, "before the first run too"
        assert "default-src 'none'" in index.headers["Content-Security-Policy"]
        assert b"Your first evening" in index.body
        for wrong in ("nowhere", "../pyproject", "..%2f..%2fpyproject.toml", "index.md", "archivists", "%00"):
            assert known.get(f"/help/{wrong}", accept="text/html").status == 404, wrong


def test_help_pages_are_read_from_page_to_page(world: World, served: str, browser: Browser) -> None:
    with browser.new_context(viewport={"width": 420, "height": 900}, has_touch=True) as context:
        window = open_window(context.new_page(), served, world)
        page = window.open("/")
        page.get_by_text("Menu", exact=True).click()
        page.get_by_role("link", name="Help").click()
        page.get_by_role("link", name="Model packs").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Model packs")
        expect(page.locator("[aria-current]", has_text="Engineers")).to_be_visible()
        for address in PAGES:
            page = window.open(address)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address
        assert window.errors == []


def test_pages_link_headings_of_the_help_that_exist() -> None:
    templates = Path(review.__file__).parent / "templates"
    links = {
        link
        for file in templates.glob("*.j2")
        for link in re.findall(r'"/help/([a-z_/]+)#([a-z-]+)"', file.read_text())
    }
    assert ("troubleshooting/tuning", "not-enough-labelled-data") in links
    for name, anchor in links:
        assert f'id="{anchor}"' in rendered_page(f"{name}.md").html, (name, anchor)
