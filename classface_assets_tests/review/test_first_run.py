"""From a folder of photos to groups of faces by somebody who has only the page, in a real browser at a real server."""

import os
import re
import shutil
import stat
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from playwright.sync_api import Browser, Page, expect

from classface_assets.devtools.benchmark.review.server_thread import running_server
from classface_assets.devtools.sample.compose import SampleArchive
from classface_assets.orchestration.progress import Progress
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.orchestration.settings.file import read_settings
from classface_assets.orchestration.updates.record import updates
from classface_assets.orchestration.updates.recorder import WRITE_EVERY_S, UpdateRecorder, recorded_update
from classface_assets.review.app import create_app
from classface_assets.review.server import ServerOptions, create_server, open_socket, token_path
from classface_assets.store.catalog.year_file import manual_school_years
from classface_assets_tests.conftest import World
from classface_assets_tests.support.clients import API, Answer, Client
from classface_assets_tests.support.helpers import TOKEN
from classface_assets_tests.support.windows import open_window

FIRST_UPDATE_MS = 300_000


@pytest.fixture
def school(finished: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder with photos of two school years, one in a folder of an odd name, and a file that is none."""
    home = tmp_path / "home"
    folders = sorted(one for one in (finished.folder / "photos").iterdir() if one.is_dir())
    for source, name in zip(folders, ("2018-2019", "Old box"), strict=False):
        files = [file for file in sorted(source.rglob("*")) if file.is_file()][:6]
        (home / "school" / name).mkdir(parents=True)
        for number, file in enumerate(files):
            shutil.copy(file, home / "school" / name / f"{number} {file.name}")
    (home / "school" / "2018-2019" / "broken.jpg").write_bytes(b"no picture")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("CLASSFACE_PHOTOS", raising=False)
    return home


@pytest.fixture
def new_archive(tmp_path: Path) -> Archive:
    return Archive(photos=str(tmp_path / "data" / "photos"), data=str(tmp_path / "data"))


@pytest.fixture
def new_server(school: Path, new_archive: Archive) -> Iterator[str]:
    """A server over a data folder that does not exist."""
    app = create_app(new_archive, Models(pack="builtin"), TOKEN, token_file=token_path(new_archive))
    with running_server(app) as url:
        yield url


def send_form(client: Client, path: str, fields: dict[str, str]) -> Answer:
    return client.ask("POST", path, urlencode(fields).encode(), {"Content-Type": "application/x-www-form-urlencoded"})


def start_the_first_update(page: Page) -> None:
    """Choose the photos, correct a school year, and start: all by clicks and keys."""
    page.get_by_role("link", name="school").click()
    page.get_by_role("link", name="Use this folder").click()
    page.get_by_label("School year of Old box").fill("2017-2018")
    page.get_by_role("button", name="Start").click()
    page.wait_for_url("**/update")


def test_somebody_who_has_only_the_page_goes_from_a_folder_of_photos_to_named_albums_and_a_zip(
    new_server: str, new_archive: Archive, browser: Browser, tmp_path: Path
) -> None:
    layout = new_archive.layout
    with browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True) as context:
        window = open_window(context.new_page(), new_server, World(tmp_path, None))  # type: ignore[arg-type]
        page = window.open("/")
        expect(page.get_by_role("heading", level=1)).to_have_text("Welcome")
        window.open("/people")
        expect(page).to_have_url(f"{new_server}/start")
        assert not layout.local.exists(), "nothing is made before somebody starts"
        start_the_first_update(page)
        assert stat.S_IMODE(token_path(new_archive).stat().st_mode) == 0o600
        assert read_settings(layout.local).photos == str(tmp_path / "home" / "school")
        assert manual_school_years(layout) == {"Old box": "2017-2018"}
        loads: list[str] = []
        page.on("load", lambda loaded: loads.append(loaded.url))
        facts = page.locator("[data-facts]")
        expect(facts).to_contain_text("faces found", timeout=FIRST_UPDATE_MS)
        assert loads == [], "the progress came without loading the page again"
        expect(page.locator("[data-problems]")).to_contain_text("2018-2019/broken.jpg", timeout=FIRST_UPDATE_MS)
        window.open("/help")  # leave, and come back
        expect(page.locator("[data-update-text]")).not_to_be_empty()
        window.open("/update")
        expect(page.locator("[data-headline]")).to_have_text("Everything is up to date.", timeout=FIRST_UPDATE_MS)
        page.get_by_role("link", name="Name the groups of faces").click()
        expect(window.cards().first).to_be_visible()
        window.cards().first.locator("[data-names]").fill("Ada Quill")
        page.locator(".names-list .new").tap()  # the list covers the button; this closes it
        expect(page.locator(".names-list")).to_have_count(0)
        window.cards().first.get_by_role("button", name="Name", exact=True).click()
        window.toast("Ada Quill")
        page.get_by_role("button", name="Update everything").click()
        page.wait_for_url("**/update")
        expect(page.locator("[data-headline]")).to_have_text("Everything is up to date.", timeout=FIRST_UPDATE_MS)
        page.get_by_role("link", name="Open the albums").first.click()
        expect(page.get_by_text("Ada Quill").first).to_be_visible()
        window.open("/people")
        page.locator("main").get_by_role("link", name="Ada Quill").first.click()
        page.get_by_role("link", name="Export").last.click()
        with page.expect_download() as saving:
            page.get_by_role("link", name="Download ZIP").click()
        saving.value.save_as(tmp_path / "ada.zip")
        with zipfile.ZipFile(tmp_path / "ada.zip") as file:
            assert file.testzip() is None and b"Ada Quill" in file.read("manifest.csv")
            assert any(name.endswith(".jpg") for name in file.namelist())
        window.open("/runs")
        expect(page.locator(".runs > li")).to_have_count(2)
        expect(page.locator(".runs > li").last).to_contain_text(
            re.compile(r"2 school years, \d+ photos, \d+ new faces")
        )
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.get_by_role("link", name="Open the albums").first.click()
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert window.errors == []
    record = min(updates(layout), key=lambda one: one.update_id)
    assert record.years == ("2017-2018", "2018-2019") and record.photos > 8 and record.faces > 5
    runs = Client(new_server).get(f"{API}/runs?pageSize=100").json["items"]
    assert {run["updateId"] for run in runs} == {one.update_id for one in updates(layout)} and len(runs) == 7
    assert {run["pack"] for run in runs} == {"builtin"}
    assert {run["photosFolder"] for run in runs} == {str(tmp_path / "home" / "school")}


def test_folders_outside_the_home_folder_are_not_shown(new_server: str, school: Path) -> None:
    (school / "linked").symlink_to("/etc")
    client = Client(new_server)
    assert b"linked" not in client.get("/start").body
    for path in ("/etc", "..", "school/../..", str(school.parent), "linked", "\0"):
        quoted = quote(path)
        for name in ("browse", "photos"):
            page = client.get(f"/start?{name}={quoted}")
            assert page.status == 200 and b"There is no such folder below" in page.body, path
        assert send_form(client, "/start", {"photos": path, "pack": "builtin"}).status == 422, path
    assert not (school.parent / "data").exists()
    refused = send_form(client, "/start", {"photos": str(school / "school"), "pack": "biultin"})
    assert refused.status == 422 and b"did you mean builtin?" in refused.body
    assert not (school.parent / "data").exists()


def test_the_progress_goes_on_without_a_page_load_after_the_server_was_restarted(
    world: World, browser: Browser
) -> None:
    app = create_app(world.archive, Models(pack="builtin"), TOKEN)
    recorder = UpdateRecorder(world.layout, "classface run", "builtin")
    recorder.begin(["2018-2019"], 100)
    with browser.new_context() as context, open_socket("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        server = create_server(app, ServerOptions())
        thread = threading.Thread(target=server.run, daemon=True, kwargs={"sockets": [first]})
        thread.start()
        page = context.new_page()
        page.request.get(f"http://127.0.0.1:{port}/?token={TOKEN}", max_redirects=0)
        page.goto(f"http://127.0.0.1:{port}/update")
        loads: list[str] = []
        page.on("load", lambda loaded: loads.append(loaded.url))
        with Progress((recorder.listen,)).task("2018-2019: finding faces", 100) as advance:
            advance(40, faces=90)
            time.sleep(WRITE_EVERY_S + 0.1)
            advance(1)
            expect(page.locator("[data-facts]")).to_contain_text("Photo 41 of 100")
            began = time.monotonic()
            server.should_exit = True
            thread.join(60)
            assert time.monotonic() - began < 20, "an open stream does not hold up the end of the server"
            time.sleep(WRITE_EVERY_S + 0.1)
            advance(10, faces=20)
            time.sleep(WRITE_EVERY_S + 0.1)
            advance(1)
        with open_socket("127.0.0.1", port) as again:
            server = create_server(app, ServerOptions())
            thread = threading.Thread(target=server.run, daemon=True, kwargs={"sockets": [again]})
            thread.start()
            try:
                expect(page.locator("[data-facts]")).to_contain_text("Photo 52 of 100", timeout=60_000)
                expect(page.locator("[data-facts]")).to_contain_text("110 faces found")
                assert loads == []
                recorder.finish(failed=False)
                expect(page.locator("[data-headline]")).to_have_text("Everything is up to date.", timeout=60_000)
            finally:
                server.should_exit = True
                thread.join(60)


def test_the_header_counts_new_photos_and_one_button_starts_one_update_at_a_time(
    world: World, served: str, client: Client
) -> None:
    (year, *_) = sorted(one for one in Path(world.archive.photos).iterdir() if one.is_dir())
    for number in range(2):
        (year / f"new {number}.jpg").write_bytes(b"anything")
    (year / "notes.txt").write_text("no photo")
    for _ in range(100):
        page = client.get("/people").body.decode()
        if "new photos since" in page:
            break
        time.sleep(0.1)
    assert "2 new photos since the last update." in page and "Update everything" in page
    with recorded_update(world.archive, Models(pack="builtin"), "classface run"):
        busy = send_form(client, "/update", {})
        assert busy.status == 409 and b"An update goes on already" in busy.body
        assert "Update everything" not in client.get("/people").body.decode()


def test_runs_are_shown_when_the_first_of_all_was_killed(tmp_path: Path, sample: SampleArchive) -> None:
    archive = Archive(photos=str(sample.photos), data=str(tmp_path / "data"))
    archive.layout.local.mkdir()
    with pytest.raises(KeyboardInterrupt), recorded_update(archive, Models(pack="builtin"), "classface run"):
        raise KeyboardInterrupt
    with running_server(create_app(archive, Models(pack="builtin"), TOKEN)) as url:
        client = Client(url)
        page = client.get("/runs")
        assert page.status == 200 and b"classface run" in page.body and b"failed" in page.body
        assert client.get(f"{API}/runs").json["total"] == 0
        assert client.get("/update").status == 200
        assert client.get("/people").headers["Location"] == "/start"


def test_another_pack_is_taken_only_when_the_question_is_answered(client: Client, world: World) -> None:
    chosen = {"photos": str(world.layout.photos), "pack": "dlib"}
    page = send_form(client, "/settings", chosen)
    assert b"This archive was made with the pack builtin. With dlib every face gets a new vector" in page.body
    assert read_settings(world.layout.local).pack is None
    send_form(client, "/settings", {**chosen, "sure": "1"})
    assert read_settings(world.layout.local).pack == "dlib"
    assert b'value="dlib" checked' in client.get("/settings").body
    outside = send_form(client, "/settings", {"photos": os.fspath(Path("/etc")), "pack": "dlib"})
    assert outside.status == 422 and b"There is no such folder below" in outside.body
