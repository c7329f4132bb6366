"""Maintenance of an archive: unused data for `classface prune`, inconsistencies for `classface find-orphans`."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from classface_assets.core.errors import UserError
from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import encode_relative_path
from classface_assets.orchestration.records.retention import old_runs
from classface_assets.orchestration.records.run_history import outdated_runs, record_size_bytes
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.orchestration.school_year_runs.partitions import year_files
from classface_assets.orchestration.settings.archive_names import names_of
from classface_assets.store.catalog.school_year import image_parts, list_school_years
from classface_assets.store.catalog.school_years import year_folders
from classface_assets.store.maintenance.integrity import (
    NOT_REPAIRED,
    REPAIR,
    Inconsistency,
    InconsistencyKind,
    IntegrityReport,
    check_integrity,
)
from classface_assets.store.maintenance.pruning import ActivePack, UnusedData, find_unused

SHOWN_EXAMPLES = 3
OUTDATED_RUN_RECORDS = "records of runs, with pictures, all of whose outputs later runs have replaced"
SUPERFLUOUS = frozenset(
    {
        InconsistencyKind.NO_FACE,
        InconsistencyKind.DUPLICATE_ROW,
        InconsistencyKind.TEMPORARY,
        InconsistencyKind.NOT_REPAIRABLE,
    }
)
"""Kinds of inconsistencies that are only removed; nothing has to be computed again."""


class PhotosChangedError(UserError):
    """The photos folder has changed since the last run, so what is in use is not known."""


def find_unused_data(
    archive: Archive, models: Sequence[Models], further: Sequence[ActivePack] = ()
) -> list[UnusedData]:
    """What no run with one of these model packs, or with the further ones, uses any more.

    In use is what the last run found. After a change of the folder, or with a drive that was not connected then, a run
    has to come first: else photos that are still there would count as deleted.

    Raises:
        PhotosChangedError: The photos folder has changed since the last run.
        PhotosFolderError: It cannot be read.
    """
    layout = archive.layout
    new, gone = _changes_since_last_run(layout)
    if new or gone:
        raise PhotosChangedError(
            f"The photos folder has changed since the last run ({new:,} files are new, {gone:,} are gone); "
            "run `classface run` first, so that prune knows what is in use."
        )
    packs = [model.describe(layout) for model in models]
    return find_unused(layout, [*(ActivePack(pack.detector_version, pack.key) for pack in packs), *further])


def outdated_run_records(instance: dg.DagsterInstance, layout: ArchiveLayout) -> tuple[set[str], list[UnusedData]]:
    """The runs whose outputs were all replaced, whose records show faces that may be gone, and their size."""
    runs, home = outdated_runs(instance, _school_years_in_use(layout), names_of(layout)), layout.dagster_home
    return runs, [UnusedData(OUTDATED_RUN_RECORDS, home.name, len(runs), record_size_bytes(home, runs))] if runs else []


def old_run_records(instance: dg.DagsterInstance, archive: Archive) -> list[UnusedData]:
    """The records of runs that are older than the archive retains them, and their size."""
    days, home = archive.retention_days, archive.layout.dagster_home
    until = datetime.now(UTC) - timedelta(days=days)
    runs = old_runs(instance, until, names_of(archive.layout)) if days else []
    kind = f"records of runs older than {days:,} days"
    return [UnusedData(kind, home.name, len(runs), record_size_bytes(home, runs))] if runs else []


def delete_empty_partitions(instance: dg.DagsterInstance, layout: ArchiveLayout) -> None:
    """Delete the partitions of school years of which nothing is left."""
    name = names_of(layout).school_years_name
    for year in set(instance.get_dynamic_partitions(name)) - _school_years_in_use(layout):
        instance.delete_dynamic_partition(name, year)


def _school_years_in_use(layout: ArchiveLayout) -> set[str]:
    """The school years that have a folder, or whose files some run has listed."""
    with_files = (year for year in list_school_years(layout) if image_parts(layout, year).ids("path"))
    return {*year_folders(layout), *with_files}


def unused_data_lines(found: Iterable[UnusedData]) -> Iterator[str]:
    """One line a kind: count, size and examples of where it is; the total size at the end."""
    groups: dict[str, list[UnusedData]] = defaultdict(list)
    for item in found:
        groups[item.kind].append(item)
    for kind, items in groups.items():
        what = "rows" if items[0].parts is not None else "files"
        places = [item.where for item in items if item.where]
        count, size = sum(item.count for item in items), sum(item.size for item in items)
        yield f"{count:>9,} {what:<5}  {_format_size(size):>9}  {kind}: {_examples(places)}"
    total = sum(item.size for items in groups.values() for item in items)
    yield f"Together {_format_size(total)}. The ledger, and with it every name, stays; photos are never touched."


def find_inconsistencies(archive: Archive, models: Models) -> IntegrityReport:
    """Check every stored file, and compare photos, faces, vectors and the database, for the model pack in use."""
    pack = models.describe(archive.layout)
    return check_integrity(archive.layout, pack.detector_version, pack.key)


def inconsistency_lines(found: Iterable[Inconsistency]) -> Iterator[str]:
    """A table of count, kind and examples, and what `--fix` does with each kind."""
    kinds: dict[InconsistencyKind, list[Inconsistency]] = defaultdict(list)
    for inconsistency in found:
        kinds[inconsistency.kind].append(inconsistency)
    for kind, of_kind in kinds.items():
        names = [f"{one.year} {name}".strip() for one in of_kind for name in one.names]
        yield f"{len(names):>9,}  {kind}: {_examples(names)}"
    advice = (f"{kind}: --fix {REPAIR[kind]}" if kind in REPAIR else f"{kind}: {NOT_REPAIRED[kind]}" for kind in kinds)
    yield "; ".join(advice) + "."


def checksum_note(report: IntegrityReport) -> str:
    """How many files have no checksum yet; "" where all have one."""
    count = report.without_checksum
    if not count:
        return ""
    files = "1 file of an older version has" if count == 1 else f"{count:,} files of older versions have"
    return f"{files} no checksum yet: damage of it shows only where it cannot be read. It gets one when it is written."


def _changes_since_last_run(layout: ArchiveLayout) -> tuple[int, int]:
    """How many files of the photos folder no run has listed, and how many of those listed are gone."""
    folders = year_folders(layout)
    files = [file for places in folders.values() for file in year_files(layout.photos, places)]
    present = {encode_relative_path(file, layout.photos) for file in files}
    known = {path for year in list_school_years(layout) for path in image_parts(layout, year).ids("path")}
    return len(present - known), len(known - present)


def _examples(names: Sequence[str]) -> str:
    shown = ", ".join(names[:SHOWN_EXAMPLES])
    return f"{shown} … and {len(names) - SHOWN_EXAMPLES:,} more" if len(names) > SHOWN_EXAMPLES else shown


def _format_size(count: float) -> str:
    """A number of bytes as B, kB, MB or GB of 1,000 each."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
