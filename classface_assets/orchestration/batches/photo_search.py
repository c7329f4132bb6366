"""The search of photos for faces, in batches: each is written as a part as soon as it is done."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import polars as pl

from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import decode_relative_path
from classface_assets.core.schemas import DetectionStatus
from classface_assets.orchestration.batches.packs import load_shared_pack
from classface_assets.store.catalog.school_years import require_year_folders
from classface_assets.store.decisions.exclusions import drop_erased
from classface_assets.store.files.parts import PartDataset, part_name
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.vision.detection.pipeline import DetectionBatch, PhotoJob, detect_photos
from classface_assets.vision.detection.search import DetectionSettings


@dataclass(frozen=True)
class PendingPhoto:
    """A photo that is to be searched, as the asset `images` lists it.

    Attributes:
        asset_id: Its id.
        path: Below the photos folder.
        has_orientation: Whether the file says which way is up.
        orientation: Of its EXIF data.
        size: In bytes.
        mtime_ns: Time of the last change.
    """

    asset_id: str
    path: str
    has_orientation: bool
    orientation: int | None
    size: int
    mtime_ns: int

    def as_job(self, layout: ArchiveLayout) -> PhotoJob:
        """The photo for the search."""
        file = decode_relative_path(layout.photos, self.path)
        return PhotoJob(self.asset_id, file, not self.has_orientation, (self.size, self.mtime_ns))


def pending_photos(images: pl.DataFrame) -> list[PendingPhoto]:
    """The photos of some rows of IMAGES, in their order."""
    names = ("asset_id", "path", "has_orientation", "orientation", "size", "mtime_ns")
    return [PendingPhoto(*row) for row in images.select(names).iter_rows()]


@dataclass(frozen=True)
class SearchedPart:
    """What was found in the photos of a part.

    Attributes:
        photos: Number of photos.
        faces: Number of faces.
        failed: Number of the photos that could not be searched.
        unopened: Asset id → reason, of photos that could not be opened. They have no row, so the next run tries them.
        device: Where the detector ran.
    """

    photos: int
    faces: int
    failed: int
    unopened: Mapping[str, str] = field(default_factory=dict)
    device: str = ""


@dataclass(frozen=True)
class PhotoSearch:
    """How photos are searched for faces. Faces of people who were erased are left out.

    Attributes:
        layout: The archive.
        pack: Name of the model pack.
        parts: Where the detections go.
        settings: What counts as a face.
        erased: Face id → a face that may not be stored.
        photos_at_once: Photos searched in parallel in one process; 0: as the machine allows.
    """

    layout: ArchiveLayout
    pack: str
    parts: PartDataset
    settings: DetectionSettings
    erased: Mapping[str, FaceRef]
    photos_at_once: int = 0

    def in_layout(self, layout: ArchiveLayout) -> "PhotoSearch":
        """See BatchTask."""
        return replace(self, layout=layout)

    def process(self, items: Sequence[PendingPhoto], a_part: int) -> Iterator[SearchedPart]:
        """See BatchTask.

        Raises:
            PhotosFolderError: The whole photos folder is gone.
        """
        pack = load_shared_pack(self.pack, self.layout.packs, self.layout.cache)
        orientations = pl.DataFrame(
            {"asset_id": [one.asset_id for one in items], "orientation": [one.orientation for one in items]},
            schema={"asset_id": pl.String, "orientation": pl.Int16},
        )
        jobs = (photo.as_job(self.layout) for photo in items)
        for batch in detect_photos(jobs, pack.detector, self.settings, a_part, self.photos_at_once):
            if batch.unopened:
                require_year_folders(self.layout)
            yield self._write(batch, orientations.unique("asset_id"), pack.device)

    def _write(self, batch: DetectionBatch, orientations: pl.DataFrame, device: str) -> SearchedPart:
        """Write what was found as a part, and count it."""
        name = part_name([*batch.rows["asset_id"].unique(), *batch.unopened])
        rows = drop_erased(batch.rows, self.erased)
        now = pl.lit(datetime.now(UTC).replace(tzinfo=None), pl.Datetime("us"))
        rows = rows.drop("orientation").join(orientations, on="asset_id", how="left", maintain_order="left")
        self.parts.append(rows.with_columns(now.alias("created_at")), name=name)
        return SearchedPart(
            photos=rows["asset_id"].n_unique() + len(batch.unopened),
            faces=rows["face_id"].count(),
            failed=rows.filter(pl.col("status") == DetectionStatus.FAILED).height + len(batch.unopened),
            unopened=batch.unopened,
            device=device,
        )
