"""Pages that are built again only where something of them changed: equal, byte for byte, to a build of all of them."""

import random
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from classface_assets.albums.pages import page_files
from classface_assets.albums.pages.classes import CLASS_MEMBERS, SIBLINGS, SchoolPeople
from classface_assets.albums.pages.links import CheckedAlbum, check_links, find_broken_links
from classface_assets.albums.pages.page_files import WrittenPages
from classface_assets.albums.pages.site import NO_PAGES, SiteContents, SiteReport, build_site
from classface_assets.core.faces.photo_rows import arrange_rows
from classface_assets.core.failpoints import VARIABLE, Failpoint, FailpointError
from classface_assets.core.languages import use_language
from classface_assets.core.layout import ArchiveLayout
from classface_assets.defs.albums.photo_rows import load_row_finder, record_rows
from classface_assets_tests.albums.test_album_pages import two_classes
from classface_assets_tests.albums.test_albums import NAMES, TABLE, YEARS, Archive, archive, astronaut, t1

__all__ = ["archive"]
pytestmark = pytest.mark.slow


class School:
    """A composed archive whose pages are built again and again, as runs do it."""

    def __init__(self, archive: Archive) -> None:
        self.archive, self.names, self.years = archive, list(NAMES), list(YEARS)
        self.known: WrittenPages = NO_PAGES
        self.checked: CheckedAlbum | None = None

    def contents(self) -> SiteContents:
        of_years = pl.col("school_year").is_in(self.years)
        photos = self.archive.photos().filter(of_years)
        faces = self.archive.appearances(self.names).filter(of_years).drop("chip")
        return SiteContents(photos, faces, self.archive.people)

    def build(self) -> SiteReport:
        """Build the albums and what changed of the other pages; compare with a build of every page from nothing."""
        for year in self.years:
            self.archive.build_year(year, self.names)
        report = build_site(self.archive.out, self.years, self.contents(), "St <Mary>", self.known)
        self.known = report.written
        assert pages_of(self.archive.out) == self.built_from_nothing()
        return report

    def built_from_nothing(self) -> dict[str, bytes]:
        fresh = self.archive.out.with_name("fresh")
        shutil.copytree(self.archive.out, fresh, ignore=shutil.ignore_patterns("students", "classes", "index.html"))
        for year in self.years:  # which the pattern took out
            page = Path("years", year, "index.html")
            shutil.copy(self.archive.out / page, fresh / page)
        build_site(fresh, self.years, self.contents(), "St <Mary>")
        pages = pages_of(fresh)
        shutil.rmtree(fresh)
        return pages

    def check(self) -> int:
        """Check the links again where that may be needed, and all of them; how many pages were read."""
        found = check_links(self.archive.out, self.checked)
        assert found.broken == find_broken_links(self.archive.out)
        self.checked = None if found.broken else found.album
        return found.read


def pages_of(folder: Path) -> dict[str, bytes]:
    return {page.relative_to(folder).as_posix(): page.read_bytes() for page in folder.rglob("*.html")}


@pytest.fixture
def school(archive: Archive) -> School:
    archive.people = two_classes(archive)
    group = dict(enumerate(TABLE[:5])) | {112: TABLE[5], -1: (600, 600, 100, 120)}
    archive.add("2006-2007/class 3a.jpg", t1().rotate(2), group)
    made = School(archive)
    made.build()
    return made


def add_a_photo(school: School) -> None:
    school.archive.add("2007-2008/new.jpg", t1().rotate(5), {1: TABLE[1]})


def rename_anna(school: School) -> None:
    school.names[0] = "Anna Schmidt"


def hide_anna(school: School) -> None:
    school.archive.faces = [face for face in school.archive.faces if face["who"] != 0]
    people = school.archive.people
    school.archive.people = SchoolPeople(people.members.filter(pl.col("name") != NAMES[0]), people.siblings)


def name_the_unknown(school: School) -> None:
    for face in school.archive.faces:
        face["who"] = 3 if face["who"] == 112 else face["who"]


def choose_another_cover(school: School) -> None:
    for face in school.archive.faces:
        face["chosen"] = face["who"] == 0 and "fair" in str(face["path"])


def withhold_a_photo(school: School) -> None:
    next(row for row in school.archive.images if "class #1" in str(row["path"]))["status"] = "withheld"


def cover_a_face(school: School) -> None:
    box = [list(map(float, TABLE[1]))]
    for row in school.archive.images:
        shown = "class.png" in str(row["path"])
        row |= {"covered": box if shown else None, "cover": "box" if shown else None}


def lose_a_photo(school: School) -> None:
    (school.archive.root / "2007-2008" / "class.png").unlink()


def date_a_photo_earlier(school: School) -> None:
    row = next(row for row in school.archive.images if "trip" in str(row["path"]))
    row["taken_at"], row["taken_at_source"] = datetime(2006, 9, 2), "exif"  # noqa: DTZ001
    row["path"] = "2006-2007/a trip/IMG_1.jpg"
    target = school.archive.root / "2006-2007" / "a trip" / "IMG_1.jpg"
    target.parent.mkdir()
    (school.archive.root / "2006-2007" / "trip" / "IMG_1.jpg").rename(target)
    for face in school.archive.faces:
        face["path"] = str(row["path"]) if "trip" in str(face["path"]) else face["path"]


def end_the_classes(school: School) -> None:
    school.archive.people = SchoolPeople(pl.DataFrame(schema=CLASS_MEMBERS), school.archive.people.siblings)


