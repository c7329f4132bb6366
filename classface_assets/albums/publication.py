"""Publishes albums that are built on this machine to a URL: only files that are new or changed are uploaded.

What a page links to is uploaded before the page, and the index last; files that no longer exist are removed after that.
A manifest beside the albums lists what was uploaded; without it, or after a kill, equal files are recognised by the
digest that the storage reports. Other machines may have published the rest of the albums: nothing is removed there for
not being here, unless it is in a folder that was built here just now.
"""

import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from upath import UPath

from classface_assets.albums.disk import write_atomically
from classface_assets.core.errors import translate_storage_errors
from classface_assets.core.failpoints import Failpoint, reached
from classface_assets.core.locations import FileEntry, list_files_recursive

PARALLEL_UPLOADS = 8
FileStamp = tuple[int, int]
"""Size in bytes and time of change in nanoseconds."""


@dataclass(frozen=True)
class PublishResult:
    """How many files were uploaded, and how many removed because they no longer exist."""

    files_uploaded: int
    files_removed: int


@dataclass(frozen=True)
class Scope:
    """Which files of the albums one publication is about.

    Attributes:
        whole: The folders or files, relative to the albums folder, that were built here just now: what they have at the
            URL and not here is removed there.
        added: Files that are uploaded where they are here and not there.
        is_obsolete: Whether a file elsewhere at the URL belongs to no album any more, by its path.
    """

    whole: Sequence[str] = ("",)
    added: Collection[str] = ()
    is_obsolete: Callable[[str], bool] = lambda _: False


def list_published(target: UPath) -> dict[str, FileEntry]:
    """The published files by their path below the URL, from one listing.

    Raises:
        StorageError: The target cannot be read.
    """
    return {str(e.path)[len(str(target)) + 1 :]: e for e in list_files_recursive(target)}


def publish(out: Path, target: UPath, below: Sequence[str] = ("",), thorough: bool = False) -> PublishResult:
    """Make the target equal to the albums folder. Only one machine may publish to a target at a time.

    Args:
        out: The albums folder.
        target: The URL.
        below: The folders or files, relative to both, to which this is limited.
        thorough: Whether to list the target even if, by the manifest, nothing changed.

    Raises:
        StorageError: The target cannot be read or written.
    """
    here = {path: stamp for name in below for path, stamp in _list_files(out, name)}
    known = {path: stamp for path, stamp in _read_manifest(out).items() if _is_within(path, below)}
    if here == known and not thorough:
        return PublishResult(0, 0)
    return publish_scope(out, target, Scope(below), list_published(target))


def publish_scope(out: Path, target: UPath, scope: Scope, there: dict[str, FileEntry]) -> PublishResult:
    """Publish some of the albums. Only one machine may publish to a target at a time.

    Args:
        out: The albums folder.
        target: The URL.
        scope: What is published and removed.
        there: The published files, as `list_published` found them; brought up to date.

    Raises:
        StorageError: The target cannot be written.
    """
    here = {path: stamp for name in scope.whole for path, stamp in _list_files(out, name)}
    here |= {path: _file_stamp(str(out / path)) for path in scope.added if (out / path).is_file()}
    manifest = _read_manifest(out)
    new = [p for p, stamp in here.items() if not _is_uploaded(out / p, stamp, manifest.get(p), there.get(p))]
    gone = [
        path
        for path in there
        if path not in here and (_is_within(path, scope.whole) or (path not in scope.added and scope.is_obsolete(path)))
    ]
    with translate_storage_errors(target), ThreadPoolExecutor(PARALLEL_UPLOADS) as pool:
        for pages in _upload_stages(new):
            list(pool.map(lambda path: _upload(out / path, target, path), pages))
            reached(Failpoint.FILES_UPLOADED)
        list(pool.map(lambda path: target.fs.rm_file(f"{target.path}/{path}"), gone))
        reached(Failpoint.FILES_REMOVED)
    others = {path: stamp for path, stamp in manifest.items() if path not in here and path not in gone}
    others = {path: stamp for path, stamp in others.items() if not _is_within(path, scope.whole)}
    write_atomically(_manifest_path(out), json.dumps(others | here))
    reached(Failpoint.MANIFEST_WRITTEN)
    there |= {path: FileEntry(target / path, here[path][0], 0) for path in new}
    for path in gone:
        del there[path]
    return PublishResult(len(new), len(gone))


def published_sizes(
    there: Mapping[str, FileEntry], whole: Sequence[str], others: Collection[str]
) -> list[list[object]]:
    """Path and size of every published file in some folders, and of some others, sorted: what a digest is made of."""
    found = [path for path in there if _is_within(path, whole)]
    return [[path, there[path].size] for path in sorted({*found, *(path for path in others if path in there)})]


def _list_files(out: Path, name: str) -> Iterator[tuple[str, FileStamp]]:
    """(Path below `out`, stamp) of the files in a folder, or of the file itself; without hidden ones."""
    # As text: of tens of thousands of files, Path objects would take longer than the walk.
    if (out / name).is_file():
        yield name, _file_stamp(str(out / name))
    above = len(str(out)) + 1
    for folder, folders, files in os.walk(out / name):
        folders[:] = [one for one in folders if not one.startswith(".")]
        below = folder[above:].replace(os.sep, "/")
        for file in files:
            if not file.startswith("."):
                yield f"{below}/{file}" if below else file, _file_stamp(f"{folder}/{file}")


def _file_stamp(path: str) -> FileStamp:
    status = os.stat(path)  # noqa: PTH116
    return status.st_size, status.st_mtime_ns


def _manifest_path(out: Path) -> Path:
    return out.with_name(f"{out.name}.copied.json")


def _read_manifest(out: Path) -> dict[str, FileStamp]:
    try:
        return {path: (size, changed) for path, (size, changed) in json.loads(_manifest_path(out).read_bytes()).items()}
    except (OSError, ValueError):
        return {}


def _is_within(path: str, below: Iterable[str]) -> bool:
    return any(not name or path == name or path.startswith(f"{name}/") for name in below)


def _is_uploaded(file: Path, stamp: FileStamp, known: FileStamp | None, there: FileEntry | None) -> bool:
    if there is None or there.size != stamp[0]:
        return False
    return known == stamp or there.md5 == hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()


def _upload_stages(paths: Iterable[str]) -> list[list[str]]:
    """Pictures and photos, then the pages that show them, then the pages in the root, the index last of all."""
    stages: list[list[str]] = [[], [], [], []]
    for path in sorted(paths):
        page, in_the_root = path.endswith(".html"), "/" not in path
        stages[page + (page and in_the_root) + (path == "index.html")].append(path)
    return stages


def _upload(file: Path, target: UPath, path: str) -> None:
    try:
        target.fs.put_file(str(file), f"{target.path}/{path}")
    except FileNotFoundError:
        if file.exists():
            raise
        # Another run has just replaced this album, and uploads the new one.
