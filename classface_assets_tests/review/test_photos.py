"""A photo's page in the browser: naming, drawing and marking there; and search by photo."""

from pathlib import Path

import polars as pl
import pytest
from playwright.sync_api import expect

from classface_assets_tests.support.windows import ReviewWindow, photo_with_most_faces


def test_a_face_is_named_on_its_photo(window: ReviewWindow) -> None:
    photo, face = photo_with_most_faces(window.world)
    page = window.open(f"/photos/{photo}")
    expect(page.locator(".names li")).to_have_count(page.locator("a.box").count())
    page.locator(f"a.box[href='#f-{face}']").click()
    expect(page.locator(f"#f-{face} [data-names]")).to_be_focused()
    page.keyboard.type("Ana")
    page.keyboard.press("Enter")
    window.toast("1 face is Ana")
    expect(page.locator(f"#f-{face} .who")).to_contain_text("Ana")
    expect(page.locator("a.box.confirmed text")).to_have_text("Ana")


def test_a_missed_face_is_drawn_by_pointer_and_by_numbers(window: ReviewWindow) -> None:
    photo, _ = photo_with_most_faces(window.world)
    page = window.open(f"/photos/{photo}")
    faces = page.locator("a.box").count()
    draw = page.get_by_role("button", name="Draw a missed face")
    draw.click()
    page.keyboard.press("Escape")
    expect(draw).to_have_attribute("aria-pressed", "false")
    draw.click()
    page.evaluate("scrollTo(0, 0)")
    stage = page.locator("[data-stage]").bounding_box()
    assert stage is not None
    x, y = stage["x"] + 30, stage["y"] + 20
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 40, y + 30)
    page.mouse.move(x + 60, y + 70)
    page.mouse.up()
    page.keyboard.type("Cara")
    page.keyboard.press("Enter")
    window.toast("1 face is Cara")
    expect(page.locator("a.box")).to_have_count(faces + 1)
    (drawn,) = window.decisions.drawn.values()
    scale = float(page.locator("[data-stage] svg").get_attribute("viewBox").split()[2]) / stage["width"]  # type: ignore[union-attr]
    assert drawn.box == pytest.approx((30 * scale, 20 * scale, 60 * scale, 70 * scale), abs=3 * scale)
    assert window.decisions.labels[drawn.face_id].asset_id == photo
    page.get_by_role("button", name="Draw a missed face").focus()
    page.keyboard.press("Enter")
    for number in ("200", "50", "40", "48"):
        page.keyboard.type(number)
        page.keyboard.press("Tab")
    page.get_by_role("button", name="Add this face").click()
    expect(page.locator("a.box")).to_have_count(faces + 2)
    assert (200, 50, 40, 48) in [face.box for face in window.decisions.drawn.values()]


def test_a_photo_is_marked_as_collage_and_not(window: ReviewWindow) -> None:
    photo, _ = photo_with_most_faces(window.world)
    page = window.open(f"/photos/{photo}")
    page.get_by_role("button", name="Mark as collage").click()
    window.toast("is a collage")
    assert window.decisions.photo_marks == {photo: "collage"}
    page.get_by_role("button", name="Not a collage").click()
    window.toast("is no collage")
    assert window.decisions.photo_marks == {}


def test_a_dropped_photo_shows_who_is_in_it(window: ReviewWindow) -> None:
    _, faces = window.label("Ana")
    path = window.world.query(
        f"SELECT path FROM image_assets JOIN face_instances f USING (asset_id) WHERE f.id = '{faces[0]}'"
    ).item()
    page = window.open("/search")
    page.set_input_files("#photo", Path(window.world.archive.photos) / path)
    first = page.locator(".matches .first", has_text="Ana").first
    expect(first).to_be_visible(timeout=30_000)
    expect(page.locator("[data-preview] rect").first).to_be_attached()
    page.set_input_files("#photo", files=[{"name": "a.jpg", "mimeType": "image/jpeg", "buffer": b"no picture"}])
    expect(page.locator("#found [role=alert]")).to_contain_text("cannot be used")
    expect(page.locator("#found [role=alert]")).to_contain_text("Choose a photo: JPEG")
    window.errors.clear()  # the console notes the 422


def test_only_matches_above_the_calibrated_threshold_are_shown_and_each_face_can_be_chosen(
    window: ReviewWindow,
) -> None:
    from classface_assets.identity.settings import settings_for

    photo, _ = photo_with_most_faces(window.world)
    path = window.world.query(f"SELECT path FROM image_assets WHERE asset_id = '{photo}'").item()
    page = window.open("/search")
    page.set_input_files("#photo", Path(window.world.archive.photos) / path)
    cards = page.locator("[data-box]")
    expect(cards.first).to_be_visible(timeout=30_000)
    least = round(settings_for("builtin").person_threshold * 100)
    near, far = (
        [int(text.split(" %")[0]) for text in page.locator(selector).all_text_contents()]
        for selector in ("[data-box] > .matches .by", "[data-box] details .by")
    )
    assert near and min(near) >= least
    assert far and max(far) <= least
    folded = page.locator("[data-box] details .matches").first
    expect(folded).to_be_hidden()
    page.get_by_text("Less similar faces").first.click()
    expect(folded).to_be_visible()
    page.get_by_role("button", name="Face 2", exact=True).click()
    expect(cards.nth(1)).to_be_visible()
    expect(cards.first).to_be_hidden()
    page.get_by_role("button", name="All faces").click()
    expect(cards.first).to_be_visible()


def test_photos_are_found_by_names_and_filters_on_a_phone(window: ReviewWindow) -> None:
    _, faces = window.label("Ana Weiss")
    photos = set(
        window.world.query("SELECT id, asset_id FROM face_instances").filter(pl.col("id").is_in(faces))["asset_id"]
    )
    window.page.set_viewport_size({"width": 390, "height": 844})
    page = window.open("/photos")
    page.get_by_label("Search for people").fill("ana")
    page.keyboard.press("Enter")
    expect(page.locator(".explained")).to_have_text("Every photo that shows Ana Weiss.")
    links = page.locator(".photos a")
    assert {(link.get_attribute("href") or "").rpartition("/")[2] for link in links.all()} == photos
    page.get_by_label("Search for people").fill("ana AND (")
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("is missing")
    expect(page.get_by_label("Search for people")).to_have_value("ana AND (")
    page = window.open("/photos")
    page.get_by_text("Choose people and filters").click()
    page.get_by_label("Without", exact=True).fill("Ana Weiss")
    page.get_by_label("Number of faces").select_option("No face")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator(".explained").first).to_have_text("Every photo that does not show Ana Weiss and has no face.")
    assert "without=Ana+Weiss" in page.url and "faces=0" in page.url
    page.get_by_role("link", name="without Ana Weiss: remove").click()
    expect(page.locator(".explained").first).to_have_text("Every photo that has no face.")
