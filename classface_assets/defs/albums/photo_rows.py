"""The record of the rows of people in a school year's photos, by which the next album finds only those of new photos.

It names nobody, and lies in a folder that may be deleted at any time.
"""

from contextlib import suppress

from classface_assets.core.faces.known_rows import FoundRows, RowFinder
from classface_assets.core.layout import ArchiveLayout, encode_folder_name
from classface_assets.store.artifacts.memoization import (
    DamagedRecordError,
    InputFingerprint,
    program_digest,
    read_record,
)


def load_row_finder(layout: ArchiveLayout, year: str) -> RowFinder:
    """A finder that knows what this version of the program found for the last album of the school year."""
    fingerprint = _fingerprint(layout, year)
    with suppress(FileNotFoundError, DamagedRecordError, TypeError, ValueError):
        record = read_record(fingerprint.file)
        if record.made_of == fingerprint.made_of:
            return RowFinder(
                {
                    digest: FoundRows(tuple(map(tuple, rows)), tuple(unsure))
                    for digest, (rows, unsure) in record.metadata.items()
                }
            )
    return RowFinder()


def record_rows(layout: ArchiveLayout, year: str, finder: RowFinder) -> None:
    """Record what was found for an album.

    Raises:
        StorageError: The disk fails.
    """
    if finder.has_new:
        _fingerprint(layout, year).record(
            {digest: [found.rows, found.unsure] for digest, found in finder.found.items()}, []
        )


def _fingerprint(layout: ArchiveLayout, year: str) -> InputFingerprint:
    return InputFingerprint(
        layout.cache / "photo_rows" / f"{encode_folder_name(year)}.json", program_digest(), (layout.data, layout.local)
    )
