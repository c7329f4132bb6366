"""Where each face's chip lies in the parts, so that one chip costs one read, and its neighbours come with it."""

import threading
from collections.abc import Iterator, Mapping
from datetime import datetime

from classface_assets.core.layout import ArchiveLayout, decode_folder_name
from classface_assets.core.locations import Location
from classface_assets.store.catalog.school_year import active_detection_settings, detection_parts
from classface_assets.store.files.deletion import list_subfolders
from classface_assets.store.files.parquet import read_row_group, row_group_values
from classface_assets.store.files.parts import PartDataset

ChipLocations = Mapping[str, tuple[Location, int]]
"""Face id → the file and row group that hold it."""


class ChipIndex:
    """The chips of one archive, those of the detector in use first: until the next run, published faces may be those
    that an earlier one found."""

    def __init__(self, layout: ArchiveLayout, detector: str) -> None:
        self._layout, self._detector = layout, detector
        self._lock = threading.Lock()
        self._indexes: dict[Location, tuple[frozenset[Location], ChipLocations]] = {}

    def chips_with(self, face_id: str, year: str) -> dict[str, tuple[bytes, datetime]]:
        """The chip of a face of that school year and when it was made, and those that lie with it, by face id.

        Empty when there is none.
        """
        for parts in self._versions(year):
            for _ in range(2):
                found = self._index(parts).get(face_id)
                if found is None:
                    break
                try:
                    rows = read_row_group(*found, ["face_id", "chip", "created_at"]).drop_nulls()
                except FileNotFoundError:  # a run has put another part in its place meanwhile
                    continue
                made = rows["created_at"].dt.replace_time_zone("UTC")
                return dict(zip(rows["face_id"], zip(rows["chip"], made, strict=True), strict=True))
        return {}

    def _index(self, parts: PartDataset) -> ChipLocations:
        """Made again when the files of the parts are others."""
        files = frozenset(parts.files())
        with self._lock:
            known = self._indexes.get(parts.folder)
            if known is not None and known[0] == files:
                return known[1]
        index = {
            face: (file, number)
            for file in files
            for number, faces in enumerate(row_group_values(file, "face_id"))
            for face in faces
            if face is not None
        }
        with self._lock:
            self._indexes[parts.folder] = files, index
        return index

    def _versions(self, year: str) -> Iterator[PartDataset]:
        settings = active_detection_settings(self._layout, self._detector, year)
        first = None if settings is None else detection_parts(self._layout, self._detector, year, settings)
        if first is not None:
            yield first
        for detector in list_subfolders(self._layout.parts("detections")):
            for folder in list_subfolders(self._layout.parts("detections", decode_folder_name(detector), year)):
                if first is None or folder != first.folder:
                    yield detection_parts(self._layout, decode_folder_name(detector), year, folder.name)
