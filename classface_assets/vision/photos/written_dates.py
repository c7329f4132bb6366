"""Parses dates as cameras, programs and people write them, in metadata and in names.

Today's date plays no part here; which of a photo's dates counts is decided in metadata.
"""

import re
from dataclasses import dataclass
from datetime import datetime

OLDEST, LATEST = 1900, 2199
# 2011:09:05 08:30:00, 2019-06-12T10:15:30.25+02:00, 2019/06/12 01:15:30 PM, 20190612, 2019:06:12  8: 5: 0
_DATE_PATTERN = re.compile(
    r"(\d{4})[-:/. ]{0,2}(\d\d|(?<=[-:/. ])\d)[-:/. ]{0,2}(\d\d|(?<=[-:/. ])\d)(?!\d)"
    r"(?:[T, ]{0,2}(?P<time>\d{1,2}: ?\d{1,2}(?:: ?\d{1,2}(?:[.,]\d+)?)?)(?:\s?(?P<half>[AaPp])\.?[Mm])?)?"
    r"\s*(?P<offset>Z|[+-]\d\d:?\d\d)?"
)
# IMG_20190612_101530, PXL_20190612_101530123, 2019-06-12 10.15.30, Screenshot_2019-06-12-10-15-30, IMG-20190612-WA0001,
# WhatsApp Image 2019-06-12 at 1.15.30 PM; in a longer row of digits is no date.
_FILE_NAME_PATTERN = re.compile(
    r"(?<!\d)((?:19|20)\d\d)([-_. ]?)(\d\d)\2(\d\d)"
    r"(?:(?:[-_. T]| at )?(\d{1,2})([-_.: h]?)(\d\d)\6(\d\d)(?:[-_.]?\d{3})?(?:\s?([AP])M)?(?!\d)|(?!\d))"
)
# 12.06.2019: dots are read one way only
_DAY_FIRST_PATTERN = re.compile(r"(?<![\d.])(\d{1,2})\.(\d{1,2})\.((?:19|20)\d\d)(?!\.?\d)")
_OFFSET_PATTERN = re.compile(r"([+-])(\d\d):?(\d\d)")


@dataclass(frozen=True)
class ParsedDate:
    """A moment by the clock that wrote it, and that clock's offset in minutes east of Greenwich, if written."""

    at: datetime
    utc_offset: int | None = None


def parse_date(text: object) -> ParsedDate | None:
    """Parse an EXIF, XMP or IPTC value.

    Args:
        text: Bytes or text, such as `2011:09:05 08:30:00`.

    Returns:
        The date, with its time of day if there is one; None if there is no such day. `24:10:00`, which some cameras
        write ten minutes after midnight, is 00:10 of the day that is written; an impossible time of day is left out.
    """
    value = text.decode("latin-1") if isinstance(text, bytes) else str(text or "")
    found = _DATE_PATTERN.match(value.replace("\0", " ").strip())
    if not found:
        return None
    day = _parse_day(*found.groups()[:3])
    if day is None:
        return None
    numbers = [int(number) for number in re.findall(r"\d+", (found["time"] or "").partition(".")[0].partition(",")[0])]
    return ParsedDate(_with_time(day, numbers, (found["half"] or "").upper()), parse_utc_offset(found["offset"] or ""))


def parse_date_in_file_name(file_name: str) -> datetime | None:
    """The first plausible date in a file's name, with its time of day if there is one, else at midnight."""
    for found in _FILE_NAME_PATTERN.finditer(file_name):
        year, _, month, day, hour, _, minute, second, half = found.groups()
        date = _parse_day(year, month, day)
        if date:
            return _with_time(date, [int(number) for number in (hour, minute, second) if number], half or "")
    return None


def parse_date_in_folder_name(folder_name: str) -> datetime | None:
    """The day in a folder's name, `2019-06-12 Sports Day` or `12.06.2019 Sportfest`; None without a full date."""
    at = parse_date_in_file_name(folder_name)
    if at:
        return at.replace(hour=0, minute=0, second=0)
    days = (_parse_day(year, month, day) for day, month, year in _DAY_FIRST_PATTERN.findall(folder_name))
    return next((day for day in days if day), None)


def parse_utc_offset(offset: str) -> int | None:
    """Minutes east of Greenwich of `+02:00`, `-0330` or `Z`; None if it is no possible offset."""
    offset = offset.strip("\0 ")
    if offset == "Z":
        return 0
    found = _OFFSET_PATTERN.match(offset)
    if not found:
        return None
    minutes = int(found[2]) * 60 + int(found[3])
    return None if minutes > 14 * 60 else -minutes if found[1] == "-" else minutes


def _parse_day(year: str, month: str, day: str) -> datetime | None:
    try:
        at = datetime(int(year), int(month), int(day))  # noqa: DTZ001
    except ValueError:
        return None
    return at if OLDEST <= at.year <= LATEST else None


def _with_time(day: datetime, numbers: list[int], half: str) -> datetime:
    """The day at [hour, minute, perhaps second] and `half` (A for AM, P for PM); at midnight if that is no time."""
    if len(numbers) < 2:
        return day
    hour = numbers[0] % 12 + (12 if half == "P" else 0) if half else 0 if numbers[0] == 24 else numbers[0]
    try:
        return day.replace(hour=hour, minute=numbers[1], second=numbers[2] if len(numbers) > 2 else 0)
    except ValueError:
        return day
