"""What a run passes over without asking Dagster: school years and jobs of which nothing could come out differently.

A school year's stamp stands for its files as listed, all that was computed of them, what people drew in its photos, the
models and the program. It is written only when nothing of the year is left to be done or tried again. What Dagster has
no record of is always run, so that its UI shows what there is.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import dagster as dg
import polars as pl

from classface_assets.albums.publication import is_published
from classface_assets.core.locations import Location, encode_relative_path
from classface_assets.defs.albums import SiteConfig, album_contents, album_fingerprint, site_fingerprint
from classface_assets.defs.jobs import GLOBAL_ASSETS, YEAR_ASSETS
from classface_assets.defs.memoized import archive_state, input_fingerprint
from classface_assets.orchestration.partitions import year_listing
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.services.photos.manual_faces import find_manual_face_changes
from classface_assets.store.artifacts.assignment_tables import read_table_inputs
from classface_assets.store.artifacts.checkpoints import checkpoint_files
from classface_assets.store.artifacts.memoization import InputFingerprint, file_signature
from classface_assets.store.artifacts.thresholds import calibration_file
from classface_assets.store.catalog.school_year import (
    active_detection_settings,
    detection_parts,
    embedding_parts,
    image_parts,
    year_detections,
    year_images,
)
from classface_assets.store.catalog.school_years import require_year_folders
from classface_assets.store.decisions.exclusions import LOCATION_COLUMNS, erased_ids_in
from classface_assets.store.decisions.replay import replay
from classface_assets.store.erasure.tombstones import erased_faces
from classface_assets.store.files.parts import PartDataset, list_parts
from classface_assets.store.model.events import DRAWING_KINDS
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.vision.photo_facts import CHANGED_REASON, NOT_OPENED_REASON

FileListing = list[tuple[str, int, int]]
"""Path below the photos folder, size and time of change of every file."""


@dataclass(frozen=True)
class ChangeDetector:
    """Looks at one archive as it is at this moment; made anew for each run."""

    archive: Archive
    models: Models
    instance: dg.DagsterInstance

    def years(self, years: Iterable[str]) -> set[str]:
        """Those of the school years that need not be looked at. Raises PhotosFolderError."""
        recorded = self._materialized_years(YEAR_ASSETS)
        return {
            year for year in years if year in recorded and self._year_fingerprint(year).cached_metadata() is not None
        }

    def record_year(self, year: str) -> None:
        """To be called when a school year was run without a fault."""
        stamp = self._year_fingerprint(year)
        if self._is_complete(year):
            stamp.record({}, [])

    def students(self) -> bool:
        """Whether the students of all school years are as a run would find them."""
        return (
            self._are_materialized((*GLOBAL_ASSETS, "evaluation"))
            and self._students_fingerprint().cached_metadata() is not None
        )

    def record_students(self) -> None:
        """To be called when `identify` was run, as a run does it, without a fault."""
        layout, state = self.archive.layout, archive_state(self.archive, self.models)
        tables = [layout.table(name) for name in ("cluster_assignments", "identities")]
        noted = [read_table_inputs(table) for table in tables]
        if all(note is not None and note.state == state for note in noted):
            self._students_fingerprint().record(
                {}, [layout.database, *tables, layout.table("knn_graph"), *checkpoint_files(layout.head)]
            )

    def albums(self, years: Iterable[str]) -> set[str]:
        """Those of the school years whose albums are as a run would make them."""
        recorded = self._materialized_years(["albums"])
        wanted = [year for year in years if year in recorded]
        if not wanted or not self.archive.layout.database.exists():
            return set()
        layout, detector = self.archive.layout, self.models.describe(self.archive.layout).detector_version
        photos, faces = self._published
        of_year = [(y, _rows_of_year(photos, y), _rows_of_year(faces, y)) for y in wanted]
        return {y for y, p, f in of_year if album_fingerprint(layout, detector, y, p, f).cached_metadata() is not None}

    def site(self) -> bool:
        """Whether the pages over all school years are as a run would make them, also where they are published."""
        layout = self.archive.layout
        if not self._are_materialized(["album_site"]) or not layout.database.exists():
            return False
        if site_fingerprint(layout, *self._published, SiteConfig()).cached_metadata() is None:
            return False
        return layout.published_albums is None or is_published(layout.albums, layout.published_albums)

    @cached_property
    def _published(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        return album_contents(self.archive)

    @cached_property
    def _folders(self) -> dict[str, list[Location]]:
        return require_year_folders(self.archive.layout)

    @cached_property
    def _manual_faces(self) -> tuple[list[FaceRef], dict[str, FaceRef]]:
        """The faces that people drew, and those that may not be, in all school years."""
        events = self.archive.open_ledger().events(kinds=DRAWING_KINDS)
        return list(replay(events).drawn.values()), erased_faces(self.archive.layout, events)

    def _materialized_years(self, assets: Sequence[str]) -> set[str]:
        """The school years that Dagster has seen all of these assets of."""
        return set.intersection(*(self.instance.get_materialized_partitions(dg.AssetKey(a)) for a in assets))

    def _are_materialized(self, assets: Sequence[str]) -> bool:
        records = self.instance.get_asset_records([dg.AssetKey(asset) for asset in assets])
        made = [record for record in records if record.asset_entry.last_materialization is not None]
        return len(made) == len(assets)

    def _listing(self, year: str) -> FileListing:
        photos = self.archive.layout.photos
        files = year_listing(photos, self._folders.get(year, ()))
        return [(encode_relative_path(file.path, photos), file.size, file.mtime_ns) for file in files]

    def _year_parts(self, year: str) -> tuple[PartDataset, PartDataset, PartDataset, str]:
        """Files, faces and vectors, and the thresholds by which the faces were found."""
        layout, pack = self.archive.layout, self.models.describe(self.archive.layout)
        settings = active_detection_settings(layout, pack.detector_version, year) or ""
        return (
            image_parts(layout, year),
            detection_parts(layout, pack.detector_version, year, settings),
            embedding_parts(layout, pack.detector_version, pack.key, year),
            settings,
        )

    def _year_fingerprint(self, year: str) -> InputFingerprint:
        layout, pack = self.archive.layout, self.models.describe(self.archive.layout)
        images, faces, vectors, settings = self._year_parts(year)
        parts = [[(e.path.name, e.size) for e in list_parts(one.folder)] for one in (images, faces, vectors)]
        models = pack.detector_version, pack.key, settings
        by_hand = self._manual_faces_in(images.ids("asset_id")) if any(self._manual_faces) else []
        made_of = self._listing(year), parts, models, by_hand, layout.year_pattern, layout.year_start
        return input_fingerprint(layout, "ingest_year", made_of, year=year)

    def _manual_faces_in(self, photos: set[str]) -> list[tuple[str, str]]:
        """What people drew in these photos, and whose faces in them may not be."""
        drawn, barred = self._manual_faces
        told = [("drawn", face) for face in drawn] + [("barred", face) for face in barred.values()]
        return sorted((what, face.face_id) for what, face in told if face.asset_id in photos)

    def _is_complete(self, year: str) -> bool:
        """Whether every file was looked at, every photo searched and every face embedded, as far as they may be."""
        layout, detector = self.archive.layout, self.models.describe(self.archive.layout).detector_version
        files, faces, vectors, _ = self._year_parts(year)
        listing, rows = self._listing(year), files.read([*files.key, "reason"])
        known = set(rows.select(files.key).iter_rows()) if rows.width else set()
        if known != set(listing) or any(size < 0 for _, size, _ in listing):
            return False
        if rows.width and rows["reason"].str.contains(f"^(?:{NOT_OPENED_REASON}|{CHANGED_REASON})").any():
            return False
        photos = year_images(layout, year).filter(pl.col("status") == "ok")
        if set(photos["asset_id"]) - faces.ids("asset_id") or self._is_reoriented(faces, photos):
            return False
        found = year_detections(layout, detector, year, [*LOCATION_COLUMNS, "status"])
        wanted = set(found.filter(pl.col("status") == "ok")["face_id"]) if found.width else set()
        if wanted - vectors.ids("face_id") - erased_ids_in(found, self._manual_faces[1]):
            return False
        drawn = find_manual_face_changes(layout, faces, year, self.archive.open_ledger())
        return not drawn.new and not drawn.gone

    def _is_reoriented(self, faces: PartDataset, photos: pl.DataFrame) -> bool:
        """Whether a photo was searched another way up than its file says: it could not be opened when it was turned."""
        held = faces.read(["asset_id", "orientation"])
        if "orientation" not in held.columns:
            return False
        both = held.join(photos.select("asset_id", pl.col("orientation").alias("now")), on="asset_id")
        return both.filter(pl.col("orientation") != pl.col("now")).height > 0

    def _students_fingerprint(self) -> InputFingerprint:
        layout = self.archive.layout
        inputs: tuple[Any, ...] = (archive_state(self.archive, self.models), file_signature(calibration_file(layout)))
        return input_fingerprint(layout, "identify", *inputs, str(layout.database))


def _rows_of_year(rows: pl.DataFrame, year: str) -> pl.DataFrame:
    return rows.filter(pl.col("school_year") == year)
