"""Builds the pages over all years: the school's index, a page for each student and class, the coverage report."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree

import polars as pl

from classface_assets.albums.cards import PhotoCard, PhotoKey, album_photos, photo_cards, portrait_link
from classface_assets.albums.disk import has_file, has_folder, rebuild_folder, write_atomically
from classface_assets.albums.files import face_crop_paths, thumbnail_paths
from classface_assets.albums.names import disk_name_key, encode_url, year_path, years_span
from classface_assets.albums.pages.classes import (
    SchoolClass,
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
from classface_assets.albums.pages.originals import original_files
from classface_assets.albums.pages.rendering import render_template, write_stylesheet
from classface_assets.albums.students import (
    Student,
    assign_folder_names,
    faces_from_frame,
    first_of_letters,
    group_students,
)
from classface_assets.core.failpoints import Failpoint, reached


@dataclass(frozen=True)
class SiteReport:
    """What was built.

    Attributes:
        years: How many school years the index has.
        named: How many named students have a page.
        unknown: How many unknown students have a page.
        pages: How many pages there are in all.
        removed: Pages and years that no longer exist, as paths below the albums folder.
    """

    years: int
    named: int
    unknown: int
    pages: int
    removed: tuple[str, ...]


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


@dataclass(frozen=True)
class StudentYear:
    """A student in one school year.

    Attributes:
        year: The school year.
        page: The year's page, if it exists.
        face: The best face.
        folder: The folder of originals, if it exists.
        pictures: The photos.
        originals: Photo → its file in the folder of originals.
        school_class: The class, if it is known.
    """

    year: str
    page: str | None
    face: str | None
    folder: str | None
    pictures: list[PhotoCard]
    originals: dict[PhotoKey, str]
    school_class: SchoolClass | None


@dataclass(frozen=True, eq=False)
class _Site:
    """What the parts of the site are built from."""

    out: Path
    years: Sequence[str]
    students: Mapping[str, Student]
    pictures: Mapping[PhotoKey, PhotoCard]
    classes: Sequence[SchoolClass]
    siblings: Mapping[str, list[Student]]
    school: str


def build_site(out: Path, years: Sequence[str], contents: SiteContents, school: str = "") -> SiteReport:
    """Build index, student and class pages and coverage report; remove what former years and students left.

    Args:
        out: The albums folder.
        years: All school years, in the order to show.
        contents: What the pages show.
        school: The name of the school, for the title.
    """
    write_stylesheet(out)
    photos, faces = contents.photos, contents.faces
    shown = album_photos(photos.filter(pl.col("school_year").is_in(list(years))))
    all_faces = faces_from_frame(faces.join(shown, on=["school_year", "asset_id"], how="semi"))
    students = group_students(faces, all_faces)
    pictures = photo_cards(out, shown, all_faces, students)
    classes = [one for one in group_classes(contents.people, students, pictures) if one.year in set(years)]
    site = _Site(out, years, students, pictures, classes, siblings_by_student(contents.people, students), school)
    removed = _write_student_pages(site) + _write_class_pages(site)
    removed += _remove_years(out, years)
    reached(Failpoint.YEARS_REMOVED)
    _remove_unlisted_pictures(out, {*thumbnail_paths(photos), *face_crop_paths(faces)})
    reached(Failpoint.PICTURES_REMOVED)
    coverage = compute_coverage(years, photos, faces)
    total = total_coverage(coverage, faces)
    unread = unread_files(photos, [picture for picture in pictures.values() if picture.lost])
    withheld = withheld_files(photos)
    write_atomically(
        out / "coverage.html",
        render_template(
            "coverage.html.j2", root="", school=school, coverage=coverage, unread=unread, withheld=withheld, total=total
        ),
    )
    reached(Failpoint.COVERAGE_WRITTEN)
    write_atomically(out / "index.html", _render_index(site, coverage, total))
    reached(Failpoint.INDEX_WRITTEN)
    named = sum(student.known for student in students.values())
    pages = len(students) + len(classes) + 2
    return SiteReport(len(years), named, len(students) - named, pages, tuple(sorted(removed)))


def _render_index(site: _Site, coverage: Sequence[YearCoverage], total: YearCoverage) -> str:
    students = site.students
    own_classes = classes_by_student(site.classes)
    letters = first_of_letters(student for student in students.values() if student.known)
    school_years = {key: _student_school_years(student, site.years) for key, student in students.items()}
    return render_template(
        "index.html.j2",
        root="",
        school=site.school,
        years=[_year_card(site.out, row, site.pictures.values()) for row in coverage],
        classes=site.classes,
        named=[student for student in students.values() if student.known],
        unknown=[student for student in students.values() if not student.known],
        letters=letters,
        anchors={key: f"letter-{number}" for number, key in enumerate(letters, start=1)},
        portraits={key: portrait_link(site.out, student.best_faces) for key, student in students.items()},
        spans={key: years_span(own) for key, own in school_years.items()},
        search_words={
            key: " ".join([*own, *(one.name for one in own_classes.get(key, {}).values())])
            for key, own in school_years.items()
        },
        total=total,
    )


def _write_student_pages(site: _Site) -> list[str]:
    """Writes every student's page into a new folder and swaps it in; returns the pages that no longer exist."""
    albums = [_year_album(site, year) for year in site.years]
    own_classes = classes_by_student(site.classes)
    pages = {}
    for student in site.students.values():
        classes = own_classes.get(student.key, {})
        of_years = [_student_year(site, student, album, classes.get(album.year)) for album in albums]
        pages[student.slug] = render_template(
            "student.html.j2",
            root="../",
            school=site.school,
            student=student,
            years=[one for one in of_years if one.pictures],
            siblings=site.siblings.get(student.key, []),
        )
    return _replace_pages(site.out, "students", pages)


