"""The pointer of data at a URL: which files every machine has in its local folder, and which blob holds each of them.

It is one small object, switched as a whole; how files are brought there and here belongs in shared_files.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from upath import UPath

from classface_assets.core.errors import UserError
from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import remove_file
from classface_assets.store.files.conditional import ConditionalObject, VersionedContent

FORMAT = 1
"""Counts up when older versions of this program would misunderstand what is shared."""
FOLDER = "shared"
GRACE_S = 3600.0
"""Seconds for which a blob stays that no file has any more: another machine may be about to read it."""


class SharedFormatError(UserError):
    """What machines share at the URL was written by a newer version of this program."""


class DamagedPointerError(UserError):
    """The pointer of what machines share at the URL cannot be read."""


@dataclass(frozen=True)
class SharedFile:
    """One file: the digest that names its blob, its size in bytes, and its time of change in ns, which goes with it.

    Fingerprints know their output files by size and time, so both must be the same on every machine.
    """

    sha256: str
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Pointer:
    """What is shared.

    Attributes:
        files: Path below the local folder, with `/` → file.
        superseded: Digest of a blob that no file has any more → since when, in seconds since 1970.
        erased: The ids of the people of whom nothing is left at the URL.
    """

    files: Mapping[str, SharedFile] = field(default_factory=dict)
    superseded: Mapping[str, float] = field(default_factory=dict)
    erased: frozenset[str] = frozenset()

    @property
    def blobs(self) -> set[str]:
        """The digests of the blobs in use."""
        return {file.sha256 for file in self.files.values()}

    def with_files(self, files: Mapping[str, SharedFile]) -> "Pointer":
        """The pointer with these files; blobs that none of them has any more are superseded from now on."""
        now, used = time.time(), {file.sha256 for file in files.values()}
        superseded = {blob: since for blob, since in self.superseded.items() if blob not in used}
        return replace(self, files=files, superseded={**dict.fromkeys(self.blobs - used, now), **superseded})

    def to_json(self) -> dict[str, Any]:
        """As it is stored."""
        files = {path: [file.sha256, file.size, file.mtime_ns] for path, file in sorted(self.files.items())}
        return {
            "format": FORMAT,
            "files": files,
            "superseded": dict(self.superseded),
            "erased": sorted(self.erased),
        }


def shared_object(layout: ArchiveLayout, name: str) -> ConditionalObject:
    """An object that machines share, of an archive whose data are at a URL."""
    data = _require_url(layout)
    return ConditionalObject(data / FOLDER / name, data)


def pointer_object(layout: ArchiveLayout) -> ConditionalObject:
    """Where the pointer lies."""
    return shared_object(layout, "current.json")


def blob_place(layout: ArchiveLayout, sha256: str = "") -> UPath:
    """Where the content of the file with this digest lies; without one, the folder of all."""
    folder = _require_url(layout) / FOLDER / "blobs"
    return folder / sha256 if sha256 else folder


def _require_url(layout: ArchiveLayout) -> UPath:
    if not isinstance(layout.data, UPath):
        raise TypeError(f"{layout.data} lies on this machine: nothing of it is shared")
    return layout.data


def read_pointer(layout: ArchiveLayout) -> tuple[Pointer, str | None]:
    """The pointer and its version; an empty one and None where there is none.

    Raises:
        SharedFormatError: A newer version of this program wrote it.
        DamagedPointerError: It cannot be read.
        StorageError: The server fails.
    """
    place = pointer_object(layout)
    found = place.read()
    if not isinstance(found, VersionedContent):
        return Pointer(), None
    return parse_pointer(found.content, place.place), found.version


def write_pointer(layout: ArchiveLayout, pointer: Pointer, version: str | None) -> str:
    """Write the pointer, then remove the blobs that were superseded long ago.

    Args:
        layout: The archive.
        pointer: The pointer.
        version: The version that it takes the place of; None where there was none.

    Returns:
        Its version.

    Raises:
        ChangedMeanwhileError: There is another version now.
        StorageError: The server fails.
    """
    now = time.time()
    gone = {blob for blob, since in pointer.superseded.items() if abs(now - since) > GRACE_S}
    left = {blob: since for blob, since in pointer.superseded.items() if blob not in gone}
    content = json.dumps(replace(pointer, superseded=left).to_json()).encode()
    written = pointer_object(layout).write(content, version)
    for blob in gone:
        remove_file(blob_place(layout, blob))
    return written


def parse_pointer(content: bytes, where: object) -> Pointer:
    """The pointer that an object holds.

    Args:
        content: Of the object.
        where: The object as the user knows it.

    Raises:
        SharedFormatError: A newer version of this program wrote it.
        DamagedPointerError: It cannot be read.
    """
    try:
        return pointer_from_json(json.loads(content), where)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DamagedPointerError(
            f"{where} does not say which files are shared; put an older version of it back, or delete it: the next "
            "`classface run` of a machine that has the files shares them again."
        ) from None


def pointer_from_json(content: Mapping[str, Any], where: object) -> Pointer:
    """The pointer as `to_json` wrote it.

    Raises:
        SharedFormatError: A newer version of this program wrote it.
        ValueError, KeyError, TypeError, AttributeError: It is damaged.
    """
    if int(content["format"]) > FORMAT:
        raise SharedFormatError(
            f"{where} was written by a newer version of classface_assets (format {content['format']}, this one knows "
            f"{FORMAT}); install the same version on this machine."
        )
    files = {path: SharedFile(str(one[0]), int(one[1]), int(one[2])) for path, one in content["files"].items()}
    superseded = {str(blob): float(since) for blob, since in content["superseded"].items()}
    return Pointer(files, superseded, frozenset(map(str, content["erased"])))
