"""A published archive of any size with all that pages show: people who grow up, a roster, events, sessions, vectors.

No picture is drawn: photo files are empty, or links to one photo, and the Parquet parts are written as if they had been
searched.
"""

import shutil
import uuid
from hashlib import blake2b
from pathlib import Path

import numpy as np
import polars as pl

from classface_assets.core.schemas import ASSIGNMENTS, CLUSTER_PREFIX, DETECTION_ROWS, IMAGES, NOISE_PREFIX
from classface_assets.devtools.benchmark.scale.synthetic_faces import (
    FIRST_YEAR,
    MAX_FACES_PER_PHOTO,
    SyntheticPeople,
    make_people,
)
from classface_assets.orchestration.resources import Archive
from classface_assets.store.catalog.faces import load_catalog
from classface_assets.store.catalog.school_year import SchoolYearStore, image_parts
from classface_assets.store.files.duckdb import publish_database
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.store.model.photo_session import PhotoSession
from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets.store.published.tables import build_tables
from classface_assets.vision.detection.search import DetectionSettings
from classface_assets.vision.models.pack_info import BUILTIN_PACK

SEED, DIMENSIONS, THRESHOLDS = 3, 128, DetectionSettings().name
NAMED_FACES, LABELS_OF_PERSON = 12, 3
"""People with so many faces have a name, and so many of their faces are labelled by hand."""
PHOTOS_OF_EVENT, EVENTS_WITH_SESSION, CLASSES = 60, 5, "abcd"
MATCHED = "close to labelled faces"


def compose_school(
    folder: Path, faces: int, photo: Path | None = None, most_in_a_photo: int = MAX_FACES_PER_PHOTO
) -> Archive:
    """A school of thirty years with that many faces.

    Half of the faces are of people with a name, of whom some faces are labelled and the others matched; each of them is
    on the roster. Every fifth event is a session.

    Args:
        folder: Where `photos` and `data` of it are made.
        faces: The number of faces.
        photo: What all photo files are links to, and every chip is; None for empty files without chips.
        most_in_a_photo: A photo has one to so many faces.
    """
    archive = Archive(photos=str(folder / "photos"), data=str(folder / "data"))
    people = make_people(faces, SEED, most_in_a_photo)
    rows = _write_parts(archive, people, photo)
    named = rows.filter(pl.len().over("who") >= NAMED_FACES)
    students = _label(archive, named)
    _import_roster(archive, named)
    _create_sessions(archive, rows)
    facts = load_catalog(archive.layout, BUILTIN_PACK.detector_version, BUILTIN_PACK.key)
    events = archive.open_ledger().events()
    publish_database(archive.layout.database, build_tables(facts, _assignments(rows, students), events))
    return archive


def person_name(number: int) -> str:
    """What a made-up person is called."""
    return f"Person {number}"


