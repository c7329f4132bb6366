"""The resources that Dagster hands to the assets: the archive, the model pack, and the progress reporter."""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Literal

import dagster as dg
from pydantic import Field

from classface_assets.core.errors import UnreachableError
from classface_assets.core.layout import MOST_NEW_YEARS, ArchiveLayout
from classface_assets.core.locations import parse_local_folder, parse_location
from classface_assets.orchestration.batches.packs import load_shared_pack, loading_ahead
from classface_assets.orchestration.batches.ray.connection import disconnect
from classface_assets.orchestration.ledger_backups import BackupScheduler, LedgerBackups
from classface_assets.orchestration.progress import Progress, ProgressCallback, asset_event_listener, log_listener
from classface_assets.orchestration.settings.archive_names import host_tags, names_of
from classface_assets.store.artifacts.memoization import catalog_fingerprint
from classface_assets.store.backups.generations import Backup, Retention
from classface_assets.store.catalog.faces import FaceCatalog, load_catalog
from classface_assets.store.files.duckdb_changes import DatabasePublisher
from classface_assets.store.ledger.ledger import Ledger
from classface_assets.store.maintenance.failed_checks import require_passed_checks, require_sound_catalog
from classface_assets.store.published.ledger_record import ArchiveExpectation
from classface_assets.store.published.publishing_lease import publishing_lease, require_lease
from classface_assets.store.published.shared_files import pull
from classface_assets.store.published.shared_push import push
from classface_assets.vision.models.pack_info import PackInfo, describe_pack
from classface_assets.vision.models.registry import ModelPack

RETENTION_DAYS = 90
_log = logging.getLogger(__name__)

RefusedMode = Literal["withhold", "blur", "box"]
AlbumLanguage = Literal["en", "de", "fr", "es", "pl"]
"""RefusedFaces as Dagster's run configuration shows them."""


