"""Builds the pages over all years: the school's index, a page for each student and class, the coverage report."""

from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree
from types import MappingProxyType

import polars as pl

from classface_assets.albums.cards import PhotoCard, album_photos, photo_cards, portrait_link
from classface_assets.albums.disk import write_if_changed
from classface_assets.albums.files import face_crop_paths, pictures_of_kind, thumbnail_paths
from classface_assets.albums.listing import FolderListing
from classface_assets.albums.names import disk_name_key, year_path, years_span
from classface_assets.albums.pages.classes import (
    SchoolPeople,
    classes_by_student,
    group_classes,
    siblings_by_student,
)
from classface_assets.albums.pages.coverage import (
    YearCoverage,
    compute_coverage,
    total_coverage,
    unread_files,
    withheld_files,
)
from classface_assets.albums.pages.page_files import WrittenPages, replace_pages
from classface_assets.albums.pages.people_pages import Site, class_pages, student_pages
from classface_assets.albums.pages.rendering import render_template, write_stylesheet
from classface_assets.albums.students import Student, faces_from_frame, first_of_letters, group_students
from classface_assets.core.faces.known_rows import RowFinder
from classface_assets.core.failpoints import Failpoint, reached

NO_PAGES: WrittenPages = MappingProxyType({})


@dataclass(frozen=True)
class SiteReport:
    """What was built.

    Attributes:
        years: How many school years the index has.
        named: How many named students have a page.
        unknown: How many unknown students have a page.
        pages: How many pages there are in all.
        rendered: How many of the pages of students and classes were rendered; the others are as they were.
        removed: Pages and years that no longer exist, as paths below the albums folder.
        written: The pages of students and classes, for the next time.
    """

    years: int
    named: int
    unknown: int
    pages: int
    rendered: int
    removed: tuple[str, ...]
    written: WrittenPages = field(default_factory=dict, repr=False)


@dataclass(frozen=True, eq=False)
class SiteContents:
    """What the pages over all school years show.

    Attributes:
        photos: `image_assets` of all years, every file.
        faces: APPEARANCES of all years.
        people: The classes and siblings.
    """

    photos: pl.DataFrame
    faces: pl.DataFrame
    people: SchoolPeople = field(default_factory=SchoolPeople)

    @property
    def years(self) -> list[str]:
        """The school years, in order."""
        return sorted(set(self.photos["school_year"]))


def build_site(
    out: Path, years: Sequence[str], contents: SiteContents, school: str = "", known: WrittenPages = NO_PAGES
) -> SiteReport:
    """Build index, student and class pages and coverage report; remove what former years and students left.

    Args:
        out: The albums folder.
        years: All school years, in the order to show.
        contents: What the pages show.
        school: The name of the school, for the title.
        known: The pages that the last build of this version of the program wrote, in the language in use; of those
            that would be the same none is rendered or read.
    """
    write_stylesheet(out)
    photos, faces = contents.photos, contents.faces
    shown = album_photos(photos.filter(pl.col("school_year").is_in(list(years))))
    all_faces = faces_from_frame(faces.join(shown, on=["school_year", "asset_id"], how="semi"))
    students = group_students(faces, all_faces)
    listing = FolderListing(out)
    pictures = photo_cards(listing, shown, all_faces, students, RowFinder())
    classes = [one for one in group_classes(contents.people, students, pictures) if one.year in set(years)]
    siblings = siblings_by_student(contents.people, students)
    site = Site(listing, years, students, pictures, classes, siblings, school)
    of_students = replace_pages(out, "students", student_pages(site), known)
    of_classes = replace_pages(out, "classes", class_pages(site), known)
    removed = [*of_students.removed, *of_classes.removed, *_remove_years(out, years)]
    reached(Failpoint.YEARS_REMOVED)
    _remove_unlisted_pictures(out, {*thumbnail_paths(photos), *face_crop_paths(faces)})
    reached(Failpoint.PICTURES_REMOVED)
    coverage = compute_coverage(years, photos, faces)
    total = total_coverage(coverage, faces)
    unread = unread_files(photos, [picture for picture in pictures.values() if picture.lost])
    withheld = withheld_files(photos)
    write_if_changed(
        out / "coverage.html",
        render_template(
            "coverage.html.j2", root="", school=school, coverage=coverage, unread=unread, withheld=withheld, total=total
        ),
    )
    reached(Failpoint.COVERAGE_WRITTEN)
    write_if_changed(out / "index.html", _render_index(site, coverage, total))
    reached(Failpoint.INDEX_WRITTEN)
    named = sum(student.known for student in students.values())
    return SiteReport(
        years=len(years),
        named=named,
        unknown=len(students) - named,
        pages=len(students) + len(classes) + 2,
        rendered=of_students.rendered + of_classes.rendered,
        removed=tuple(sorted(removed)),
        written=of_students.pages | of_classes.pages,
    )


