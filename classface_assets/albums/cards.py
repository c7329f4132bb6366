"""What the pages show of a photo: its thumbnails, the boxes of its faces in per cent, and its caption."""

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

GROUP_PHOTO_FACES = 7  # faces from which on a photo is shown large, its names row by row
PhotoKey = tuple[str, str]


@dataclass(frozen=True)
class FaceBox:
    """Where a face is, in per cent of the photo, and who it is (None: nobody known)."""

    left: float
    top: float
    width: float
    height: float
    student: Student | None


@dataclass(frozen=True)
class Mention:
    """A student in a caption, or a run of `unnamed` faces that belong to nobody known."""

    student: Student | None
    unnamed: int = 0


@dataclass(frozen=True, eq=False)
class PhotoCard:
    """A photo as pages show it; links are relative to the albums folder.

    `place` counts photos in the order to show them; `lost`: there is no thumbnail of it. `photo` says where it lies and
    what of it is covered.
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
        return len(self.photo.covered)

    @property
    def file_name(self) -> str:
        return self.path.rsplit("/", 1)[-1]

    @cached_property
    def date(self) -> str:
        return f"{self.taken_at.day} {self.taken_at:%B %Y}" if self.taken_at else ""

    @property
    def group(self) -> bool:
        return len(self.boxes) >= GROUP_PHOTO_FACES

    @cached_property
    def students(self) -> list[Student]:
        return list(dict.fromkeys(m.student for _, row in self.rows for m in row if m.student))

    @cached_property
    def alt(self) -> str:
        """What a person who does not see the photo is told."""
        named = [student.name for student in self.students]
        if not named:
            return f"Photo, nobody in it named: {self.file_name}"
        others = len(named) - 3
        who = ", ".join(named[:3]) + (f" and {others} more" if others > 0 else "")
        return f"{who}, {self.date}" if self.date else who


def album_photos(photos: pl.DataFrame) -> pl.DataFrame:
    """The photos that albums show, in the order of the day: files that were read and may be shown, each content once a
    year.

    The first day of the school year, which stands for an unknown date, is none to show.
    """
    known = pl.when(pl.col("taken_at_source") != "school year").then("taken_at").alias("taken_at")
    good = photos.filter(pl.col("status") == PhotoStatus.OK).with_columns(known)
    good = good.sort("school_year", "taken_at", "path", nulls_last=True)
    return good.unique(["school_year", "asset_id"], keep="first", maintain_order=True)


def photo_from_row(row: Mapping[str, object]) -> Photo:
    width, height = row["width"] or 4, row["height"] or 3
    assert isinstance(width, int) and isinstance(height, int)
    covered = row.get("covered") or ()
    assert isinstance(covered, list | tuple)
    boxes = tuple((x, y, w, h) for x, y, w, h in covered)
    rotation, orientation, page = (int(str(row.get(name) or 0)) for name in ("rotation", "orientation", "page"))
    cover = str(row.get("cover") or "")
    return Photo(str(row["asset_id"]), str(row["path"]), width, height, rotation, boxes, cover, orientation, page)


def photo_cards(
    out: Path, photos: pl.DataFrame, faces: Iterable[Face], students: Mapping[str, Student]
) -> dict[PhotoKey, PhotoCard]:
    """Every photo of `good_photos`, by school year and asset id, in that order."""
    in_photo: defaultdict[PhotoKey, list[Face]] = defaultdict(list)
    for face in faces:
        in_photo[face.school_year, face.asset_id].append(face)
    pictures = {}
    for place, row in enumerate(photos.iter_rows(named=True)):
        key, photo = (row["school_year"], row["asset_id"]), photo_from_row(row)
        rows = arrange_in_rows(in_photo[key])
        pictures[key] = PhotoCard(
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
    return pictures


def portrait_link(out: Path, faces: Iterable[Face]) -> str | None:
    """The link to the first of `faces` whose crop was kept."""
    shown = (face_crop_path(face.face_id) for face in faces if face.cropped)
    return next((encode_url(path) for path in shown if (out / path).exists()), None)


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
