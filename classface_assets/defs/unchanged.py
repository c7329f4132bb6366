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

from classface_assets.albums.publication import is_mirrored
from classface_assets.core.locations import Place, path_text
from classface_assets.defs.albums import SiteConfig, shown_in_albums, stamp_of_album, stamp_of_site
from classface_assets.defs.jobs import GLOBAL_ASSETS, YEAR_ASSETS
from classface_assets.defs.memoized import archive_state, stamp_of
from classface_assets.orchestration.partitions import year_listing
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.services.photos.manual_faces import drawn_faces
from classface_assets.store.artifacts.assignment_tables import made_of
from classface_assets.store.artifacts.checkpoints import head_files
from classface_assets.store.artifacts.memoization import Stamp, seen
from classface_assets.store.artifacts.thresholds import calibration_file
from classface_assets.store.catalog.school_year import (
    current_settings,
    detection_parts,
    embedding_parts,
    image_parts,
    year_detections,
    year_images,
)
from classface_assets.store.catalog.school_years import folders_still_there
from classface_assets.store.decisions.exclusions import PLACES, barred_in
from classface_assets.store.decisions.replay import replay
from classface_assets.store.erasure.tombstones import barred_faces
from classface_assets.store.files.parts import Parts, part_entries
from classface_assets.store.model.events import DRAWING_KINDS
from classface_assets.store.model.face_ref import LabelledFace
from classface_assets.vision.photo_facts import CHANGED, NOT_OPENED

Listing = list[tuple[str, int, int]]
"""Path below the photos folder, size and time of change of every file."""


