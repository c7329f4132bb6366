"""Exports and coverage over HTTP and in a browser: downloads that break and go on, documents, and what pages show."""

import http.client
import io
import os
import shutil
import subprocess
import time
import urllib.request
import zipfile
from pathlib import Path

import polars as pl
import pypdfium2
import pytest
from PIL import Image
from playwright.sync_api import expect

from classface_assets.orchestration.settings.file import set_values
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets_tests.conftest import World
from classface_assets_tests.support.clients import API, Client
from classface_assets_tests.support.helpers import TOKEN
from classface_assets_tests.support.windows import ReviewWindow

pytestmark = pytest.mark.slow
YEAR = "2018-2019"
PHOTOS = f"{API}/exports/photos?schoolYear={YEAR}"


def test_a_download_that_broke_is_resumed_and_is_the_whole_file(client: Client) -> None:
    whole = client.get(PHOTOS)
    size, etag = int(whole.headers["Content-Length"]), whole.headers["ETag"]
    assert whole.status == 200 and len(whole.body) == size and whole.headers["Accept-Ranges"] == "bytes"
    assert whole.headers["Content-Type"] == "application/zip"
    assert whole.headers["Content-Disposition"].startswith("attachment; filename*=UTF-8''2018-2019.zip")
    first = client.get(PHOTOS, Range=f"bytes=0-{size // 3}")
    rest = client.get(PHOTOS, Range=f"bytes={size // 3 + 1}-", If_Range=etag)
    assert first.status == rest.status == 206
    assert rest.headers["Content-Range"] == f"bytes {size // 3 + 1}-{size - 1}/{size}"
    assert first.body + rest.body == whole.body
    with zipfile.ZipFile(io.BytesIO(whole.body)) as file:
        assert file.testzip() is None and "manifest.csv" in file.namelist()
    assert client.get(PHOTOS, If_None_Match=etag).status == 304


def test_head_tells_size_and_etag_and_sends_nothing(client: Client) -> None:
    head, whole = client.ask("HEAD", PHOTOS), client.get(PHOTOS)
    assert head.status == 200 and head.body == b"" and whole.body
    for name in ("Content-Length", "Content-Type", "ETag", "Accept-Ranges"):
        assert head.headers[name] == whole.headers[name]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_a_download_that_was_killed_is_completed_by_curl(client: Client, world: World, tmp_path: Path) -> None:
    enlarge(world, 30_000_000)
    whole, part = client.get(PHOTOS), tmp_path / "part.zip"
    command = ["curl", "-s", "--fail", "-H", f"Authorization: Bearer {TOKEN}", "-o", str(part), client.url + PHOTOS]
    with subprocess.Popen([*command, "--limit-rate", "2M"]) as download:
        while not part.exists() or part.stat().st_size < 1_000_000:
            time.sleep(0.05)
        download.kill()
    assert 1_000_000 <= part.stat().st_size < len(whole.body)
    subprocess.run([*command, "-C", "-", "-H", f"If-Range: {whole.headers['ETag']}"], check=True)
    assert part.read_bytes() == whole.body
    with zipfile.ZipFile(part) as file:
        assert file.testzip() is None


