"""Album pages in a browser, opened from the folder as people do: what they show, and what they may not run."""

import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import numpy as np
import polars as pl
import pytest
from PIL import Image
from playwright.sync_api import expect

from classface_assets.albums.names import sort_key
from classface_assets.albums.pages.classes import CLASS_MEMBERS, SIBLINGS, SchoolPeople
from classface_assets.albums.pages.links import find_broken_links
from classface_assets_tests.albums.test_albums import NAMES, TABLE, YEARS, Archive, archive, t1
from classface_assets_tests.support.accessibility import axe_violations
from classface_assets_tests.support.windows import browser

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["archive", "browser"]  # fixtures
pytestmark = pytest.mark.slow


@pytest.fixture
def page(browser: "Browser") -> "Iterator[Page]":
    with browser.new_context() as context:
        yield context.new_page()


def errors_of(page: "Page") -> list[str]:
    """What the page writes on the console from now on, a refusal of its policy among it."""
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    return errors


def a_student(out: Path) -> str:
    return next(file for file in sorted(out.rglob("students/*.html")) if "anna" in file.name.lower()).as_uri()


def test_an_album_opened_from_its_folder_shows_pictures_and_styles_and_obeys_keys(
    archive: Archive, page: "Page"
) -> None:
    archive.build()
    errors = errors_of(page)
    for file in sorted(archive.out.rglob("*.html")):
        page.goto(file.as_uri())
        shown = page.evaluate("[...document.images].filter(i => i.loading != 'lazy').every(i => i.naturalWidth > 0)")
        assert shown, file
        assert page.evaluate("document.styleSheets.length") == 1
    page.goto(a_student(archive.out))
    page.locator("a.open").first.click()
    assert page.locator("figure:target").count() == 1
    page.keyboard.press("Escape")
    assert page.locator("figure:target").count() == 0
    assert errors == []


def test_a_script_that_somebody_puts_into_an_album_page_does_not_run(archive: Archive, page: "Page") -> None:
    archive.build()
    file = archive.out / "index.html"
    injected = '<script>document.title = "run"</script><img src="x" onerror="document.title = \'run\'">'
    file.write_text(file.read_text().replace("</main>", injected + "</main>"))
    errors = errors_of(page)
    page.goto(file.as_uri())
    page.wait_for_timeout(200)
    assert page.title() != "run"
    assert any("Content Security Policy" in error for error in errors)


def two_classes(archive: Archive) -> SchoolPeople:
    """Four students of class 3a, one of them in no photo, one of 3b; Anna and José are siblings."""
    ids = [str(uuid.UUID(int=n + 1)) for n in range(5)]
    members = [(YEARS[0], "3a", ids[n], NAMES[n]) for n in (0, 1, 2)] + [(YEARS[0], "3b", ids[3], NAMES[3])]
    members += [(YEARS[0], "3a", None, "Nobody <Seen>")]
    return SchoolPeople(
        pl.DataFrame(members, schema=CLASS_MEMBERS, orient="row"),
        pl.DataFrame([(ids[0], ids[3]), (ids[3], ids[0])], schema=SIBLINGS, orient="row"),
    )


@pytest.fixture
def school(archive: Archive) -> Archive:
    """With classes, and a class photo of seven faces."""
    group = dict(enumerate(TABLE[:5])) | {112: TABLE[5], -1: (600, 600, 100, 120)}
    archive.add("2006-2007/class 3a.jpg", t1().rotate(2), group)
    archive.people = two_classes(archive)
    archive.build()
    return archive


def test_the_index_finds_names_classes_and_years_without_accents(school: Archive, page: "Page") -> None:
    errors = errors_of(page)
    page.goto(f"{(school.out / 'index.html').as_uri()}#find")
    expect(page.locator("#find-text")).to_be_focused()
    shown = page.locator("[data-find]:not([hidden]) .name")
    for text, names in (
        ("muller 3A", {"Anna Müller"}),
        ("3b", {"3b", NAMES[3]}),
        ("2007-2008", {"2007-2008", *NAMES, "Unknown student 112"}),
        ("nobody", set()),
    ):
        page.locator("#find-text").fill(text)
        assert set(shown.all_text_contents()) == names, text
    expect(page.locator(".find output")).to_contain_text("Nothing found")
    page.locator("#find-text").fill("muller")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Anna Müller")
    expect(page.locator(".siblings a")).to_have_text(NAMES[3])
    page.get_by_role("link", name="Class 3a").click()
    assert errors == []


def test_a_class_has_a_page_with_students_class_photo_and_who_is_in_no_photo(school: Archive, page: "Page") -> None:
    assert find_broken_links(school.out) == []
    page.goto(next((school.out / "classes").glob("*3a*")).as_uri())
    expect(page.locator("h1")).to_have_text("Class 3a")
    assert page.locator(".tiles .name").all_text_contents() == sorted([NAMES[0], NAMES[1], NAMES[2]], key=sort_key)
    expect(page.locator(".folders li")).to_have_text("Nobody <Seen>")
    figure = page.locator(".photo.group figure")
    assert "left to right" in str(figure.get_attribute("data-caption"))
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy the caption").click()
    assert page.evaluate("navigator.clipboard.readText()") == figure.get_attribute("data-caption")
    school.people = SchoolPeople()
    school.build()
    assert list((school.out / "classes").iterdir()) == []


