"""Locations on a disk or at a URL, with a real S3 server on loopback, and the errors when one fails."""

import errno
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from s3fs import S3FileSystem
from upath import UPath

from classface_assets.cli.__main__ import main
from classface_assets.core.atomic_files import write_file
from classface_assets.core.errors import StorageError, as_storage_error
from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import list_directory, list_files_recursive, parse_location
from classface_assets.defs.runner.school_years import select_years
from classface_assets.defs.sensors.photo_folders import photo_folders
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.orchestration.school_year_runs.partitions import year_listing
from classface_assets.store.catalog.school_years import PhotosFolderError, listing_fingerprint, year_folders
from classface_assets_tests.support.helpers import requested_years
from classface_assets_tests.support.remote import ask_for_credentials

ODD_NAMES = ["a b.jpg", "é.jpg", "#1.jpg", "why?.jpg", "50%.jpg", "50%20.jpg", "[x]*.jpg", "a::b.jpg", "a&b=c+d.jpg"]


# ---- names and listings


@pytest.mark.parametrize("text", ["photos", "~/photos", "/a/b", "file:///a/b%20c", "C:\\photos"])
def test_a_local_path_stays_a_path(text: str) -> None:
    found = parse_location(text)
    assert type(found) is type(Path()) and found.is_absolute()
    assert parse_location("file:///a/b%20c") == Path("/a/b c")


