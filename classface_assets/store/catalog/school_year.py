"""The Parquet parts of one school year: where each kind lies, which thresholds are active, which rows are current.

Current are the files that were in the photos folder when it was last scanned, and the faces of the detector and
thresholds that the year was last detected with. Rows that are no longer current stay in the parts and are not read.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from classface_assets.core.atomic_files import read_file, write_file
from classface_assets.core.faces.photo_reasons import PhotoReason
from classface_assets.core.layout import ArchiveLayout, decode_folder_name, encode_folder_name
from classface_assets.core.locations import Location, list_directory
from classface_assets.core.schemas import IMAGES, READABLE, PhotoStatus
from classface_assets.core.school_years.names import school_year_start
from classface_assets.store.catalog.former_ids import (
    FormerIds,
    former_ids,
    map_to_current_ids,
    rewrite_former_ids,
    superseded_faces,
)
from classface_assets.store.catalog.photo_dates import resolve_dates
from classface_assets.store.files.deletion import drop_rows, list_subfolders
from classface_assets.store.files.parquet import DamagedFileError
from classface_assets.store.files.parts import PartDataset
from classface_assets.store.files.several_datasets import read_several

FILE_DIGEST = "file_digest"
ID_COLUMNS = ["asset_id", FILE_DIGEST, "school_year", "path", "orientation"]
"""What `former_ids` needs of the photos."""


def image_parts(layout: ArchiveLayout, year: str) -> PartDataset:
    """The files of a school year (IMAGES)."""
    return PartDataset(layout.parts("images", year=year), ("path", "size", "mtime_ns"))


def list_school_years(layout: ArchiveLayout) -> list[str]:
    """The school years that were scanned so far, sorted."""
    return sorted(decode_folder_name(entry.path) for entry in list_directory(layout.parts("images")) if entry.is_folder)


def year_images(layout: ArchiveLayout, year: str) -> pl.DataFrame:
    """The files of one school year, in the order of their paths, copies within the year marked as duplicates."""
    rows = image_parts(layout, year).read()
    if not rows.width:
        return pl.DataFrame(schema=IMAGES)
    return mark_duplicates(resolve_dates(conform_to_schema(IMAGES, rows), school_year_start(year, layout.year_start)))


def conform_to_schema(schema: pl.Schema, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with exactly the columns of a schema; those that are missing, as in older parts, are null."""
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in schema.items() if name not in rows.columns]
    return rows.with_columns(missing).select(schema.names())


def all_images(layout: ArchiveLayout) -> pl.DataFrame:
    """The files of all school years, of each year as `year_images` has them."""
    years = list_school_years(layout)
    return pl.concat([pl.DataFrame(schema=IMAGES), *(year_images(layout, year) for year in years)])


def all_former_ids(layout: ArchiveLayout, years: Sequence[str] | None = None) -> FormerIds:
    """The former ids of the photos of all school years, which are listed where they are not given."""
    given = list_school_years(layout) if years is None else years
    return former_ids(read_several([image_parts(layout, year) for year in given], ID_COLUMNS))


