"""Photo cards: what pages show of a photo: thumbnails, the boxes of its faces in per cent, and the caption."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

import polars as pl

from classface_assets.albums.names import encode_url
from classface_assets.albums.students import Face, Student, arrange_in_rows, row_names
from classface_assets.albums.thumbnails import LARGE, SMALL, Photo, face_crop_path, thumbnail_path
from classface_assets.core.schemas import PhotoStatus

GROUP_PHOTO_FACES = 7  # a photo with that many faces is shown large, with its names row by row
PhotoKey = tuple[str, str]


@dataclass(frozen=True)
class FaceBox:
    """The place of a face, in per cent of the photo, and its student (None: unknown)."""

    left: float
    top: float
    width: float
    height: float
    student: Student | None


@dataclass(frozen=True)
class Mention:
    """A student in a caption, or a run of `unnamed` faces of unknown people."""

    student: Student | None
    unnamed: int = 0


@dataclass(frozen=True, eq=False)
class PhotoCard:
    """A photo as pages show it; links are relative to the albums folder.

    Attributes:
        key: School year and asset id.
        place: Its place in the order of photos.
        path: Its path below the photos folder.
        small: The link to the small thumbnail.
        large: The link to the large thumbnail.
        ratio: Width by height.
        taken_at: When it was taken, if known.
        boxes: The boxes of its faces.
        rows: The name of each row of people, and who is in it.
        lost: There is no thumbnail of it.
        photo: Where it lies, and what of it is covered.
    """

    key: PhotoKey
    place: int
    path: str
    small: str
    large: str
    ratio: float
    taken_at: datetime | None
    boxes: tuple[FaceBox, ...]
    rows: tuple[tuple[str, tuple[Mention, ...]], ...]
    lost: bool
    photo: Photo

    @property
    def covered(self) -> int:
        """How many faces are covered."""
        return len(self.photo.covered)

    @property
    def file_name(self) -> str:
        """The last part of its path."""
        return self.path.rsplit("/", 1)[-1]

    @cached_property
    def date(self) -> str:
        """The day it was taken, as `12 June 2019`; "" if unknown."""
        return f"{self.taken_at.day} {self.taken_at:%B %Y}" if self.taken_at else ""

    @property
    def group(self) -> bool:
        """Whether it is a group photo."""
        return len(self.boxes) >= GROUP_PHOTO_FACES

    @cached_property
    def students(self) -> list[Student]:
        """The students in it, in the order of the caption."""
        return list(dict.fromkeys(m.student for _, row in self.rows for m in row if m.student))

    @cached_property
    def alt(self) -> str:
        """The text alternative of the image, for people who cannot see it."""
        named = [student.name for student in self.students]
        if not named:
            return f"Photo, nobody in it named: {self.file_name}"
        others = len(named) - 3
        who = ", ".join(named[:3]) + (f" and {others} more" if others > 0 else "")
        return f"{who}, {self.date}" if self.date else who


def album_photos(photos: pl.DataFrame) -> pl.DataFrame:
    """The photos that albums show, by date: files that were read and may be shown, each picture once a year.

    The first day of the school year is the placeholder of an unknown date, and is not shown.
    """
    known = pl.when(pl.col("taken_at_source") != "school year").then("taken_at").alias("taken_at")
    shown = photos.filter(pl.col("status") == PhotoStatus.OK).with_columns(known)
    shown = shown.sort("school_year", "taken_at", "path", nulls_last=True)
    return shown.unique(["school_year", "asset_id"], keep="first", maintain_order=True)


def photo_from_row(row: Mapping[str, object]) -> Photo:
    """The photo of a row of `image_assets`; a photo of unknown size is taken for 4 × 3."""
    width, height = row["width"] or 4, row["height"] or 3
    assert isinstance(width, int) and isinstance(height, int)
    covered = row.get("covered") or ()
    assert isinstance(covered, list | tuple)
    boxes = tuple((x, y, w, h) for x, y, w, h in covered)
    rotation, orientation, page = (int(str(row.get(name) or 0)) for name in ("rotation", "orientation", "page"))
    return Photo(
        asset_id=str(row["asset_id"]),
        path=str(row["path"]),
        width=width,
        height=height,
        rotation=rotation,
        covered=boxes,
        cover=str(row.get("cover") or ""),
        orientation=orientation,
        page=page,
    )


def photo_cards(
    out: Path, photos: pl.DataFrame, faces: Iterable[Face], students: Mapping[str, Student]
) -> dict[PhotoKey, PhotoCard]:
    """A card for each photo.

    Args:
        out: The albums folder.
        photos: The `album_photos`.
        faces: The faces in them.
        students: Key → student.

    Returns:
        (school year, asset id) → card, in the order of the photos.
    """
    in_photo: defaultdict[PhotoKey, list[Face]] = defaultdict(list)
    for face in faces:
        in_photo[face.school_year, face.asset_id].append(face)
    cards = {}
    for place, row in enumerate(photos.iter_rows(named=True)):
        key, photo = (row["school_year"], row["asset_id"]), photo_from_row(row)
        rows = arrange_in_rows(in_photo[key])
        cards[key] = PhotoCard(
            key=key,
            place=place,
            path=photo.path,
            small=encode_url(thumbnail_path(photo, SMALL)),
            large=encode_url(thumbnail_path(photo, LARGE)),
            ratio=round(photo.width / photo.height, 3),
            taken_at=row["taken_at"],
            boxes=tuple(_face_box(face, photo, students) for row_ in rows for face in row_),
            rows=tuple(
                (name, _mentions(row_, students)) for name, row_ in zip(row_names(len(rows)), rows, strict=True)
            ),
            lost=not (out / thumbnail_path(photo, SMALL)).exists(),
            photo=photo,
        )
    return cards


def portrait_link(out: Path, faces: Iterable[Face]) -> str | None:
    """The link to the crop of the first of `faces` that has one; None if there is none."""
    paths = (face_crop_path(face.face_id) for face in faces if face.cropped)
    return next((encode_url(path) for path in paths if (out / path).exists()), None)


def _face_box(face: Face, photo: Photo, students: Mapping[str, Student]) -> FaceBox:
    x, y, w, h = face.box
    left, right = (min(max(value / photo.width * 100, 0), 100) for value in (x, x + w))
    top, bottom = (min(max(value / photo.height * 100, 0), 100) for value in (y, y + h))
    student = students.get(face.student) if face.student else None
    return FaceBox(round(left, 2), round(top, 2), round(right - left, 2), round(bottom - top, 2), student)


def _mentions(row: Iterable[Face], students: Mapping[str, Student]) -> tuple[Mention, ...]:
    mentions: list[Mention] = []
    for face in row:
        student = students.get(face.student) if face.student else None
        if student is None and mentions and mentions[-1].student is None:
            mentions[-1] = Mention(None, mentions[-1].unnamed + 1)
        else:
            mentions.append(Mention(student, int(student is None)))
    return tuple(mentions)