@dataclass(frozen=True)
class Unchanged:
    """Looks at one archive as it is at this moment; made anew for each run."""

    archive: Archive
    models: Models
    instance: dg.DagsterInstance

    def years(self, years: Iterable[str]) -> set[str]:
        """Those of the school years that need not be looked at. Raises PhotosFolderError."""
        recorded = self._recorded(YEAR_ASSETS)
        return {year for year in years if year in recorded and self._year_stamp(year).told() is not None}

    def note_year(self, year: str) -> None:
        """To be called when a school year was run without a fault."""
        stamp = self._year_stamp(year)
        if self._is_done(year):
            stamp.put({}, [])

    def students(self) -> bool:
        """Whether the students of all school years are as a run would find them."""
        return self._has_records((*GLOBAL_ASSETS, "evaluation")) and self._students_stamp().told() is not None

    def note_students(self) -> None:
        """To be called when `identify` was run, as a run does it, without a fault."""
        layout, state = self.archive.layout, archive_state(self.archive, self.models)
        tables = [layout.table(name) for name in ("cluster_assignments", "identities")]
        noted = [made_of(table) for table in tables]
        if all(note is not None and note.state == state for note in noted):
            self._students_stamp().put(
                {}, [layout.database, *tables, layout.table("knn_graph"), *head_files(layout.head)]
            )

    def albums(self, years: Iterable[str]) -> set[str]:
        """Those of the school years whose albums are as a run would make them."""
        recorded = self._recorded(["albums"])
        wanted = [year for year in years if year in recorded]
        if not wanted or not self.archive.layout.database.exists():
            return set()
        layout, detector = self.archive.layout, self.models.describe(self.archive.layout).detector_version
        photos, faces = self._published
        of_year = [(y, _of(photos, y), _of(faces, y)) for y in wanted]
        return {y for y, p, f in of_year if stamp_of_album(layout, detector, y, p, f).told() is not None}

    def site(self) -> bool:
        """Whether the pages over all school years are as a run would make them, also where they are published."""
        layout = self.archive.layout
        if not self._has_records(["album_site"]) or not layout.database.exists():
            return False
        if stamp_of_site(layout, *self._published, SiteConfig()).told() is None:
            return False
        return layout.published_albums is None or is_mirrored(layout.albums, layout.published_albums)

    @cached_property
    def _published(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        return shown_in_albums(self.archive)

    @cached_property
    def _folders(self) -> dict[str, list[Place]]:
        return folders_still_there(self.archive.layout)

    @cached_property
    def _by_hand(self) -> tuple[list[LabelledFace], dict[str, LabelledFace]]:
        """The faces that people drew, and those that may not be, in all school years."""
        events = self.archive.open_ledger().events(kinds=DRAWING_KINDS)
        return list(replay(events).drawn.values()), barred_faces(self.archive.layout, events)

    def _recorded(self, assets: Sequence[str]) -> set[str]:
        """The school years that Dagster has seen all of these assets of."""
        return set.intersection(*(self.instance.get_materialized_partitions(dg.AssetKey(a)) for a in assets))

    def _has_records(self, assets: Sequence[str]) -> bool:
        records = self.instance.get_asset_records([dg.AssetKey(asset) for asset in assets])
        made = [record for record in records if record.asset_entry.last_materialization is not None]
        return len(made) == len(assets)

    def _listing(self, year: str) -> Listing:
        photos = self.archive.layout.photos
        files = year_listing(photos, self._folders.get(year, ()))
        return [(path_text(file.path, photos), file.size, file.mtime_ns) for file in files]

    def _year_parts(self, year: str) -> tuple[Parts, Parts, Parts, str]:
        """Files, faces and vectors, and the thresholds by which the faces were found."""
        layout, pack = self.archive.layout, self.models.describe(self.archive.layout)
        settings = current_settings(layout, pack.detector_version, year) or ""
        return (
            image_parts(layout, year),
            detection_parts(layout, pack.detector_version, year, settings),
            embedding_parts(layout, pack.detector_version, pack.key, year),
            settings,
        )

    def _year_stamp(self, year: str) -> Stamp:
        layout, pack = self.archive.layout, self.models.describe(self.archive.layout)
        images, faces, vectors, settings = self._year_parts(year)
        parts = [[(e.path.name, e.size) for e in part_entries(one.folder)] for one in (images, faces, vectors)]
        models = pack.detector_version, pack.key, settings
        by_hand = self._in_photos(images.ids("asset_id")) if any(self._by_hand) else []
        made_of = self._listing(year), parts, models, by_hand, layout.year_pattern, layout.year_start
        return stamp_of(layout, "ingest_year", made_of, year=year)

    def _in_photos(self, photos: set[str]) -> list[tuple[str, str]]:
        """What people drew in these photos, and whose faces in them may not be."""
        drawn, barred = self._by_hand
        told = [("drawn", face) for face in drawn] + [("barred", face) for face in barred.values()]
        return sorted((what, face.face_id) for what, face in told if face.asset_id in photos)

    def _is_done(self, year: str) -> bool:
        """Whether every file was looked at, every photo searched and every face embedded, as far as they may be."""
        layout, detector = self.archive.layout, self.models.describe(self.archive.layout).detector_version
        files, faces, vectors, _ = self._year_parts(year)
        listing, rows = self._listing(year), files.read([*files.key, "reason"])
        known = set(rows.select(files.key).iter_rows()) if rows.width else set()
        if known != set(listing) or any(size < 0 for _, size, _ in listing):
            return False
        if rows.width and rows["reason"].str.contains(f"^(?:{NOT_OPENED}|{CHANGED})").any():
            return False
        photos = year_images(layout, year).filter(pl.col("status") == "ok")
        if set(photos["asset_id"]) - faces.ids("asset_id") or self._lies_otherwise(faces, photos):
            return False
        found = year_detections(layout, detector, year, [*PLACES, "status"])
        wanted = set(found.filter(pl.col("status") == "ok")["face_id"]) if found.width else set()
        if wanted - vectors.ids("face_id") - barred_in(found, self._by_hand[1]):
            return False
        drawn = drawn_faces(layout, faces, year, self.archive.open_ledger())
        return not drawn.new and not drawn.gone

    def _lies_otherwise(self, faces: Parts, photos: pl.DataFrame) -> bool:
        """Whether a photo was searched another way up than its file says: it could not be opened when it was turned."""
        held = faces.read(["asset_id", "orientation"])
        if "orientation" not in held.columns:
            return False
        both = held.join(photos.select("asset_id", pl.col("orientation").alias("now")), on="asset_id")
        return both.filter(pl.col("orientation") != pl.col("now")).height > 0

    def _students_stamp(self) -> Stamp:
        layout = self.archive.layout
        inputs: tuple[Any, ...] = (archive_state(self.archive, self.models), seen(calibration_file(layout)))
        return stamp_of(layout, "identify", *inputs, str(layout.database))


def _of(rows: pl.DataFrame, year: str) -> pl.DataFrame:
    return rows.filter(pl.col("school_year") == year)