@dataclass(frozen=True)
class SchoolYearStore:
    """The faces and vectors of one school year, of one version of the detector.

    Attributes:
        layout: The archive.
        detector: The detector's version.
        year: The school year.
    """

    layout: ArchiveLayout
    detector: str
    year: str

    def other_years(self) -> list["SchoolYearStore"]:
        """The other school years that were scanned so far, with the faces of the same detector."""
        return [store for store in school_year_stores(self.layout, self.detector) if store.year != self.year]

    @property
    def detections_folder(self) -> Location:
        """The folder of the year's detections, with one below it for each of the thresholds."""
        return self.layout.parts("detections", self.detector, self.year)

    @property
    def settings_file(self) -> Location:
        """The file that names the thresholds in use."""
        return self.detections_folder / "current.json"

    def active_settings(self) -> str | None:
        """The name of the thresholds that the year was last detected with; None before that.

        Raises:
            DamagedFileError: The file with the name is damaged.
        """
        try:
            return str(json.loads(read_file(self.settings_file))["settings"])
        except FileNotFoundError:
            return None
        except IsADirectoryError:
            raise DamagedFileError(self.settings_file, "it is a folder") from None
        except (ValueError, KeyError, TypeError):
            raise DamagedFileError(self.settings_file, "it cannot be read") from None

    def set_active_settings(self, settings: str) -> None:
        """Make the faces that were found with these thresholds the year's faces."""
        if self.active_settings() == settings:
            return
        content = json.dumps({"settings": settings}).encode()
        write_file(self.settings_file, lambda out: out.write(content))

    def detection_parts(self, settings: str) -> PartDataset:
        """The faces that were found with these thresholds, in use or not (DETECTIONS)."""
        return PartDataset(self.detections_folder / settings, ("asset_id", "face_id"))

    def active_detection_parts(self) -> PartDataset | None:
        """The faces that were found with the thresholds in use; None before the year was first detected."""
        settings = self.active_settings()
        return None if settings is None else self.detection_parts(settings)

    def all_detection_parts(self) -> list[PartDataset]:
        """The faces of each of the thresholds that the year was ever detected with."""
        return [self.detection_parts(folder.name) for folder in list_subfolders(self.detections_folder)]

    def embedding_parts(self, pack: str) -> PartDataset:
        """The vectors of the year's faces by the model pack with this key."""
        version = embedding_version(self.detector, pack)
        return PartDataset(self.layout.parts("embeddings", version, self.year), ("face_id",))

    def detections(self, columns: list[str] | None = None) -> pl.DataFrame:
        """The detection rows of the photos that are in the school year now.

        Rows that an older version wrote get the ids that their photos have now.

        Args:
            columns: Some of DETECTION_ROWS; None for all.

        Returns:
            A frame without columns before the year was first detected.
        """
        parts = self.active_detection_parts()
        if parts is None:
            return pl.DataFrame()
        rows = parts.read(columns)
        if not rows.width:
            return rows
        # The dates and copies of the photos do not matter here, and cost more than everything else.
        images = image_parts(self.layout, self.year).read(ID_COLUMNS)
        ids = images["asset_id"].unique().to_list() if images.width else []
        return map_to_current_ids(rows, former_ids(images)).filter(pl.col("asset_id").is_in(ids))

    def chips(self, face_ids: Sequence[str]) -> dict[str, bytes]:
        """Face id → the face's chip, an encoded image; without reading the whole school year into memory.

        Args:
            face_ids: Of a few faces; those that are not found are left out.
        """
        parts = self.active_detection_parts() if face_ids else None
        if parts is None:
            return {}
        return dict(parts.read_matching("face_id", face_ids, ["face_id", "chip"]).iter_rows())


def embedding_version(detector: str, pack: str) -> str:
    """The name of the folder of vectors.

    It contains the detector's version: a face whose box another detector finds in the same place has the same id, but
    another chip.
    """
    return f"{pack} {detector}"


def school_year_stores(layout: ArchiveLayout, detector: str) -> list[SchoolYearStore]:
    """The school years that were scanned so far, sorted, each with the faces of this version of the detector."""
    return [SchoolYearStore(layout, detector, year) for year in list_school_years(layout)]


def migrate_former_ids(layout: ArchiveLayout, year: str, images: pl.DataFrame) -> None:
    """Rewrite the detection rows of a school year under the ids that its photos have now.

    That is done for every detector and thresholds. Faces keep their ids; the vectors of those that were detected twice
    are removed. Killed at any moment, the next call goes on.

    Args:
        layout: The archive.
        year: The school year.
        images: Its files (IMAGES).
    """
    former = former_ids(images)
    detectors = list_subfolders(layout.parts("detections")) if former.current else []
    found = [s for detector in detectors for s in list_subfolders(detector / encode_folder_name(year))]
    for parts in (PartDataset(folder, ("asset_id", "face_id")) for folder in found):
        if twice := superseded_faces(parts, former):
            for pack in list_subfolders(layout.parts("embeddings")):
                drop_rows(PartDataset(pack / encode_folder_name(year), ("face_id",)), "face_id", twice)
        rewrite_former_ids(parts, former)


def mark_duplicates(images: pl.DataFrame) -> pl.DataFrame:
    """Mark files that show the same picture as another: of the same bytes, or with other metadata.

    Args:
        images: IMAGES.

    Returns:
        The same rows by school year and path: the first file of each picture is PhotoStatus.OK, others are DUPLICATE.
    """
    images = images.sort("school_year", "path")
    readable = pl.col("status").is_in(READABLE)
    first_path, first_digest = (
        pl.col(name).filter(readable).first().over("asset_id") for name in ("path", FILE_DIGEST)
    )
    copy = readable & (pl.col("path") != first_path)
    same = pl.col(FILE_DIGEST).eq_missing(first_digest)
    why = (
        pl.when(same)
        .then(pl.format(_with_path(PhotoReason.SAME_FILE), first_path))
        .otherwise(pl.format(_with_path(PhotoReason.SAME_PICTURE), first_path))
    )
    return images.with_columns(
        pl.when(copy).then(pl.lit(PhotoStatus.DUPLICATE.value)).otherwise(pl.col("status")).alias("status"),
        pl.when(copy).then(why).otherwise(pl.col("reason")).alias("reason"),
    )


def _with_path(reason: PhotoReason) -> str:
    """The template of a reason that names a path, as Polars fills it in."""
    return reason.value.replace("%(path)s", "{}")
