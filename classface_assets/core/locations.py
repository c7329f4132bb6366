"""Where photos and data lie: a local path or an fsspec URL (`s3://bucket/…`), what is listed there, what is removed.

Names in a URL are taken literally (a key may hold spaces, `#`, `?` or `%`), and nothing here matches patterns.
Credentials and endpoints come from the environment variables that the storage's own tools read. The error messages for
locations that fail belong in errors.
"""

import os
import re
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from upath import UPath

from classface_assets.core.errors import StorageError, translate_storage_errors

Location = Path | UPath
LocationT = TypeVar("LocationT", Path, UPath, Location)

S3_PROTOCOLS = ("s3", "s3a")
MIN_LOST_FILES = 10
"""Fewer missing files than this are ordinary tidying up, unless they are all that there were."""
_ESCAPE = re.compile(r"\\(x[0-9a-f]{2})")
_URL_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_TIME_KEYS = ("LastModified", "last_modified", "mtime", "updated", "modified", "created")


@dataclass(frozen=True)
class FileEntry:
    """A file or folder in a listing.

    Attributes:
        path: Where it lies.
        size: In bytes; -1 for a local file that cannot be inspected.
        mtime_ns: Time of the last change in ns since 1970; 0 where unknown, -1 where it cannot be inspected.
        is_folder: Whether it is a folder.
        md5: Hexadecimal digest of a file at a URL; "" where the storage does not report it.
    """

    path: Location
    size: int
    mtime_ns: int
    is_folder: bool = False
    md5: str = ""


def parse_location(text: str) -> Location:
    """The location that a person typed.

    Args:
        text: A local path (`~` is the home folder) or an fsspec URL.

    Returns:
        An absolute local path, or a URL path whose listings are not cached, since other processes write there.

    Raises:
        StorageError: The URL's protocol is unknown or its package is not installed.
    """
    if not _URL_SCHEME.match(text):
        return Path(text).expanduser().absolute()
    if text.startswith(("file://", "local://")):
        return Path(unquote(urlsplit(text).path)).absolute()
    protocol, _, below = text.partition("://")
    try:
        if not below.strip("/"):
            raise ValueError("it names no bucket or folder")
        found = UPath(f"{protocol}://{below.rstrip('/')}", use_listings_cache=False)
        _ = found.fs
        return found
    except ImportError as error:
        raise StorageError(f"{text} cannot be used ({error}); for S3: pip install 'classface_assets[s3]'.") from None
    except ValueError as error:
        raise StorageError(
            f"{text} cannot be used ({error}); name a folder, or a URL such as s3://bucket/folder."
        ) from None


def encode_relative_path(path: Location, root: Location) -> str:
    r"""The path below `root` as text with `/`, which `decode_relative_path` finds the file by.

    A byte of a name that is not UTF-8 is written as `\xff`, and a backslash that would look like that as `\x5c`.
    """
    return encode_relative_text(path.as_posix()[len(root.as_posix().rstrip("/")) + 1 :])


def encode_relative_text(below: str) -> str:
    """The same of a path below the root that is text with `/` already."""
    if below.isascii() and "\\" not in below:
        return below
    plain = _ESCAPE.sub(r"\\x5c\1", below)
    return plain.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def decode_relative_path(root: LocationT, text: str) -> LocationT:
    """The file below `root` whose relative path `encode_relative_path` wrote as `text`."""
    return root / _ESCAPE.sub(lambda found: os.fsdecode(bytes.fromhex(found[1][1:])), text)


def parse_local_folder(text: str) -> Path:
    """The folder that a person typed, which must lie on this machine.

    Raises:
        StorageError: It is a URL.
    """
    found = parse_location(text)
    if isinstance(found, Path):
        return found
    raise StorageError(f"{text} is no folder on this machine, where databases and models must lie; name a local one.")


def list_directory(folder: Location, include_missing: bool = False) -> list[FileEntry]:
    """The files and folders in a folder, from one listing.

    Args:
        folder: Local or at a URL.
        include_missing: Whether local files that cannot be inspected, or vanished before they were, are included.

    Returns:
        Sorted by name; empty when there is no such folder.

    Raises:
        StorageError: The disk, drive or server fails.
    """
    try:
        with translate_storage_errors(folder):
            if isinstance(folder, Path):
                found = [entry for entry in map(stat_entry, folder.iterdir()) if include_missing or entry.size >= 0]
            else:
                found = [_entry_from_info(folder, info) for info in folder.fs.ls(folder.path, detail=True)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted((entry for entry in found if entry.path != folder), key=lambda entry: entry.path.name)


def list_named_files(folder: Location, prefix: str) -> list[FileEntry]:
    """The files in a folder whose names begin with a prefix, from one listing also where there are none.

    Returns:
        Sorted by name; of a local folder also what cannot be inspected, and folders of such names.

    Raises:
        StorageError: The disk, drive or server fails.
    """
    if isinstance(folder, Path) or folder.protocol not in S3_PROTOCOLS:
        return [one for one in list_directory(folder, include_missing=True) if one.path.name.startswith(prefix)]
    with translate_storage_errors(folder):
        found = folder.fs.find(folder.path, prefix=prefix, detail=True)
    listed = (_entry_from_info(folder, info) for info in found.values())
    return sorted((one for one in listed if one.path.parent == folder), key=lambda one: one.path.name)


def list_files_recursive(folder: UPath) -> list[FileEntry]:
    """Every file below a URL, sorted by path, from one listing.

    Raises:
        StorageError: The server fails.
    """
    with translate_storage_errors(folder):
        found = folder.fs.find(folder.path, detail=True, withdirs=False)
    listed = [_entry_from_info(folder, info) for info in found.values()]
    return sorted((entry for entry in listed if not entry.is_folder), key=lambda entry: str(entry.path))


def remove_file(file: Location) -> None:
    """Delete one file; that it is gone already is no error.

    Raises:
        StorageError: The disk, drive or server fails.
    """
    with suppress(FileNotFoundError), translate_storage_errors(file):
        if isinstance(file, Path):
            file.unlink()
        else:
            file.fs.rm_file(file.path)


def stat_entry(path: Path) -> FileEntry:
    """A local file or folder as a listing would have it; size and time are -1 when it cannot be inspected."""
    try:
        status = path.stat()
    except OSError:  # gone meanwhile, a link to nowhere, or a folder that may not be read
        return FileEntry(path, -1, -1)
    return FileEntry(path, status.st_size, status.st_mtime_ns, stat.S_ISDIR(status.st_mode))


def _entry_from_info(folder: UPath, info: Mapping[str, Any]) -> FileEntry:
    below = str(info["name"]).rstrip("/").removeprefix(folder.path.rstrip("/")).lstrip("/")
    path = folder / below if below else folder
    tag = str(info.get("ETag", "")).strip('"')  # of a file that was uploaded in pieces it has a `-`, and is no MD5
    md5 = tag if re.fullmatch("[0-9a-f]{32}", tag) else ""
    return FileEntry(path, info.get("size") or 0, _modified_ns(info), info["type"] == "directory", md5)


def _modified_ns(info: Mapping[str, Any]) -> int:
    when = next((info[key] for key in _TIME_KEYS if info.get(key)), 0)
    if isinstance(when, str):
        when = datetime.fromisoformat(when)
    seconds = when.timestamp() if isinstance(when, datetime) else float(when)
    return round(seconds * 1_000_000) * 1_000


def are_lost(known: int, gone: int) -> bool:
    """Whether so many missing files look like a drive that is not connected, and not like ordinary tidying up."""
    return 2 * gone > known and (gone >= MIN_LOST_FILES or gone == known)
