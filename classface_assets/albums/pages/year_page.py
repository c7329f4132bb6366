"""Builds the album of one school year: its page, and a folder of photos for each student."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from classface_assets.albums.cards import PhotoCard, PhotoKey, album_photos, photo_cards, photo_from_row, portrait_link
from classface_assets.albums.disk import AlbumError, link_or_copy_photo, rebuild_folder
from classface_assets.albums.listing import FolderListing
from classface_assets.albums.names import encode_url, year_path
from classface_assets.albums.pages.originals import original_files
from classface_assets.albums.pages.rendering import render_template, write_stylesheet
from classface_assets.albums.pictures.originals import Originals, list_originals
from classface_assets.albums.pictures.thumbnails import (
    ProgressCallback,
    make_covered_copy,
    make_thumbnails,
    save_face_crop,
)
from classface_assets.albums.students import assign_folder_names, faces_from_frame, group_students
from classface_assets.core.faces.known_rows import RowFinder
from classface_assets.core.failpoints import Failpoint, reached
from classface_assets.core.languages import gettext, sentence
from classface_assets.core.locations import Location, are_lost, decode_relative_path, stat_entry


@dataclass(frozen=True)
class YearAlbum:
    """What was built for a year.

    Attributes:
        year: The school year.
        photos: How many photos the page shows.
        students: How many students it shows.
        pages: How many pages were written.
        thumbnails_made: How many thumbnails were missing before.
        linked: How many files the students' folders have.
        copied: How many of them are copies, not hard links.
        missing: Paths of photos that no longer exist or cannot be opened.
    """

    year: str
    photos: int
    students: int
    pages: int
    thumbnails_made: int
    linked: int
    copied: int
    missing: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class YearContents:
    """What the album of a school year shows.

    Attributes:
        year: The school year.
        photos: `image_assets` of the year, every file.
        faces: APPEARANCES of the year, with a column `chip` (JPEG bytes).
        row_finder: Finds the rows of people in the photos.
    """

    year: str
    photos: pl.DataFrame
    faces: pl.DataFrame
    row_finder: RowFinder = field(default_factory=RowFinder)


def build_year_album(
    out: Path, photos_root: Location, contents: YearContents, progress: ProgressCallback | None = None
) -> YearAlbum:
    """Build `years/<year>/` with its thumbnails and face crops; the old album stays until the new one is complete.

    Args:
        out: The albums folder.
        photos_root: The photos folder.
        contents: What it shows.
        progress: Called with the photos done and the photos in all.

    Raises:
        AlbumError: One of the albums folder and the photos folder lies in the other, or most photos are gone.
        StorageError: Photos at a URL cannot be listed or read.
    """
    year, photos, faces = contents.year, contents.photos, contents.faces
    _require_separate_folders(out, photos_root)
    _require_photos(photos_root, year, photos)
    write_stylesheet(out)
    shown = album_photos(photos)
    all_faces = faces_from_frame(faces.join(shown, on=["school_year", "asset_id"], how="semi"))
    students = group_students(faces, all_faces)
    originals = list_originals(photos_root, shown["path"])
    thumbnails = make_thumbnails(out, originals, map(photo_from_row, shown.iter_rows(named=True)), progress)
    reached(Failpoint.THUMBNAILS_MADE)
    for student in students.values():
        best = next((face for face in student.best_faces if face.cropped), None)
        if best is not None:
            save_face_crop(out, best.face_id, best.chip)
    listing = FolderListing(out)
    pictures = photo_cards(listing, shown, all_faces, students, contents.row_finder)
    folder, folders = out / year_path(year), assign_folder_names(students.values())
    with rebuild_folder(folder) as building:
        linked, copied, lost = _fill_student_folders(
            StudentFolders(out, building, folder, originals), folders, list(pictures.values())
        )
        _require_photos(photos_root, year, photos)
        problems = thumbnails.failed | lost
        page = render_template(
            "year.html.j2",
            root="../../",
            year=year,
            students=list(students.values()),
            portraits={student.key: portrait_link(listing, student.best_faces) for student in students.values()},
            folders=folders,
            originals=_existing_originals(building, folders, pictures.values()),
            pictures=list(pictures.values()),
            problems=sorted(problems.items()),
            faces=len(all_faces),
            covered=any(picture.covered for picture in pictures.values()),
        )
        (building / "index.html").write_text(page, encoding="utf-8")
    return YearAlbum(
        year=year,
        photos=len(pictures),
        students=len(students),
        pages=1,
        thumbnails_made=thumbnails.made,
        linked=linked,
        copied=copied,
        missing=tuple(sorted(problems)),
    )


def _existing_originals(
    building: Path, folders: Mapping[str, str], pictures: Collection[PhotoCard]
) -> dict[PhotoKey, str]:
    """The link from the year's page to the file of each photo, in the folder of the first student in it."""
    files, found = original_files(folders, pictures), {}
    for picture in pictures:
        for student in picture.students[:1]:
            path = f"{folders[student.key]}/{files[student.key][picture.key]}"
            if (building / path).exists():
                found[picture.key] = encode_url(path)
    return found


