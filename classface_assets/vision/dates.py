"""When a photo was taken: all that its metadata and names say, the surest first. The clock is the camera's own.

Nothing is judged by today's date here: a run under a wrong clock must not lose what a photo says. Dates that contradict
the school year are doubted in store/photo_dates.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath

from PIL import Image

from classface_assets.vision.embedded_dates import embedded_dates
from classface_assets.vision.header import exif_of
from classface_assets.vision.pages import on_page
from classface_assets.vision.written_dates import date_in_name, date_of_folder


@dataclass(frozen=True)
class Dated:
    """A moment by the camera's clock, how it is known, and the clock's minutes east of Greenwich where it says so."""

    at: datetime
    source: str  # exif | xmp | iptc | file name | folder
    utc_offset: int | None = None


def dates_of(picture: Image.Image, path: str) -> tuple[Dated, ...]:
    """Every date of a picture in the file `path` (below the photos folder), the surest first, each moment once.

    The order: EXIF original and digitized, XMP, IPTC, EXIF's time of the last change, the file's name, the folders'
    names from the innermost outwards. A page of several may say nothing of what the first says.
    """
    found = [
        Dated(moment.at, source, moment.utc_offset) for source, moment in embedded_dates(exif_of(picture), picture)
    ]
    if not found and picture.format == "TIFF" and picture.tell() > 0:
        with on_page(picture, 0):
            found = [Dated(m.at, source, m.utc_offset) for source, m in embedded_dates(exif_of(picture), picture)]
    where = PurePosixPath(path)
    named = date_in_name(where.name)
    found += [Dated(named, "file name")] if named else []
    folders = (date_of_folder(folder.name) for folder in where.parents)
    found += [Dated(day, "folder") for day in folders if day][:1]
    first: dict[datetime, Dated] = {}
    for date in found:
        first.setdefault(date.at, date)
    return tuple(first.values())
