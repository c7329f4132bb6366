"""Albums that several machines publish at one URL: older ones and missing ones on a machine do no harm there."""

from pathlib import Path

import pytest
from upath import UPath

from classface_assets.albums.listing import child_names, counting_published, has_file
from classface_assets.albums.publication import PublishResult, Scope, list_published, publish_scope
from classface_assets.core.layout import ArchiveLayout
from classface_assets.review.pages.components.album_files import album_response, has_albums, student_page
from classface_assets_tests.support.remote import stored

NEWER = {
    "index.html": "index of B",
    "students/ben-1.html": "Ben",
    "years/2018/index.html": "2018 of B",
    "years/2018/Ben/1.jpg": "photo",
    "years/2017/index.html": "2017, which has no folder of photos any more",
    "thumbs/ab/abc-720.jpg": "a thumbnail that only B has",
    "thumbs/cd/cde-720.jpg": "a thumbnail of no photo",
}


@pytest.fixture
def target(bucket: UPath) -> UPath:
    for path, content in NEWER.items():
        (bucket / "data" / "albums" / path).write_bytes(content.encode())
    return bucket / "data" / "albums"


def put(out: Path, files: dict[str, str]) -> None:
    for path, content in files.items():
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        (out / path).write_text(content)


def test_only_what_was_just_built_is_uploaded_and_only_what_no_album_has_is_removed(
    target: UPath, tmp_path: Path
) -> None:
    out = tmp_path / "albums"
    put(out, {"years/2018/index.html": "2018 of A", "years/2018/Ana/2.jpg": "older", "thumbs/ef/efg-720.jpg": "new"})
    put(out, {"index.html": "index of A", "students/ana-2.html": "Ana"})
    pictures = {"thumbs/ab/abc-720.jpg", "thumbs/ef/efg-720.jpg"}
    there = list_published(target)
    scope = Scope(["students", "index.html"], pictures, lambda path: not path.startswith("years/2018/"))
    assert publish_scope(out, target, scope, there) == PublishResult(3, 3)
    expected = {path: NEWER[path] for path in NEWER if path.startswith(("years/2018", "thumbs/ab"))}
    expected |= {"index.html": "index of A", "students/ana-2.html": "Ana", "thumbs/ef/efg-720.jpg": "new"}
    found = {name[len(str(target)) + 1 :] for name in stored(target)}
    assert {path: (target / path).read_text() for path in found} == expected and there.keys() == expected.keys()


def test_what_is_published_counts_as_there_and_older_years_here_do_not(tmp_path: Path) -> None:
    out = tmp_path / "albums"
    put(out, {"years/2018/Ana/2.jpg": "older", "thumbs/ef/efg-720.jpg": "new"})
    with counting_published(out, NEWER):
        assert has_file(out, "thumbs/ab/abc-720.jpg") and has_file(out, "thumbs/ef/efg-720.jpg")
        assert has_file(out, "years/2018/Ben") and not has_file(out, "years/2018/Ana")
        assert has_file(out, "years/2018/index.html") and not has_file(out, "years/2018/Ana/2.jpg")
        assert child_names(out, "years/2018") == ["Ben", "index.html"] and child_names(out, "years/2016") == []
    assert has_file(out, "years/2018/Ana/2.jpg") and not has_file(out, "thumbs/ab/abc-720.jpg")
    assert child_names(out, "years") == ["2018"]


def test_the_review_server_shows_albums_of_a_url_that_this_machine_does_not_have(target: UPath, tmp_path: Path) -> None:
    layout = ArchiveLayout(target.parent / "photos", target.parent, tmp_path / "local")
    put(layout.local, {"albums/index.html": "older", "secret": "of this machine"})
    (target.parent / "ledger.json").write_bytes(b"of the archive")
    page = album_response(layout, "index.html")
    assert page is not None and (page.body, page.media_type) == (b"index of B", "text/html")
    folder = album_response(layout, "years/2018")
    assert folder is not None and folder.body == b"2018 of B"
    for path in ("../ledger.json", "years/../../ledger.json", "no.html", "/index.html", "", "years//2018"):
        assert album_response(layout, path) is None, path
    assert student_page(layout, "1") == "ben-1.html" and student_page(layout, "2") == ""
    assert not has_albums(layout), "no record says that they are finished"