@dataclass(frozen=True)
class StudentFolders:
    """Where students' folders are built.

    Attributes:
        out: The albums folder, which also stores the copies with covered faces.
        building: The folder that is being built.
        old: The folder that it will replace.
        originals: The photos.
    """

    out: Path
    building: Path
    old: Path
    originals: Originals

    def put(self, picture: PhotoCard, names: Sequence[str]) -> Iterator[bool]:
        """Put a photo at these names below `building`; yields for each whether bytes were copied. Raises OSError."""
        copies: list[Path] = []
        if picture.covered:  # only this copy will do, whatever the old folder has under that name
            original = stat_entry(make_covered_copy(self.out, self.originals, picture.photo))
        else:
            original = self.originals.find(picture.path)
        for name in names:
            others = [] if picture.covered else [*copies, self.old / name]
            yield link_or_copy_photo(original, self.building / name, others)
            copies = [self.building / name]


def _fill_student_folders(
    target: StudentFolders, folders: Mapping[str, str], pictures: Sequence[PhotoCard]
) -> tuple[int, int, dict[str, str]]:
    """Fills each student's folder; returns files placed, files copied, and paths that failed with the reason."""
    linked, copied, lost = 0, 0, {}
    files = original_files(folders, pictures)
    for name in folders.values():
        (target.building / name).mkdir()
    for picture in (picture for picture in pictures if picture.students):
        names = [f"{folders[student.key]}/{files[student.key][picture.key]}" for student in picture.students]
        try:
            for is_copy in target.put(picture, names):
                copied += is_copy
                linked += 1
        except FileNotFoundError:
            lost[picture.path] = gettext("no longer in the photos folder")
        except OSError as error:
            lost[picture.path] = gettext("could not be read: %(why)s", why=error.strerror or error)
    return linked, copied, lost


def _require_photos(root: Location, year: str, photos: pl.DataFrame) -> None:
    """Refuse to build without the photos: the album as it is has them, if its drive is away, as links or copies.

    Raises:
        AlbumError: Most of the year's photos are gone.
    """
    paths = album_photos(photos)["path"].to_list()
    if not isinstance(root, Path) or not paths:
        return
    gone = sum(not decode_relative_path(root, path).exists() for path in paths)
    if are_lost(len(paths), gone):
        raise AlbumError(
            sentence(
                "%(gone)s of %(all)s photos of %(year)s are gone from %(folder)s; its album stays as it is. Connect "
                "the drive that they are on and run again; if they were removed on purpose, the next run takes them "
                "out.",
                gone=gone,
                all=len(paths),
                year=year,
                folder=root,
            )
        )


def _require_separate_folders(out: Path, photos_root: Location) -> None:
    if not isinstance(photos_root, Path):
        return
    albums, archive = out.resolve(), photos_root.resolve()
    if albums == archive or albums in archive.parents or archive in albums.parents:
        raise AlbumError(
            sentence(
                "The albums folder %(albums)s and the photos folder %(photos)s lie within each other; give the albums "
                "a folder of their own.",
                albums=out,
                photos=photos_root,
            )
        )
