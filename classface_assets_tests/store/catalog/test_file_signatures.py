"""The files of a school year with size and time of change, by which a run sees that none of them changed."""

import os
import sys
from pathlib import Path

import pytest

from classface_assets.core.locations import Location, encode_relative_path
from classface_assets.store.catalog.photo_folders import list_files, list_signatures

NAMES = ["a.jpg", "é.jpg", "a b.jpg", "Thumbs.db", ".hidden.jpg", "photo.jpg.xmp", "notes.txt"]
ODD_NAMES = ["back\\slash.jpg", "b\\xff.jpg", os.fsdecode(b"b\xff.jpg"), "line\n.jpg"]


def fill(folder: Location, *names: str) -> None:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x" * number)


def require_as_listed(photos: Location, folders: list[Location]) -> list[str]:
    files, _ = list_files(photos, folders)
    found = list_signatures(photos, folders)
    assert found == [(encode_relative_path(file.path, photos), file.size, file.mtime_ns) for file in files]
    return [path for path, *_ in found]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_signatures_are_those_of_the_files_whatever_these_are_called(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    fill(photos / "2019-2020", *NAMES, *ODD_NAMES)
    fill(photos / "2019-2020" / "class 1", *NAMES)
    (photos / "2019-2020" / "link.jpg").symlink_to(photos / "2019-2020" / "a.jpg")
    (photos / "2019-2020" / "nowhere.jpg").symlink_to(tmp_path / "gone.jpg")
    elsewhere = tmp_path / "elsewhere.jpg"
    elsewhere.write_bytes(b"elsewhere")
    (photos / "2019-2020" / "elsewhere.jpg").symlink_to(elsewhere)
    paths = require_as_listed(photos, [photos / "2019-2020", photos / "2019-2020" / "class 1", photos / "gone"])
    assert {"2019-2020/a.jpg", "2019-2020/class 1/é.jpg", r"2019-2020/b\xff.jpg", r"2019-2020/b\x5cxff.jpg"} <= {*paths}
    assert {"2019-2020/nowhere.jpg", "2019-2020/elsewhere.jpg", "gone"} <= {*paths}
    assert "2019-2020/link.jpg" not in paths and not any("Thumbs" in path for path in paths)


def test_signatures_at_a_url_are_those_of_the_files(bucket: Location) -> None:
    fill(bucket / "photos" / "2019-2020", *NAMES)
    assert require_as_listed(bucket / "photos", [bucket / "photos" / "2019-2020"])
