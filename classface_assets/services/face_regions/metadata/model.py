"""Named places in a photo as programs write them down, and the errors of reading them; no format and no archive."""

from dataclasses import dataclass, field, replace
from enum import StrEnum

from classface_assets.core.errors import UserError
from classface_assets.core.geometry import Box

Size = tuple[int, int]
"""Width and height in pixels."""


class RegionError(UserError):
    """A file's metadata cannot be read, or cannot be changed without harm."""


class Standard(StrEnum):
    """In which form a region is written."""

    MWG = "mwg"
    """Metadata Working Group, Guidelines for Handling Image Metadata 2.0 (2010), chapter 5.9: digiKam, Lightroom."""
    MICROSOFT = "microsoft"
    """Microsoft Photo 1.2, "People Tagging Overview" of Windows Imaging: Windows Photo Gallery."""
    IPTC = "iptc"
    """IPTC Photo Metadata Standard 2019.1, Image Region."""
    PICASA = "picasa"
    """`faces=rect64(…)` in the `.picasa.ini` of a folder."""


@dataclass(frozen=True)
class Region:
    """A named place.

    Attributes:
        name: Who is there; never empty.
        box: x, y, width and height as fractions of the frame's width and height, x and y of the upper left corner.
    """

    name: str
    box: Box


@dataclass(frozen=True)
class RegionSet:
    """The regions of one photo that one file states in one form.

    Attributes:
        regions: The named faces; unnamed ones, pets, barcodes and points of focus are left out.
        standard: In which form.
        program: The program that wrote them, as people call it.
        file: The file that states them, below the photos folder.
        applied_to: The size of the picture that the regions were drawn in; None where it is not stated.
        crop: The part of the picture that the program shows, as fractions of the stored picture; None for all of it.
        unnamed: How many face regions have no name.
    """

    regions: tuple[Region, ...]
    standard: Standard
    program: str
    file: str = ""
    applied_to: Size | None = None
    crop: Box | None = None
    unnamed: int = 0

    def in_file(self, file: str) -> "RegionSet":
        """The same regions, stated by that file."""
        return replace(self, file=file)


@dataclass(frozen=True)
class PhotoFrame:
    """How the pixels of a file, as they are stored, become the upright photo in which faces have their boxes.

    Attributes:
        upright: Size of the photo once its EXIF orientation is applied.
        orientation: The EXIF orientation, 1 to 8.
        rotation: Degrees clockwise by which the photo was then turned to be upright.
    """

    upright: Size
    orientation: int = 1
    rotation: int = 0

    @property
    def stored(self) -> Size:
        """Size of the picture as it is stored."""
        return self.upright[::-1] if self.orientation >= 5 else self.upright

    @property
    def turned(self) -> Size:
        """Size of the photo in which faces have their boxes."""
        return self.upright[::-1] if self.rotation % 180 else self.upright


@dataclass(frozen=True)
class PacketContent:
    """What a reader finds in the XMP of one file.

    Attributes:
        sets: Its regions, a set a standard.
        untied: Names of people that it states without a place in the photo.
    """

    sets: tuple[RegionSet, ...] = ()
    untied: tuple[str, ...] = field(default=())
