"""Keeping an archive in order: what `classface prune` and `classface find-orphans` do, and what they say."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import dagster as dg

from classface_assets.core.errors import UserError
from classface_assets.core.layout import Layout
from classface_assets.core.locations import path_text
from classface_assets.orchestration.instance import UNFINISHED, release
from classface_assets.orchestration.partitions import school_years, year_files
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.orchestration.run_history import outdated_runs, size_of
from classface_assets.store.catalog.school_year import image_parts, years_with_images
from classface_assets.store.catalog.school_years import year_folders
from classface_assets.store.maintenance.integrity import NO_FACE, REPAIR, TEMPORARY, TWICE, Orphans, find_orphans
from classface_assets.store.maintenance.pruning import InUse, Leftover, leftovers

EXAMPLES = 3
OLD_RUNS = "records of runs, with pictures, that later runs have made all anew"
SUPERFLUOUS = frozenset({NO_FACE, TWICE, TEMPORARY})
"""What is only taken out: nothing has to be made again."""


class UpkeepError(UserError):
    """Not now: a run is under way, or the photos folder holds what no run has looked at."""


def unused(archive: Archive, models: Sequence[Models]) -> list[Leftover]:
    """What nothing uses that belongs to these packs' archive. Raises UpkeepError, PhotosFolderError.

    What is in use is what the last run saw. So a folder that changed since, or a drive that was away then, is first to
    be run: else photos that are still there would count as deleted.
    """
    layout = archive.layout
    new, gone = _changed_since(layout)
    if new or gone:
        raise UpkeepError(
            f"The photos folder has changed since the last run ({new:,} files are new, {gone:,} are gone); "
            "run `classface run` first, so that prune knows what is in use."
        )
    packs = [model.describe(layout) for model in models]
    return leftovers(layout, [InUse(pack.detector_version, pack.key) for pack in packs])


def at_rest(instance: dg.DagsterInstance) -> None:
    """Free what killed runs hold. Raises UpkeepError while a run is under way."""
    release(instance)
    records = instance.get_run_records(dg.RunsFilter(statuses=UNFINISHED), limit=1)
    if records:
        run = records[0].dagster_run
        raise UpkeepError(f"A run is under way ({run.job_name} {run.run_id[:8]}); try again when it has ended.")


def old_records(instance: dg.DagsterInstance, layout: Layout) -> tuple[set[str], list[Leftover]]:
    """The runs that only tell how it was, with pictures of faces that may be gone; and what is said of them."""
    runs, home = outdated_runs(instance, _years_left(layout)), layout.dagster_home
    return runs, [Leftover(OLD_RUNS, home.name, len(runs), size_of(home, runs))] if runs else []


def forget_years(instance: dg.DagsterInstance, layout: Layout) -> None:
    """Let Dagster forget the school years of which nothing is left."""
    name = str(school_years.name)
    for year in set(instance.get_dynamic_partitions(name)) - _years_left(layout):
        instance.delete_dynamic_partition(name, year)


def _years_left(layout: Layout) -> set[str]:
    with_files = (year for year in years_with_images(layout) if image_parts(layout, year).ids("path"))
    return {*year_folders(layout), *with_files}


def leftover_lines(found: Iterable[Leftover]) -> Iterator[str]:
    """One line a kind, with where it is, how much it is and how large; the sum at the end."""
    groups: dict[str, list[Leftover]] = defaultdict(list)
    for leftover in found:
        groups[leftover.kind].append(leftover)
    for kind, same in groups.items():
        what = "rows" if same[0].parts is not None else "files"
        count, size = sum(one.count for one in same), sum(one.size for one in same)
        yield f"{count:>9,} {what:<5}  {_size(size):>9}  {kind}: {_examples([one.where for one in same if one.where])}"
    total = sum(one.size for same in groups.values() for one in same)
    yield f"Together {_size(total)}. The ledger, and with it every name, stays; photos are never touched."


def orphans(archive: Archive, models: Models) -> list[Orphans]:
    """What does not fit together, for the pack in use."""
    pack = models.describe(archive.layout)
    return find_orphans(archive.layout, pack.detector_version, pack.key)


def orphan_lines(found: Iterable[Orphans]) -> Iterator[str]:
    """A table of count, kind and examples, and what `--fix` does with each kind."""
    kinds: dict[str, list[Orphans]] = defaultdict(list)
    for one in found:
        kinds[one.kind].append(one)
    for kind, same in kinds.items():
        names = [f"{one.year} {name}".strip() for one in same for name in one.names]
        yield f"{len(names):>9,}  {kind}: {_examples(names)}"
    yield "; ".join(f"{kind}: --fix {REPAIR[kind]}" for kind in kinds) + "."


def _changed_since(layout: Layout) -> tuple[int, int]:
    """How many files of the photos folder no run has looked at, and how many of those looked at are gone."""
    folders = year_folders(layout)
    files = [file for places in folders.values() for file in year_files(layout.photos, places)]
    there = {path_text(file, layout.photos) for file in files}
    known = {path for year in years_with_images(layout) for path in image_parts(layout, year).ids("path")}
    return len(there - known), len(known - there)


def _examples(names: Sequence[str]) -> str:
    shown = ", ".join(names[:EXAMPLES])
    return f"{shown} … and {len(names) - EXAMPLES:,} more" if len(names) > EXAMPLES else shown


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
