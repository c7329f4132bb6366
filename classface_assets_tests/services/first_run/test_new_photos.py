"""Counting new photos, browsing folders and the records of updates, without a server."""

import os
import time
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.schemas import IMAGES
from classface_assets.orchestration.updates.record import (
    UpdateRecord,
    UpdateState,
    latest_update,
    new_update_id,
    own_process,
    read_record,
    write_record,
)
from classface_assets.services.first_run.folders import BrowsingError, FolderBrowser
from classface_assets.services.first_run.packs import pack_choices
from classface_assets.services.photos import new_photos
from classface_assets.services.photos.new_photos import NewPhotoCounter
from classface_assets.store.catalog.school_year import image_parts


def touch(layout: ArchiveLayout, *paths: str) -> None:
    for path in paths:
        file = Path(str(layout.photos)) / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")


def record_as_read(layout: ArchiveLayout, year: str, *paths: str) -> None:
    rows = pl.DataFrame({"path": list(paths), "size": 1, "mtime_ns": 1})
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in IMAGES.items() if name not in rows.columns]
    image_parts(layout, year).append(rows.with_columns(missing).select(IMAGES.names()).cast(IMAGES))


def test_new_are_the_photos_that_no_update_has_read(layout: ArchiveLayout) -> None:
    touch(layout, "2018-2019/a.jpg", "2018-2019/trip/b.HEIC", "2018-2019/notes.txt", "2018-2019/Thumbs.db")
    counter = NewPhotoCounter(layout)
    assert counter.count() == 2
    record_as_read(layout, "2018-2019", "2018-2019/a.jpg")
    assert counter.count() == 1
    touch(layout, "2018-2019/trip/c.jpg", "2019-2020/d.cr2")
    assert counter.count() == 3
    record_as_read(layout, "2018-2019", "2018-2019/trip/b.HEIC", "2018-2019/trip/c.jpg", "2019-2020/d.cr2")
    assert counter.count() == 0
    (Path(str(layout.photos)) / "2018-2019" / "a.jpg").unlink()
    assert counter.count() == 0


def test_only_folders_that_changed_are_read_again(layout: ArchiveLayout, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(layout, *(f"{year}/{number}.jpg" for year in ("2018-2019", "2019-2020") for number in range(3)))
    counter = NewPhotoCounter(layout)
    assert counter.count() == 6
    read: list[str] = []
    original = new_photos._read_folder

    def recorded(path: Path, *rest: object) -> object:
        read.append(path.name)
        return original(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(new_photos, "_read_folder", recorded)
    assert counter.count() == 6 and read == []
    touch(layout, "2019-2020/one more.jpg")
    assert counter.count() == 7 and read == ["2019-2020"]


def test_photos_that_cannot_be_reached_are_not_counted_as_gone(layout: ArchiveLayout) -> None:
    assert NewPhotoCounter(layout).count() is None


def test_nobody_gets_out_of_the_root_by_links_or_dots(tmp_path: Path) -> None:
    root, outside = tmp_path / "home", tmp_path / "secret"
    (root / "school" / "2018").mkdir(parents=True)
    (root / ".hidden").mkdir()
    outside.mkdir()
    (root / "out").symlink_to(outside)
    (root / "in").symlink_to(root / "school")
    (root / "loop").symlink_to(root / "loop")
    (root / "school" / "photo.jpg").touch()
    browser = FolderBrowser(root)
    assert [one.name for one in browser.list().folders] == ["in", "school"]
    listing = browser.list("in")
    assert (listing.path, listing.photos) == (str(root / "school"), 1)
    assert [one.path for one in listing.above] == [str(root)]
    for path in ("out", "..", "/", str(outside), "school/../..", "loop", "school/photo.jpg", "nowhere", "a\0b"):
        with pytest.raises(BrowsingError, match="There is no such folder below"):
            browser.list(path)


def test_a_pack_that_has_to_be_downloaded_is_not_called_installed(
    layout: ArchiveLayout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    installed = {one.name: one.is_installed for one in pack_choices(layout, "builtin")}
    assert installed["builtin"] and installed["dlib"] and not installed["buffalo_l"]
    (layout.packs / "models" / "buffalo_l").mkdir(parents=True)
    own = layout.packs / "models" / "ours.onnx"
    own.touch()
    choices = {one.name: one for one in pack_choices(layout, str(own))}
    assert choices["buffalo_l"].is_installed and choices[str(own)].is_chosen and not choices["builtin"].is_chosen


def record_of(layout: ArchiveLayout, **values: object) -> UpdateRecord:
    process, began = own_process()
    record = UpdateRecord(new_update_id(), "classface run", process, began, time.time(), "builtin", "photos", "data")
    record = replace(record, **{"state": UpdateState.RUNNING, **values})  # type: ignore[arg-type]
    write_record(layout, record)
    return record


def test_an_update_goes_on_only_as_long_as_its_process_does(layout: ArchiveLayout) -> None:
    assert latest_update(layout) is None
    record = record_of(layout)
    assert read_record(layout, record.update_id) == record
    later = record_of(layout, process_began=record.process_began - 100)
    found = read_record(layout, later.update_id)
    assert found is not None and found.state == UpdateState.KILLED, "another process has its number now"
    running = latest_update(layout)
    assert running is not None and running.update_id == record.update_id


@pytest.mark.parametrize("update_id", ["", "../classface", "20200101-000000-abcdef"])
def test_what_is_no_update_is_not_found(layout: ArchiveLayout, update_id: str) -> None:
    assert read_record(layout, update_id) is None


def test_a_damaged_record_is_left_out(layout: ArchiveLayout) -> None:
    record = record_of(layout)
    file = layout.local / "updates" / f"{record.update_id}.json"
    for content in ("", "{", "[]", '{"step": null}'):
        file.write_text(content)
        assert read_record(layout, record.update_id) is None and latest_update(layout) is None
    assert os.listdir(layout.local / "updates") == [file.name]  # noqa: PTH208
