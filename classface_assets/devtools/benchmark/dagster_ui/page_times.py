"""How long the pages of Dagster's UI take in a browser, and which of their GraphQL queries are slow."""

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from classface_assets.core.errors import UserError

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request

TIMEOUT_MS = 60_000
STORING_S, MOST_OPENINGS = 3.0, 10
"""A browser stores the definitions, 9 MB with hundreds of archives, some seconds after it has shown a page."""
DEFINITIONS_QUERY = "LocationWorkspaceAssetsQuery"
"""What the UI asks while it has no definitions stored."""
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")


def find_chromium() -> str:
    """The browser that CHROMIUM names, one that is installed, or Playwright's own.

    Raises:
        UserError: There is none.
    """
    from playwright.sync_api import sync_playwright

    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if found is None:
        with sync_playwright() as playing:
            found = playing.chromium.executable_path
    if shutil.which(found) is None and not Path(found).exists():
        raise UserError("No Chromium was found; install the package chromium, or name a file with CHROMIUM=file.")
    return found


@dataclass(frozen=True)
class PageToOpen:
    """A page of the UI.

    Attributes:
        name: As the report calls it.
        path: Below the server's address.
        text: What is on it when it is usable.
    """

    name: str
    path: str
    text: str


@dataclass(frozen=True)
class PageTime:
    """How long a page took.

    Attributes:
        page: The page.
        seconds: From its address to its text.
        processor_s: Processor time of this process, which is hardly more than that of the web server, until the page
            asks nothing more. It depends less on what else the machine does.
        queries: Name of a query → seconds until its answer, the longest where it was sent several times.
    """

    page: PageToOpen
    seconds: float
    processor_s: float
    queries: dict[str, float]

    @property
    def slowest(self) -> tuple[str, float]:
        """The query that took longest."""
        return max(self.queries.items(), key=lambda query: query[1], default=("", 0.0))


def measure_pages(browser: "Browser", url: str, pages: Sequence[PageToOpen]) -> Iterator[PageTime]:
    """Open each page in a window whose first page was opened before: the UI's own code and all definitions are there.

    Args:
        browser: A Chromium.
        url: Of Dagster's web server.
        pages: What to open.
    """
    with _new_window(browser) as window:
        for _ in range(MOST_OPENINGS):
            if DEFINITIONS_QUERY not in _open(window, url, pages[0]).queries:
                break
            time.sleep(STORING_S)
        for page in pages:
            yield _open(window, url, page)


def measure_first_page(browser: "Browser", url: str, page: PageToOpen) -> PageTime:
    """Open a page in a browser that has nothing of this Dagster, neither the UI's own code nor the definitions.

    Args:
        browser: A Chromium.
        url: Of Dagster's web server.
        page: What to open.
    """
    with _new_window(browser) as window:
        return _open(window, url, page)


@contextmanager
def _new_window(browser: "Browser") -> Iterator["Page"]:
    with browser.new_context(viewport={"width": 1500, "height": 1100}) as context:
        window = context.new_page()
        window.set_default_timeout(TIMEOUT_MS)
        yield window


def _open(window: "Page", url: str, page: PageToOpen) -> PageTime:
    queries: dict[str, float] = {}

    def add(request: "Request") -> None:
        address = urlsplit(request.url)
        if address.path.endswith("/graphql"):
            name = parse_qs(address.query).get("op", ["another"])[0]
            queries[name] = max(queries.get(name, 0.0), request.timing["responseEnd"] / 1e3)

    window.on("requestfinished", add)
    began, used = time.monotonic(), time.process_time()
    window.goto(f"{url}{page.path}", wait_until="commit")
    window.get_by_text(page.text, exact=True).first.wait_for()
    seconds = time.monotonic() - began
    window.wait_for_load_state("networkidle")
    window.remove_listener("requestfinished", add)
    return PageTime(page, seconds, time.process_time() - used, queries)
