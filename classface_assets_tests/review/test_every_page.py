"""Every page that the app has, found from its routes: accessible, usable by touch, no wider than a phone or tablet.

A new page is looked at by itself: its address is a route without parameters, or the first link to it on another page.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from classface_assets.orchestration.resources import Models
from classface_assets.review.app import create_app
from classface_assets.review.pages.components.layout import PageRoute
from classface_assets.store.model.photo_session import PhotoSession
from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets_tests.support.clients import API, Client
from classface_assets_tests.support.helpers import TOKEN
from classface_assets_tests.support.windows import ReviewWindow, matched_person, photo_with_most_faces

if TYPE_CHECKING:
    from playwright.sync_api import Page

PHONE, TABLET, DESKTOP = (
    {"width": 390, "height": 844},
    {"width": 768, "height": 1024},
    {"width": 1280, "height": 900},
)
EXTRA = (
    "/?single=true",
    "/confirm?by=face",
    "/photos?q=Ana%20OR%20(&with=Ana",
    "/photos?q=Nobody",
    "/people?show=hidden",
)
"""Pages of a route that look otherwise."""
CONTRAST = {"runOnly": ["color-contrast"], "resultTypes": ["violations"]}
SMALL_TARGETS = """() => {
  const inSentence = (one) => getComputedStyle(one).display === "inline";
  const shown = (one) => one.checkVisibility({ checkVisibilityCSS: true, checkOpacity: true });
  const small = (box) => box.height && (box.height < 39.5 || box.width < 39.5);
  const boxes = "[type=hidden], [type=checkbox], [type=radio], [type=file]";
  return [...document.querySelectorAll(`a[href], button, summary, select, input:not(${boxes})`)]
    .filter((one) => shown(one) && !inSentence(one) && !one.closest("svg, .skip, .prose"))
    .filter((one) => small(one.getBoundingClientRect()))
    .map((one) => `${one.outerHTML.slice(0, 90)} ${JSON.stringify(one.getBoundingClientRect())}`).slice(0, 5);
}"""
WIDER = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  return [...document.querySelectorAll("main *, header *")]
    .filter((one) => one.getBoundingClientRect().right > width + 1)
    .map((one) => one.outerHTML.slice(0, 90)).slice(0, 5);
}"""


@dataclass
class Crawl:
    """The pages of an app. `addresses`: one for each route of a page that was found so far."""

    app: FastAPI
    addresses: dict[str, str]

    @classmethod
    def of(cls, app: FastAPI) -> "Crawl":
        return cls(app, {})

    @property
    def routes(self) -> list[APIRoute]:
        routes = [one.route for one in iter_route_contexts(self.app.routes) if isinstance(one.route, PageRoute)]
        routes = [one for one in routes if "GET" in one.methods and one.path != "/update/events"]  # a stream
        assert len(routes) > 10, "the app's pages are found"
        return routes

    def add(self, links: list[str]) -> list[str]:
        """The links that are the first to a page."""
        new = []
        for link in links:
            path = link.partition("?")[0].partition("#")[0]
            route = next((one for one in self.routes if one.path_regex.fullmatch(path)), None)
            if route is not None and route.path not in self.addresses:
                self.addresses[route.path] = link
                new.append(link)
        return new


@pytest.fixture
def school(window: ReviewWindow) -> Iterator[ReviewWindow]:
    """An archive in which everything that pages show exists: people, matches to confirm, a roster, decisions."""
    window.label("Ana")
    matched_person(window, "Ben")
    photo, _ = photo_with_most_faces(window.world)
    year = window.world.query(f"SELECT school_year FROM image_assets WHERE asset_id = '{photo}'").item(0, 0)
    window.ledger.import_roster([RosterEntry("Ana", "1", {year: "3b"}), RosterEntry("Cem", "2", {year: "3b"})], "r.csv")
    window.ledger.create_session(PhotoSession("", "Sports day", school_year=year, classes=("3b",)))
    document = {"kind": "album", "schoolYears": [year]}
    assert Client(window.url).post(f"{API}/exports/documents", document).status == 202
    window.errors.clear()
    yield window


def links_of(page: "Page") -> list[str]:
    found: list[str] = page.evaluate("() => [...document.links].map((a) => a.getAttribute('href'))")
    return [link for link in found if link.startswith("/")]


