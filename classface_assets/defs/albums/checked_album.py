"""The record of the albums in which every link led somewhere, by which the next check reads only some of the pages.

It lies beside the records of memoization, and an erasure removes it with them.
"""

from contextlib import suppress

from classface_assets.albums.pages.links import CheckedAlbum
from classface_assets.store.artifacts.memoization import (
    DamagedRecordError,
    InputFingerprint,
    program_digest,
    read_record,
)


def load_checked_album(fingerprint: InputFingerprint) -> CheckedAlbum | None:
    """The albums as this version of the program checked them; None where there is no such record."""
    with suppress(FileNotFoundError, DamagedRecordError, KeyError, TypeError, ValueError, AttributeError):
        metadata = read_record(fingerprint.file).metadata
        if metadata.get("program") == program_digest():
            return CheckedAlbum(
                pages={page: (size, mtime_ns) for page, (size, mtime_ns) in metadata["pages"].items()},
                files={folder: set(names) for folder, names in metadata["files"].items()},
                fragments={page: set(ids) for page, ids in metadata["fragments"].items()},
            )
    return None


def record_checked_album(fingerprint: InputFingerprint, album: CheckedAlbum) -> None:
    """Record albums in which every link led somewhere.

    Raises:
        StorageError: The disk fails.
    """
    fingerprint.record(
        {
            "program": program_digest(),
            "pages": {page: list(stamp) for page, stamp in album.pages.items()},
            "files": {folder: sorted(names) for folder, names in album.files.items()},
            "fragments": {page: sorted(ids) for page, ids in album.fragments.items()},
        },
        [],
    )
