"""A contact sheet: portraits of one size with their names, class by class; who has none has an empty frame."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from PIL import Image

from classface_assets.albums.exports.head_crop import HEIGHT, WIDTH
from classface_assets.albums.exports.print.document import MARGIN, PrintDocument, PrintOptions, TextStyle

COLUMNS, ROWS = 5, 5
GAP = 4.0
NAME_SIZE = 9.0
NAME_LINES_HEIGHT = 9.0
"""Room for a name, of two lines."""


@dataclass(frozen=True)
class SheetPerson:
    """A person on a contact sheet.

    Attributes:
        name: As it is printed.
        read: Reads the portrait, WIDTH × HEIGHT pixels; None where there is none. May return None, too.
    """

    name: str
    read: Callable[[], Image.Image | None] | None = None


@dataclass(frozen=True)
class SheetGroup:
    """People under one heading, such as a class."""

    heading: str
    people: Sequence[SheetPerson]


@dataclass(frozen=True)
class PrintedDocument:
    """What there is to report of a PDF that was written.

    Attributes:
        pages: How many it has.
        missing: Characters that no font has.
    """

    pages: int
    missing: frozenset[str]


def contact_sheet(
    options: PrintOptions,
    groups: Sequence[SheetGroup],
    out: BinaryIO,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> PrintedDocument:
    """Print a contact sheet, each group on pages of its own.

    Args:
        options: How it is printed.
        groups: The people.
        out: What it is written to.
        progress: Called with the portraits printed and the portraits in all.
    """
    without = "no photo"
    texts = [without, *(group.heading for group in groups), *(p.name for group in groups for p in group.people)]
    with PrintDocument(options, texts) as document:
        _print_groups(document, groups, without, progress)
        document.write(out)
        return PrintedDocument(document.pages, document.missing)


def _print_groups(
    document: PrintDocument, groups: Sequence[SheetGroup], without: str, progress: Callable[[int, int], None]
) -> None:
    total, done = sum(len(group.people) for group in groups), 0
    width = (document.width - (COLUMNS - 1) * GAP) / COLUMNS
    height = width * HEIGHT / WIDTH
    for group in groups:
        for start in range(0, len(group.people), COLUMNS * ROWS):
            document.add_page()
            heading = group.heading if start == 0 else f"{group.heading} ({start // (COLUMNS * ROWS) + 1})"
            top = document.heading(heading, document.top) + 2
            step = min(height + NAME_LINES_HEIGHT + 2, (document.bottom - top) / ROWS)
            shown = min(height, step - NAME_LINES_HEIGHT)
            for place, person in enumerate(group.people[start : start + COLUMNS * ROWS]):
                x = MARGIN + place % COLUMNS * (width + GAP)
                y = top + place // COLUMNS * step
                inset = (width - shown * WIDTH / HEIGHT) / 2
                picture = person.read() if person.read else None
                if picture is None:
                    document.frame(x + inset, y, width - 2 * inset, shown)
                    document.text(without, (x, y + shown / 2 - 2), width, TextStyle(7.5, centred=True))
                else:
                    document.picture(picture, x + inset, y, width - 2 * inset, shown)
                document.text(person.name, (x - 1, y + shown + 0.8), width + 2, TextStyle(NAME_SIZE, centred=True))
                done += 1
                progress(done, total)