def upload_roster(page: "Page", url: str) -> str:
    """Upload a roster that needs every part of its preview; returns the preview's address."""
    rows = "Name;Id;Class;Photo permission;Swims\nAna;1;3b;yes;yes\nDora;9;3b;perhaps;no\nTotal: 2;;;;\n"
    page.goto(f"{url}/roster")
    page.set_input_files(
        "#roster", files=[{"name": "list 2015-2016.csv", "mimeType": "text/csv", "buffer": rows.encode()}]
    )
    page.get_by_role("button", name="Look at the file").click()
    page.wait_for_url("**/roster/preview/*")
    return page.url.removeprefix(url)


def is_page(page: "Page", url: str) -> bool:
    """Whether a whole page is there, and no download or part of a page that a script requests."""
    answer = page.request.get(url, max_redirects=0)
    is_html = (answer.headers.get("content-type") or "").startswith("text/html")
    return is_html and answer.status == 200 and "<main" in answer.text()


def violations(page: "Page", options: dict[str, object] | None = None) -> list[str]:
    found = Axe().run(page, options=options or {"resultTypes": ["violations"]}).response["violations"]
    return [
        f"{page.url} {one['id']}: {one['help']}: {node['html'][:120]}" for one in found for node in one["nodes"][:3]
    ]


def test_every_page_has_no_axe_violation_and_fits_phones_and_tablets(school: ReviewWindow) -> None:
    page, found = school.page, list[str]()
    crawl = Crawl.of(create_app(school.world.archive, Models(pack="builtin"), TOKEN))
    waiting = crawl.add([one.path for one in crawl.routes if "{" not in one.path])
    crowd, _ = photo_with_most_faces(school.world)  # a photo of one face has no link to name face by face
    waiting += [*crawl.add([upload_roster(page, school.url), f"/photos/{crowd}"]), *EXTRA]
    looked_at = []
    while waiting:
        address = waiting.pop(0)
        if not is_page(page, school.url + address):
            continue
        page.set_viewport_size(DESKTOP)
        page.emulate_media(color_scheme="light")
        page.goto(school.url + address)
        looked_at.append(address)
        waiting += crawl.add(links_of(page))
        found += violations(page)
        page.emulate_media(color_scheme="dark")
        found += violations(page, CONTRAST)
        page.set_viewport_size(TABLET)
        found += [f"{address} is wider than a tablet: {one}" for one in page.evaluate(WIDER)]
        page.set_viewport_size(PHONE)
        found += [f"{address} is wider than a phone: {one}" for one in page.evaluate(WIDER)]
        found += [f"{address} small for a finger: {one}" for one in page.evaluate(SMALL_TARGETS)]
        found += violations(page)
        page.emulate_media(color_scheme="light")
        found += violations(page, CONTRAST)
    missing = [one.path for one in crawl.routes if one.path not in crawl.addresses]
    school.errors[:] = [one for one in school.errors if "422" not in one and "404" not in one]
    assert found == [], "\n".join(found)
    assert missing == [], "pages that no other page has a link to"
    assert len(looked_at) > 12


def test_every_section_is_reached_on_phone_and_tablet_without_scripts(school: ReviewWindow) -> None:
    browser = school.page.context.browser
    assert browser is not None
    for size in (PHONE, TABLET):
        with browser.new_context(viewport=size, java_script_enabled=False, has_touch=True) as context:
            page = context.new_page()
            assert page.request.get(f"{school.url}/?token={TOKEN}", max_redirects=0).status == 303
            page.goto(school.url)
            sections = page.locator("details.sections-menu nav a")
            names = [re.sub(r"\s*[\d,]+$", "", text.strip()) for text in sections.all_inner_texts()]
            names = names if any(names) else [text.split()[0] for text in sections.all_text_contents()]
            assert {"Unknown", "People", "Photos", "Search", "Runs", "Help"} <= set(names)
            for name in names:
                page.get_by_text("Menu", exact=True).tap()
                link = sections.filter(has_text=name).first
                box = link.bounding_box()
                assert (
                    box is not None
                    and box["height"] >= 40
                    and box["x"] >= 0
                    and box["x"] + box["width"] <= size["width"]
                )
                link.tap()
                page.wait_for_load_state()
                assert page.locator("details.sections-menu nav a[aria-current]").text_content().strip().startswith(name)  # type: ignore[union-attr]
