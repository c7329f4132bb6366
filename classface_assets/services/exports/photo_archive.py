"""The ZIP file of a selection's originals, with its manifest: planned with all files that it needs, then streamed."""

import os
import shutil
import tempfile
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType

from classface_assets.albums.cards import photo_from_row
from classface_assets.albums.exports.archive import (
    CHUNK,
    ArchiveFile,
    PlannedArchive,
    plan_archive,
    write_made_file,
)
from classface_assets.albums.exports.contents import SelectedPhotos
from classface_assets.albums.exports.manifest import manifest_csv
from classface_assets.albums.names import album_file_name, album_folder_name, unique_name
from classface_assets.albums.pictures.originals import Originals, Photo, list_originals
from classface_assets.albums.pictures.thumbnails import FULL_SIZE, make_covered_copy, thumbnail_path
from classface_assets.core.layout import ArchiveLayout

MANIFEST = "manifest.csv"
ProgressCallback = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class PhotoArchive:
    """A ZIP file ready to be streamed; a context that removes its temporary files at the end.

    Attributes:
        plan: Its files, size and etag.
        photos: How many photos it holds.
        lost: Photos that are no longer there or cannot be opened: path -> reason.
        folder: Of the manifest, and of the copies that had to be made for it.
    """

    plan: PlannedArchive
    photos: int
    lost: dict[str, str]
    folder: tempfile.TemporaryDirectory[str]

    def __enter__(self) -> "PhotoArchive":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Remove the temporary files."""
        self.folder.cleanup()

    def stream(self, start: int = 0, end: int | None = None) -> Generator[bytes, None, None]:
        """The bytes of the ZIP file; the temporary files are removed at the end, or when the reader goes away."""
        try:
            yield from self.plan.stream(start, end)
        finally:
            self.close()


def prepare_archive(
    layout: ArchiveLayout, selected: SelectedPhotos, progress: ProgressCallback = lambda *_: None
) -> PhotoArchive:
    """Find the originals, make the copies in which faces are covered, and write the manifest.

    The originals themselves are read only while the archive is streamed. Where photos are at a URL, they are fetched
    first, to a temporary folder on this machine.

    Args:
        layout: The archive.
        selected: The photos.
        progress: Called with the photos prepared and the photos in all.

    Raises:
        StorageError: Photos at a URL cannot be listed.
    """
    folder = tempfile.TemporaryDirectory(prefix="classface-export-")
    try:
        return _prepare(layout, selected, folder, progress)
    except BaseException:
        folder.cleanup()
        raise


def _prepare(
    layout: ArchiveLayout,
    selected: SelectedPhotos,
    folder: tempfile.TemporaryDirectory[str],
    progress: ProgressCallback,
) -> PhotoArchive:
    originals = list_originals(layout.photos, selected.photos["path"])
    temporary, files, lost = Path(folder.name), [], {}
    names: dict[str, str] = {}
    taken = {MANIFEST}
    total = selected.photos.height
    for number, row in enumerate(selected.photos.iter_rows(named=True), start=1):
        photo = photo_from_row(row)
        try:
            source = _source(layout, originals, photo, temporary)
        except FileNotFoundError:
            lost[photo.path] = "left out: it is no longer in the photos folder"
        except OSError as error:
            lost[photo.path] = f"left out: it cannot be opened ({error.strerror or error})"
        else:
            name = _name_in_archive(photo.path, covered=bool(photo.cover))
            names[photo.path] = unique_name(name, taken)
            files.append(ArchiveFile(names[photo.path], source))
        progress(number, total)
    manifest = manifest_csv(selected, names, lost)
    files.insert(0, ArchiveFile(MANIFEST, write_made_file(temporary, MANIFEST, manifest)))
    return PhotoArchive(plan_archive(files, manifest), len(files) - 1, lost, folder)


def _source(layout: ArchiveLayout, originals: Originals, photo: Photo, temporary: Path) -> Path:
    """The file to be copied into the archive: the original, or a copy in which faces are covered."""
    if photo.cover:
        out = layout.albums if (layout.albums / thumbnail_path(photo, FULL_SIZE)).exists() else temporary
        return make_covered_copy(out, originals, photo)
    original = originals.find(photo.path)
    if isinstance(original.path, Path):
        with original.path.open("rb"):
            return original.path
    fetched = write_made_file(temporary, photo.asset_id, b"")
    with original.path.open("rb") as source, fetched.open("wb") as target:
        shutil.copyfileobj(source, target, CHUNK)
    os.utime(fetched, ns=(original.mtime_ns, original.mtime_ns))
    return fetched


def _name_in_archive(path: str, covered: bool) -> str:
    """The path of a photo as one that every system can unpack; a copy with covered faces is a JPEG."""
    *folders, file = PurePosixPath(path).parts
    name = album_file_name(file)
    if covered:
        name = PurePosixPath(name).with_suffix(".jpg").name
    return "/".join([*map(album_folder_name, folders), name])