def test_a_photo_that_changes_while_it_is_sent_breaks_the_download_off(client: Client, world: World) -> None:
    photo = enlarge(world, 60_000_000)
    request = urllib.request.Request(client.url + PHOTOS, headers=client.headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        size, start = int(answer.headers["Content-Length"]), answer.read(100_000)
        photo.write_bytes(photo.read_bytes()[:1_000_000])
        with pytest.raises(http.client.IncompleteRead) as broken:
            answer.read()
    assert len(start) + len(broken.value.partial) < size
    resumed = client.get(PHOTOS, Range="bytes=100000-", If_Range=answer.headers["ETag"])
    assert resumed.status == 200, "the whole of the ZIP file as it is now, not the rest of another"
    with zipfile.ZipFile(io.BytesIO(resumed.body)) as file:
        assert file.testzip() is None


def test_a_download_is_not_resumed_once_somebody_refused(client: Client, world: World) -> None:
    ledger = world.archive.open_ledger()
    ledger.label("Ana", [_face_of(world)])
    before = client.get(PHOTOS)
    ledger.set_consent("Ana", False)
    after = client.get(PHOTOS, Range="bytes=0-99", If_Range=before.headers["ETag"])
    assert after.status == 200
    with zipfile.ZipFile(io.BytesIO(before.body)) as old, zipfile.ZipFile(io.BytesIO(after.body)) as new:
        assert len(new.namelist()) < len(old.namelist()) and b"Ana" not in new.read("manifest.csv")


def test_a_download_is_not_resumed_with_the_bytes_of_another_file(client: Client, world: World) -> None:
    etag = client.get(PHOTOS).headers["ETag"]
    world.archive.open_ledger().label("Ana", [_face_of(world)])
    changed = client.get(PHOTOS, Range="bytes=100-", If_Range=etag)
    assert changed.status == 200 and changed.headers["ETag"] != etag, "the manifest has another name"
    assert len(changed.body) == int(changed.headers["Content-Length"])
    beyond = client.get(PHOTOS, Range="bytes=99999999999-")
    assert beyond.status == 416 and beyond.headers["Content-Range"].startswith("bytes */")


def test_what_cannot_be_exported_is_answered_with_one_sentence(client: Client) -> None:
    for query, sentence in (("", "Choose a person"), ("?schoolYear=1999", "There is no school year 1999")):
        refused = client.get(f"{API}/exports/photos{query}")
        assert refused.status == 409 and refused.json["detail"].startswith(sentence)


def test_a_table_and_a_document_are_made_of_the_same_photos(client: Client, world: World) -> None:
    world.archive.open_ledger().label("Ana", [_face_of(world)])
    table = pl.read_parquet(client.get(f"{API}/exports/faces?schoolYear={YEAR}&format=parquet").body)
    assert table["name"].to_list() == ["Ana"] and table["named_by"].to_list() == ["person"]
    started = client.post(f"{API}/exports/documents", {"kind": "album", "schoolYears": [YEAR], "title": "Łódź"})
    assert started.status == 202
    document = client.get(f"{API}/exports/documents/{started.json['id']}/file")
    assert document.status == 200 and document.headers["Content-Type"] == "application/pdf"
    with pypdfium2.PdfDocument(document.body) as pdf:
        text = "".join(page.get_textpage().get_text_range() for page in pdf)
    assert "Łódź" in text and "Ana" in text and YEAR in text
    status = client.get(f"{API}/exports/documents/{started.json['id']}").json
    assert status["state"] == "done" and status["done"] == status["total"] > 0
    world.archive.open_ledger().set_consent("Ana", False)
    outdated = client.get(f"{API}/exports/documents/{started.json['id']}/file")
    assert outdated.status == 409 and "make it again" in outdated.json["detail"]


def test_best_portraits_are_listed_with_their_picture_and_without_whoever_refused(client: Client, world: World) -> None:
    ledger = world.archive.open_ledger()
    ledger.label("Ana", [_face_of(world)])
    path = f"{API}/exports/portraits"
    page = client.get(f"{path}?schoolYear={YEAR}").json
    (ana,) = page["items"]
    assert page["total"] == 1 and ana["personName"] == "Ana" and ana["schoolYear"] == YEAR
    assert ana["path"].startswith(YEAR) and 0 < ana["quality"] <= 1 and ana["schoolClass"] is None
    picture = client.get(ana["picture"])
    with Image.open(io.BytesIO(picture.body)) as image:
        assert image.size == (640, 800) and image.format == "JPEG"
    assert client.get(f"{path}?person=Ana").json["items"] == [ana]
    assert client.get(f"{path}?page=2").json["items"] == []
    assert client.get(f"{path}?schoolYear=1999").status == client.get(f"{path}?person=Nobody").status == 409
    ledger.set_consent("Ana", False)
    assert client.get(path).json["items"] == [] and client.get(ana["picture"]).status == 404


def test_coverage_is_the_same_as_json_and_csv(client: Client, world: World) -> None:
    world.archive.open_ledger().label("Ana", [_face_of(world)])
    found = client.get(f"{API}/exports/coverage?goal=2").json
    assert [(row["name"], row["appearances"], row["belowGoal"]) for row in found["students"]] == [("Ana", 1, True)]
    assert found["summaries"][0]["below"] == 1
    assert b"Ana" in client.get(f"{API}/exports/coverage/csv?goal=2").body
    assert client.get(f"{API}/exports/coverage?schoolYear=1999").status == 409
    assert client.get(f"{API}/exports/coverage").json["goal"] == 3
    set_values(world.layout.local, {"coverage_goal": 1})
    remembered = client.get(f"{API}/exports/coverage").json
    assert remembered["goal"] == 1 and remembered["summaries"][0]["below"] == 0


def test_an_archivist_downloads_a_zip_and_makes_portraits_with_a_few_clicks(
    window: ReviewWindow, tmp_path: Path
) -> None:
    window.label("Ana")
    page = window.open("/export")
    page.get_by_label("School year").select_option(YEAR)
    page.get_by_role("button", name="Choose").click()
    expect(page.locator(".export-summary")).to_contain_text("photos")
    with page.expect_download() as saving:
        page.get_by_role("link", name="Download ZIP").click()
    saving.value.save_as(tmp_path / "photos.zip")
    assert saving.value.suggested_filename == "2018-2019.zip"
    with zipfile.ZipFile(tmp_path / "photos.zip") as file:
        assert file.testzip() is None and b"Ana" in file.read("manifest.csv")
    page.get_by_role("button", name="Make portraits").click()
    download = page.get_by_role("link", name="Download", exact=True)
    download.wait_for(timeout=60_000)
    with page.expect_download() as saving:
        download.click()
    saving.value.save_as(tmp_path / "yearbook.zip")
    with zipfile.ZipFile(tmp_path / "yearbook.zip") as file:
        assert {"INDEX.TXT", "PORTRAITS/00000001.JPG"} <= set(file.namelist())
        assert file.read("INDEX.TXT").decode().split("\t")[4] == "Ana"


def test_coverage_shows_who_appears_too_rarely_and_who_is_missing_on_a_phone_too(window: ReviewWindow) -> None:
    window.label("Ana")
    window.ledger.import_roster([RosterEntry("Zoe", classes={YEAR: "5b"})], "roster.csv")
    window.page.set_viewport_size({"width": 390, "height": 844})
    page = window.open(f"/coverage?year={YEAR}&goal=50")
    expect(page.locator(".coverage .tag.bad")).to_have_text(["in no photo"])
    expect(page.locator(".coverage li.below")).not_to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator("#coverage-goal").fill("1")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator("p.big")).to_have_text("1 student appears in no photo.")
    page.get_by_role("button", name="Make 1 the goal from now on").click()
    expect(page.get_by_text("Only this once")).to_have_count(0)
    page = window.open("/coverage")
    expect(page.locator("#coverage-goal")).to_have_value("1")
    window.open("/years").locator(f"a[href='/export?year={YEAR}']").first.click()
    expect(page.locator(".export-summary")).to_contain_text("photos")


def enlarge(world: World, size: int) -> Path:
    """The last photo of the year, with so many zeros after its picture that it is being sent for a while."""
    photo = sorted((world.folder / "photos" / YEAR).rglob("*.jpg"))[-1]
    os.truncate(photo, size)
    return photo


def _face_of(world: World) -> FaceRef:
    sql = (
        "SELECT f.id, f.asset_id, bbox_x, bbox_y, bbox_w, bbox_h "
        "FROM face_instances f JOIN image_assets a USING (asset_id) "
        f"WHERE a.school_year = '{YEAR}' AND a.status = 'ok' ORDER BY f.id LIMIT 1"
    )
    face, asset, *box = world.query(sql).row(0)
    return FaceRef(face, asset, tuple(box))
