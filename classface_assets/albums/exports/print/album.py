"""An album for print: photos in rows that fill the page, with the names of who is in them from left to right."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from PIL import Image

from classface_assets.albums.exports.print.contact_sheet import PrintedDocument
from classface_assets.albums.exports.print.document import MARGIN, PrintDocument, PrintOptions, TextStyle

ROW_HEIGHT, GROUP_HEIGHT, MAX_ROW_HEIGHT = 62.0, 125.0, 95.0
"""Millimetres that a row of photos, and a group photo, is high if nothing else forces it."""
GAP, CAPTION_SIZE = 4.0, 8.0
HEADING_ROOM = 24.0
LOOK_AHEAD = 4
"""So many rows ahead one is looked for that fits in what is left of a page."""
SMALLEST_SHARE = 0.6
"""Of its height that a photo with a row of its own may be made smaller to, to fit on the page."""


@dataclass(frozen=True)
class PrintedPhoto:
    """A photo of an album.

    Attributes:
        ratio: Width by height.
        caption: Who is in it, and when it was taken.
        large: Whether it has a row of its own, as photos of groups have.
        read: Reads the picture; None where it cannot be read any more.
    """

    ratio: float
    caption: str
    large: bool
    read: Callable[[], Image.Image | None]


@dataclass(frozen=True)
class Chapter:
    """Photos under one heading, such as a school year."""

    heading: str
    photos: Sequence[PrintedPhoto]


@dataclass(frozen=True)
class PlacedRow:
    """Photos side by side: their widths and their common height, in millimetres."""

    photos: tuple[PrintedPhoto, ...]
    widths: tuple[float, ...]
    height: float


def print_album(
    options: PrintOptions,
    chapters: Sequence[Chapter],
    out: BinaryIO,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> PrintedDocument:
    """Print an album; a chapter begins below the one before where the page has room for it.

    Args:
        options: How it is printed.
        chapters: The photos.
        out: What it is written to.
        progress: Called with the photos printed and the photos in all.
    """
    texts = [text for c in chapters for text in (c.heading, *(photo.caption for photo in c.photos))]
    with PrintDocument(options, texts) as document:
        _print_chapters(document, options.title, chapters, progress)
        document.write(out)
        return PrintedDocument(document.pages, document.missing)


def _print_chapters(
    document: PrintDocument, title: str, chapters: Sequence[Chapter], progress: Callable[[int, int], None]
) -> None:
    document.add_page()
    y = document.heading(title, document.top, size=24) + 2
    done, total = 0, sum(len(chapter.photos) for chapter in chapters)
    for chapter in chapters:
        rows = [_fitted(row, document, _page_room(document)) for row in arrange_photos(chapter.photos, document.width)]
        if rows and y + HEADING_ROOM + min(_height(row, document) for row in rows[:LOOK_AHEAD]) > document.bottom:
            document.add_page()
            y = document.top
        y = document.heading(chapter.heading, y, size=15)
        while rows:
            number, row = _next_row(rows, document, document.bottom - y)
            if row is None:
                document.add_page()
                y = document.top
                continue
            del rows[number]
            y = _print_row(document, row, y)
            done += len(row.photos)
            progress(done, total)
        y += 3


def arrange_photos(photos: Sequence[PrintedPhoto], width: float) -> Iterator[PlacedRow]:
    """Arrange photos in rows as wide as the page; a row that is left over is not enlarged beyond MAX_ROW_HEIGHT.

    A large photo may come before some smaller ones that are waiting for their row to be full.
    """
    row: list[PrintedPhoto] = []
    for photo in photos:
        if photo.large:
            yield _place([photo], width, GROUP_HEIGHT)
            continue
        row.append(photo)
        if _row_height(row, width) <= ROW_HEIGHT:
            yield _place(row, width)
            row = []
    if row:
        yield _place(row, width, ROW_HEIGHT if len(row) > 1 else MAX_ROW_HEIGHT)


def _next_row(rows: Sequence[PlacedRow], document: PrintDocument, room: float) -> tuple[int, PlacedRow | None]:
    """The first of the next rows that fits, so that no sheet stays half empty; a large photo may be made smaller."""
    for number, row in enumerate(rows[:LOOK_AHEAD]):
        if _height(row, document) <= room:
            return number, row
        smaller = _fitted(row, document, room)
        if (
            len(row.photos) == 1
            and smaller.height >= SMALLEST_SHARE * row.height
            and _height(smaller, document) <= room
        ):
            return number, smaller
    return 0, None


def _row_height(row: Sequence[PrintedPhoto], width: float) -> float:
    return (width - GAP * (len(row) - 1)) / sum(photo.ratio for photo in row)


def _place(row: Sequence[PrintedPhoto], width: float, highest: float = MAX_ROW_HEIGHT) -> PlacedRow:
    height = min(_row_height(row, width), highest)
    return PlacedRow(tuple(row), tuple(photo.ratio * height for photo in row), height)


def _page_room(document: PrintDocument) -> float:
    return document.bottom - document.top - HEADING_ROOM


def _fitted(row: PlacedRow, document: PrintDocument, room: float) -> PlacedRow:
    """The row, smaller where it would be higher with its captions than there is room."""
    high = _height(row, document)
    if high <= room:
        return row
    shrink = max((room - (high - row.height)) / row.height, 0.2)
    return PlacedRow(row.photos, tuple(w * shrink for w in row.widths), row.height * shrink)


def _caption_width(width: float, row: PlacedRow, document: PrintDocument) -> float:
    """A photo that stands alone has the whole width for its caption."""
    return document.width if len(row.photos) == 1 else width


def _height(row: PlacedRow, document: PrintDocument) -> float:
    captions = (
        document.text_height(photo.caption, _caption_width(width, row, document), CAPTION_SIZE)
        for photo, width in zip(row.photos, row.widths, strict=True)
    )
    return row.height + 1.5 + max(captions) + GAP


def _print_row(document: PrintDocument, row: PlacedRow, y: float) -> float:
    x, lowest = MARGIN, y
    for photo, width in zip(row.photos, row.widths, strict=True):
        left = x + (document.width - width) / 2 if len(row.photos) == 1 and photo.large else x
        picture = photo.read()
        if picture is None:
            document.frame(left, y, width, row.height)
        else:
            document.picture(picture, left, y, width, row.height)
        below = y + row.height + 1.5
        lowest = max(
            lowest,
            document.text(photo.caption, (x, below), _caption_width(width, row, document), TextStyle(CAPTION_SIZE)),
        )
        x += width + GAP
    return lowest + GAP
