"""The caption of a photo on its page and over the REST API: copied, downloaded, anonymous where somebody refused."""

import csv
import io

from playwright.sync_api import expect

from classface_assets_tests.conftest import World
from classface_assets_tests.support.clients import API, Client
from classface_assets_tests.support.windows import ReviewWindow, photo_with_most_faces


def test_a_caption_is_read_copied_and_downloaded_on_the_photos_page(window: ReviewWindow) -> None:
    photo, face = photo_with_most_faces(window.world)
    page = window.open(f"/photos/{photo}")
    box = page.locator(".caption-box")
    expect(box).to_contain_text("missing")
    page.locator(f"a.box[href='#f-{face}']").click()
    page.keyboard.type("Ana Quill")
    page.keyboard.press("Enter")
    window.toast("1 face is Ana Quill")
    expect(box.locator("#caption-text")).to_contain_text("Ana Quill")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy the caption").click()
    window.toast("The caption is copied")
    assert page.evaluate("navigator.clipboard.readText()") == box.locator("#caption-text").inner_text()
    with page.expect_download() as download:
        page.get_by_role("link", name="As CSV").click()
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_text("utf-8-sig"))))
    assert len(rows) == page.locator("a.box").count() and "Ana Quill" in [row["name"] for row in rows]
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_api_has_the_caption_and_names_nobody_who_refused(client: Client, world: World) -> None:
    cluster = client.clusters()[0]
    person = client.post(f"{API}/clusters/{cluster['clusterId']}/label", {"name": "Ana"}).json
    photo = client.get(f"{API}/clusters/person_{person['personId']}").json["faces"][0]["assetId"]
    caption = client.get(f"{API}/assets/{photo}/caption").json
    places = [place for row in caption["rows"] for place in row["places"]]
    assert "Ana" in caption["text"] and {place["status"] for place in places} <= {"named", "name missing"}
    assert len(places) == len(client.get(f"{API}/assets/{photo}").json["faces"])
    world.archive.open_ledger().set_consent("Ana", False)
    after = client.get(f"{API}/assets/{photo}/caption?purpose=yearbook").json
    assert "Ana" not in after["text"] and "a student" in after["text"]
    assert client.get(f"{API}/assets/00000000-0000-0000-0000-000000000000/caption").status == 404
