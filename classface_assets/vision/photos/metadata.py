"""What a picture says about itself without being decoded: format, size, orientation, and when it was taken.

Dates are not judged by today's date: a run under a wrong clock must not lose what a photo says. Dates that contradict
the school year are put in doubt later, in store/catalog/photo_dates.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import PurePosixPath
from typing import BinaryIO

from PIL import Image, TiffImagePlugin

from classface_assets.core.faces.photo_reasons import PhotoReason
from classface_assets.vision.photos.embedded_dates import read_embedded_dates
from classface_assets.vision.photos.limits import ARCHIVE_LIMITS, PictureLimits, size_problem
from classface_assets.vision.photos.pages import seek_page, select_page
from classface_assets.vision.photos.written_dates import parse_date_in_file_name, parse_date_in_folder_name

FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "BMP", "GIF", "JPEG2000", "AVIF", "HEIF")
ORIENTATION = 0x0112


class UnreadablePhotoError(Exception):
    """A picture that cannot be decoded. `reason` is a short phrase for people."""

    def __init__(self, reason: str) -> None:
        """`reason`: a short phrase for people."""
        super().__init__(reason)
        self.reason = reason


@cache
def _register_formats() -> tuple[str, ...]:
    """Registers HEIF with Pillow, once, and switches off its size check, which raises before the size can be reported.

    Also registers grey TIFFs of 16 bits whose white is zero in big-endian byte order: Pillow has little-endian only.
    """
    import pillow_heif

    Image.init()  # Pillow knows only five formats before
    TiffImagePlugin.OPEN_INFO.setdefault((b"MM", 0, (1,), 1, (16,), ()), ("I;16B", "I;16B"))
    pillow_heif.register_heif_opener()
    Image.MAX_IMAGE_PIXELS = None
    return FORMATS


def open_picture(file: BinaryIO, limits: PictureLimits = ARCHIVE_LIMITS) -> Image.Image:
    """Open a picture, parsing its header only, at the page that is searched (`select_page`).

    Args:
        file: The file.
        limits: How large the picture may be.

    Raises:
        UnreadablePhotoError: There is no picture inside, or it is too large.
    """
    formats = _register_formats()
    try:
        picture = Image.open(file, formats=formats)
        picture.seek(select_page(picture))
    except Exception as error:  # the parsers of ten formats raise all kinds of errors on damaged headers
        raise UnreadablePhotoError(PhotoReason.NO_PICTURE.phrase()) from error
    problem = size_problem(picture.size, picture.mode, picture.format or "", limits)
    if problem is not None:
        raise UnreadablePhotoError(problem)
    return picture


def is_camera_raw(file: BinaryIO) -> bool:
    """Whether a file named like a camera raw file is one: those are TIFFs inside, or have a structure of their own."""
    try:
        return open_picture(file).format == "TIFF"
    except UnreadablePhotoError:
        return True
    finally:
        file.seek(0)


def read_exif(picture: Image.Image) -> Image.Exif:
    """The EXIF data of an opened picture; empty if it has none."""
    try:
        return Image.Image.getexif(picture)  # the PNG plugin's own would decode the whole picture
    except Exception:  # damaged EXIF is as good as none
        return Image.Exif()


def exif_orientation(picture: Image.Image) -> int:
    """The EXIF orientation, 1 to 8 (1 when missing or damaged)."""
    return _stated_orientation(picture) or 1


def states_orientation(picture: Image.Image) -> bool:
    """Whether a camera recorded which way is up. The 1 in a TIFF does not count: every scanner writes it."""
    stated = _stated_orientation(picture)
    return stated is not None and (stated > 1 or picture.format != "TIFF")


def _stated_orientation(picture: Image.Image) -> int | None:
    value = read_exif(picture).get(ORIENTATION)
    return value if isinstance(value, int) and 1 <= value <= 8 else None


def is_decoded_upright(picture: Image.Image) -> bool:
    """Whether Pillow's plugin of the format applies the orientation to size and pixels by itself."""
    return picture.format in ("TIFF", "HEIF")


def upright_size(picture: Image.Image) -> tuple[int, int]:
    """Width and height in pixels once the orientation is applied."""
    swapped = exif_orientation(picture) >= 5 and not is_decoded_upright(picture)
    return (picture.height, picture.width) if swapped else picture.size


@dataclass(frozen=True)
class CaptureTime:
    """When a photo was taken, by the clock that recorded it.

    Attributes:
        at: The moment, without a time zone.
        source: `exif`, `xmp`, `iptc`, `file name` or `folder`.
        utc_offset: The clock's offset in minutes east of Greenwich, where it is recorded.
    """

    at: datetime
    source: str
    utc_offset: int | None = None


def capture_times(picture: Image.Image, path: str) -> tuple[CaptureTime, ...]:
    """Every date of a picture, the most reliable first, each moment once.

    The order: EXIF original and digitized, XMP, IPTC, EXIF's time of the last change, the file's name, the folders'
    names from the innermost outwards. A page of a TIFF without dates has those of the first page.

    Args:
        picture: The opened picture, at the page that is searched.
        path: The path of the file below the photos folder.
    """
    times = _embedded_times(picture)
    if not times and picture.format == "TIFF" and picture.tell() > 0:
        with seek_page(picture, 0):
            times = _embedded_times(picture)
    file = PurePosixPath(path)
    in_file_name = parse_date_in_file_name(file.name)
    times += [CaptureTime(in_file_name, "file name")] if in_file_name else []
    in_folder_names = (parse_date_in_folder_name(folder.name) for folder in file.parents)
    times += [CaptureTime(day, "folder") for day in in_folder_names if day][:1]
    first: dict[datetime, CaptureTime] = {}
    for time in times:
        first.setdefault(time.at, time)
    return tuple(first.values())


def _embedded_times(picture: Image.Image) -> list[CaptureTime]:
    dates = read_embedded_dates(read_exif(picture), picture)
    return [CaptureTime(date.at, source, date.utc_offset) for source, date in dates]
