"""Albums are checked before a run, those of a large archive in a process of its own while the run goes on."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from classface_assets.core.layout import ArchiveLayout
from classface_assets.orchestration.records.repaired_files import AlbumRepair
from classface_assets.store.artifacts.memoization import InputFingerprint
from classface_assets.store.files.parquet import write_parquet
from classface_assets.store.maintenance import album_check
from classface_assets.store.maintenance.album_check import AlbumCheck
from classface_assets.store.maintenance.read_today import read_today_file

YEAR = "2019-2020"
HOW = pytest.mark.parametrize("few_bytes", [album_check.FEW_BYTES, 0], ids=["at once", "in a process"])


@pytest.fixture
def layout(tmp_path: Path) -> ArchiveLayout:
    """An archive whose album has a picture and a page."""
    made = ArchiveLayout(tmp_path / "photos", tmp_path / "data", tmp_path / "local")
    rows = pl.DataFrame({"path": ["a.jpg"], "size": [1], "mtime_ns": [1], "asset_id": ["a"]})
    write_parquet(rows, made.parts("images", year=YEAR) / "part-1.parquet")
    files = [made.albums / "thumbs" / "a" / "a.jpg", made.albums / "years" / YEAR / "index.html"]
    for file in files:
        file.parent.mkdir(parents=True)
        file.write_bytes(b"content")
    record = InputFingerprint(made.fingerprint_file("albums", YEAR), "inputs", (made.data, made.local))
    record.record({}, files, digested=made.albums)
    return made


@HOW
def test_albums_as_they_were_made_are_intact_and_count_as_read(layout: ArchiveLayout, few_bytes: int) -> None:
    check = AlbumCheck.begin(layout, few_bytes)
    assert (check.process is None) == (few_bytes > 0)
    assert check.result.intact == {YEAR: "inputs"} and not check.result.damaged
    assert read_today_file(layout).exists()


@HOW
@pytest.mark.parametrize("change", [Path.unlink, lambda file: file.write_bytes(b"another")])
def test_a_damaged_page_is_found_and_its_album_is_not_intact(
    layout: ArchiveLayout, few_bytes: int, change: Callable[[Path], object]
) -> None:
    page = layout.albums / "years" / YEAR / "index.html"
    change(page)
    result = AlbumCheck.begin(layout, few_bytes).result
    assert [(year, file) for year, file, _ in result.damaged] == [(YEAR, page)]
    assert not result.intact and not read_today_file(layout).exists()


def test_a_check_whose_process_is_killed_is_done_all_the_same(layout: ArchiveLayout) -> None:
    check = AlbumCheck.begin(layout, few_bytes=0)
    assert check.process is not None
    check.process.kill()
    assert check.result.intact == {YEAR: "inputs"}


@pytest.mark.parametrize("is_over", [False, True])
def test_a_check_that_nobody_waits_for_leaves_no_process(layout: ArchiveLayout, is_over: bool) -> None:
    check = AlbumCheck.begin(layout, few_bytes=0)
    assert check.process is not None and check.process.stdout is not None
    if is_over:
        check.process.wait()
    for _ in range(2):
        check.stop()
        assert check.process.returncode is not None and check.process.stdout.closed


def test_a_check_that_was_waited_for_has_nothing_to_stop(layout: ArchiveLayout) -> None:
    check = AlbumCheck.begin(layout, few_bytes=0)
    before = check.result
    check.stop()
    assert check.result is before


def test_what_is_damaged_in_a_large_archive_is_taken_away_when_it_is_needed(layout: ArchiveLayout) -> None:
    page = layout.albums / "years" / YEAR / "index.html"
    page.write_bytes(b"damaged")
    reported: list[str] = []
    repair = AlbumRepair(layout, reported.append, AlbumCheck.begin(layout, few_bytes=0))
    assert page.exists() and not reported
    assert not repair.intact
    assert not page.exists() and reported == [f"{page} is damaged (its checksum does not match): it is made again."]
