"""What a run skips without asking Dagster: school years and jobs whose results would be the same.

What Dagster has no record of is always run, so that its UI shows what there is.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import dagster as dg
import polars as pl

from classface_assets.defs.albums.albums import (
    SiteConfig,
    album_contents,
    album_fingerprint,
    site_contents,
    site_fingerprint,
)
from classface_assets.defs.albums.target import AlbumTarget, find_target, is_as_published
from classface_assets.defs.automation import IDENTIFY_ASSETS, YEAR_ASSETS
from classface_assets.defs.ingest.year_changes import YearChanges
from classface_assets.defs.memoized import archive_state, input_fingerprint
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.orchestration.settings.archive_names import names_of
from classface_assets.orchestration.settings.file import lasting_assignment
from classface_assets.store.artifacts.assignment_tables import read_table_inputs
from classface_assets.store.artifacts.checkpoints import checkpoint_files
from classface_assets.store.artifacts.memoization import InputFingerprint, file_signature
from classface_assets.store.artifacts.thresholds import calibration_file
from classface_assets.store.maintenance.failed_checks import failed_checks

NONE_CHECKED: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class ChangeDetector:
    """Compares one archive, as it is at this moment, with the last run; one is created for each run.

    Attributes:
        archive: The archive.
        models: The model pack in use.
        instance: Where Dagster records runs.
    """

    archive: Archive
    models: Models
    instance: dg.DagsterInstance

    def years(self, years: Iterable[str]) -> set[str]:
        """Those of the school years whose ingest would change nothing.

        Raises:
            PhotosFolderError: The photos folder cannot be read.
        """
        materialized = self._materialized_years(YEAR_ASSETS)
        materialized -= {one.year for one in failed_checks(self.archive.layout)}
        return {year for year in years if year in materialized and self._years.is_unchanged(year)}

    def new_photos(self, years: Iterable[str]) -> int | None:
        """How many photos of these school years no update has read; None where they are at a URL.

        Raises:
            PhotosFolderError: The photos folder cannot be read.
        """
        return self._years.count_new_photos(years)

    def students(self) -> bool:
        """Whether the job `identify` would change nothing."""
        return self._are_materialized(IDENTIFY_ASSETS) and self._students_fingerprint().cached_metadata() is not None

    def record_students(self) -> None:
        """Record that the job `identify` succeeded with its default config."""
        layout, state = self.archive.layout, archive_state(self.archive, self.models)
        tables = [layout.table(name) for name in ("cluster_assignments", "identities")]
        inputs = [read_table_inputs(table) for table in tables]
        if all(table is not None and table.state == state for table in inputs):
            self._students_fingerprint().record(
                {}, [layout.database, *tables, layout.table("knn_graph"), *checkpoint_files(layout.head)]
            )

    def albums(self, years: Iterable[str], intact: Mapping[str, str] = NONE_CHECKED) -> set[str]:
        """Those of the school years whose albums would not change.

        Args:
            years: The school years.
            intact: School year → the digest of the inputs of its album, where its files were compared with the disk in
                this run already, and are as they were.
        """
        materialized = self._materialized_years(["albums"])
        candidates = [year for year in years if year in materialized]
        if not candidates or not self.archive.layout.database.exists():
            return set()
        photos, faces = self._photos_and_faces
        contents = [(year, _rows_of_year(photos, year), _rows_of_year(faces, year)) for year in candidates]
        return {year for year, *of_year in contents if self._is_album_unchanged(intact.get(year), year, *of_year)}

    def album(self, year: str) -> bool:
        """Whether the album of one school year would not change; only what is in that year is read."""
        if year not in self._materialized_years(["albums"]) or not self.archive.layout.database.exists():
            return False
        return self._is_album_unchanged(None, year, *album_contents(self.archive, year))

    def _is_album_unchanged(self, made_of: str | None, year: str, photos: pl.DataFrame, faces: pl.DataFrame) -> bool:
        store, target = self._years.school_year(year), self._target
        fingerprint = album_fingerprint(store, photos, faces, self.archive.language)
        if target is not None and not is_as_published(fingerprint, target.year_digest(year, photos, faces)):
            return False
        return made_of == fingerprint.made_of if made_of else fingerprint.cached_metadata() is not None

    def site(self) -> bool:
        """Whether the pages over all school years would not change, also where they are published."""
        layout = self.archive.layout
        if not self._are_materialized(["album_site"]) or not layout.database.exists():
            return False
        target = self._target
        with target.counting() if target else nullcontext():
            contents = site_contents(self.archive, self._photos_and_faces)
            fingerprint = site_fingerprint(layout, contents, SiteConfig(), self.archive.language)
        if target is not None and not is_as_published(fingerprint, target.site_digest()):
            return False
        return fingerprint.cached_metadata() is not None

    @cached_property
    def _target(self) -> AlbumTarget | None:
        return find_target(self.archive.layout)

    @cached_property
    def _photos_and_faces(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        return album_contents(self.archive)

    @cached_property
    def _years(self) -> YearChanges:
        return YearChanges(self.archive, self.models)

    def _materialized_years(self, assets: Sequence[str]) -> set[str]:
        """The school years of which all of these assets were materialized."""
        keys = names_of(self.archive.layout).asset_keys(assets)
        return set.intersection(*(self.instance.get_materialized_partitions(key) for key in keys))

    def _are_materialized(self, assets: Sequence[str]) -> bool:
        records = self.instance.get_asset_records(names_of(self.archive.layout).asset_keys(assets))
        return sum(record.asset_entry.last_materialization is not None for record in records) == len(assets)

    def _students_fingerprint(self) -> InputFingerprint:
        layout = self.archive.layout
        inputs: tuple[Any, ...] = (
            archive_state(self.archive, self.models),
            file_signature(calibration_file(layout)),
            lasting_assignment(layout),
        )
        return input_fingerprint(layout, "identify", *inputs, layout.database_name)


def _rows_of_year(rows: pl.DataFrame, year: str) -> pl.DataFrame:
    return rows.filter(pl.col("school_year") == year)