def _write_parts(archive: Archive, people: SyntheticPeople, photo: Path | None) -> pl.DataFrame:
    """Write the parts of all school years; face_id, asset_id, who, year, path and the box of every face."""
    rng, n = np.random.default_rng(SEED), len(people.who)
    photos = pl.DataFrame({"photo": people.photo, "year": people.year}).unique("photo").sort("year", "photo")
    photos = photos.with_columns(pl.int_range(pl.len()).over("year").alias("place"))
    year = pl.format("{}-{}", pl.col("year") + FIRST_YEAR, pl.col("year") + FIRST_YEAR + 1)
    photos = photos.with_columns(
        school_year=year,
        path=pl.format("{}/Event {}/IMG_{}.jpg", year, pl.col("place") // PHOTOS_OF_EVENT, "place"),
        asset_id=pl.Series([_stable_id("photo", one) for one in photos["photo"]]),
    )
    rows = pl.DataFrame(
        {
            "face_id": [_stable_id("face", one) for one in range(n)],
            "who": people.who,
            "photo": people.photo,
            "quality_score": people.quality,
        }
    ).join(photos, on="photo", how="left", maintain_order="left")
    side = 100.0 + 20.0 * rng.random(n)
    place = pl.int_range(pl.len()).over("photo")
    rows = rows.with_columns(
        bbox_x=place * (3900.0 / MAX_FACES_PER_PHOTO),
        bbox_y=300.0 + (place % 3) * 500.0,
        bbox_w=pl.Series(side),
        bbox_h=pl.Series(1.3 * side),
    )
    for number in np.unique(people.year).tolist():
        of_year = np.flatnonzero(people.year == number)
        vectors = people.vectors(of_year, rng)[:, :DIMENSIONS]
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        _write_year(archive, rows[of_year], vectors, photo)
    return rows


def _write_year(archive: Archive, rows: pl.DataFrame, vectors: np.ndarray, photo: Path | None) -> None:
    layout, year = archive.layout, rows["school_year"][0]
    photos = rows.unique("asset_id", maintain_order=True).select("asset_id", "path", "school_year")
    files = [_make_file(Path(str(layout.photos)) / path, photo) for path in photos["path"]]
    photos = photos.with_columns(
        pl.Series("size", [size for size, _ in files]),
        pl.Series("mtime_ns", [changed for _, changed in files]),
        pl.col("asset_id").alias("file_digest"),
    )
    day = pl.datetime(int(year[:4]), 9, 1) + pl.duration(days=pl.int_range(pl.len()) // PHOTOS_OF_EVENT * 7)
    photos = photos.with_columns(status=pl.lit("ok"), reason=pl.lit(""), width=4000, height=3000, taken_at=day)
    image_parts(layout, year).append(_with_schema(IMAGES, photos))
    store = SchoolYearStore(layout, BUILTIN_PACK.detector_version, year)
    store.set_active_settings(THRESHOLDS)
    found = rows.with_columns(status=pl.lit("ok"), reason=pl.lit(""), detection_confidence=pl.col("quality_score"))
    found = found.with_columns(chip=pl.lit(photo.read_bytes() if photo else None, pl.Binary()))
    store.detection_parts(THRESHOLDS).append(_with_schema(DETECTION_ROWS, found))
    column = pl.Series("vector", vectors, pl.Array(pl.Float32, DIMENSIONS))
    store.embedding_parts(BUILTIN_PACK.key).append(rows.select("face_id", column))


def _make_file(file: Path, photo: Path | None) -> tuple[int, int]:
    """Make a photo file; its size, and its time of change in ns."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if photo is None:
        file.touch()
    else:
        year = file.parent.parent
        own = year.parent.parent / f"{year.name}.jpg"  # a disk allows only so many links to one file
        if not own.exists():
            shutil.copyfile(photo, own)
        file.hardlink_to(own)
    found = file.stat()
    return found.st_size, found.st_mtime_ns


def _label(archive: Archive, named: pl.DataFrame) -> pl.DataFrame:
    """Label some faces of everybody with a name; `who` and `person_id`."""
    ledger = archive.open_ledger()
    first = named.group_by("who", maintain_order=True).head(LABELS_OF_PERSON)
    groups = [
        (
            person_name(int(str(who))),
            [
                FaceRef(face, photo, (x, y, w, h))
                for face, photo, x, y, w, h in group.select(
                    "face_id", "asset_id", "bbox_x", "bbox_y", "bbox_w", "bbox_h"
                ).iter_rows()
            ],
        )
        for (who,), group in first.group_by("who", maintain_order=True)
    ]
    ledger.label_groups(groups, "hand")
    ids = {person.display_name: person.id for person in ledger.decisions().persons.values()}
    numbers = named["who"].unique().to_list()
    return pl.DataFrame({"who": numbers, "person_id": [ids[person_name(one)] for one in numbers]})


def _import_roster(archive: Archive, named: pl.DataFrame) -> None:
    years = named.group_by("who").agg(pl.col("year").min().alias("first"), pl.col("year").max().alias("last"))
    entries = [
        RosterEntry(
            person_name(who),
            str(10_000 + who),
            {
                f"{FIRST_YEAR + year}-{FIRST_YEAR + year + 1}": f"{year - first + 1}{CLASSES[who % len(CLASSES)]}"
                for year in range(first, last + 1)
            },
        )
        for who, first, last in years.sort("who").iter_rows()
    ]
    archive.open_ledger().import_roster(entries, "students.csv")


def _create_sessions(archive: Archive, rows: pl.DataFrame) -> None:
    folders = (
        rows.select(pl.col("path").str.replace(r"/[^/]*$", ""), "school_year").unique().sort("path", "school_year")
    )
    ledger = archive.open_ledger()
    for event, year in folders.gather_every(EVENTS_WITH_SESSION).iter_rows():
        ledger.create_session(PhotoSession("", event.replace("/", " "), event=event, school_year=year))


def _assignments(rows: pl.DataFrame, students: pl.DataFrame) -> pl.DataFrame:
    """Faces of named people are matched with them; the others are in clusters by person, or alone."""
    joined = rows.join(students, on="who", how="left", maintain_order="left")
    group = pl.when(pl.len().over("who") > 1).then(pl.format("{}{}", pl.lit(CLUSTER_PREFIX), "who"))
    alone = pl.format("{}{}", pl.lit(NOISE_PREFIX), "face_id")
    is_named = pl.col("person_id").is_not_null()
    sure = pl.when(is_named).then(0.5 + 0.5 * pl.col("quality_score"))
    return joined.select(
        "face_id",
        pl.when(is_named)
        .then(pl.format("person_{}", "person_id"))
        .otherwise(group.otherwise(alone))
        .alias("cluster_id"),
        "person_id",
        pl.col("quality_score").alias("assignment_score"),
        pl.when(is_named).then(pl.lit(MATCHED)).otherwise(pl.lit("")).alias("assignment_reason"),
        sure.alias("assignment_margin"),
        sure.alias("assignment_probability"),
    ).cast(ASSIGNMENTS)


def _with_schema(schema: pl.Schema, rows: pl.DataFrame) -> pl.DataFrame:
    return pl.DataFrame({n: rows[n] if n in rows.columns else None for n in schema}, schema=schema)


def _stable_id(kind: str, number: int) -> str:
    """An id as long as those of real archives, and in no order."""
    return str(uuid.UUID(bytes=blake2b(f"{SEED} {kind} {number}".encode(), digest_size=16).digest()))
