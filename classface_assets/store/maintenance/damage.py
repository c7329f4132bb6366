"""Reading data that may be damaged: what of the parts can be read, what cannot, which chips and vectors are broken."""

from collections import Counter
from collections.abc import Callable, Iterable
from io import BytesIO

import numpy as np
import polars as pl
from PIL import Image

from classface_assets.core.locations import FileEntry, Location, list_directory
from classface_assets.store.files.deletion import drop_rows
from classface_assets.store.files.parquet import DamagedFileError, StoredFile, iter_parquet_batches
from classface_assets.store.files.parts import PartDataset, list_parts

UNIT_LENGTH_TOLERANCE = 1e-3
_DAMAGE_ERRORS = (DamagedFileError, pl.exceptions.PolarsError, pl.exceptions.PanicException)


def read_undamaged(parts: PartDataset, columns: list[str]) -> tuple[pl.DataFrame, list[Location]]:
    """Read all parts that can be read.

    Args:
        parts: The dataset.
        columns: The columns to read.

    Returns:
        The rows, duplicates included, and the parts that cannot be read.
    """
    frames: list[pl.DataFrame] = []
    broken = find_unreadable(list_parts(parts.folder), frames.append, columns)
    return pl.concat(frames, how="diagonal_relaxed") if frames else pl.DataFrame(
        schema=dict.fromkeys(columns, pl.String)
    ), broken


def find_unreadable(
    files: Iterable[StoredFile],
    read: Callable[[pl.DataFrame], object] = lambda _: None,
    columns: list[str] | None = None,
) -> list[Location]:
    """Find the files that cannot be read to their end.

    Args:
        files: Parquet files.
        read: Called with every frame of them.
        columns: The columns to read; None for all.
    """
    broken = []
    for file in files:
        try:
            for rows in iter_parquet_batches(file, columns):
                read(rows)
        except FileNotFoundError:
            continue
        except _DAMAGE_ERRORS:
            broken.append(file.path if isinstance(file, FileEntry) else file)
    return broken


def photos_with_broken_chips(parts: PartDataset) -> tuple[set[str], list[Location]]:
    """Find the photos (asset ids) of faces whose chip is missing or broken, and the parts that cannot be read."""
    found: set[str] = set()

    def look(rows: pl.DataFrame) -> None:
        faces = rows.filter(pl.col("face_id").is_not_null())
        found.update(
            photo for photo, chip in faces.select("asset_id", "chip").iter_rows() if not is_readable_jpeg(chip)
        )

    return found, find_unreadable(parts.files(), look, ["asset_id", "face_id", "chip"])


def find_broken_vectors(parts: PartDataset, size: int) -> tuple[set[str], list[Location]]:
    """Find the faces with broken vectors, and the parts that cannot be read.

    A vector is broken when it has another dimension than `size`, is not finite, or is not of unit length.
    """
    found: set[str] = set()

    def look(rows: pl.DataFrame) -> None:
        kind = rows.schema["vector"]
        if not isinstance(kind, pl.Array) or kind.shape != (size,):
            found.update(rows["face_id"])
            return
        missing = rows["vector"].is_null().to_numpy()
        vectors = rows["vector"].fill_null([0.0] * size).to_numpy() if missing.any() else rows["vector"].to_numpy()
        lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
        sound = np.abs(lengths - 1) < UNIT_LENGTH_TOLERANCE  # false of what is not a number
        found.update(rows["face_id"].filter(pl.Series(~sound)))

    return found, find_unreadable(parts.files(), look, ["face_id", "vector"])


def drop_broken_vectors(parts: PartDataset) -> None:
    """Remove the vectors of a school year that are broken, so that they are made again."""
    broken, _ = find_broken_vectors(parts, embedding_dimension([parts]))
    if broken:
        drop_rows(parts, "face_id", broken)


def drop_repeated_faces(parts: PartDataset) -> None:
    """Remove the detections of photos that share a face, so that the photos are searched again."""
    rows = parts.read(["asset_id", "face_id"])
    if rows.width:
        repeated = rows.filter(pl.col("face_id").is_not_null() & pl.col("face_id").is_duplicated())
        drop_rows(parts, "asset_id", set(repeated["asset_id"]))


def embedding_dimension(all_parts: Iterable[PartDataset]) -> int:
    """The dimension of the vectors that take up most of these parts; 0 when there are none."""
    sizes: Counter[int] = Counter()
    for parts in all_parts:
        for entry in list_directory(parts.folder):
            frames: list[pl.DataFrame] = []
            if entry.path.suffix == ".parquet":
                find_unreadable([entry.path], frames.append, ["vector"])
            kinds = {frame.schema["vector"] for frame in frames}
            sizes.update({kind.shape[0]: entry.size for kind in kinds if isinstance(kind, pl.Array)})
    return sizes.most_common(1)[0][0] if sizes else 0


def is_readable_jpeg(chip: bytes | None) -> bool:
    """Whether a picture can be decoded to its end, which is tried at an eighth of its size, because that is quick."""
    try:
        with Image.open(BytesIO(chip or b""), formats=["JPEG"]) as picture:
            picture.draft("RGB", (picture.width // 8, picture.height // 8))
            picture.load()
    except (OSError, SyntaxError, ValueError):
        return False
    return True