def test_axe_finds_nothing_wrong_with_the_pages_of_an_album(school: Archive, page: "Page") -> None:
    kinds = ("index.html", "coverage.html", "years/*/index.html", "classes/*.html", "students/anna*.html")
    for file in (next(iter(sorted(school.out.glob(kind)))) for kind in kinds):
        page.goto(file.as_uri())
        assert axe_violations(page) == [], file
    page.goto(f"{next(school.out.glob('years/2006*/index.html')).as_uri()}#view-1")
    assert axe_violations(page) == []


def test_enlarged_photos_leave_one_entry_in_the_history(school: Archive, page: "Page") -> None:
    errors = errors_of(page)
    page.goto((school.out / "years" / YEARS[0] / "index.html").as_uri())
    before = page.evaluate("history.length")
    page.locator("a.open").first.click()
    expect(page.locator("figure:target")).to_have_id("view-1")
    for key, shown in (("ArrowRight", "view-2"), ("ArrowRight", "view-3"), ("ArrowLeft", "view-2")):
        page.keyboard.press(key)
        expect(page.locator("figure:target")).to_have_id(shown)
    assert page.evaluate("history.length") == before + 1
    page.keyboard.press("Escape")
    expect(page.locator("figure:target")).to_have_count(0)
    expect(page.locator("#photo-2 .open")).to_be_focused()
    assert page.evaluate("history.length") == before + 1 and page.url.endswith("index.html")
    assert errors == []


def test_an_enlarged_photo_shows_names_a_face_and_the_original(school: Archive, page: "Page") -> None:
    page.goto((school.out / "years" / YEARS[0] / "index.html").as_uri())
    page.locator(".photo.group a.open").first.click()
    box = page.locator("figure:target .box").first
    expect(box.locator("span")).to_be_hidden()
    page.keyboard.press("n")
    expect(box.locator("span")).to_be_visible()
    size = box.bounding_box()
    box.click(position={"x": 4, "y": 4})
    expect(page.locator("figure:target")).to_have_class(re.compile("zoomed"))
    page.wait_for_function("() => document.querySelector('figure:target .view').getAnimations().length === 0")
    zoomed = box.bounding_box()
    assert size and zoomed and zoomed["width"] > 2 * size["width"]
    page.keyboard.press("Escape")
    expect(page.locator("figure:target")).to_have_count(1)
    original = page.get_by_role("link", name="Original").get_attribute("href")
    assert (
        original
        and (school.out / "years" / YEARS[0] / unquote(original)).read_bytes()
        == (school.root / YEARS[0] / "class 3a.jpg").read_bytes()
    )
    page.keyboard.press("s")
    expect(page.get_by_role("button", name="Slideshow")).to_have_attribute("aria-pressed", "true")


def test_a_finger_sees_names_and_swipes(school: Archive, browser: "Browser") -> None:
    with browser.new_context(has_touch=True, is_mobile=True, viewport={"width": 390, "height": 800}) as context:
        page = context.new_page()
        page.goto((school.out / "years" / YEARS[0] / "index.html").as_uri())
        page.locator(".photo.group a.open").first.tap(position={"x": 5, "y": 5})
        page.locator("figure:target img.large").tap(position={"x": 3, "y": 3})
        expect(page.locator("figure:target .box span").first).to_be_visible()
        here = page.url
        page.evaluate("""() => {
          const touch = (x) => new Touch({ identifier: 1, target: document.body, clientX: x, clientY: 300 });
          dispatchEvent(new TouchEvent("touchstart", { touches: [touch(300)], changedTouches: [touch(300)] }));
          dispatchEvent(new TouchEvent("touchend", { touches: [], changedTouches: [touch(380)] }));
        }""")
        page.wait_for_url(lambda url: url != here)


def test_a_printed_year_fills_its_sheets(archive: Archive, page: "Page") -> None:
    """Seen: eleven sheets, half of them half empty, for a year that fits on six."""
    for number in range(24):
        picture = t1().crop((0, 0, 500 + 40 * (number % 6), 600)).resize((240, 200 + 10 * (number % 5)))
        picture.putpixel((0, 0), (number, 0, 0))
        archive.add(f"2006-2007/trip {number}.png", picture, {number % 5: (20, 20, 40, 50)})
    archive.build()
    page.goto((archive.out / "years" / YEARS[0] / "index.html").as_uri())
    filled = [_filled(sheet) for sheet in _sheets(page.pdf(format="A4", prefer_css_page_size=True))]
    assert 2 <= len(filled) <= 4 and min(filled[:-1]) > 0.6, filled


def _sheets(pdf: bytes) -> list[Image.Image]:
    import pypdfium2

    document = pypdfium2.PdfDocument(pdf)
    return [document[number].render(scale=0.5).to_pil().convert("L") for number in range(len(document))]


def _filled(sheet: Image.Image) -> float:
    """How far down the sheet something is printed."""
    rows = np.flatnonzero((np.asarray(sheet) < 200).any(axis=1))
    return float(rows[-1] / sheet.height) if len(rows) else 0.0
