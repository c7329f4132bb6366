"""Named points between writes that must agree, at which a test can let the process die or fail.

In production a point does nothing: it costs one look into the environment. With CLASSFACE_FAILPOINT set to the value of
a point, the process is killed when it gets there, as by `kill -9`: nothing is flushed, released or cleaned up.

    CLASSFACE_FAILPOINT=publish.assignments-written classface run
    CLASSFACE_FAILPOINT=forget.page-removed@3 classface forget Ada     # at the third page
    CLASSFACE_FAILPOINT=album.folder-built=raise classface run         # an error that nobody expects, instead of a kill

A point stands behind the write that it names. The tests loop over `Failpoint`: a new point is tested as soon as it is
declared, in the step of its first word, and one that its step never reaches fails them.
"""

import os
import signal
from enum import StrEnum

VARIABLE = "CLASSFACE_FAILPOINT"
_RAISE = "=raise"
_reached: dict[str, int] = {}


class Failpoint(StrEnum):
    """Every point, as `step.what-has-just-happened`."""

    SIMILARITY_WRITTEN = "publish.similarity-written"
    GROUPS_WRITTEN = "publish.groups-written"
    CANDIDATES_WRITTEN = "publish.candidates-written"
    CLUSTERS_WRITTEN = "publish.clusters-written"
    CHANGES_WRITTEN = "publish.changes-written"
    MEMORY_WRITTEN = "publish.memory-written"
    ASSIGNMENTS_WRITTEN = "publish.assignments-written"
    NUMBERS_WRITTEN = "publish.numbers-written"
    DATABASE_WRITTEN = "publish.database-written"
    DATABASE_SWAPPED = "publish.database-swapped"
    DATABASE_RECORDED = "publish.database-recorded"
    OUTPUT_COMPUTED = "publish.output-computed"
    OUTPUT_RECORDED = "publish.output-recorded"

    THUMBNAILS_MADE = "album.thumbnails-made"
    FOLDER_BUILT = "album.folder-built"
    FOLDER_SWAPPED = "album.folder-swapped"
    YEARS_REMOVED = "album.years-removed"
    PICTURES_REMOVED = "album.pictures-removed"
    COVERAGE_WRITTEN = "album.coverage-written"
    INDEX_WRITTEN = "album.index-written"
    PAGES_RECORDED = "album.pages-recorded"

    FOLDER_RETIRED = "exchange.folder-retired"
    """Only where the system cannot exchange two folders in one step."""

    FILES_UPLOADED = "upload.stage-uploaded"
    FILES_REMOVED = "upload.files-removed"
    MANIFEST_WRITTEN = "upload.manifest-written"

    PAGE_REMOVED = "forget.page-removed"
    CROPS_REMOVED = "forget.crops-removed"
    ERASURE_PROMISED = "forget.in-the-ledger"
    TOMBSTONES_WRITTEN = "forget.tombstones-written"
    ROWS_UNPUBLISHED = "forget.rows-unpublished"
    SIMILARITY_REMOVED = "forget.similarity-removed"
    CHECKPOINT_REMOVED = "forget.checkpoint-removed"
    FINGERPRINTS_REMOVED = "forget.fingerprints-removed"
    TABLE_REWRITTEN = "forget.table-rewritten"
    TEMPORARY_FILES_REMOVED = "forget.temporary-files-removed"
    PORTRAITS_REMOVED = "forget.portraits-removed"
    VECTORS_REMOVED = "forget.vectors-removed"
    PART_REWRITTEN = "forget.part-rewritten"
    FACES_REMOVED = "forget.faces-removed"
    ERASURE_SHARED = "forget.shared"
    RECORDS_REMOVED = "forget.records-removed"
    NAMES_OVERWRITTEN = "forget.names-overwritten"
    LEDGER_CLEANED = "forget.ledger-cleaned"
    ERASURE_RECORDED = "forget.recorded"

    PART_APPENDED = "parts.appended"
    PART_REMOVED = "parts.old-part-removed"

    EVENT_APPENDED = "ledger.event-appended"
    EVENTS_COMMITTED = "ledger.committed"

    @property
    def step(self) -> str:
        """The step that it is in."""
        return self.value.partition(".")[0]


class FailpointError(Exception):
    """What a point raises where it is to fail instead of to die."""


def reached(point: Failpoint) -> None:
    """Die or fail here, if CLASSFACE_FAILPOINT says so; else nothing.

    Raises:
        FailpointError: It says `…=raise`.
    """
    wanted = os.environ.get(VARIABLE)
    if not wanted:
        return
    name, at_which = wanted.removesuffix(_RAISE), "1"
    if "@" in name:
        name, _, at_which = name.partition("@")
    if name != point.value:
        return
    _reached[name] = _reached.get(name, 0) + 1
    if _reached[name] == int(at_which):
        if wanted.endswith(_RAISE):
            raise FailpointError(f"The failpoint {wanted} was reached.")
        _die()


def _die() -> None:
    """End this process as `kill -9` does."""
    if hasattr(signal, "SIGKILL"):
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(137)
