"""Publishes albums that are built on this machine to a URL: only files that are new or changed are uploaded.

What a page links to is uploaded before the page, and the index last; files that no longer exist are removed after that.
A manifest beside the albums lists what was uploaded; without it, or after a kill, equal files are recognised by the
digest that the storage reports.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
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


def publish(out: Path, target: UPath, below: Sequence[str] = ("",), thorough: bool = False) -> PublishResult:
    """Make the target equal to the albums folder. Only one machine may publish to a target.

    Args:
        out: The albums folder.
        target: The URL.
        below: The folders or files, relative to both, to which this is limited.
        thorough: Whether to list the target even if, by the manifest, nothing changed.

    Raises:
        StorageError: The target cannot be read or written.
    """
    here = {path: stamp for name in below for path, stamp in _list_files(out, name)}
    known = {path: (size, changed) for path, (size, changed) in _read_manifest(out).items() if _is_within(path, below)}
    if here == known and not thorough:
        return PublishResult(0, 0)
    there = {str(e.path)[len(str(target)) + 1 :]: e for e in list_files_recursive(target)}
    there = {path: entry for path, entry in there.items() if _is_within(path, below)}
    new = [
        path for path, stamp in here.items() if not _is_uploaded(out / path, stamp, known.get(path), there.get(path))
    ]
    gone = [path for path in there if path not in here]
    with translate_storage_errors(target), ThreadPoolExecutor(PARALLEL_UPLOADS) as pool:
        for pages in _upload_stages(new):
            list(pool.map(lambda path: _upload(out / path, target, path), pages))
            reached(Failpoint.FILES_UPLOADED)
        list(pool.map(lambda path: target.fs.rm_file(f"{target.path}/{path}"), gone))
        reached(Failpoint.FILES_REMOVED)
    others = {path: stamp for path, stamp in _read_manifest(out).items() if not _is_within(path, below)}
    write_atomically(_manifest_path(out), json.dumps(others | here))
    reached(Failpoint.MANIFEST_WRITTEN)
    return PublishResult(len(new), len(gone))


def is_published(out: Path, target: UPath) -> bool:
    """Whether every file is as it was uploaded, the target has it in its size, and has no other file."""
    here = dict(_list_files(out, ""))
    if here != _read_manifest(out):
        return False
    there = {str(e.path)[len(str(target)) + 1 :]: e.size for e in list_files_recursive(target)}
    return there == {path: size for path, (size, _) in here.items()}


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
