"""A photo's page in the browser: faces named, drawn and marked there, and a photo to search by."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from classface_assets_tests.support.windows import ReviewWindow, crowded


def test_a_face_is_named_on_its_photo(desk: ReviewWindow) -> None:
    photo, face = crowded(desk.world)
    page = desk.open(f"/photos/{photo}")
    expect(page.locator(".names li")).to_have_count(page.locator("a.box").count())
    page.locator(f"a.box[href='#f-{face}']").click()
    expect(page.locator(f"#f-{face} [data-names]")).to_be_focused()
    page.keyboard.type("Ana")
    page.keyboard.press("Enter")
    desk.toast("1 face is Ana")
    expect(page.locator(f"#f-{face} .who")).to_contain_text("Ana")
    expect(page.locator("a.box.sure text")).to_have_text("Ana")


def test_a_missed_face_is_drawn_by_pointer_and_by_numbers(desk: ReviewWindow) -> None:
    photo, _ = crowded(desk.world)
    page = desk.open(f"/photos/{photo}")
    faces = page.locator("a.box").count()
    draw = page.get_by_role("button", name="Draw a missed face")
    draw.click()
    page.keyboard.press("Escape")
    expect(draw).to_have_attribute("aria-pressed", "false")
    draw.click()
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
    desk.toast("1 face is Cara")
    expect(page.locator("a.box")).to_have_count(faces + 1)
    (drawn,) = desk.said.drawn.values()
    scale = float(page.locator("[data-stage] svg").get_attribute("viewBox").split()[2]) / stage["width"]  # type: ignore[union-attr]
    assert drawn.box == pytest.approx((30 * scale, 20 * scale, 60 * scale, 70 * scale), abs=3 * scale)
    assert desk.said.labels[drawn.face_id].asset_id == photo
    page.get_by_role("button", name="Draw a missed face").focus()
    page.keyboard.press("Enter")
    for number in ("200", "50", "40", "48"):
        page.keyboard.type(number)
        page.keyboard.press("Tab")
    page.get_by_role("button", name="Keep this face").click()
    expect(page.locator("a.box")).to_have_count(faces + 2)
    assert (200, 50, 40, 48) in [face.box for face in desk.said.drawn.values()]


def test_a_photo_is_marked_as_collage_and_not(desk: ReviewWindow) -> None:
    photo, _ = crowded(desk.world)
    page = desk.open(f"/photos/{photo}")
    page.get_by_role("button", name="Mark as collage").click()
    desk.toast("is a collage")
    assert desk.said.photo_marks == {photo: "collage"}
    page.get_by_role("button", name="Not a collage").click()
    desk.toast("is no collage")
    assert desk.said.photo_marks == {}


def test_a_dropped_photo_tells_who_it_is(desk: ReviewWindow) -> None:
    _, faces = desk.label("Ana")
    path = desk.world.query(
        f"SELECT path FROM image_assets JOIN face_instances f USING (asset_id) WHERE f.id = '{faces[0]}'"
    ).item()
    page = desk.open("/search")
    page.set_input_files("#photo", Path(desk.world.archive.photos) / path)
    first = page.locator(".matches .first", has_text="Ana").first
    expect(first).to_be_visible(timeout=30_000)
    expect(page.locator("[data-preview] rect").first).to_be_attached()
    page.set_input_files("#photo", files=[{"name": "a.jpg", "mimeType": "image/jpeg", "buffer": b"no picture"}])
    expect(page.locator("#found")).to_contain_text("cannot be used")
    desk.wrong.clear()  # the console notes the 422
