"""The browser windows of a soak: pages that stay open, are looked at again, and must neither grow nor report errors."""

import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from classface_assets.devtools.benchmark.review.soak.measures import MB, Latencies, Trends

if TYPE_CHECKING:
    from playwright.sync_api import CDPSession, ConsoleMessage, Page

PATH_WITH_KEYS = "/"
"""The page that is never loaded again: keys go through its cards, and skip them."""
PATHS = (PATH_WITH_KEYS, "/people", "/confirm", "/photos", "/history", "/runs")
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True)
class Window:
    """A page that stays open, and the session by which its memory is measured."""

    path: str
    page: "Page"
    session: "CDPSession"

    def heap_mb(self) -> float:
        """The JavaScript heap after a collection."""
        self.session.send("HeapProfiler.collectGarbage")
        metrics = self.session.send("Performance.getMetrics")["metrics"]
        return next(float(one["value"]) for one in metrics if one["name"] == "JSHeapUsedSize") / MB


@contextmanager
def open_windows(url: str, token: str, problems: list[str]) -> Iterator[list[Window]]:
    """Open a window for each of PATHS, logged in; none where there is no Chromium.

    Args:
        url: The address of the server.
        token: Its access token.
        problems: Takes what the windows' consoles report.
    """
    chromium = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if chromium is None:
        yield []
        return
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.request.get(f"{url}/?token={token}", max_redirects=0)
        windows = []
        for path in PATHS:
            page = context.new_page()
            page.set_default_timeout(120_000)
            _note_errors(page, problems)
            session = context.new_cdp_session(page)
            session.send("Performance.enable")
            page.goto(url + path)
            windows.append(Window(path, page, session))
        yield windows
        browser.close()


def _note_errors(page: "Page", problems: list[str]) -> None:
    def note(message: "ConsoleMessage") -> None:
        if message.type in ("error", "warning"):
            problems.append(f"console of {page.url}: {message.text}")

    page.on("console", note)
    page.on("pageerror", lambda error: problems.append(f"script of {page.url}: {error}"))


def look_around(windows: list[Window], latencies: Latencies, trends: Trends, stop: threading.Event) -> None:
    """Reload one window after another, but for that with the keys, and measure its memory until the soak is stopped."""
    number = 0
    while not stop.is_set():
        window = windows[number % len(windows)]
        problem = _look_at(window, latencies)
        # The page of the runs loads itself while one is under way, at the same moment perhaps.
        if problem and (problem := _look_at(window, latencies)):
            latencies.problems.append(f"page {window.path}: {problem}")
        if not problem:
            trends.add(f"page {window.path}, JS heap, MB", window.heap_mb())
        number += 1


def _look_at(window: Window, latencies: Latencies) -> str:
    """Reload the window, or go through its cards; returns what failed, if anything."""
    from playwright.sync_api import Error

    try:
        if window.path == PATH_WITH_KEYS:
            for key in "jjskl" * 10:
                window.page.keyboard.press(key)
        else:
            began = time.perf_counter()
            window.page.reload(wait_until="load")
            latencies.add(f"page {window.path}", time.perf_counter() - began)
        window.page.mouse.wheel(0, 2000)
        window.page.wait_for_timeout(1500)
    except Error as error:
        return error.message
    return ""
