"""Reading what may be damaged: what of the parts can be read, what cannot, which chips and vectors are broken."""

from collections import Counter
from collections.abc import Callable, Iterable
from io import BytesIO

import numpy as np
import polars as pl
from PIL import Image

from classface_assets.core.locations import Place, entries
from classface_assets.store.files.parquet import DamagedFileError, scan_table
from classface_assets.store.files.parts import Parts

UNIT_LENGTH_WITHIN = 1e-3
_DAMAGED = (DamagedFileError, pl.exceptions.PolarsError, pl.exceptions.PanicException)


def readable(parts: Parts, columns: list[str]) -> tuple[pl.DataFrame, list[Place]]:
    """These columns of all parts that can be read, rows that are there twice included, and the parts that cannot."""
    frames: list[pl.DataFrame] = []
    broken = unreadable(parts.files(), frames.append, columns)
    return pl.concat(frames, how="diagonal_relaxed") if frames else pl.DataFrame(
        schema=dict.fromkeys(columns, pl.String)
    ), broken


def unreadable(
    files: Iterable[Place], read: Callable[[pl.DataFrame], object] = lambda _: None, columns: list[str] | None = None
) -> list[Place]:
    """Hand every frame of these files to `read`; returns the files that cannot be read to their end."""
    broken = []
    for file in files:
        try:
            for rows in scan_table(file, columns):
                read(rows)
        except FileNotFoundError:
            continue
        except _DAMAGED:
            broken.append(file)
    return broken


def without_chip(parts: Parts) -> tuple[set[str], list[Place]]:
    """The photos (asset ids) of faces whose chip is missing or no picture, and the parts that cannot be read."""
    found: set[str] = set()

    def look(rows: pl.DataFrame) -> None:
        faces = rows.filter(pl.col("face_id").is_not_null())
        found.update(photo for photo, chip in faces.select("asset_id", "chip").iter_rows() if not _is_picture(chip))

    return found, unreadable(parts.files(), look, ["asset_id", "face_id", "chip"])


def broken_vectors(parts: Parts, size: int) -> tuple[set[str], list[Place]]:
    """The faces whose vector is not of that many numbers, not finite or not of unit length; parts as above."""
    found: set[str] = set()

    def look(rows: pl.DataFrame) -> None:
        kind = rows.schema["vector"]
        if not isinstance(kind, pl.Array) or kind.shape != (size,):
            found.update(rows["face_id"])
            return
        missing = rows["vector"].is_null().to_numpy()
        vectors = rows["vector"].fill_null([0.0] * size).to_numpy() if missing.any() else rows["vector"].to_numpy()
        lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
        sound = np.abs(lengths - 1) < UNIT_LENGTH_WITHIN  # false of what is not a number
        found.update(rows["face_id"].filter(pl.Series(~sound)))

    return found, unreadable(parts.files(), look, ["face_id", "vector"])


def usual_size(all_parts: Iterable[Parts]) -> int:
    """How many numbers the vectors have that take up most of these parts; 0 when there are none."""
    sizes: Counter[int] = Counter()
    for parts in all_parts:
        for entry in entries(parts.folder):
            frames: list[pl.DataFrame] = []
            if entry.path.suffix == ".parquet":
                unreadable([entry.path], frames.append, ["vector"])
            kinds = {frame.schema["vector"] for frame in frames}
            sizes.update({kind.shape[0]: entry.size for kind in kinds if isinstance(kind, pl.Array)})
    return sizes.most_common(1)[0][0] if sizes else 0


def _is_picture(chip: bytes | None) -> bool:
    """Decoded to its end, at an eighth of its size, which is quick."""
    try:
        with Image.open(BytesIO(chip or b""), formats=["JPEG"]) as picture:
            picture.draft("RGB", (picture.width // 8, picture.height // 8))
            picture.load()
    except (OSError, SyntaxError, ValueError):
        return False
    return True