def _render_index(site: Site, coverage: Sequence[YearCoverage], total: YearCoverage) -> str:
    students = site.students
    own_classes = classes_by_student(site.classes)
    letters = first_of_letters(student for student in students.values() if student.known)
    school_years = {key: _student_school_years(student, site.years) for key, student in students.items()}
    return render_template(
        "index.html.j2",
        root="",
        school=site.school,
        years=_year_cards(site, coverage),
        classes=site.classes,
        named=[student for student in students.values() if student.known],
        unknown=[student for student in students.values() if not student.known],
        letters=letters,
        anchors={key: f"letter-{number}" for number, key in enumerate(letters, start=1)},
        portraits={key: portrait_link(site.listing, student.best_faces) for key, student in students.items()},
        spans={key: years_span(own) for key, own in school_years.items()},
        search_words={
            key: " ".join([*own, *(one.name for one in own_classes.get(key, {}).values())])
            for key, own in school_years.items()
        },
        total=total,
    )


def _student_school_years(student: Student, years: Sequence[str]) -> list[str]:
    own = {face.school_year for face in student.faces}
    return [year for year in years if year in own]


def _year_cards(site: Site, coverage: Sequence[YearCoverage]) -> list[dict[str, object]]:
    """The years on the index: counts, and as cover picture the photo with most faces."""
    covers: dict[str, PhotoCard] = {}
    for picture in site.pictures.values():
        best = covers.get(picture.key[0])
        if not picture.lost and (best is None or _as_cover(picture) > _as_cover(best)):
            covers[picture.key[0]] = picture
    return [
        {
            "coverage": row,
            "cover": covers.get(row.year),
            "built": site.listing.has(f"{year_path(row.year)}/index.html"),
        }
        for row in coverage
    ]


def _as_cover(picture: PhotoCard) -> tuple[int, float]:
    return len(picture.faces), picture.ratio


def _remove_years(out: Path, years: Sequence[str]) -> list[str]:
    current = {disk_name_key(year_path(year)): out / year_path(year) for year in years}
    gone = [
        folder
        for folder in (out / "years").glob("[!.]*")
        if folder.is_dir() and not _is_same_folder(folder, current.get(disk_name_key(f"years/{folder.name}")))
    ]
    for folder in gone:
        rmtree(folder)
    return [f"years/{folder.name}" for folder in gone]


def _is_same_folder(folder: Path, other: Path | None) -> bool:
    """Whether both are one folder, however the disk spells names."""
    return other is not None and (folder == other or (other.exists() and folder.samefile(other)))


def _remove_unlisted_pictures(out: Path, current: Set[str]) -> None:
    """Deletes pictures of faces and photos that left the archive, may no longer be shown, or are covered now."""
    for kind in ("faces", "thumbs"):
        for path in pictures_of_kind(out, kind):
            if path.endswith(".jpg") and path not in current:
                (out / path).unlink()
