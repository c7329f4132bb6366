"""The names of photos in students' folders: the same for the album that fills them and the pages that link to them."""

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from classface_assets.albums.cards import PhotoCard, PhotoKey
from classface_assets.albums.names import album_file_name, unique_name

JPEG_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif")


def original_files(folders: Mapping[str, str], pictures: Iterable[PhotoCard]) -> dict[str, dict[PhotoKey, str]]:
    """The file name of each photo in each student's folder.

    Args:
        folders: Student key → folder, of one school year.
        pictures: The photos of the year, in order.

    Returns:
        Student key → photo → file name.
    """
    taken: dict[str, set[str]] = {key: set() for key in folders}
    files: dict[str, dict[PhotoKey, str]] = {key: {} for key in folders}
    for picture in pictures:
        name = _file_name(picture)
        for student in picture.students:
            files[student.key][picture.key] = unique_name(name, taken[student.key])
    return files


def _file_name(picture: PhotoCard) -> str:
    """The photo's own name; a copy with covered faces is a JPEG, whatever the photo is."""
    name = album_file_name(picture.path)
    if not picture.covered or PurePosixPath(name).suffix.lower() in JPEG_SUFFIXES:
        return name
    return str(PurePosixPath(name).with_suffix(".jpg"))
