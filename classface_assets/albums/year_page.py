"""The album of one school year: its page, and a tidy folder of photos for each student."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import polars as pl

from classface_assets.albums.cards import Picture, good_photos, photo_of, pictures_of, portrait
from classface_assets.albums.disk import SiteError, put_photo, rebuilt_folder
from classface_assets.albums.names import album_file_name, unused_name, year_path
from classface_assets.albums.site import render, write_style
from classface_assets.albums.students import Student, faces_of, folder_names, students_of
from classface_assets.albums.thumbnails import (
    Originals,
    Progress,
    covered_copy,
    make_thumbnails,
    originals_of,
    save_face,
)
from classface_assets.core.locations import Place, look_at

JPEG = (".jpg", ".jpeg", ".jpe", ".jfif")


@dataclass(frozen=True)
class YearAlbum:
    """What was made for a year. `linked` files lie in the students' folders, `copied` of them as copies of the bytes.

    `missing` are paths of photos that have vanished or cannot be opened any more.
    """

    year: str
    photos: int
    students: int
    pages: int
    thumbnails_made: int
    linked: int
    copied: int
    missing: tuple[str, ...]


def build_year(
    out: Path,
    photos_root: Place,
    year: str,
    photos: pl.DataFrame,
    faces: pl.DataFrame,
    progress: Progress | None = None,
) -> YearAlbum:
    """Makes `years/<year>/` below `out` anew, with its thumbnails and face crops.

    `photos` are the `image_assets` of the year, every file; `faces` its APPEARANCES with a `chip` column (JPEG bytes).
    `progress` is told photos done and photos in all. The old album stays until the new one is whole.
    Raises SiteError when the albums and the photos folder lie within each other, StorageError for photos at a URL.
    """
    _keep_apart(out, photos_root)
    write_style(out)
    shown = good_photos(photos)
    everyone = faces_of(faces.join(shown, on=["school_year", "asset_id"], how="semi"))
    students = students_of(faces, everyone)
    originals = originals_of(photos_root, shown["path"])
    thumbnails = make_thumbnails(out, originals, map(photo_of, shown.iter_rows(named=True)), progress)
    for student in students.values():
        best = next((face for face in student.best_faces if face.cropped), None)
        if best is not None:
            save_face(out, best.face_id, best.chip)
    pictures = pictures_of(out, shown, everyone, students)
    folder = out / year_path(year)
    with rebuilt_folder(folder) as building:
        linked, copied, lost = _fill_folders(
            Folders(out, building, folder, originals), students.values(), pictures.values()
        )
        problems = thumbnails.failed | lost
        page = render(
            "year.html.j2",
            root="../../",
            year=year,
            students=list(students.values()),
            portraits={student.key: portrait(out, student.best_faces) for student in students.values()},
            folders=folder_names(students.values()),
            pictures=list(pictures.values()),
            problems=sorted(problems.items()),
            faces=len(everyone),
            covered=any(picture.covered for picture in pictures.values()),
        )
        (building / "index.html").write_text(page, encoding="utf-8")
    return YearAlbum(
        year, len(pictures), len(students), 1, thumbnails.made, linked, copied, missing=tuple(sorted(problems))
    )


@dataclass(frozen=True)
class Folders:
    """Where students' folders are made: below `building`, which takes the place of `old`, with photos of `originals`,
    or with copies of them in which faces are covered, which are kept below `out`."""

    out: Path
    building: Path
    old: Path
    originals: Originals

    def put(self, picture: Picture, name: str, copies: list[Path]) -> bool:
        """Put a photo at this name. Returns whether bytes were copied. Raises OSError."""
        if picture.covered:  # nothing but this copy, whatever lies in the old folder under that name
            return put_photo(look_at(covered_copy(self.out, self.originals, picture.photo)), self.building / name, [])
        return put_photo(self.originals.find(picture.path), self.building / name, [*copies, self.old / name])


def _fill_folders(
    places: Folders, students: Iterable[Student], pictures: Iterable[Picture]
) -> tuple[int, int, dict[str, str]]:
    """Each student's photos in a folder; returns files placed, those copied, and paths that failed with the reason."""
    folders = folder_names(students)
    taken: dict[str, set[str]] = {key: set() for key in folders}
    linked, copied, lost = 0, 0, {}
    for name in folders.values():
        (places.building / name).mkdir()
    for picture in pictures:
        copies: list[Path] = []
        for student in picture.students:
            name = f"{folders[student.key]}/{unused_name(_file_name(picture), taken[student.key])}"
            try:
                copied += places.put(picture, name, copies)
            except FileNotFoundError:
                lost[picture.path] = "no longer in the photos folder"
                break
            except OSError as error:
                lost[picture.path] = f"could not be read: {error.strerror or error}"
                break
            copies = [places.building / name]
            linked += 1
    return linked, copied, lost


def _file_name(picture: Picture) -> str:
    """The photo's own; a copy in which faces are covered is a JPEG, whatever the photo is."""
    name = PurePosixPath(album_file_name(picture.path))
    return str(name.with_suffix(".jpg")) if picture.covered and name.suffix.lower() not in JPEG else str(name)


def _keep_apart(out: Path, photos_root: Place) -> None:
    if not isinstance(photos_root, Path):
        return
    albums, archive = out.resolve(), photos_root.resolve()
    if albums == archive or albums in archive.parents or archive in albums.parents:
        raise SiteError(
            f"The albums folder {out} and the photos folder {photos_root} lie within each other; "
            "give the albums a folder of their own."
        )