@pytest.mark.parametrize("text", ["nowhere://a/b", "s3://", "s4://bucket/photos"])
def test_a_url_that_cannot_be_one_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(StorageError, match=r"cannot be used.*\.$") as caught:
        parse_location(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_key_is_written_listed_and_read_under_its_own_name(bucket: UPath, name: str) -> None:
    folder = bucket / "My photos #1" / "2019-2020"
    write_file(folder / name, lambda out: out.write(name.encode()))
    write_file(folder / "class 1" / name, lambda out: out.write(b"another"))
    (listed,) = (e for e in list_directory(folder) if not e.is_folder)
    assert (listed.path.name, listed.size, listed.path.read_bytes()) == (name, len(name.encode()), name.encode())
    assert abs(listed.mtime_ns / 1e9 - time.time()) < 60
    below = [str(e.path)[len(str(folder)) + 1 :] for e in list_files_recursive(folder)]
    assert sorted(below) == sorted([name, f"class 1/{name}"])
    assert (bucket / "My photos #1" / f"2019-2020/class 1/{name}").read_bytes() == b"another"


def test_school_years_at_a_url_are_found_with_one_listing_each(bucket: UPath, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = bucket / "photos"
    for name in ("2019-20/a/1.jpg", "2019-20/a/2.jpg", "2019-20/.hidden/3.jpg", "2019-20/Thumbs.db", "Feast/4.jpg"):
        (photos / name).write_bytes(name.encode())
    (photos / "loose.jpg").write_bytes(b"loose")
    folders = year_folders(ArchiveLayout(photos, bucket / "data"))
    assert list(folders) == ["2019-2020", "Feast", "unsorted"]
    calls = []
    call = S3FileSystem._call_s3
    monkeypatch.setattr(S3FileSystem, "_call_s3", lambda *a, **k: (calls.append(a[1]), call(*a, **k))[1])
    listings = {year: year_listing(photos, places) for year, places in folders.items()}
    assert len(calls) <= 3, "one call a folder, none a file"
    assert {year: [e.path.name for e in files] for year, files in listings.items()} == {
        "2019-2020": ["1.jpg", "2.jpg"],
        "Feast": ["4.jpg"],
        "unsorted": ["loose.jpg"],
    }
    before = listing_fingerprint(listings["2019-2020"])
    (photos / "2019-20" / "a" / "2.jpg").write_bytes(b"longer than it was")
    assert listing_fingerprint(year_listing(photos, folders["2019-2020"])) != before


def test_the_sensor_runs_years_at_a_url_when_they_change(bucket: UPath) -> None:
    archive = Archive(photos=str(bucket / "photos"), data=str(bucket / "data"))

    def look(cursor: str | None = None) -> dg.SensorResult | dg.SkipReason:
        resources = {"archive": archive, "models": Models(pack="builtin")}
        with dg.build_sensor_context(instance=instance, cursor=cursor, resources=resources) as context:
            return photo_folders(context)

    with dg.DagsterInstance.ephemeral() as instance:
        assert "There is nothing in s3://" in str(look().skip_message)
        for name in ("2018/a.jpg", "2019/b.jpg"):
            (bucket / "photos" / name).write_bytes(b"photo")
        first = look()
        assert requested_years(first) == ["2018-2019", "2019-2020"]
        assert "Nothing new in the 2 school years" in str(look(first.cursor).skip_message)
        (bucket / "photos" / "2019" / "c.jpg").write_bytes(b"photo")
        assert requested_years(look(first.cursor)) == ["2019-2020"]


def test_the_errors_of_disks_and_servers_say_what_to_do() -> None:
    full = as_storage_error(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "/data")
    assert str(full) == "There is no space left for /data; free some and run again, finished work is not lost."
    for number in (errno.EROFS, errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT):
        sentence = str(as_storage_error(OSError(number, os.strerror(number)), "/data"))
        assert sentence.startswith("/data ") and sentence.endswith(".") and "\n" not in sentence
    for error in (FileNotFoundError(errno.ENOENT, "x"), PermissionError(errno.EACCES, "x"), ValueError("x")):
        assert as_storage_error(error, "/data") is None


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk that is always full")
def test_whatever_writes_reports_a_full_disk_in_a_sentence() -> None:
    with pytest.raises(pl.exceptions.ComputeError) as caught, Path("/dev/full").open("wb") as out:
        pl.DataFrame({"id": ["a"]}).write_parquet(out)
    assert str(as_storage_error(caught.value, "/data")).startswith("There is no space left for /data")


# ---- servers that refuse


@dataclass(frozen=True)
class CommandLine:
    """`classface years sync` in this process, with other variables in the environment."""

    local: Path
    patch: pytest.MonkeyPatch
    capture: pytest.CaptureFixture[str]

    def refuses(self, photos: object, data: object, **environment: str) -> str:
        """The one line that it says when it stops."""
        words = ["years", "sync", "--photos", photos, "--data", data, "--local", self.local]
        S3FileSystem.clear_instance_cache()
        with self.patch.context() as patch, pytest.raises(SystemExit) as stopped:
            patch.setattr(sys, "argv", ["classface", *map(str, words)])
            for name, value in {"DAGSTER_HOME": "", **environment}.items():
                patch.setenv(name, value)
            main()
        error = self.capture.readouterr().err
        assert stopped.value.code == 1 and error.count("\n") == 1, error
        return error.strip()


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[CommandLine]:
    yield CommandLine(tmp_path / "local", monkeypatch, capfd)
    S3FileSystem.clear_instance_cache()


def test_a_missing_bucket_or_server_is_reported_in_a_sentence(bucket: UPath, command: CommandLine) -> None:
    (bucket / "photos" / "2019" / "a.jpg").write_bytes(b"a")
    photos, data = bucket / "photos", bucket / "data"
    error = command.refuses("s3://no-such-bucket/photos", data)
    assert error == "classface: There is no bucket for s3://no-such-bucket/photos; check its name, or create it."
    error = command.refuses(photos, "s3://no-such-bucket/data")
    assert error == "classface: There is no bucket for s3://no-such-bucket/data; check its name, or create it."
    with pytest.raises(PhotosFolderError, match=r"There is nothing in s3://.*nothing here; put .*\.$"):
        select_years(ArchiveLayout(bucket / "nothing here", data), None)
    error = command.refuses(photos, data, AWS_ENDPOINT_URL="http://127.0.0.1:9", AWS_MAX_ATTEMPTS="1")
    assert error.startswith(f"classface: {data} cannot be reached (") and "check its name, AWS_ENDPOINT_URL" in error


def test_wrong_or_missing_credentials_are_reported_in_a_sentence(
    bucket: UPath, s3_server: str, command: CommandLine
) -> None:
    (bucket / "photos" / "2019" / "a.jpg").write_bytes(b"a")
    photos, data = bucket / "photos", command.local
    error = command.refuses(photos, data, AWS_ACCESS_KEY_ID="")
    assert (
        error == f"classface: There are no credentials for {photos}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
    )
    ask_for_credentials(s3_server, "0")
    try:
        error = command.refuses(photos, data)
    finally:
        ask_for_credentials(s3_server, "inf")
    assert error.startswith(f"classface: {photos} refuses access (") and "AWS_SECRET_ACCESS_KEY" in error
