"""The page of names in photo files and its REST calls: a preview first, then done, then undone; also on a phone."""

from pathlib import Path

from playwright.sync_api import Browser, expect

from classface_assets.core.geometry import Box
from classface_assets.services.face_regions.metadata.frames import to_stored_fractions
from classface_assets.services.face_regions.metadata.model import PhotoFrame, Region
from classface_assets.services.face_regions.metadata.packet_update import (
    OwnedNames,
    TargetNames,
    holds_name,
    update_packet,
)
from classface_assets_tests.conftest import World
from classface_assets_tests.review.test_every_page import SMALL_TARGETS, WIDER, violations
from classface_assets_tests.support.clients import API, Client
from classface_assets_tests.support.helpers import who
from classface_assets_tests.support.windows import ReviewWindow, open_window


def name_a_face(world: World, name: str) -> tuple[Path, str]:
    """Another program names a face: the photo, and the face's id."""
    row = world.query(
        "SELECT a.path, a.width, a.height, a.orientation, coalesce(a.rotation, 0) AS rotation, f.* "
        "FROM face_instances f JOIN image_assets a ON a.asset_id = f.asset_id AND a.status = 'ok' ORDER BY f.id LIMIT 1"
    ).row(0, named=True)
    frame = PhotoFrame((row["width"], row["height"]), row["orientation"] or 1, row["rotation"])
    box: Box = (row["bbox_x"], row["bbox_y"], row["bbox_w"], row["bbox_h"])
    wanted = TargetNames((Region(name, to_stored_fractions(box, frame)),), frame.stored)
    photo = Path(str(world.layout.photos)) / row["path"]
    data = update_packet(None, wanted, OwnedNames()).data
    assert data is not None
    photo.with_name(f"{photo.name}.xmp").write_bytes(data)
    return photo, str(row["id"])


def test_names_of_another_program_are_previewed_taken_over_and_undone(window: ReviewWindow) -> None:
    photo, face = name_a_face(window.world, "Zoë <b>Ø</b>")
    page = window.open("/photos")
    page.get_by_role("link", name="Names in photo files").click()
    bring = page.locator("section", has=page.get_by_role("heading", name="Bring names here"))
    bring.get_by_role("button", name="Preview").click()
    result = page.locator("#result")
    expect(result).to_contain_text("Preview: bring names here", timeout=60_000)
    expect(result).to_contain_text("Faces that get a name")
    expect(result).to_contain_text("Zoë <b>Ø</b>")
    expect(result.get_by_role("link", name=photo.name)).to_be_visible()
    assert who(window.ledger) == {}
    result.get_by_role("button", name="Take these names over").click()
    expect(result).to_contain_text("Faces that got a name", timeout=60_000)
    assert who(window.ledger) == {face: "Zoë <b>Ø</b>"}
    window.open("/history")
    expect(page.locator(".lines")).to_contain_text(
        f"XMP region in {photo.relative_to(str(window.world.layout.photos))}.xmp"
    )
    window.open("/regions")
    page.get_by_role("button", name="Undo all of it").click()
    window.toast("Undone: ")
    assert who(window.ledger) == {}


def test_names_are_written_and_taken_back_on_a_phone(world: World, served: str, browser: Browser) -> None:
    with browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True) as context:
        window = open_window(context.new_page(), served, world)
        window.label("Ana")
        page = window.open("/regions")
        write = page.locator("section", has=page.get_by_role("heading", name="Write names for other programs"))
        write.get_by_label("Person").fill("Nobody")
        write.get_by_role("button", name="Preview").click()
        window.toast("Nobody is called 'Nobody'")
        window.errors.clear()  # the browser notes every answer that is an error
        write.get_by_label("Person").fill("Ana")
        write.get_by_label("As keywords too").check()
        write.get_by_role("button", name="Preview").click()
        result = page.locator("#result")
        expect(result).to_contain_text("Sidecars that are written", timeout=60_000)
        photos = Path(str(world.layout.photos))
        assert not list(photos.rglob("*.xmp"))
        assert [one for one in page.evaluate(SMALL_TARGETS) if 'class="brand"' not in one] == []
        assert page.evaluate(WIDER) == []
        assert violations(page) == []
        result.get_by_role("button", name="Write these names").click()
        expect(result).to_contain_text("Sidecars that were written", timeout=60_000)
        sidecars = list(photos.rglob("*.xmp"))
        assert sidecars and all(holds_name(sidecar.read_bytes(), "Ana") for sidecar in sidecars)
        window.ledger.hide("Ana")
        window.open("/regions")
        expect(page.locator(".region-notice")).to_contain_text("1 person is still named in files")
        back = page.locator("section", has=page.get_by_role("heading", name="Take written names back"))
        back.get_by_role("button", name="Preview").click()
        expect(result).to_contain_text("Files and sidecars that lose our names", timeout=60_000)
        result.get_by_role("button", name="Take the names back").click()
        expect(result).to_contain_text("Done", timeout=60_000)
        assert not list(photos.rglob("*.xmp"))
        assert window.errors == []


def test_the_calls_preview_unless_they_are_to_apply(world: World, client: Client) -> None:
    photo, face = name_a_face(world, "Ana")
    preview = client.post(f"{API}/regions/read").json
    assert preview["applied"] is False and preview["newPeople"] == ["Ana"]
    assert [(one["faceId"], one["outcome"]) for one in preview["names"]] == [(face, "label")]
    assert who(world.archive.open_ledger()) == {}
    assert client.post(f"{API}/regions/read", {"apply": True}).json["events"]
    assert who(world.archive.open_ledger()) == {face: "Ana"}
    photo.with_name(f"{photo.name}.xmp").unlink()
    written = client.post(f"{API}/regions/write", {"apply": True, "persons": ["ana"]}).json
    assert [one["status"] for one in written["files"]] == ["written"]
    assert holds_name(photo.with_name(f"{photo.name}.xmp").read_bytes(), "Ana")
    assert client.post(f"{API}/regions/write", {"persons": ["Nobody"]}).status == 404
    assert client.post(f"{API}/regions/write", {"schoolYears": ["1900-1901"]}).status == 404
    removed = client.post(f"{API}/regions/remove", {"apply": True}).json
    assert [one["status"] for one in removed["files"]] == ["removed"]
    assert not photo.with_name(f"{photo.name}.xmp").exists()
