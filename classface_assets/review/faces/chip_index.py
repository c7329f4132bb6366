"""Where each face's chip (its aligned crop) lies in the Parquet parts, so that one chip costs one read.

The other chips of the same row group come with it: a page usually shows them too.
"""

import threading
from collections.abc import Iterator, Mapping
from datetime import datetime

from classface_assets.core.layout import ArchiveLayout, decode_folder_name
from classface_assets.core.locations import Location
from classface_assets.store.catalog.school_year import SchoolYearStore
from classface_assets.store.files.deletion import list_subfolders
from classface_assets.store.files.parquet import read_row_group, row_group_values
from classface_assets.store.files.parts import PartDataset

ChipLocations = Mapping[str, tuple[Location, int]]
"""Face id → the file and row group that hold it."""


class ChipIndex:
    """The chips of one archive.

    Those of the detector in use come first; until the next run, published faces may be those of an earlier detector.
    """

    def __init__(self, layout: ArchiveLayout, detector: str) -> None:
        self._layout, self._detector = layout, detector
        self._lock = threading.Lock()
        self._indexes: dict[Location, tuple[frozenset[Location], ChipLocations]] = {}

    def read_with_neighbours(self, face_id: str, year: str) -> dict[str, tuple[bytes, datetime]]:
        """Read the row group that holds the chip of a face of that school year.

        Returns:
            Face id → JPEG and time of creation, of all faces of the row group; empty where the face has no chip.
        """
        for parts in self._datasets(year):
            for _ in range(2):
                location = self._locations(parts).get(face_id)
                if location is None:
                    break
                try:
                    rows = read_row_group(*location, ["face_id", "chip", "created_at"]).drop_nulls()
                except FileNotFoundError:  # a run has replaced the part meanwhile
                    continue
                created = rows["created_at"].dt.replace_time_zone("UTC")
                return dict(zip(rows["face_id"], zip(rows["chip"], created, strict=True), strict=True))
        return {}

    def _locations(self, parts: PartDataset) -> ChipLocations:
        """The index of a dataset, built again when its files have changed."""
        files = frozenset(parts.files())
        with self._lock:
            cached = self._indexes.get(parts.folder)
            if cached is not None and cached[0] == files:
                return cached[1]
        locations = {
            face: (file, group)
            for file in files
            for group, faces in enumerate(row_group_values(file, "face_id"))
            for face in faces
            if face is not None
        }
        with self._lock:
            self._indexes[parts.folder] = files, locations
        return locations

    def _datasets(self, year: str) -> Iterator[PartDataset]:
        """The detections of a school year: those in use first, then of all other settings and detectors."""
        active = SchoolYearStore(self._layout, self._detector, year).active_detection_parts()
        if active is not None:
            yield active
        for detector in list_subfolders(self._layout.parts("detections")):
            for parts in SchoolYearStore(self._layout, decode_folder_name(detector), year).all_detection_parts():
                if active is None or parts.folder != active.folder:
                    yield parts
