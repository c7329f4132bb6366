"""What a picture's header says, without decoding it: the format, the size, which way is up, EXIF.

Decoding the pixels belongs in decode.

When a photo was taken: all that its metadata and names say, the surest first. The clock is the camera's own.

Nothing is judged by today's date here: a run under a wrong clock must not lose what a photo says. Dates that contradict
the school year are doubted in store/photo_dates.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import PurePosixPath
from typing import BinaryIO

from PIL import Image, TiffImagePlugin

from classface_assets.vision.photos.embedded_dates import read_embedded_dates
from classface_assets.vision.photos.pages import seek_page, select_page
from classface_assets.vision.photos.written_dates import parse_date_in_file_name, parse_date_in_folder_name

FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "BMP", "GIF", "JPEG2000", "AVIF", "HEIF")
MAX_PIXELS = 250_000_000  # 750 MB decoded; larger files are decompression bombs or need to be scaled down first
ORIENTATION = 0x0112


class UnreadablePhotoError(Exception):
    """A picture that cannot be decoded; `reason` is one clear phrase."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@cache
def _register_formats() -> tuple[str, ...]:
    """Registers HEIF, and takes the size check into our own hands: Pillow's raises before the size can be told.

    Of grey TIFFs of 16 bits whose white is zero Pillow knows those of Intel's order of bytes alone.
    """
    import pillow_heif

    Image.init()  # Pillow knows only five formats before
    TiffImagePlugin.OPEN_INFO.setdefault((b"MM", 0, (1,), 1, (16,), ()), ("I;16B", "I;16B"))
    pillow_heif.register_heif_opener()
    Image.MAX_IMAGE_PIXELS = None
    return FORMATS


def open_picture(file: BinaryIO) -> Image.Image:
    """Parse the header only; of a file of several pictures that of the page that is searched.

    Raises UnreadablePhoto when there is no picture inside or it is too large.
    """
    formats = _register_formats()
    try:
        picture = Image.open(file, formats=formats)
        picture.seek(select_page(picture))
    except Exception as error:  # the parsers of ten formats raise all kinds of errors on damaged headers
        raise UnreadablePhotoError(
            "no picture inside that can be opened: the file is damaged or something else"
        ) from error
    if picture.width * picture.height > MAX_PIXELS:
        size = f"{picture.width} × {picture.height} pixels"
        raise UnreadablePhotoError(f"{size} are more than {MAX_PIXELS // 1_000_000} million: save it smaller")
    return picture


def is_camera_raw(file: BinaryIO) -> bool:
    """Whether what is named like a camera's raw file is one: they are TIFFs inside, or of a structure of their own."""
    try:
        return open_picture(file).format == "TIFF"
    except UnreadablePhotoError:
        return True
    finally:
        file.seek(0)


def read_exif(picture: Image.Image) -> Image.Exif:
    """The EXIF of an opened picture; empty where it has none."""
    try:
        return Image.Image.getexif(picture)  # the PNG plugin's own would decode the whole picture
    except Exception:  # damaged EXIF is as good as none
        return Image.Exif()


def exif_orientation(picture: Image.Image) -> int:
    """The EXIF orientation, 1 to 8 (1 when missing or damaged)."""
    return _stated_orientation(picture) or 1


def states_orientation(picture: Image.Image) -> bool:
    """Whether a camera has said which way is up. Every scanner's TIFF says 1, which says nothing."""
    stated = _stated_orientation(picture)
    return stated is not None and (stated > 1 or picture.format != "TIFF")


def _stated_orientation(picture: Image.Image) -> int | None:
    value = read_exif(picture).get(ORIENTATION)
    return value if isinstance(value, int) and 1 <= value <= 8 else None


def is_decoded_upright(picture: Image.Image) -> bool:
    return picture.format in ("TIFF", "HEIF")  # their plugins give upright size and pixels by themselves


def upright_size(picture: Image.Image) -> tuple[int, int]:
    """Width and height once the orientation is applied."""
    turned = exif_orientation(picture) >= 5 and not is_decoded_upright(picture)
    return (picture.height, picture.width) if turned else picture.size


@dataclass(frozen=True)
class CaptureTime:
    """A moment by the camera's clock, how it is known, and the clock's minutes east of Greenwich where it says so."""

    at: datetime
    source: str  # exif | xmp | iptc | file name | folder
    utc_offset: int | None = None


def capture_times(picture: Image.Image, path: str) -> tuple[CaptureTime, ...]:
    """Every date of a picture in the file `path` (below the photos folder), the surest first, each moment once.

    The order: EXIF original and digitized, XMP, IPTC, EXIF's time of the last change, the file's name, the folders'
    names from the innermost outwards. A page of several may say nothing of what the first says.
    """
    found = [
        CaptureTime(moment.at, source, moment.utc_offset)
        for source, moment in read_embedded_dates(read_exif(picture), picture)
    ]
    if not found and picture.format == "TIFF" and picture.tell() > 0:
        with seek_page(picture, 0):
            found = [
                CaptureTime(m.at, source, m.utc_offset)
                for source, m in read_embedded_dates(read_exif(picture), picture)
            ]
    where = PurePosixPath(path)
    named = parse_date_in_file_name(where.name)
    found += [CaptureTime(named, "file name")] if named else []
    folders = (parse_date_in_folder_name(folder.name) for folder in where.parents)
    found += [CaptureTime(day, "folder") for day in folders if day][:1]
    first: dict[datetime, CaptureTime] = {}
    for date in found:
        first.setdefault(date.at, date)
    return tuple(first.values())
