"""What all review pages have in common, in a real browser: controls, colours, errors, login, without JavaScript."""

import re
import time
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import psutil
import pytest
from playwright.sync_api import Browser, expect

from classface_assets.core.schemas import DUCKDB_TABLES
from classface_assets.devtools.benchmark.review.server_thread import running_server
from classface_assets.orchestration.instance import prepare_instance
from classface_assets.orchestration.resources import Models
from classface_assets.review.app import create_app
from classface_assets.store.files.duckdb import publish_database
from classface_assets_tests.conftest import World
from classface_assets_tests.support.helpers import TOKEN
from classface_assets_tests.support.windows import ReviewWindow, matched_person, open_window, photo_with_most_faces

ODD_NAMES = [
    '<img src=x onerror="document.title=1">',
    '</script><b>Ann "Q" O\'Neil & Co',
    "👩🏽‍🎓 Zoë",
    "أمينة بنت محمد",
    "n" * 255,
]
SECTIONS = (
    "/",
    "/?single=true",
    "/confirm",
    "/confirm?by=face",
    "/people",
    "/photos",
    "/search",
    "/history",
    "/years",
    "/runs",
    "/update",
    "/start",
    "/settings",
    "/help",
    "/help/engineers/configuration",
)


def newest_worker() -> psutil.Process:
    """The process of the run that was started last; others of this process belong to other tests."""
    children = psutil.Process().children()
    workers = [child for child in children if "classface_assets.review.runs.worker" in child.cmdline()]
    return max(workers, key=psutil.Process.create_time)


def test_a_failed_run_is_retried_and_another_is_started(window: ReviewWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")
    (year, *_) = window.world.query("SELECT DISTINCT school_year FROM image_assets ORDER BY 1")["school_year"]
    instance, _ = prepare_instance(window.world.layout)
    with instance:
        chain = World(window.world.folder, instance, "/no/such/pack").chain
        with ThreadPoolExecutor(1) as elsewhere:  # Dagster has an event loop of its own
            (stopped,) = elsewhere.submit(chain.run_job, "ingest_year", year).result()
    page = window.open("/runs")
    line = page.locator(".runs > li").last
    expect(line).to_contain_text(stopped.reason)
    expect(line).to_contain_text("failed")
    line.get_by_role("button", name="Retry").click()
    window.toast("was started")
    expect(page.locator(".runs > li")).to_have_count(2)
    newest = page.locator(".runs > li").first
    for _ in range(100):
        if newest.get_by_text("running").count() == 0:
            break
        page.wait_for_timeout(300)
        page.reload()
    expect(newest.get_by_text("done", exact=True).first).to_be_visible()
    expect(newest).to_contain_text(year)
    newest.locator("summary").click()
    expect(newest.locator("details")).to_contain_text(re.compile(r"detections\s*\d+ rows"))
    expect(newest.locator("details")).to_contain_text(
        re.compile(rf"pack\s*builtin\s*photos\s*{window.world.layout.photos}")
    )
    expect(newest.locator("a[href*='/runs/']")).to_have_count(0)  # nothing of Dagster answers there
    logs = [log for log in window.world.layout.dagster_home.glob("history/runs/*.db*") if log.name[:5] != "index"]
    for log in logs:
        log.unlink()
    page.reload()
    expect(line).to_contain_text(stopped.reason)
    newest.locator("summary").click()
    expect(newest.locator("details")).to_contain_text("rows")
    assert logs and not any(log.exists() for log in logs), "a page of runs reads no run's own log, which takes long"
    page.get_by_role("button", name="Update matches").click()
    expect(newest.get_by_text("running").first).to_be_visible()
    newest_worker().kill()
    page.wait_for_timeout(200)
    page.reload()
    expect(newest).to_contain_text("the run did not start (exit code -9)")
    newest.get_by_role("button", name="Retry").click()
    expect(newest.get_by_text("running").first).to_be_visible()
    newest_worker().kill()


def test_odd_names_are_shown_as_text_on_every_page(window: ReviewWindow) -> None:
    people = [window.label(name)[0] for name in ODD_NAMES]
    for path in (*SECTIONS, *(f"/people/{person}" for person in people)):
        page = window.open(path)
        assert page.title() != "1", path
        assert page.locator("main img[onerror], main script").count() == 0, path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    window.ledger.declare_siblings(people)
    for name, person in zip(ODD_NAMES, people, strict=True):
        page = window.open(f"/people/{person}")
        expect(page.get_by_role("heading", level=1)).to_have_text(name)
        expect(page.get_by_label("Name", exact=True).first).to_have_value(name)
        expect(page.locator(".lead a")).to_have_text(sorted(set(ODD_NAMES) - {name}))
        assert page.title() != "1" and page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        photo = page.locator(".tile a").first.get_attribute("href")
        window.open(photo or "")
        expect(page.locator(".who", has_text=name).first).to_be_visible()
    window.open("/history")
    for name in ODD_NAMES:
        expect(page.locator(".lines", has_text=name)).to_be_visible()


def test_every_page_has_named_controls_that_are_large_enough_to_touch(
    world: World, served: str, browser: Browser
) -> None:
    with browser.new_context(viewport={"width": 820, "height": 1180}, has_touch=True, is_mobile=True) as context:
        window = open_window(context.new_page(), served, world)
        person, _ = matched_person(window, "Ana")
        photo, _ = photo_with_most_faces(world)
        for path in (*SECTIONS, f"/people/{person}", f"/photos/{photo}"):
            page = window.open(path)
            assert page.evaluate(UNNAMED) == [], path
            assert page.evaluate(SMALL) == [], path
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert window.errors == []


UNNAMED = """() => [...document.querySelectorAll("button, a[href], input:not([type=hidden]), select, summary, img")]
  .filter((e) => e.tagName === "IMG" ? !e.hasAttribute("alt")
    : !(e.ariaLabel || e.labels?.length || e.textContent.trim() || e.querySelector("img[alt]:not([alt=''])")))
  .map((e) => e.outerHTML.slice(0, 200))"""
SMALL = """() => [...document.querySelectorAll("main :is(button, summary, select, .button), nav a, .tile > a, " +
    "input:not([type=hidden], [type=checkbox], [type=radio], [type=file]), label:has([type=radio])")]
  .filter((e) => e.checkVisibility({ contentVisibilityAuto: true })
    && (e.offsetHeight < 44 || e.offsetWidth < 40))
  .map((e) => e.outerHTML.slice(0, 200))"""


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_text_has_enough_contrast(colours: str, world: World, served: str, browser: Browser) -> None:
    with browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme=colours) as context:  # type: ignore[arg-type]
        window = open_window(context.new_page(), served, world)
        person, _ = matched_person(window, "Ana")
        for path in ("/", "/confirm", "/people", f"/people/{person}", "/history", "/runs", "/help/engineers/packs"):
            page = window.open(path)
            assert page.evaluate(FAINT) == [], path


