"""Synthetic archives of any size in the project's own layout: photos, faces and vectors of people who grow up.

No picture is drawn: the Parquet parts are written as if photos had been searched and embedded. The people:

- A person has 1 to 60 faces, with a probability of s faces proportional to 1/s: half of the people have fewer than six,
  and most of the faces are of people with more than twenty. They are spread over up to 13 successive school years of
  thirty.
- Two faces of one person have a cosine similarity of .71 within a year in the median, .69 at 2 years, .60 at 5 and .47
  at 8, as was measured on children (a direction that stays, and two that alternate over 30 years); better faces more,
  poorer ones less (.58 to .85 within a year). Strangers are independent of one another: the more numbers a vector has,
  the less their similarities spread.
- A photo holds 1 to 12 faces of one year, each of another person.
"""

import uuid
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import polars as pl

from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.schemas import DETECTIONS, IMAGES
from classface_assets.store.catalog.school_year import SchoolYearStore, image_parts

DETECTOR, PACK, THRESHOLDS = "synthetic-1", "synthetic@1", "synthetic"
DIMENSIONS = 512
FIRST_YEAR, YEAR_COUNT, MAX_YEARS, MAX_FACES, MAX_FACES_PER_PHOTO = 1994, 30, 13, 60, 12
PART_FACES = 30_000
STABLE_SHARE, YEARLY_ANGLE = 0.7, np.pi / 15


@dataclass(frozen=True)
class SyntheticPeople:
    """People and their faces.

    Attributes:
        looks: (people, 3, d): the direction that stays and the two that alternate.
        who: (faces,) whose face it is.
        year: (faces,) the number of the school year.
        photo: (faces,) the number of the photo.
        quality: (faces,) 0.3 to 1.
    """

    looks: np.ndarray
    who: np.ndarray
    year: np.ndarray
    photo: np.ndarray
    quality: np.ndarray

    @property
    def dimensions(self) -> int:
        """The numbers of a vector, d."""
        return self.looks.shape[2]

    def vectors(self, faces: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Vectors (faces, d) float32 of unit length."""
        angle = (YEARLY_ANGLE * self.year[faces]).astype(np.float32)[:, None]
        looks = self.looks[self.who[faces]]
        face = np.sqrt(STABLE_SHARE) * looks[:, 0]
        face += np.sqrt(1 - STABLE_SHARE) * (np.cos(angle) * looks[:, 1] + np.sin(angle) * looks[:, 2])
        clear = (0.7 + 0.22 * self.quality[faces]).astype(np.float32)[:, None]
        noise = np.sqrt(1 - clear**2) * rng.standard_normal(face.shape, np.float32) / np.sqrt(self.dimensions)
        face = clear * face + noise
        return (face / np.linalg.norm(face, axis=1, keepdims=True)).astype(np.float32)


def make_people(
    faces: int, seed: int, most_in_a_photo: int = MAX_FACES_PER_PHOTO, dimensions: int = DIMENSIONS
) -> SyntheticPeople:
    """People with that many faces together, in the order of their school years and photos."""
    rng = np.random.default_rng(seed)
    sizes = np.arange(1, MAX_FACES + 1)
    drawn = rng.choice(sizes, size=faces, p=1 / sizes / (1 / sizes).sum())
    people = int(np.searchsorted(drawn.cumsum(), faces)) + 1
    who = np.repeat(np.arange(people), drawn[:people])[:faces]
    span = np.minimum(drawn[:people], rng.integers(1, MAX_YEARS + 1, people))
    start = rng.integers(0, YEAR_COUNT - span + 1)
    year = start[who] + rng.integers(0, span[who])
    order = np.lexsort((rng.random(faces), year))
    who, year = who[order], year[order]
    looks = rng.standard_normal((people, 3, dimensions), np.float32) / np.float32(np.sqrt(dimensions))
    photo = _assign_photos(who, year, rng, most_in_a_photo)
    return SyntheticPeople(looks, who, year, photo, rng.uniform(0.3, 1, faces).astype(np.float32))


def _assign_photos(who: np.ndarray, year: np.ndarray, rng: np.random.Generator, most: int) -> np.ndarray:
    """The photo of each face: runs of 1 to `most` in one year; a person's second face there is one alone."""
    faces = len(who)
    first = np.zeros(faces, bool)
    first[np.minimum(rng.integers(1, most + 1, faces).cumsum(), faces - 1)] = True
    first |= np.diff(year, prepend=-1) > 0
    photo = first.cumsum()
    twice = pl.DataFrame({"photo": photo, "who": who}).select(pl.struct("photo", "who").is_first_distinct().not_())
    alone = twice.to_series().to_numpy()
    return np.where(alone, photo.max() + 1 + alone.cumsum(), photo)


def write_archive(layout: ArchiveLayout, people: SyntheticPeople, faces: slice, seed: int) -> pl.DataFrame:
    """Add these faces to an archive, as Parquet parts of up to PART_FACES faces.

    Returns:
        face_id and person, one row per face.
    """
    rows = np.arange(len(people.who))[faces]
    written = [
        _write_part(layout, people, chunk, f"{FIRST_YEAR + year}-{FIRST_YEAR + year + 1}", seed)
        for year in np.unique(people.year[rows]).tolist()
        for chunk in _chunks(rows[people.year[rows] == year])
    ]
    return pl.concat(written)


def _chunks(rows: np.ndarray) -> list[np.ndarray]:
    return np.array_split(rows, -(-len(rows) // PART_FACES))


def _write_part(layout: ArchiveLayout, people: SyntheticPeople, rows: np.ndarray, year: str, seed: int) -> pl.DataFrame:
    rng = np.random.default_rng((seed, int(rows[0])))
    photos = [_stable_id(seed, "photo", int(photo)) for photo in people.photo[rows]]
    faces = pl.DataFrame({"asset_id": photos, "face_id": [_stable_id(seed, "face", int(row)) for row in rows]})
    quality = people.quality[rows]
    detected = faces.with_columns(
        status=pl.lit("ok"), reason=pl.lit(""), quality_score=quality, detection_confidence=quality
    )
    images = faces.select("asset_id").unique(maintain_order=True)
    images = images.with_columns(
        path=pl.format("{}/{}.jpg", pl.lit(year), "asset_id"),
        school_year=pl.lit(year),
        status=pl.lit("ok"),
        reason=pl.lit(""),
    )
    vectors = faces.select("face_id").with_columns(
        pl.Series("vector", people.vectors(rows, rng), pl.Array(pl.Float32, people.dimensions))
    )
    image_parts(layout, year).append(_with_schema(IMAGES, images))
    store = SchoolYearStore(layout, DETECTOR, year)
    store.set_active_settings(THRESHOLDS)
    store.detection_parts(THRESHOLDS).append(_with_schema(DETECTIONS, detected))
    store.embedding_parts(PACK).append(vectors)
    return faces.select("face_id").with_columns(person=pl.Series(people.who[rows]))


def _with_schema(schema: pl.Schema, rows: pl.DataFrame) -> pl.DataFrame:
    return pl.DataFrame({n: rows[n] if n in rows.columns else None for n in schema}, schema=schema)


def _stable_id(seed: int, kind: str, number: int) -> str:
    """An id as long as those of real archives, and in no order."""
    return str(uuid.UUID(bytes=blake2b(f"{seed} {kind} {number}".encode(), digest_size=16).digest()))