class Archive(dg.ConfigurableResource):
    """The photos, and the folder of everything that is made from them."""

    photos: str = Field(
        description="Folder with one sub-folder per school year; only read. A path, or a URL such as s3://bucket/photos."
        " (CLASSFACE_PHOTOS)"
    )
    data: str = Field(
        description="Folder for everything that is made: parts, albums, and what the local folder is for where none is "
        "given. A path, or a URL such as s3://bucket/data. (CLASSFACE_DATA)"
    )
    local: str = Field(
        default="",
        description="Folder on this machine for the database, the ledger, the models and Dagster's records; empty: the "
        "data folder, or `data` when the data are at a URL. (CLASSFACE_LOCAL)",
    )
    name: str = Field(
        default="",
        description="What the archive is called in a Dagster that it shares with others: its assets, school years, "
        "pools and runs carry this name. Empty: its Dagster is its own. (CLASSFACE_ARCHIVE)",
    )
    dagster_home: str = Field(
        default="",
        description="Dagster's home where archives share one; empty: `dagster_home` in the local folder. "
        "(DAGSTER_HOME, for an archive that has a name)",
    )
    ledger: str = Field(
        default="",
        description="SQLAlchemy URL of the ledger of people's decisions; empty: ledger.sqlite in the local folder. "
        "(CLASSFACE_LEDGER)",
    )
    ledger_backups: str = Field(
        default="",
        description="How many backups of the ledger stay: `5+7`, the default, are the last five and one a day for seven"
        " days; `0` makes none. (CLASSFACE_LEDGER_BACKUPS)",
    )
    year_pattern: str = Field(
        default="",
        description=r"Regular expression that finds the school year in a folder's name, with groups first and perhaps "
        r"second: (?P<first>\d{4})-(?P<second>\d\d). Empty: 2019-2020, 2019-20, 2019_2020, 2019, Schuljahr 2019-20. "
        "(CLASSFACE_YEAR_PATTERN)",
    )
    year_start: str = Field(
        default="09-01", description="Month and day on which a school year starts. (CLASSFACE_YEAR_START)"
    )
    most_new_years: int = Field(
        default=MOST_NEW_YEARS,
        ge=0,
        description="So many new folders of the photos folder are run as school years without a question; more are "
        "held back until `classface run --yes`. 0: any number. (CLASSFACE_MOST_NEW_YEARS)",
    )
    retention_days: int = Field(
        default=RETENTION_DAYS,
        ge=0,
        description="Days after which Dagster's records of finished runs are removed; what each asset was last "
        "materialized with stays. 0: never. (CLASSFACE_RETENTION_DAYS)",
    )
    refused: RefusedMode = Field(
        default="withhold",
        description="What albums do with a photo of somebody who may not be shown: `withhold` it, or show it with that "
        "face covered, as a `blur` or a grey `box`, when it shows others too. The original stays as it is. "
        "(CLASSFACE_REFUSED)",
    )
    language: AlbumLanguage = Field(
        default="en",
        description="The language of the albums: English, German, French, Spanish or Polish. (CLASSFACE_LANGUAGE)",
    )

    @cached_property
    def layout(self) -> ArchiveLayout:
        """Where everything of the archive lies."""
        local = parse_local_folder(self.local) if self.local else None
        return ArchiveLayout(
            photos=parse_location(self.photos),
            data=parse_location(self.data),
            local_folder=local,
            year_pattern=self.year_pattern,
            year_start=self.year_start,
            most_new_years=self.most_new_years,
            name=self.name,
            shared_home=Path(self.dagster_home) if self.dagster_home else None,
        )

    @cached_property
    def _expectation(self) -> ArchiveExpectation:
        """What the archive knows of its ledger."""
        return ArchiveExpectation(self.layout)

    @cached_property
    def _catalogs(self) -> dict[str, FaceCatalog]:
        """The catalog that was loaded last, by its fingerprint."""
        return {}

    @cached_property
    def _sound_catalogs(self) -> list[FaceCatalog]:
        """The catalog that was loaded last, once its faces and vectors were checked."""
        return []

    @cached_property
    def database_publisher(self) -> DatabasePublisher:
        """Publishes the database, which it has in memory until the catalog is released."""
        return DatabasePublisher()

    @cached_property
    def _near_duplicates(self) -> list[tuple[FaceCatalog, FaceCatalog]]:
        """The catalog of which near duplicates were found last, and the same with them."""
        return []

    def open_ledger(self) -> Ledger:
        """The ledger of people's decisions. Each transaction checks that it is the one that the archive knows.

        Raises:
            UserError: What the archive knows of its ledger cannot be read.
            StorageError: The disk, drive or server fails.
        """
        scheduler = self.backup_scheduler
        return Ledger(self.ledger_url, expected=self._expectation, after_write=scheduler.notice)

    def open_unchecked_ledger(self) -> Ledger:
        """The ledger, whether it is the archive's or not: to be looked at, or put back."""
        return Ledger(self.ledger_url)

    @property
    def ledger_url(self) -> str:
        """The SQLAlchemy URL of the ledger."""
        return self.ledger or self.layout.ledger_url

    def back_up_ledger(self) -> Backup | None:
        """Back up the ledger if it has new events; see `LedgerBackups.make`."""
        retention = Retention.parse(self.ledger_backups) if self.ledger_backups else Retention()
        return LedgerBackups(self.layout, self.open_ledger, retention).make()

    @cached_property
    def backup_scheduler(self) -> BackupScheduler:
        """Makes backups after bursts of decisions, in processes that start it, or flush it at their end."""
        return BackupScheduler(self.back_up_ledger)

    def catalog(self, models: "Models") -> FaceCatalog:
        """All files, faces and embeddings of the pack in use.

        It stays in memory as long as this resource, in Dagster for one run: the assets of a run and their checks read
        the same catalog one after the other. It is loaded again when a Parquet part came or went.

        Raises:
            DetectionMissingError: The archive has faces, but none that this pack's detector found.
        """
        pack = models.describe(self.layout)
        fingerprint = catalog_fingerprint(self.layout, pack.detector_version, pack.key)
        if fingerprint not in self._catalogs:
            self.release_catalog()
            self._catalogs[fingerprint] = load_catalog(self.layout, pack.detector_version, pack.key)
        return self._catalogs[fingerprint]

    def sound_catalog(self, models: "Models") -> FaceCatalog:
        """The catalog, for those who make something of all school years: only while no check that blocks has failed.

        Raises:
            DetectionMissingError: As of `catalog`.
            FailedChecksError: One has failed in the last run of a school year, or does now.
        """
        catalog = self.catalog(models)
        if any(one is catalog for one in self._sound_catalogs):
            require_passed_checks(self.layout)
        else:
            require_sound_catalog(self.layout, catalog)
            self._sound_catalogs[:] = [catalog]
        return catalog

    def with_near_duplicates(self, catalog: FaceCatalog, find: Callable[[FaceCatalog], FaceCatalog]) -> FaceCatalog:
        """The catalog with its near duplicates, which two assets of a run need: found once, as long as it is in memory.

        Args:
            catalog: As `catalog` gave it.
            find: Makes of the catalog the one with near duplicates.
        """
        if not any(one is catalog for one, _ in self._near_duplicates):
            self._near_duplicates[:] = [(catalog, find(catalog))]
        return self._near_duplicates[0][1]

    def release_catalog(self) -> None:
        """Free the memory that the catalog takes, and what was made of it."""
        self._catalogs.clear()
        self._near_duplicates.clear()
        self.database_publisher.release()
        self._sound_catalogs.clear()

    def synchronize(self) -> None:
        """Bring the local folder up to date with what other machines share at the data's URL; see `pull`.

        Raises:
            UserError: A newer version of this program shares files there.
            StorageError: The server or the disk fails.
        """
        pull(self.layout)

    def share(self) -> None:
        """Share at the data's URL what this machine has made in its local folder; see `push`.

        Raises:
            UserError: Another machine has erased somebody meanwhile, or a newer version of this program shares files.
            StorageError: The server or the disk fails.
        """
        push(self.layout)

    @contextmanager
    def publishing(self, command: str, report: Callable[[str], object] | None = None) -> Iterator[bool]:
        """A context in which no other machine publishes the archive; what is made within is shared at its end.

        It begins with what others have published. With local data it does nothing.

        Args:
            command: Shown to machines that wait for this one.
            report: Called with a sentence where this machine waits for another; None to log it.

        Yields:
            Whether others have published since this machine looked last.

        Raises:
            LeaseLostError: Another machine took this one for dead; nothing was shared.
            UserError, StorageError: As of `synchronize` and `share`.
        """
        with publishing_lease(self.layout, command, report or _log.warning) as is_new:
            yield is_new and pull(self.layout)
            require_lease(self.layout)
            self.share()

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Called by Dagster at the start of a run, and before sensors: a run gets the tags by which it is found again.

        One that was started in Dagster's page, of assets without a job, has none yet.
        """
        try:
            self.synchronize()
        except UnreachableError as error:  # each step says so too, and is tried again
            _log.warning("%s", error)
        if context.run is None or context.instance is None:
            return
        tags = {**names_of(self.layout).tags, **host_tags(context.instance)}
        if not tags.items() <= context.run.tags.items():
            context.instance.add_run_tags(context.run.run_id, tags)

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002 - Dagster's signature
        """Called by Dagster at the end of a run."""
        self.release_catalog()
        disconnect()
        self.backup_scheduler.flush()


class Models(dg.ConfigurableResource):
    """The model pack: detector, aligner and embedder under one name."""

    pack: str = Field(
        description="`builtin` or `dlib` (no download), an InsightFace pack (`buffalo_l`, `buffalo_s`, `antelopev2`: "
        "downloaded on first use, non-commercial), or the path of a folder in InsightFace's format, of one with a "
        "pack.toml, or of an .onnx file with its description beside it. (CLASSFACE_PACK)",
    )

    def describe(self, layout: ArchiveLayout) -> PackInfo:
        """Name and versions of the pack, without loading a model."""
        return describe_pack(self.pack, layout.packs)

    def load(self, layout: ArchiveLayout) -> ModelPack:
        """The pack's models, ready to run."""
        return load_shared_pack(self.pack, layout.packs, layout.cache)

    def loading_ahead(self, layout: ArchiveLayout) -> AbstractContextManager[None]:
        """A context that will need the models, see `packs.loading_ahead`."""
        return loading_ahead(self.pack, layout.packs, layout.cache)


class LoggedProgress(dg.ConfigurableResource):
    """Reports how far a step is: lines in the run's log, and events of the asset."""

    log_every_s: float = Field(default=10.0, gt=0, description="Seconds between two lines in the log.")
    event_every_s: float = Field(default=30.0, gt=0, description="Seconds between two observations of the asset.")

    def task(self, label: str, total: int, unit: str = "photos") -> AbstractContextManager[ProgressCallback]:
        """See ProgressReporter."""
        log = log_listener(dg.get_dagster_logger("progress").info, self.log_every_s)
        return Progress((log, asset_event_listener(self.event_every_s))).task(label, total, unit)

    def enter_year(self, asset: str, year: str) -> None:
        """The run's log has a line for each school year anyway."""
