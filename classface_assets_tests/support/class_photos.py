"""A composed class photo: faces of the archive put in rows into one new photo, and the roster of its class."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl
from PIL import Image

from classface_assets.core.schemas import DUCKDB_TABLES
from classface_assets.store.files.duckdb import publish_database
from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets_tests.support.windows import ReviewWindow

CLASS, SIDE = "3b", 120
ROWS = (8, 8, 7, 6)
FIRST = (
    *("Ada", "Ben", "Cem", "Dora", "Emil", "Finn", "Gina", "Hugo", "Ida", "Jan", "Kim", "Lea", "Max", "Nina", "Olaf"),
    *("Pia", "Quin", "Rosa", "Sven", "Tara", "Udo", "Vera", "Wim", "Xaver", "Yara", "Zoe", "Arno", "Birk", "Cleo"),
)
LAST = ("Quill", "Roth", "Sahin", "Tal", "Urban", "Vogel", "Weber", "Xu", "Young", "Zander")


@dataclass(frozen=True)
class ClassPhoto:
    """A photo of a class. `names`: of its students in reading order, none of which is known yet."""

    asset_id: str
    faces: list[str]
    names: list[str]


def compose_class_photo(window: ReviewWindow) -> ClassPhoto:
    """Publish a photo of 29 of the archive's faces in four rows, whose class is on the roster with 31 students."""
    tables = {table: window.world.query(f"SELECT * FROM {table}") for table in DUCKDB_TABLES}
    images, every = tables["image_assets"], tables["face_instances"]
    photo = images.join(every, on="asset_id", how="semi").head(1)
    asset, year = photo["asset_id"][0], photo["school_year"][0]
    ids = every.sort("asset_id", "id")["id"].head(sum(ROWS)).to_list()
    boxes = [
        (40.0 + column * 1.6 * SIDE + (row % 2) * 0.7 * SIDE, 40.0 + row * 1.7 * SIDE + (column % 3) * 9)
        for row, count in enumerate(ROWS)
        for column in range(count)
    ]
    width, height = int(9.5 * 1.6 * SIDE), int(len(ROWS) * 1.8 * SIDE)
    picture = Image.effect_noise((width, height), 40).convert("RGB")
    path = f"{year}/{CLASS}/class photo.jpg"
    target = Path(str(window.world.layout.photos)) / path
    target.parent.mkdir(parents=True, exist_ok=True)
    picture.save(target, quality=90)
    placed = pl.DataFrame(
        [(face, x, y) for face, (x, y) in zip(ids, boxes, strict=True)], schema=["id", "x", "y"], orient="row"
    )
    rest = every.filter(pl.col("asset_id") != asset, ~pl.col("id").is_in(ids))
    moved = (
        every.filter(pl.col("id").is_in(ids))
        .join(placed, on="id")
        .with_columns(
            pl.lit(asset).alias("asset_id"),
            pl.col("x").cast(every.schema["bbox_x"]).alias("bbox_x"),
            pl.col("y").cast(every.schema["bbox_y"]).alias("bbox_y"),
            pl.lit(SIDE).cast(every.schema["bbox_w"]).alias("bbox_w"),
            pl.lit(SIDE).cast(every.schema["bbox_h"]).alias("bbox_h"),
        )
    )
    shown = pl.col("asset_id") == asset
    images = images.filter(~shown | (pl.col("path") == photo["path"][0])).with_columns(
        pl.when(shown).then(pl.lit(path)).otherwise("path").alias("path"),
        pl.when(shown).then(width).otherwise("width").cast(images.schema["width"]).alias("width"),
        pl.when(shown).then(height).otherwise("height").cast(images.schema["height"]).alias("height"),
        pl.when(shown).then(0).otherwise("rotation").cast(images.schema["rotation"]).alias("rotation"),
        pl.when(shown).then(1).otherwise("orientation").cast(images.schema["orientation"]).alias("orientation"),
    )
    faces = pl.concat([rest, moved.select(every.columns)])
    publish_database(window.world.layout.database, tables | {"image_assets": images, "face_instances": faces})
    names = [f"{first} {LAST[number % len(LAST)]}" for number, first in enumerate(FIRST)]
    students = [*names, "Absent Anders", "Absent Bella"]
    window.ledger.import_roster([RosterEntry(n, str(i), {year: CLASS}) for i, n in enumerate(students, 100)], "3b.csv")
    return ClassPhoto(asset, ids, names)
