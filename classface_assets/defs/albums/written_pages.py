"""The record of the pages of students and classes, by which the next build renders only those that change.

It lies beside the records of memoization, and an erasure removes it with them.
"""

from contextlib import suppress

from classface_assets.albums.pages.page_files import WrittenPage, WrittenPages
from classface_assets.core.languages import current_language
from classface_assets.core.layout import ArchiveLayout
from classface_assets.defs.memoized import input_fingerprint
from classface_assets.store.artifacts.memoization import DamagedRecordError, InputFingerprint, read_record


def load_written_pages(layout: ArchiveLayout, school: str) -> WrittenPages:
    """The pages that this version of the program wrote in the current language for a school of this name.

    Without a record of them, or with a damaged one, there are none, and all are rendered.
    """
    fingerprint = _fingerprint(layout, school)
    with suppress(FileNotFoundError, DamagedRecordError, TypeError, ValueError):
        record = read_record(fingerprint.file)
        if record.made_of == fingerprint.made_of:
            return {path: WrittenPage(*values) for path, values in record.metadata.items()}
    return {}


def record_written_pages(layout: ArchiveLayout, school: str, pages: WrittenPages) -> None:
    """Record the pages that there are now.

    Raises:
        StorageError: The disk fails.
    """
    _fingerprint(layout, school).record(
        {path: [page.inputs, page.size, page.mtime_ns, page.digest] for path, page in pages.items()}, []
    )


def _fingerprint(layout: ArchiveLayout, school: str) -> InputFingerprint:
    return input_fingerprint(layout, "album_pages", school, current_language())
