"""Before a run every stored file is looked at, and read to its last byte once a day or when it was written to."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from classface_assets.core.layout import ArchiveLayout
from classface_assets.store.artifacts.memoization import InputFingerprint
from classface_assets.store.files.parquet import write_parquet
from classface_assets.store.maintenance.read_today import SECONDS_A_DAY, ReadToday, read_today_file
from classface_assets.store.maintenance.stored_files import check_before_a_run, check_stored_files

YEAR = "2019-2020"


@pytest.fixture
def layout(tmp_path: Path) -> ArchiveLayout:
    """An archive of a table, a part and a thumbnail, which were checked before a run."""
    made = ArchiveLayout(tmp_path / "photos", tmp_path / "data")
    rows = pl.DataFrame({"path": ["a.jpg"], "size": [1], "mtime_ns": [1], "asset_id": ["a"]})
    write_parquet(rows, made.parts("images", year=YEAR) / "part-1.parquet")
    write_parquet(rows, made.table("identities"))
    thumbnail = made.albums / "thumbs" / "a" / "a.jpg"
    thumbnail.parent.mkdir(parents=True)
    thumbnail.write_bytes(b"picture")
    record = InputFingerprint(made.fingerprint_file("albums", YEAR), "inputs", (made.data, made.local))
    record.record({}, [thumbnail], digested=made.albums)
    assert not check_before_a_run(made).damaged
    return made


def part(layout: ArchiveLayout) -> Path:
    return Path(str(layout.parts("images", year=YEAR))) / "part-1.parquet"


def table(layout: ArchiveLayout) -> Path:
    return Path(str(layout.table("identities")))


def thumbnail(layout: ArchiveLayout) -> Path:
    return layout.albums / "thumbs" / "a" / "a.jpg"


FILES = pytest.mark.parametrize("file_of", [part, table, thumbnail])


def flip(file: Path) -> None:
    """Flip a bit; size and time of change stay."""
    content, status = bytearray(file.read_bytes()), file.stat()
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(status.st_mtime_ns, status.st_mtime_ns))


def count_as_read(layout: ArchiveLayout) -> None:
    """What is there now counts as read today: bits that flip on the disk change no time."""
    file = read_today_file(layout)
    recorded = json.loads(file.read_bytes())
    recorded["newest"] = dict.fromkeys(recorded["newest"], time.time_ns() + 10**9)
    file.write_text(json.dumps(recorded))


@FILES
def test_what_was_written_to_after_it_was_read_is_read_again(
    layout: ArchiveLayout, file_of: Callable[[ArchiveLayout], Path]
) -> None:
    flip(file_of(layout))
    for why in ("it is read", "and again, as it counts as read when it is sound"):
        assert [one.file for one in check_before_a_run(layout).damaged] == [file_of(layout)], why


@FILES
def test_bits_that_flip_on_the_disk_after_the_reading_of_the_day_are_found_the_day_after(
    layout: ArchiveLayout, file_of: Callable[[ArchiveLayout], Path]
) -> None:
    flip(file_of(layout))
    count_as_read(layout)
    assert not check_before_a_run(layout).damaged, "it was read today"
    assert [one.file for one in check_stored_files(layout).damaged] == [file_of(layout)]
    tomorrow = time.time() + SECONDS_A_DAY
    assert [one.file for one in check_before_a_run(layout, tomorrow).damaged] == [file_of(layout)]


@pytest.mark.parametrize("change", [Path.unlink, lambda file: file.write_bytes(b"shorter")])
def test_a_picture_that_is_gone_or_of_another_size_is_found_whatever_was_read_today(
    layout: ArchiveLayout, change: Callable[[Path], object]
) -> None:
    count_as_read(layout)
    change(thumbnail(layout))
    checked = check_before_a_run(layout)
    assert [one.file for one in checked.damaged] == [thumbnail(layout)]
    assert not checked.intact_albums, "the album is made again"


@pytest.mark.parametrize("change", [Path.unlink, lambda file: file.write_bytes(b"another"), Path.stat])
def test_an_album_is_intact_while_its_photos_are_there_too_which_have_no_digest(
    layout: ArchiveLayout, change: Callable[[Path], object]
) -> None:
    original = layout.local / "original.jpg"
    original.write_bytes(b"photo")
    photo = layout.albums / "photo.jpg"
    photo.hardlink_to(original)
    record = InputFingerprint(layout.fingerprint_file("albums", YEAR), "inputs", (layout.data, layout.local))
    record.record({}, [thumbnail(layout), photo], digested=layout.albums)
    change(photo)
    checked = check_before_a_run(layout)
    assert not checked.damaged
    assert ("inputs" in checked.intact_albums.values()) == (record.cached_metadata() is not None)


def test_a_file_is_due_until_a_newer_one_was_read(layout: ArchiveLayout) -> None:
    older, newer = layout.albums / "older", layout.albums / "newer"
    older.write_text("older")
    time.sleep(0.05)
    newer.write_text("newer")
    today = ReadToday.load(layout)
    assert today.is_due("some", older.stat()) and today.is_due("some", newer.stat())
    today.record()
    again = ReadToday.load(layout)
    assert not again.is_due("some", older.stat()) and again.is_due("others", older.stat())
    older.write_text("other")
    assert again.is_due("some", older.stat())
    read_today_file(layout).write_text("no record")
    assert ReadToday.load(layout).is_due("some", newer.stat())
