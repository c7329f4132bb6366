"""The files that albums consist of, for fingerprints of inputs and outputs; and the links within their pages."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from html import unescape
from pathlib import Path

import polars as pl

from classface_assets.albums.cards import photo_from_row
from classface_assets.albums.listing import child_names, local_names
from classface_assets.albums.names import year_path
from classface_assets.albums.pictures.thumbnails import FULL_SIZE, LARGE, SMALL, face_crop_path, thumbnail_path
from classface_assets.core.schemas import PhotoStatus

_ATTRIBUTES = r"""(?:[^>"']|"[^"]*"|'[^']*')*"""
_TAG = re.compile(rf"<!--.*?-->|<[a-zA-Z]{_ATTRIBUTES}>", re.DOTALL)
_TEXT_OF_ELEMENT = re.compile(rf"<(script|style)\b({_ATTRIBUTES})>.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""\s([^\s=>"'/]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"']+)))?""")


def year_album_files(out: Path, year: str, photos: pl.DataFrame, faces: pl.DataFrame) -> list[Path]:
    """Every existing file of a year's album: its page and folders, its photos' thumbnails, its faces' crops.

    Args:
        out: The albums folder.
        year: The school year.
        photos: `image_assets` of the year.
        faces: APPEARANCES of the year.
    """
    shared = (*thumbnail_paths(photos), *face_crop_paths(faces), "style.css")
    return [
        *(Path(folder, name) for folder, names in walk_folders(str(out / year_path(year))) for name in names),
        *(out / path for path in shared if (out / path).exists()),
    ]


def site_files(out: Path) -> list[Path]:
    """The pages over all years and their style sheet."""
    below = (page for folder in ("students", "classes") for page in sorted((out / folder).glob("*.html")))
    return [*sorted(out.glob("*.html")), *below, out / "style.css"]


def site_inputs(out: Path, years: list[str], photos: pl.DataFrame, faces: pl.DataFrame) -> list[str]:
    """The existing files that the pages over all years link to: years' pages, students' folders, thumbnails and crops.

    Files of years, photos or faces that no longer exist are not listed: building the site removes them.

    Args:
        out: The albums folder.
        years: The school years.
        photos: `image_assets` of all years.
        faces: APPEARANCES of all years.

    Returns:
        Paths below the albums folder, sorted.
    """
    folders = [year_path(year) for year in years]
    albums = [f"{folder}/{entry}" for folder in folders for entry in child_names(out, folder)]
    current = {*thumbnail_paths(photos), *face_crop_paths(faces)}
    crops = (path for kind in ("thumbs", "faces") for path in _pictures(lambda folder: child_names(out, folder), kind))
    return sorted([*albums, *(path for path in crops if path in current)])


def pictures_of_kind(out: Path, kind: str) -> Iterator[str]:
    """The paths below the albums folder of all thumbnails (`thumbs`) or crops (`faces`) on this machine."""
    return _pictures(lambda folder: local_names(out / folder), kind)


def _pictures(names: Callable[[str], list[str]], kind: str) -> Iterator[str]:
    """The paths of a kind's pictures, by what names the entries of a folder below the albums folder."""
    for part in names(kind):
        yield from (f"{kind}/{part}/{name}" for name in names(f"{kind}/{part}"))


def thumbnail_paths(photos: pl.DataFrame) -> Iterator[str]:
    """The thumbnails that an album may have of these photos, and the copies in which faces are covered."""
    columns = ("asset_id", "path", "width", "height", "rotation", "orientation", "page", "covered", "cover")
    shown = photos.filter(pl.col("status") == PhotoStatus.OK).select(c for c in columns if c in photos.columns)
    for row in shown.iter_rows(named=True):
        yield from _photo_thumbnail_paths(row)


def face_crop_paths(faces: pl.DataFrame) -> Iterator[str]:
    """The crops that an album may have of these faces: none of a face that has a covered one next to it."""
    shown = faces.filter("cropped") if "cropped" in faces.columns else faces
    return map(face_crop_path, shown["face_id"])


def _photo_thumbnail_paths(row: Mapping[str, object]) -> set[str]:
    photo = photo_from_row(row)
    return {thumbnail_path(photo, size) for size in ((SMALL, LARGE, FULL_SIZE) if photo.cover else (SMALL, LARGE))}


def walk_folders(folder: str) -> Iterator[tuple[str, list[str]]]:
    """A folder and each below it but hidden ones and links, as text, with the names of the files in it.

    Of tens of thousands of folders, `os.walk` takes twice as long.
    """
    waiting = [folder]
    while waiting:
        here, names = waiting.pop(), []
        with suppress(OSError), os.scandir(here) as entries:
            for entry in entries:
                if not is_folder(entry):
                    names.append(entry.name)
                elif not entry.name.startswith(".") and not entry.is_symlink():
                    waiting.append(entry.path)
        yield here, names


def is_folder(entry: "os.DirEntry[str]") -> bool:
    """Whether this is a folder, or a link to one."""
    try:
        return entry.is_dir()
    except OSError:
        return False


@dataclass(frozen=True)
class PageLinks:
    """What a page links to, in its order and each once, and the ids of its elements."""

    links: tuple[str, ...]
    ids: frozenset[str]


def read_links(page: str) -> PageLinks:
    """The links and ids in the text of a page as the albums' templates write it, in a third of html.parser's time."""
    links, ids = dict[str, None](), set[str]()
    for tag in _TAG.findall(_TEXT_OF_ELEMENT.sub(r"<\1\2>", page)):
        if tag.startswith("<!"):
            continue
        for name, in_double, in_single, bare in _ATTRIBUTE.findall(tag):
            value = unescape(in_double or in_single or bare)
            if name in ("href", "src") and value:
                links[value] = None
            elif name == "id" and value:
                ids.add(value)
    return PageLinks(tuple(links), frozenset(ids))