def part_the_siblings(school: School) -> None:
    school.archive.people = SchoolPeople(school.archive.people.members, pl.DataFrame(schema=SIBLINGS))


def add_a_year(school: School) -> None:
    school.archive.add("2008-2009/fair.jpg", astronaut(), {0: (200, 50, 90, 110)})
    school.years.append("2008-2009")


def leave_a_year_out(school: School) -> None:
    school.years.remove("2007-2008")


CHANGES: tuple[Callable[[School], None], ...] = (
    *(add_a_photo, rename_anna, name_the_unknown, choose_another_cover, withhold_a_photo, cover_a_face),
    *(date_a_photo_earlier, lose_a_photo, end_the_classes, part_the_siblings, add_a_year, hide_anna, leave_a_year_out),
)


@pytest.mark.parametrize("seed", range(3))
def test_after_any_row_of_changes_the_pages_are_those_of_a_build_from_nothing(seed: int, school: School) -> None:
    changes = list(CHANGES)
    random.Random(seed).shuffle(changes)
    for change in changes:
        change(school)
        school.build()
        school.check()


def test_with_nothing_new_no_page_is_rendered_or_touched(school: School) -> None:
    files = [*(school.archive.out / "students").iterdir(), *(school.archive.out / "classes").iterdir()]
    before = {file: (file.stat().st_ino, file.stat().st_mtime_ns) for file in files}
    assert school.build().rendered == 0
    assert {file: (file.stat().st_ino, file.stat().st_mtime_ns) for file in files} == before
    assert all(file.stat().st_nlink == 1 for file in files)


def test_one_photo_more_renders_the_page_of_who_is_in_it(school: School) -> None:
    add_a_photo(school)
    assert school.build().rendered == 1


def test_a_page_that_was_changed_or_removed_is_rendered_again(school: School) -> None:
    first, second, *_ = sorted((school.archive.out / "students").iterdir())
    first.write_text("changed by hand")
    second.unlink()
    assert school.build().rendered == 2


def test_where_links_are_refused_unchanged_pages_are_copied(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_old: Path, _new: Path) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(page_files.os, "link", refuse)
    assert school.build().rendered == 0
    assert school.build().rendered == 0


def test_another_language_or_name_of_the_school_renders_every_page(school: School) -> None:
    """Who keeps the record gives none for them."""
    school.known = NO_PAGES
    with use_language("de"):
        report = school.build()
        assert report.rendered == len(report.written)


@pytest.mark.parametrize("point", [Failpoint.FOLDER_BUILT, Failpoint.FOLDER_SWAPPED, Failpoint.PICTURES_REMOVED])
def test_an_interrupted_build_is_finished_by_the_next(
    point: Failpoint, school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide_anna(school)
    for year in school.years:
        school.archive.build_year(year, school.names)
    monkeypatch.setattr("classface_assets.core.failpoints._reached", {})
    monkeypatch.setenv(VARIABLE, f"{point.value}=raise")
    with pytest.raises(FailpointError):
        build_site(school.archive.out, school.years, school.contents(), "St <Mary>", school.known)
    monkeypatch.delenv(VARIABLE)
    school.build()
    assert not any(b"Anna M" in page for page in pages_of(school.archive.out).values())


def test_after_a_check_only_changed_pages_are_read(school: School) -> None:
    pages = len(pages_of(school.archive.out))
    assert school.check() == pages
    assert school.check() == 0
    add_a_photo(school)
    school.build()
    assert school.check() == 5  # of the student, of both years, the index, the coverage report


def test_a_removed_file_is_found_missing_in_pages_that_did_not_change(school: School) -> None:
    school.check()
    next((school.archive.out / "thumbs").rglob("*-720.jpg")).unlink()
    assert check_links(school.archive.out, school.checked).broken


def test_a_removed_folder_is_found_missing_in_pages_that_did_not_change(school: School) -> None:
    school.check()
    shutil.rmtree(school.archive.out / "years" / "2006-2007" / "José 🎒-Núñez")
    broken = check_links(school.archive.out, school.checked).broken
    assert any("Jos%C3%A9" in link for link in broken) and broken == find_broken_links(school.archive.out)


def test_an_element_that_is_no_more_is_missed_by_pages_that_did_not_change(school: School) -> None:
    school.check()
    index = school.archive.out / "index.html"
    index.write_text(index.read_text().replace('id="students"', ""))
    found = check_links(school.archive.out, school.checked)
    assert found.broken == find_broken_links(school.archive.out) != []


def test_rows_of_people_are_found_once_a_photo_and_are_the_same_from_the_record(tmp_path: Path) -> None:
    layout = ArchiveLayout(tmp_path / "photos", tmp_path / "data")
    rng = np.random.default_rng(7)
    photos = [
        [(x, y, w, h) for x, y, w, h in rng.uniform(50, 900, (count, 4)).tolist()] for count in (0, 1, 2, 5, 9, 14)
    ]
    first = load_row_finder(layout, "2019-2020")
    found = [first.find(boxes) for boxes in photos]
    for boxes, rows in zip(photos, found, strict=True):
        arranged = arrange_rows(boxes)
        assert rows.rows == arranged.rows
        assert rows.unsure == tuple(at for at in range(len(boxes)) if not arranged.is_sure(at))
    record_rows(layout, "2019-2020", first)
    again = load_row_finder(layout, "2019-2020")
    assert [again.find(boxes) for boxes in photos] == found
    assert not again.has_new
    again.find([(1.0, 2.0, 30.0, 40.0)])
    assert again.has_new
    assert load_row_finder(layout, "2020-2021").found == {}
