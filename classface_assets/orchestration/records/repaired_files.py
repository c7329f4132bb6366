"""Damaged files are taken away before an asset writes, and before a run starts, so that they are made again."""

from collections.abc import Callable, Mapping

import dagster as dg

from classface_assets.core.errors import StorageError
from classface_assets.core.layout import ArchiveLayout
from classface_assets.store.files.parts import PartDataset
from classface_assets.store.maintenance.failed_checks import failed_checks
from classface_assets.store.maintenance.file_repair import repair_files, repair_parts
from classface_assets.store.maintenance.stored_files import FileKind, check_before_a_run, check_stored_files


def log_repaired(context: dg.AssetExecutionContext, layout: ArchiveLayout, *datasets: PartDataset) -> None:
    """Take away what is damaged of the datasets that an asset is about to write to, with a warning for each file."""
    for sentence in repair_parts(layout, datasets):
        context.log.warning(sentence)


def repair_before_a_run(layout: ArchiveLayout, report: Callable[[str], None]) -> Mapping[str, str]:
    """Take away what is damaged, with a sentence for each file. What a server stores is not read for this.

    Returns:
        `CheckBeforeRun.intact_albums`.
    """
    checked = check_before_a_run(layout)
    for sentence in repair_files(layout, checked.damaged):
        report(sentence)
    return checked.intact_albums


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
