"""When a photo was taken: what its EXIF says, else what its file name says. The clock is the camera's own."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

DATE, DATE_ORIGINAL, EXIF_IFD = 0x0132, 0x9003, 0x8769
OFFSET, OFFSET_ORIGINAL = 0x9010, 0x9011
OLDEST = 1900
# IMG_20190612_101530, PXL_20190612_101530123, 2019-06-12 10.15.30, Screenshot_2019-06-12-10-15-30, IMG-20190612-WA0001,
# WhatsApp Image 2019-06-12 at 1.15.30 PM; in a longer row of digits is no date.
_IN_NAME = re.compile(
    r"(?<!\d)(\d{4})([-_. ]?)(\d\d)\2(\d\d)"
    r"(?:(?:[-_. T]| at )?(\d{1,2})([-_.: h]?)(\d\d)\6(\d\d)(?:[-_.]?\d{3})?(?:\s?([AP])M)?(?!\d)|(?!\d))"
)
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)")


@dataclass(frozen=True)
class Taken:
    """When a photo was taken by the camera's clock, how that is known, and the clock's minutes east of Greenwich."""

    at: datetime | None = None
    source: str = ""  # exif | file name | "" when unknown
    utc_offset: int | None = None


def taken(exif: Any, file_name: str) -> Taken:
    """From EXIF (a Pillow `Exif`) DateTimeOriginal, else DateTime, else a date in the file's name.

    Dates before 1900 or after tomorrow are nobody's: a camera that lost its clock, or a number that is no date.
    """
    detail = exif.get_ifd(EXIF_IFD)
    for date, offset in (
        (detail.get(DATE_ORIGINAL), detail.get(OFFSET_ORIGINAL, detail.get(OFFSET))),
        (exif.get(DATE), detail.get(OFFSET)),
    ):
        at = _plausible(*re.findall(r"\d+", str(date or ""))[:6])
        if at:
            return Taken(at, "exif", _minutes(str(offset or "")))
    at = date_in_name(file_name)
    return Taken(at, "file name") if at else Taken()


def date_in_name(file_name: str) -> datetime | None:
    """The first plausible date in a file's name, with the time of day where there is one, else at midnight."""
    for found in _IN_NAME.finditer(file_name):
        year, _, month, day, hour, _, minute, second, half = found.groups()
        if half and hour:
            hour = str(int(hour) % 12 + (12 if half == "P" else 0))
        at = _plausible(year, month, day, hour, minute, second) or _plausible(year, month, day)
        if at:
            return at
    return None


def _plausible(*numbers: str | None) -> datetime | None:
    """The date of year, month, day and perhaps hour, minute, second; None when there is no such day."""
    try:
        at = datetime(*(int(n or 0) for n in numbers))  # type: ignore[arg-type]  # noqa: DTZ001
    except (TypeError, ValueError):
        return None
    return at if at.year >= OLDEST and at <= datetime.now() + timedelta(days=1) else None  # noqa: DTZ005


def _minutes(offset: str) -> int | None:
    found = _OFFSET.match(offset.strip("\0 "))
    if not found:
        return None
    minutes = int(found[2]) * 60 + int(found[3])
    return None if minutes > 14 * 60 else -minutes if found[1] == "-" else minutes