# WCAG 2.2, 1.4.3: contrast of 4.5 to 1 between text and the nearest ground that is painted.
FAINT = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const found = rgb(getComputedStyle(e).backgroundColor);
      if (found[3] > 200) return found;
    }
    return [255, 255, 255, 255];
  };
  return [...document.querySelectorAll("body *")]
    .filter((e) => e.checkVisibility({ opacityProperty: true }) && !e.closest(".star, svg, .skip")
      && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
    .map((e) => {
      const [a, b] = [light(rgb(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
      return [(a + 0.05) / (b + 0.05), e.outerHTML.slice(0, 120)];
    })
    .filter(([contrast]) => contrast < 4.5).map(([contrast, html]) => `${contrast.toFixed(2)} ${html}`);
}"""


def test_the_forms_work_without_javascript(world: World, served: str, browser: Browser) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        window = open_window(context.new_page(), served, world)
        page = window.open("/")
        page.locator("[data-names]").first.fill("Ana Berger")
        page.locator("[data-names]").first.press("Enter")
        window.toast("are Ana Berger")
        page.locator("[data-names]").first.fill("Anna Berger")
        page.locator("[data-names]").first.press("Enter")
        page.get_by_role("button", name="No, Anna Berger is another person").click()
        window.toast("are Anna Berger")
        assert sorted(p.name for p in window.decisions.persons.values()) == ["Ana Berger", "Anna Berger"]
        page.locator("#toasts").get_by_role("button", name="Undo").click()
        window.toast("Undone:")
        assert [p.name for p in window.decisions.persons.values()] == ["Ana Berger"]
        window.open("/search")
        path = world.query(
            "SELECT path FROM image_assets WHERE path LIKE '%portrait%' AND status = 'ok' LIMIT 1"
        ).item()
        page.set_input_files("#photo", Path(world.archive.photos) / path)
        page.get_by_role("button", name="Search").click()
        expect(page.locator(".found li").first).to_be_visible(timeout=30_000)


def test_an_unknown_address_shows_a_page_with_a_way_on(window: ReviewWindow) -> None:
    page = window.open("/nowhere/at?all=1")
    expect(page.locator("main")).to_contain_text("nothing at /nowhere/at")
    page.get_by_role("link", name="To the first page").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Who is this?")
    window.errors.clear()  # the console notes the 404


def test_a_user_logs_in_under_their_name(world: World, served: str, browser: Browser) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(served)
        page.get_by_label("Token").fill("not the token")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("alert")).to_contain_text("not correct")
        page.get_by_label("Token").fill(TOKEN)
        page.get_by_label("Your name").fill("Frau Müller")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Who is this?")
        page.wait_for_load_state()  # keys are for the page's script, which comes after its text
        page.keyboard.press("Enter")
        page.keyboard.type("Ana")
        page.keyboard.press("Enter")
        expect(page.locator("#toasts")).to_contain_text("are Ana")
        assert {event.actor for event in world.archive.open_ledger().events()} == {"Frau Müller"}


def test_a_page_of_a_hundred_groups_is_quick_with_100_000_faces(world: World, served: str) -> None:
    """The processor's seconds, as the machine may be busy otherwise."""
    tables = {table: world.query(f"SELECT * FROM {table}") for table in DUCKDB_TABLES}
    photos, numbers = (
        tables["image_assets"].filter(pl.col("status") == "ok")["asset_id"],
        pl.int_range(100_000, eager=True),
    )
    faces = (
        tables["face_instances"]
        .head(1)
        .drop("id", "asset_id", "cluster_id", "bbox_x")
        .join(
            pl.DataFrame(
                {
                    "id": [str(uuid.uuid5(uuid.NAMESPACE_URL, str(n))) for n in numbers],
                    "asset_id": photos.gather(numbers % len(photos)),
                    "bbox_x": numbers.cast(pl.Float32),
                    "cluster_id": [f"unknown_cluster_{n % 4000 if n % 3 else n % 100}" for n in numbers],
                }
            ),
            how="cross",
        )
    )
    publish_database(world.layout.database, tables | {"face_instances": faces})
    request = urllib.request.Request(f"{served}/", headers={"Authorization": f"Bearer {TOKEN}"})
    took = []
    for _ in range(4):
        before = time.process_time()
        with urllib.request.urlopen(request) as answer:
            assert answer.read().count(b'<li class="card"') == 100
        took.append(time.process_time() - before)
    assert min(took) < 0.3


def test_an_unpublished_archive_shows_what_to_do(tmp_path: Path, world: World, browser: Browser) -> None:
    empty = World(tmp_path / "empty", world.instance)
    (empty.folder / "photos").mkdir(parents=True)
    app = create_app(empty.archive, Models(pack=empty.pack), TOKEN)
    with running_server(app) as url, browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{url}/?token={TOKEN}")
        expect(page.get_by_role("heading", level=1)).to_have_text("Welcome")
        expect(page.locator("main")).to_contain_text("Put a folder for each school year into it")
        expect(page.get_by_role("button", name="Start")).to_be_disabled()


def test_a_browser_drops_the_images_of_an_erased_person(window: ReviewWindow) -> None:
    """Here the erasure comes from another process, and the browser learns of it by the next page."""
    ana, faces = window.label("Ana")
    cached = f"fetch('/api/v1/faces/{faces[0]}/chip', {{cache: 'only-if-cached', mode: 'same-origin'}}).then(r => r.ok)"
    page = window.open(f"/people/{ana}")
    page.wait_for_load_state("networkidle")
    assert page.evaluate(f"fetch('/api/v1/faces/{faces[0]}/chip').then(r => r.ok)") and page.evaluate(cached)
    window.open("/people")
    assert page.evaluate(cached)
    window.ledger.erase(ana)
    window.open("/people")
    assert not page.evaluate(f"{cached}.catch(() => false)")
    window.errors.clear()  # the console tells of what is not in the cache
