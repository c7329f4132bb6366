"""Photo cards: what pages show of a photo: thumbnails, the boxes of its faces in per cent, and the caption."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from hashlib import blake2b

import polars as pl

from classface_assets.albums.captions import MISSING_NAME, caption_text
from classface_assets.albums.listing import FolderListing
from classface_assets.albums.names import encode_url
from classface_assets.albums.pictures.originals import Photo
from classface_assets.albums.pictures.thumbnails import LARGE, SMALL, face_crop_path, thumbnail_path
from classface_assets.albums.students import Face, Student
from classface_assets.core.faces.known_rows import FoundRows, RowFinder
from classface_assets.core.faces.photo_rows import row_names
from classface_assets.core.languages import format_long_date, gettext, ngettext
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

    @property
    def text(self) -> str:
        """What a caption has of them; unknown students have no name yet."""
        if self.student is not None and self.student.known:
            return self.student.name
        if self.unnamed < 2:
            return gettext(MISSING_NAME)
        return ngettext("[%(num)s name missing]", "[%(num)s names missing]", self.unnamed)


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
        faces: Its faces, from left to right.
        who: The student of each face; None for an unknown one.
        lost: There is no thumbnail of it.
        photo: Where it lies, and what of it is covered.
        row_finder: Finds the rows of people in it.
    """

    key: PhotoKey
    place: int
    path: str
    small: str
    large: str
    ratio: float
    taken_at: datetime | None
    faces: tuple[Face, ...]
    who: tuple[Student | None, ...]
    lost: bool
    photo: Photo
    row_finder: RowFinder

    @cached_property
    def boxes(self) -> list[FaceBox]:
        """The boxes of its faces."""
        pairs = zip(self.faces, self.who, strict=True)
        return [_face_box(face, self.photo, student) for face, student in pairs]

    # Finding rows takes milliseconds, and most pages show none.
    @cached_property
    def _found(self) -> FoundRows:
        return self.row_finder.find([face.box for face in self.faces])

    @cached_property
    def rows(self) -> list[tuple[str, list[Mention]]]:
        """The name of each row of people, back row first, and who is in it, from left to right."""
        rows = self._found.rows
        names = row_names(len(rows))
        return [(name, _mentions(self.who[at] for at in row)) for name, row in zip(names, rows, strict=True)]

    @cached_property
    def doubtful(self) -> int:
        """How many people's places in the rows are not certain."""
        return len(self._found.unsure)

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
        return format_long_date(self.taken_at.date()) if self.taken_at else ""

    @property
    def group(self) -> bool:
        """Whether it is a group photo."""
        return len(self.faces) >= GROUP_PHOTO_FACES

    @cached_property
    def students(self) -> list[Student]:
        """The students in it, from left to right."""
        return list(dict.fromkeys(student for student in self.who if student))

    @cached_property
    def caption(self) -> str:
        """Who is where, row by row, as one text."""
        return caption_text((name, [mention.text for mention in row]) for name, row in self.rows)

    @cached_property
    def digest(self) -> str:
        """A digest of all that pages show of it; its place is not part of it, which is only the order of photos."""
        people = [
            (face.box, *((student.key, student.name, student.known) if student else ()))
            for face, student in zip(self.faces, self.who, strict=True)
        ]
        photo = self.photo.width, self.photo.height, self.photo.covered
        values = self.key, self.path, self.small, self.large, self.ratio, self.taken_at, self.lost, photo, people
        return blake2b(repr(values).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

    @cached_property
    def alt(self) -> str:
        """The text alternative of the image, for people who cannot see it."""
        named = [student.name for student in self.students]
        if not named:
            return gettext("Photo, nobody in it named: %(file)s", file=self.file_name)
        others = len(named) - 3
        who = ", ".join(named[:3])
        if others > 0:
            who += " " + ngettext("and %(num)s more", "and %(num)s more", others)
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
    listing: FolderListing,
    photos: pl.DataFrame,
    faces: Iterable[Face],
    students: Mapping[str, Student],
    row_finder: RowFinder,
) -> dict[PhotoKey, PhotoCard]:
    """A card for each photo.

    Args:
        listing: Of the albums folder.
        photos: The `album_photos`.
        faces: The faces in them.
        students: Key → student.
        row_finder: Finds the rows of people in them.

    Returns:
        (school year, asset id) → card, in the order of the photos.
    """
    in_photo: defaultdict[PhotoKey, list[Face]] = defaultdict(list)
    for face in faces:
        in_photo[face.school_year, face.asset_id].append(face)
    cards = {}
    for place, row in enumerate(photos.iter_rows(named=True)):
        key, photo = (row["school_year"], row["asset_id"]), photo_from_row(row)
        own = sorted(in_photo[key], key=lambda face: (face.box[0], face.face_id))
        cards[key] = PhotoCard(
            key=key,
            place=place,
            path=photo.path,
            small=encode_url(thumbnail_path(photo, SMALL)),
            large=encode_url(thumbnail_path(photo, LARGE)),
            ratio=round(photo.width / photo.height, 3),
            taken_at=row["taken_at"],
            faces=tuple(own),
            who=tuple(students.get(face.student) if face.student else None for face in own),
            lost=not listing.has(thumbnail_path(photo, SMALL)),
            photo=photo,
            row_finder=row_finder,
        )
    return cards


def portrait_link(listing: FolderListing, faces: Iterable[Face]) -> str | None:
    """The link to the crop of the first of `faces` that has one; None if there is none."""
    paths = (face_crop_path(face.face_id) for face in faces if face.cropped)
    return next((encode_url(path) for path in paths if listing.has(path)), None)


def _face_box(face: Face, photo: Photo, student: Student | None) -> FaceBox:
    x, y, w, h = face.box
    left, right = (min(max(value / photo.width * 100, 0), 100) for value in (x, x + w))
    top, bottom = (min(max(value / photo.height * 100, 0), 100) for value in (y, y + h))
    return FaceBox(round(left, 2), round(top, 2), round(right - left, 2), round(bottom - top, 2), student)


def _mentions(row: Iterable[Student | None]) -> list[Mention]:
    mentions: list[Mention] = []
    for student in row:
        if student is None and mentions and mentions[-1].student is None:
            mentions[-1] = Mention(None, mentions[-1].unnamed + 1)
        else:
            mentions.append(Mention(student, int(student is None)))
    return mentions
