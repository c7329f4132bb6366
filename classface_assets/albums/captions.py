"""Captions of group photos: who is where, row by row from left to right, as text and as rows of a table."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby

from classface_assets.core.faces.photo_rows import arrange_rows, row_names
from classface_assets.core.geometry import Box
from classface_assets.core.languages import gettext, marked, ngettext

MISSING_NAME = marked("[name missing]")
ANONYMOUS = marked("a student")
CAPTION_COLUMNS = ("school_year", "path", "row", "row_name", "position", "name", "status", "place_is_sure", "confirmed")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class PlaceStatus(StrEnum):
    """What a caption has of a person."""

    NAMED = "named"
    MISSING = "name missing"
    """Nobody has named the face yet."""
    ANONYMOUS = "not to be named"
    """The person may not be shown or named."""
    LEFT_OUT = "left out"
    """The person is no student: their place counts for the rows, and no caption mentions them."""


@dataclass(frozen=True)
class CaptionFace:
    """A face of a photo: its id, box in pixels, status, name ("" unless named), and whether a person confirmed it."""

    face_id: str
    box: Box
    status: PlaceStatus
    name: str = ""
    confirmed: bool = False


@dataclass(frozen=True)
class Place:
    """A place in a row: its position from the left, from 1; the face; and whether row and position are sure."""

    position: int
    face: CaptionFace
    sure: bool

    @property
    def text(self) -> str:
        """What the caption has at this place."""
        if self.face.status is PlaceStatus.NAMED:
            return self.face.name
        return gettext(MISSING_NAME if self.face.status is PlaceStatus.MISSING else ANONYMOUS)


@dataclass(frozen=True)
class CaptionRow:
    """A row of people: its name ("" for the only one), the places from left to right, and whether it is one row."""

    name: str
    places: tuple[Place, ...]
    sure: bool


@dataclass(frozen=True)
class Caption:
    """The caption of a photo: its rows, back row first."""

    rows: tuple[CaptionRow, ...]

    @property
    def text(self) -> str:
        """The caption as it is printed; "" for nobody."""
        return caption_text([(row.name, _with_counted_gaps(row.places)) for row in self.rows])

    @property
    def listed(self) -> str:
        """The same people without their rows, for a photo of few."""
        return ", ".join(_with_counted_gaps(place for row in self.rows for place in row.places))

    @property
    def missing(self) -> int:
        """How many names are missing."""
        return sum(place.face.status is PlaceStatus.MISSING for row in self.rows for place in row.places)

    @property
    def doubts(self) -> list[str]:
        """What to check in the photo: a sentence for each doubtful row, and for each doubtful place in a sure one."""
        sentences = []
        for number, row in enumerate(self.rows, start=1):
            name = row.name or gettext("Row %(number)s", number=number)
            if not row.sure:
                sentences.append(gettext("%(row)s: it is not certain that these people are one row.", row=name))
            unsure = [place for place in row.places if not place.sure]
            sentences += [
                gettext(
                    "%(row)s, number %(position)s (%(name)s): the place is not certain.",
                    row=name,
                    position=p.position,
                    name=p.text,
                )
                for p in unsure
            ]
        return sentences

    @property
    def sure(self) -> bool:
        """Whether every row and every place is sure."""
        return not self.doubts


def create_caption(faces: Sequence[CaptionFace]) -> Caption:
    """Arrange the faces of a photo in rows; positions count the people whom the caption mentions."""
    found = arrange_rows([face.box for face in faces])
    rows = []
    for number, indices in enumerate(found.rows):
        mentioned = [at for at in indices if faces[at].status is not PlaceStatus.LEFT_OUT]
        places = tuple(Place(n, faces[at], found.is_sure(at)) for n, at in enumerate(mentioned, start=1))
        if places:
            rows.append((places, found.is_sure_row(number)))
    names = row_names(len(rows))
    return Caption(tuple(CaptionRow(name, places, sure) for name, (places, sure) in zip(names, rows, strict=True)))


def caption_text(rows: Iterable[tuple[str, Sequence[str]]]) -> str:
    """The text of a caption.

    >>> caption_text([("Back row", ["Ada Quill", "Ben Ode"]), ("Front row", ["Cem Öz"])])
    'Back row, left to right: Ada Quill, Ben Ode; Front row: Cem Öz.'
    """
    arranged = list(rows)
    if len(arranged) == 1 and len(arranged[0][1]) == 1:
        return f"{arranged[0][1][0]}."
    parts = []
    for number, (name, people) in enumerate(arranged):
        parts.append(_row_text(name, ", ".join(people), is_first=not number))
    return "; ".join(parts) + "." if parts else ""


def _row_text(name: str, people: str, is_first: bool) -> str:
    if not name:
        return gettext("Left to right: %(people)s", people=people)
    if is_first:
        return gettext("%(row)s, left to right: %(people)s", row=name, people=people)
    return f"{name}: {people}"


def caption_csv(captions: Iterable[tuple[str, str, Caption]]) -> str:
    """The places of captions as CSV, one a line, with CAPTION_COLUMNS.

    Args:
        captions: School year, path of the photo, and its caption.
    """
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(CAPTION_COLUMNS)
    for year, path, caption in captions:
        for number, row in enumerate(caption.rows, start=1):
            for p in row.places:
                sure, confirmed = "yes" if p.sure and row.sure else "no", "yes" if p.face.confirmed else "no"
                cells = [year, path, number, row.name, p.position, p.text, p.face.status.value, sure, confirmed]
                table.writerow([_as_text(cell) for cell in cells])
    return out.getvalue()


def caption_lines(captions: Iterable[tuple[str, str, Caption]]) -> str:
    """The captions as text: for each photo its path, its caption, and what to check."""
    blocks = []
    for _, path, caption in captions:
        lines = [path, caption.text or gettext("Nobody in this photo can be named.")]
        if caption.missing:
            lines.append(ngettext("To do: %(num)s name missing.", "To do: %(num)s names missing.", caption.missing))
        blocks.append(
            "\n".join([*lines, *(gettext("To check: %(what)s", what=sentence) for sentence in caption.doubts)])
        )
    return "\n\n".join(blocks) + "\n" * bool(blocks)


def _with_counted_gaps(places: Iterable[Place]) -> list[str]:
    """The texts of places, where neighbours without a name are one text with their number."""
    texts = []
    for status, group in groupby(places, key=lambda place: place.face.status):
        run = list(group)
        if status is PlaceStatus.MISSING and len(run) > 1:
            texts.append(ngettext("[%(num)s name missing]", "[%(num)s names missing]", len(run)))
        else:
            texts += [place.text for place in run]
    return texts


def _as_text(cell: object) -> object:
    """A text that no spreadsheet takes for a formula (OWASP, "CSV Injection")."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA_STARTS) else cell
