"""Damaged files are taken away before an asset writes, and before a run starts, so that they are made again."""

from collections.abc import Callable, Mapping
from functools import cached_property

import dagster as dg

from classface_assets.core.errors import StorageError
from classface_assets.core.layout import ArchiveLayout
from classface_assets.store.files.parts import PartDataset
from classface_assets.store.maintenance.album_check import AlbumCheck
from classface_assets.store.maintenance.failed_checks import failed_checks
from classface_assets.store.maintenance.file_repair import repair_files, repair_parts
from classface_assets.store.maintenance.stored_files import (
    FileDamage,
    FileKind,
    check_before_a_run,
    check_stored_files,
)


def log_repaired(context: dg.AssetExecutionContext, layout: ArchiveLayout, *datasets: PartDataset) -> None:
    """Take away what is damaged of the datasets that an asset is about to write to, with a warning for each file."""
    for sentence in repair_parts(layout, datasets):
        context.log.warning(sentence)


class AlbumRepair:
    """The albums of an archive as a run finds them: those of a large one are checked while the run goes on."""

    def __init__(self, layout: ArchiveLayout, report: Callable[[str], None], check: AlbumCheck) -> None:
        """Take away what is damaged, at once where that is known at once.

        Args:
            layout: The archive.
            report: Called with a sentence for each damaged file.
            check: Which finds them.
        """
        self._layout, self._report, self._check = layout, report, check
        if check.process is None:
            _ = self.intact

    @cached_property
    def intact(self) -> Mapping[str, str]:
        """`CheckedAlbums.intact`, once all is checked and what is damaged was taken away."""
        checked = self._check.result
        damaged = [FileDamage(path, FileKind.ALBUM, why, year) for year, path, why in checked.damaged]
        for sentence in repair_files(self._layout, damaged):
            self._report(sentence)
        return checked.intact

    def stop(self) -> None:
        """Check no further: somebody else does, or the run ends."""
        self._check.stop()


def repair_before_a_run(layout: ArchiveLayout, report: Callable[[str], None]) -> AlbumRepair:
    """Take away what is damaged, with a sentence for each file. What a server stores is not read for this.

    Returns:
        The albums, which have to be sound only when albums are made.
    """
    for sentence in repair_files(layout, check_before_a_run(layout, albums=False).damaged):
        report(sentence)
    return AlbumRepair(layout, report, AlbumCheck.begin(layout))


def repair_after_a_failure(layout: ArchiveLayout, report: Callable[[str], None]) -> bool:
    """Take away whatever is damaged, after something failed.

    Returns:
        Whether anything was, or a check failed whose school year is made anew, so that a second try may succeed.
    """
    try:
        damaged = [one for one in check_stored_files(layout).damaged if one.kind != FileKind.ORIGINAL]
    except StorageError:  # that the disk or server fails, the failure says already
        return False
    for sentence in repair_files(layout, damaged):
        report(sentence)
    failed = failed_checks(layout)
    for one in failed:
        report(f"{one.year}: {one.asset} failed its checks ({', '.join(one.checks)}); what is broken is made again.")
    return bool(damaged or failed)
