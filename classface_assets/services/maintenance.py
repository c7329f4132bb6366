"""Keeping an archive in order: what `classface prune` and `classface find-orphans` do, and what they say."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import dagster as dg

from classface_assets.core.errors import UserError
from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import encode_relative_path
from classface_assets.orchestration.instance import UNFINISHED_STATUSES, fail_dead_runs
from classface_assets.orchestration.partitions import school_year_partitions, year_files
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.orchestration.run_history import outdated_runs, record_size_bytes
from classface_assets.store.catalog.school_year import image_parts, list_school_years
from classface_assets.store.catalog.school_years import year_folders
from classface_assets.store.maintenance.integrity import (
    REPAIR,
    Inconsistency,
    InconsistencyKind,
    check_integrity,
)
from classface_assets.store.maintenance.pruning import ActivePack, UnusedData, find_unused

SHOWN_EXAMPLES = 3
OUTDATED_RUN_RECORDS = "records of runs, with pictures, that later runs have made all anew"
SUPERFLUOUS = frozenset({InconsistencyKind.NO_FACE, InconsistencyKind.DUPLICATE_ROW, InconsistencyKind.TEMPORARY})
"""What is only taken out: nothing has to be made again."""


class MaintenanceError(UserError):
    """Not now: a run is under way, or the photos folder holds what no run has looked at."""


def find_unused_data(archive: Archive, models: Sequence[Models]) -> list[UnusedData]:
    """What nothing uses that belongs to these packs' archive. Raises UpkeepError, PhotosFolderError.

    What is in use is what the last run saw. So a folder that changed since, or a drive that was away then, is first to
    be run: else photos that are still there would count as deleted.
    """
    layout = archive.layout
    new, gone = _changes_since_last_run(layout)
    if new or gone:
        raise MaintenanceError(
            f"The photos folder has changed since the last run ({new:,} files are new, {gone:,} are gone); "
            "run `classface run` first, so that prune knows what is in use."
        )
    packs = [model.describe(layout) for model in models]
    return find_unused(layout, [ActivePack(pack.detector_version, pack.key) for pack in packs])


def require_idle(instance: dg.DagsterInstance) -> None:
    """Free what killed runs hold. Raises UpkeepError while a run is under way."""
    fail_dead_runs(instance)
    records = instance.get_run_records(dg.RunsFilter(statuses=UNFINISHED_STATUSES), limit=1)
    if records:
        run = records[0].dagster_run
        raise MaintenanceError(f"A run is under way ({run.job_name} {run.run_id[:8]}); try again when it has ended.")


def outdated_run_records(instance: dg.DagsterInstance, layout: ArchiveLayout) -> tuple[set[str], list[UnusedData]]:
    """The runs that only tell how it was, with pictures of faces that may be gone; and what is said of them."""
    runs, home = outdated_runs(instance, _school_years_in_use(layout)), layout.dagster_home
    return runs, [UnusedData(OUTDATED_RUN_RECORDS, home.name, len(runs), record_size_bytes(home, runs))] if runs else []


def delete_empty_partitions(instance: dg.DagsterInstance, layout: ArchiveLayout) -> None:
    """Let Dagster forget the school years of which nothing is left."""
    name = str(school_year_partitions.name)
    for year in set(instance.get_dynamic_partitions(name)) - _school_years_in_use(layout):
        instance.delete_dynamic_partition(name, year)


def _school_years_in_use(layout: ArchiveLayout) -> set[str]:
    with_files = (year for year in list_school_years(layout) if image_parts(layout, year).ids("path"))
    return {*year_folders(layout), *with_files}


def unused_data_lines(found: Iterable[UnusedData]) -> Iterator[str]:
    """One line a kind, with where it is, how much it is and how large; the sum at the end."""
    groups: dict[str, list[UnusedData]] = defaultdict(list)
    for leftover in found:
        groups[leftover.kind].append(leftover)
    for kind, same in groups.items():
        what = "rows" if same[0].parts is not None else "files"
        places = [one.where for one in same if one.where]
        count, size = sum(one.count for one in same), sum(one.size for one in same)
        yield f"{count:>9,} {what:<5}  {_format_size(size):>9}  {kind}: {_examples(places)}"
    total = sum(one.size for same in groups.values() for one in same)
    yield f"Together {_format_size(total)}. The ledger, and with it every name, stays; photos are never touched."


def find_inconsistencies(archive: Archive, models: Models) -> list[Inconsistency]:
    """What does not fit together, for the pack in use."""
    pack = models.describe(archive.layout)
    return check_integrity(archive.layout, pack.detector_version, pack.key)


def inconsistency_lines(found: Iterable[Inconsistency]) -> Iterator[str]:
    """A table of count, kind and examples, and what `--fix` does with each kind."""
    kinds: dict[InconsistencyKind, list[Inconsistency]] = defaultdict(list)
    for one in found:
        kinds[one.kind].append(one)
    for kind, same in kinds.items():
        names = [f"{one.year} {name}".strip() for one in same for name in one.names]
        yield f"{len(names):>9,}  {kind}: {_examples(names)}"
    yield "; ".join(f"{kind}: --fix {REPAIR[kind]}" for kind in kinds) + "."


def _changes_since_last_run(layout: ArchiveLayout) -> tuple[int, int]:
    """How many files of the photos folder no run has looked at, and how many of those looked at are gone."""
    folders = year_folders(layout)
    files = [file for places in folders.values() for file in year_files(layout.photos, places)]
    there = {encode_relative_path(file, layout.photos) for file in files}
    known = {path for year in list_school_years(layout) for path in image_parts(layout, year).ids("path")}
    return len(there - known), len(known - there)


def _examples(names: Sequence[str]) -> str:
    shown = ", ".join(names[:SHOWN_EXAMPLES])
    return f"{shown} … and {len(names) - SHOWN_EXAMPLES:,} more" if len(names) > SHOWN_EXAMPLES else shown


def _format_size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
