"""Builds the pages over all years: the school's index, a page for each student, and the coverage report."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

import polars as pl

from classface_assets.albums.cards import PhotoCard, PhotoKey, album_photos, photo_cards, portrait_link
from classface_assets.albums.coverage import (
    YearCoverage,
    compute_coverage,
    total_coverage,
    unread_files,
    withheld_files,
)
from classface_assets.albums.disk import rebuild_folder, write_atomically
from classface_assets.albums.files import face_crop_paths, thumbnail_paths
from classface_assets.albums.names import disk_name_key, year_path, years_span
from classface_assets.albums.rendering import render_template, write_stylesheet
from classface_assets.albums.students import Student, assign_folder_names, faces_from_frame, group_students


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


@dataclass(frozen=True)
class StudentYear:
    """A student in one school year: best face, photos, and the year's page and folder of originals if they exist."""

    year: str
    page: str | None
    face: str | None
    folder: str | None
    pictures: list[PhotoCard]


def build_site(
    out: Path, years: Sequence[str], photos: pl.DataFrame, faces: pl.DataFrame, school: str = ""
) -> SiteReport:
    """Build the index, the student pages and the coverage report; remove what former years and students left.

    Args:
        out: The albums folder.
        years: All school years, in the order to show.
        photos: `image_assets` of all years, every file.
        faces: APPEARANCES of all years.
        school: The name of the school, for the title.
    """
    write_stylesheet(out)
    shown = album_photos(photos.filter(pl.col("school_year").is_in(list(years))))
    all_faces = faces_from_frame(faces.join(shown, on=["school_year", "asset_id"], how="semi"))
    students = group_students(faces, all_faces)
    pictures = photo_cards(out, shown, all_faces, students)
    removed = _write_student_pages(out, years, students, pictures, school)
    removed += _remove_years(out, years)
    _remove_unlisted_pictures(out, {*thumbnail_paths(photos), *face_crop_paths(faces)})
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
    write_atomically(
        out / "index.html",
        render_template(
            "index.html.j2",
            root="",
            school=school,
            years=[_year_card(out, row, pictures.values()) for row in coverage],
            named=[student for student in students.values() if student.known],
            unknown=[student for student in students.values() if not student.known],
            portraits={key: portrait_link(out, student.best_faces) for key, student in students.items()},
            spans={key: years_span(_student_school_years(student, years)) for key, student in students.items()},
            total=total,
        ),
    )
    named = sum(student.known for student in students.values())
    return SiteReport(len(years), named, len(students) - named, len(students) + 2, tuple(sorted(removed)))


def _write_student_pages(
    out: Path,
    years: Sequence[str],
    students: Mapping[str, Student],
    pictures: Mapping[PhotoKey, PhotoCard],
    school: str,
) -> list[str]:
    """Writes every student's page into a new folder and swaps it in; returns the pages that no longer exist."""
    folders = {
        year: assign_folder_names(s for s in students.values() if any(face.school_year == year for face in s.faces))
        for year in years
    }
    before = {page.name for page in (out / "students").glob("*.html")}
    with rebuild_folder(out / "students") as building:
        for student in students.values():
            of_years = [_student_year(out, student, year, folders[year], pictures) for year in years]
            of_years = [one for one in of_years if one.pictures]
            page = render_template("student.html.j2", root="../", school=school, student=student, years=of_years)
            (building / f"{student.slug}.html").write_text(page, encoding="utf-8")
    after = {f"{student.slug}.html" for student in students.values()}
    return [f"students/{page}" for page in before - after]


def _student_year(
    out: Path, student: Student, year: str, folders: Mapping[str, str], pictures: Mapping[PhotoKey, PhotoCard]
) -> StudentYear:
    faces = [face for face in student.best_faces if face.school_year == year]
    page, folder = f"{year_path(year)}/index.html", f"{year_path(year)}/{folders.get(student.key, '')}"
    keys = {(face.school_year, face.asset_id) for face in faces}
    photos = sorted((pictures[key] for key in keys), key=lambda picture: picture.place)
    return StudentYear(
        year=year,
        page=page if (out / page).exists() else None,
        face=portrait_link(out, faces),
        folder=folder if (out / folder).is_dir() else None,
        pictures=photos,
    )


def _student_school_years(student: Student, years: Sequence[str]) -> list[str]:
    own = {face.school_year for face in student.faces}
    return [year for year in years if year in own]


def _year_card(out: Path, coverage: YearCoverage, pictures: Iterable[PhotoCard]) -> dict[str, object]:
    """A year on the index: its counts, and as cover picture the photo with most faces."""
    own = [picture for picture in pictures if picture.key[0] == coverage.year and not picture.lost]
    cover = max(own, key=lambda picture: (len(picture.boxes), picture.ratio), default=None)
    built = (out / year_path(coverage.year) / "index.html").exists()
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
