"""The page of school years, in a real browser: which folder is of which year, why, and setting it."""

from pathlib import Path

from playwright.sync_api import expect

from classface_assets.store.catalog.year_file import manual_school_years
from classface_assets_tests.support.windows import ReviewWindow


def test_the_page_lists_the_folders_and_sets_a_school_year(window: ReviewWindow) -> None:
    photos = Path(str(window.world.layout.photos))
    for folder in ("2019", "Room 2001", "<b>Box", "2019/@eaDir"):
        (photos / folder).mkdir()
    page = window.open("/")
    page.get_by_role("link", name="Years").click()
    rows = page.locator("table.years tbody tr")
    expect(rows.first).to_contain_text("2019-2020")
    expect(rows.first).to_contain_text("guess")
    expect(page.locator("main")).to_contain_text("@eaDir 1")
    expect(rows.filter(has_text="<b>Box")).to_contain_text("no school year")
    room = rows.filter(has=page.get_by_role("rowheader", name="Room 2001"))
    expect(room).to_contain_text("is a number, not a year")
    room.get_by_label("School year of Room 2001").fill("2011-12")
    room.get_by_role("button", name="Set").click()
    window.toast("Room 2001: 2011-2012, from the next run on")
    expect(room).to_contain_text("set by hand")
    assert manual_school_years(window.world.layout) == {"Room 2001": "2011-2012"}
    room.get_by_label("School year of Room 2001").fill("soon")
    room.get_by_role("button", name="Set").click()
    window.toast("'soon' is no school year")
    assert manual_school_years(window.world.layout) == {"Room 2001": "2011-2012"}
    window.errors.clear()  # the browser notes every answer that is an error
    room.get_by_role("button", name="Use the folder name").click()
    window.toast("Room 2001: from its name")
    assert manual_school_years(window.world.layout) == {}


def test_a_broken_file_of_years_is_a_page_with_one_sentence(window: ReviewWindow) -> None:
    (Path(str(window.world.layout.data)) / "years.json").write_text("{")
    page = window.open("/years")
    expect(page.locator("main")).to_contain_text("years.json cannot be read")
    window.errors.clear()