def _write_class_pages(site: _Site) -> list[str]:
    """Writes every class's page as `_write_student_pages` does."""
    pages = {}
    for one in site.classes:
        portraits = {
            student.key: portrait_link(
                site.out, [f for f in student.best_faces if f.school_year == one.year] + student.best_faces
            )
            for student in one.students
        }
        page = f"{year_path(one.year)}/index.html"
        pages[one.slug] = render_template(
            "class.html.j2",
            root="../",
            school=site.school,
            school_class=one,
            portraits=portraits,
            photo_counts={s.key: sum(year == one.year for year, _ in s.photo_keys) for s in one.students},
            year_page=page if has_file(site.out, page) else None,
        )
    return _replace_pages(site.out, "classes", pages)


def _replace_pages(out: Path, folder: str, pages: Mapping[str, str]) -> list[str]:
    """Swaps in a folder of these pages; returns the former pages that no longer exist."""
    before = {page.name for page in (out / folder).glob("*.html")}
    with rebuild_folder(out / folder) as building:
        for slug, page in pages.items():
            (building / f"{slug}.html").write_text(page, encoding="utf-8")
    return [f"{folder}/{page}" for page in before - {f"{slug}.html" for slug in pages}]


@dataclass(frozen=True, eq=False)
class _YearAlbum:
    """A year's album: student key → folder, and student key → photo → file in it."""

    year: str
    folders: Mapping[str, str]
    files: Mapping[str, Mapping[PhotoKey, str]]


def _year_album(site: _Site, year: str) -> _YearAlbum:
    folders = assign_folder_names(
        s for s in site.students.values() if any(face.school_year == year for face in s.faces)
    )
    pictures = [picture for picture in site.pictures.values() if picture.key[0] == year]
    return _YearAlbum(year, folders, original_files(folders, pictures))


def _student_year(site: _Site, student: Student, album: _YearAlbum, school_class: SchoolClass | None) -> StudentYear:
    out, year = site.out, album.year
    faces = [face for face in student.best_faces if face.school_year == year]
    page, folder = f"{year_path(year)}/index.html", f"{year_path(year)}/{album.folders.get(student.key, '')}"
    keys = {(face.school_year, face.asset_id) for face in faces}
    photos = sorted((site.pictures[key] for key in keys), key=lambda picture: picture.place)
    files = {key: f"{folder}/{name}" for key, name in album.files.get(student.key, {}).items() if key in keys}
    return StudentYear(
        year=year,
        page=page if has_file(out, page) else None,
        face=portrait_link(out, faces),
        folder=folder if has_folder(out, folder) else None,
        pictures=photos,
        originals={key: encode_url(path) for key, path in files.items() if has_file(out, path)},
        school_class=school_class,
    )


def _student_school_years(student: Student, years: Sequence[str]) -> list[str]:
    own = {face.school_year for face in student.faces}
    return [year for year in years if year in own]


def _year_card(out: Path, coverage: YearCoverage, pictures: Iterable[PhotoCard]) -> dict[str, object]:
    """A year on the index: its counts, and as cover picture the photo with most faces."""
    own = [picture for picture in pictures if picture.key[0] == coverage.year and not picture.lost]
    cover = max(own, key=lambda picture: (len(picture.faces), picture.ratio), default=None)
    built = has_file(out, f"{year_path(coverage.year)}/index.html")
    return {"coverage": coverage, "cover": cover, "built": built}


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
        for picture in (out / kind).glob("*/*.jpg"):
            if picture.relative_to(out).as_posix() not in current:
                picture.unlink()
