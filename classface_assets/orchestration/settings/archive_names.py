"""What an archive is called in Dagster: the one place where asset keys, partitions, pools and tags get their names.

Several archives may share one Dagster. Each then has a name, and everything of it that Dagster records carries that
name. An archive without one has plain keys, as if it were alone.
"""

import re
import socket
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import dagster as dg
from dagster._core.definitions.definitions_class import SINGLETON_REPOSITORY_NAME
from dagster._core.remote_origin import RemoteRepositoryOrigin

from classface_assets.core.errors import UserError
from classface_assets.core.layout import ArchiveLayout

ARCHIVE_TAG = "classface/archive"
"""The tag of Dagster's runs that holds the name of the archive that they belong to."""
HOST_TAG = "classface/host"
"""The tag of a run that holds the machine of its process, where machines share the records."""
SCHOOL_YEAR = "school_year"
MOST_CHARACTERS = 60
RESERVED_NAMES = frozenset({"archives", "schedules", "history", "storage"})
SHARED_INTERVAL = 4
"""So many times as long are the intervals of sensors that are on by default, where archives share a Dagster."""
_NAME = re.compile(r"[A-Za-z0-9_]+")
_PAGE = 1_000


class ArchiveNameError(UserError):
    """An archive cannot have that name in Dagster."""


def require_archive_name(name: str) -> str:
    """The name, if an archive can have it.

    Raises:
        ArchiveNameError: It has other characters than Dagster's keys may have, or is kept for something else.
    """
    if not _NAME.fullmatch(name) or len(name) > MOST_CHARACTERS or name.startswith("__"):
        raise ArchiveNameError(
            f"{name!r} cannot be the name of an archive; take letters from A to Z, digits and _, at most "
            f"{MOST_CHARACTERS}, such as north_school."
        )
    if name.casefold() in RESERVED_NAMES:
        raise ArchiveNameError(f"{name!r} cannot be the name of an archive, it is used by Dagster; take another one.")
    return name


@dataclass(frozen=True)
class ArchiveNames:
    """The names of one archive.

    Attributes:
        name: Of the archive; "" for one that has its Dagster to itself.
    """

    name: str = ""

    @property
    def prefix(self) -> tuple[str, ...]:
        """What the keys of its assets begin with."""
        return (self.name,) if self.name else ()

    @property
    def tags(self) -> dict[str, str]:
        """The tags of its runs."""
        return {ARCHIVE_TAG: self.name} if self.name else {}

    @property
    def school_years(self) -> dg.DynamicPartitionsDefinition:
        """Its school years."""
        return dg.DynamicPartitionsDefinition(name=self.school_years_name)

    @property
    def school_years_name(self) -> str:
        """Under which Dagster stores its school years."""
        return "/".join((*self.prefix, SCHOOL_YEAR))

    def asset_key(self, asset: str) -> dg.AssetKey:
        """The key of an asset."""
        return dg.AssetKey([*self.prefix, asset])

    def asset_keys(self, assets: Iterable[str]) -> list[dg.AssetKey]:
        """The keys of these assets."""
        return [self.asset_key(asset) for asset in assets]

    def pool(self, pool: str | None) -> str | None:
        """The pool in place of one that is named for an archive alone: a run that hangs holds up its own archive."""
        return pool and "/".join((*self.prefix, pool))

    def seconds_between_ticks(self, seconds: int) -> int:
        """How often a sensor looks that is on by default: less often where hundreds may share one daemon.

        Args:
            seconds: Where the archive has its Dagster to itself.
        """
        return SHARED_INTERVAL * seconds if self.name else seconds

    def owns_key(self, key: dg.AssetKey) -> bool:
        """Whether an asset is one of this archive."""
        return len(key.path) == len(self.prefix) + 1 and tuple(key.path[:-1]) == self.prefix

    def owns_run(self, run: dg.DagsterRun) -> bool:
        """Whether a run is one of this archive."""
        return archive_of(run) == self.name

    def owns_repository(self, origin: RemoteRepositoryOrigin) -> bool:
        """Whether a sensor, schedule or backfill of that repository is one of this archive."""
        if origin.repository_name == SINGLETON_REPOSITORY_NAME:
            return self.name in ("", origin.code_location_origin.location_name)
        return origin.repository_name == self.name

    def recorded_keys(self, instance: dg.DagsterInstance) -> list[dg.AssetKey]:
        """The keys of its assets of which Dagster has a record."""
        return [key for key in instance.get_asset_keys(prefix=self.prefix or None) if self.owns_key(key)]

    def run_records(
        self, instance: dg.DagsterInstance, *, statuses: Sequence[dg.DagsterRunStatus] = (), cursor: str | None = None
    ) -> Iterator[dg.RunRecord]:
        """Its runs, newest first, read a page at a time.

        Args:
            instance: Where they are recorded.
            statuses: Only runs that are in one of these states; none for all. Runs in progress should be asked for by
                this: one that did not begin yet may be known by its assets alone.
            cursor: Only those that were created before this run.
        """
        filters = dg.RunsFilter(statuses=list(statuses), tags={} if statuses else self.tags)
        while page := instance.get_run_records(filters, cursor=cursor, limit=_PAGE):
            yield from (record for record in page if self.owns_run(record.dagster_run))
            cursor = page[-1].dagster_run.run_id

    def count_runs(self, instance: dg.DagsterInstance) -> int:
        """How many runs it has."""
        if self.name:
            return instance.get_runs_count(dg.RunsFilter(tags=self.tags))
        others = [value for _, values in instance.run_storage.get_run_tags([ARCHIVE_TAG]) for value in values]
        of_others = instance.get_runs_count(dg.RunsFilter(tags={ARCHIVE_TAG: others})) if others else 0
        return instance.get_runs_count() - of_others


ALONE = ArchiveNames()
"""Of an archive without a name."""


def names_of(layout: ArchiveLayout) -> ArchiveNames:
    """The names of an archive."""
    return ArchiveNames(layout.name)


def archive_of(run: dg.DagsterRun) -> str:
    """The name of the archive that a run belongs to; "" for the one without a name.

    A run of some assets that was started in Dagster's page has no tag before its process begins, but their keys.
    """
    if ARCHIVE_TAG in run.tags:
        return run.tags[ARCHIVE_TAG]
    keys = [*(run.asset_selection or ()), *(check.asset_key for check in run.asset_check_selection or ())]
    return next((key.path[0] for key in keys if len(key.path) > 1), "")


def asset_name(key: dg.AssetKey) -> str:
    """The name of an asset without that of its archive."""
    return key.path[-1]


def are_shared(instance: dg.DagsterInstance) -> bool:
    """Whether other machines may use the same records."""
    return bool(getattr(instance.event_log_storage, "postgres_url", None))  # its class is in the extra `postgres`


def host_tags(instance: dg.DagsterInstance) -> dict[str, str]:
    """The tags of a run whose process is one of this machine; none where no other machine sees the run."""
    return {HOST_TAG: socket.gethostname()} if are_shared(instance) else {}


def place_of(run: dg.DagsterRun) -> str:
    """` on north-server` for a run of which the machine is known; else ""."""
    return f" on {run.tags[HOST_TAG]}" if HOST_TAG in run.tags else ""
