"""Whether a school year has changed since it was ingested: its files, all that was computed of them, the models.

The fingerprint is recorded by the last asset of the year, whoever started the run, and only when nothing of the year is
left to be done or tried again.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from classface_assets.core.locations import Location
from classface_assets.core.schemas import DetectionStatus, PhotoStatus
from classface_assets.defs.memoized import input_fingerprint
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.services.photos.manual_faces import find_manual_face_changes
from classface_assets.services.photos.new_photos import known_paths
from classface_assets.store.artifacts.memoization import InputFingerprint
from classface_assets.store.catalog.photo_folders import FileSignature, list_signatures
from classface_assets.store.catalog.school_year import SchoolYearStore, image_parts, year_images
from classface_assets.store.catalog.school_years import require_year_folders
from classface_assets.store.decisions.exclusions import LOCATION_COLUMNS, erased_ids_in
from classface_assets.store.decisions.replay import replay
from classface_assets.store.erasure.tombstones import erased_faces
from classface_assets.store.files.parts import PartDataset, list_parts
from classface_assets.store.model.events import DRAWING_KINDS
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.vision.models.pack_info import PackInfo
from classface_assets.vision.photo_facts import is_photo_name, to_read_again

YearParts = tuple[PartDataset, PartDataset | None, PartDataset]
FileListing = list[FileSignature]


@dataclass(frozen=True)
class YearChanges:
    """Compares the school years of an archive, as they are at this moment, with their last ingest.

    Attributes:
        archive: The archive.
        models: The model pack in use.
    """

    archive: Archive
    models: Models

    def is_unchanged(self, year: str) -> bool:
        """Whether the ingest of this school year would change nothing.

        Raises:
            PhotosFolderError: The photos folder cannot be read.
        """
        return self._fingerprint(year, self._listing(year), self._year_parts(year)).cached_metadata() is not None

    def count_new_photos(self, years: Iterable[str]) -> int | None:
        """How many photos of these school years no update has read; None where they are at a URL.

        Raises:
            PhotosFolderError: The photos folder cannot be read.
        """
        layout = self.archive.layout
        if not isinstance(layout.photos, Path):
            return None
        photos = {path for year in years for path, *_ in self._listing(year) if is_photo_name(path)}
        return len(photos - known_paths(layout)) if photos else 0

    def record(self, year: str) -> None:
        """Record that a school year was ingested, unless something is left to be tried again."""
        listing, parts = self._listing(year), self._year_parts(year)
        fingerprint = self._fingerprint(year, listing, parts)
        if self._is_complete(year, listing, parts):
            fingerprint.record({}, [])

    def school_year(self, year: str) -> SchoolYearStore:
        """A school year, with the faces of the detector in use."""
        return SchoolYearStore(self.archive.layout, self._pack.detector_version, year)

    @property
    def _pack(self) -> PackInfo:
        """The model pack in use."""
        return self.models.describe(self.archive.layout)

    @cached_property
    def _folders(self) -> dict[str, list[Location]]:
        return require_year_folders(self.archive.layout)

    @cached_property
    def _manual_faces(self) -> tuple[list[FaceRef], dict[str, FaceRef]]:
        """The faces that people drew, and those of erased people by id, in all school years."""
        events = self.archive.open_ledger().events(kinds=DRAWING_KINDS)
        return list(replay(events).drawn.values()), erased_faces(self.archive.layout, events)

    @cached_property
    def _listings(self) -> dict[str, FileListing]:
        """Those that were made, by school year."""
        return {}

    def _listing(self, year: str) -> FileListing:
        if year not in self._listings:
            self._listings[year] = list_signatures(self.archive.layout.photos, self._folders.get(year, ()))
        return self._listings[year]

    def _year_parts(self, year: str) -> YearParts:
        """Files, faces (None where the year was never searched) and vectors."""
        store = self.school_year(year)
        vectors = store.embedding_parts(self._pack.key)
        return image_parts(store.layout, year), store.active_detection_parts(), vectors

    def _fingerprint(self, year: str, listing: FileListing, year_parts: YearParts) -> InputFingerprint:
        layout, store = self.archive.layout, self.school_year(year)
        images, faces, vectors = year_parts
        datasets = [one for one in (images, faces, vectors) if one is not None]
        parts = [[(part.path.name, part.size) for part in list_parts(one.folder)] for one in datasets]
        models = store.detector, self._pack.key, None if faces is None else faces.folder.name
        manual = self._manual_faces_in(images.ids("asset_id")) if any(self._manual_faces) else []
        inputs = listing, parts, models, manual, layout.year_pattern, layout.year_start
        return input_fingerprint(layout, "ingest_year", inputs, year=year)

    def _manual_faces_in(self, photos: set[str]) -> list[tuple[str, str]]:
        """The ids of drawn faces and of erased ones in these photos, each with which of both it is."""
        drawn, erased = self._manual_faces
        faces = [("drawn", face) for face in drawn] + [("erased", face) for face in erased.values()]
        return sorted((kind, face.face_id) for kind, face in faces if face.asset_id in photos)

    def _is_complete(self, year: str, listing: FileListing, year_parts: YearParts) -> bool:
        """Whether every file was read, every photo searched and every face embedded, as far as that is possible."""
        layout = self.archive.layout
        files, faces, vectors = year_parts
        if faces is None or not _is_listing_read(files, listing):
            return False
        photos = year_images(layout, year).filter(pl.col("status") == PhotoStatus.OK)
        if set(photos["asset_id"]) - faces.ids("asset_id") or _is_reoriented(faces, photos):
            return False
        rows = self.school_year(year).detections([*LOCATION_COLUMNS, "status"])
        face_ids = set(rows.filter(pl.col("status") == DetectionStatus.FACE)["face_id"]) if rows.width else set()
        if face_ids - vectors.ids("face_id") - erased_ids_in(rows, self._manual_faces[1]):
            return False
        manual = find_manual_face_changes(layout, faces, year, self.archive.open_ledger())
        return not manual.new and not manual.gone


def _is_listing_read(files: PartDataset, listing: FileListing) -> bool:
    """Whether just these files are known, and none is to be read again."""
    rows = files.read([*files.key, "reason", "read_again"])
    known = set(rows.select(files.key).iter_rows()) if rows.width else set()
    if known != set(listing) or any(size < 0 for _, size, _ in listing):
        return False
    return not (rows.width and to_read_again(rows).any())


def _is_reoriented(faces: PartDataset, photos: pl.DataFrame) -> bool:
    """Whether a photo's file has another orientation than when it was searched: it could not be opened since."""
    stored = faces.read(["asset_id", "orientation"])
    if "orientation" not in stored.columns:
        return False
    both = stored.join(photos.select("asset_id", pl.col("orientation").alias("now")), on="asset_id")
    return both.filter(pl.col("orientation") != pl.col("now")).height > 0
