"""The school year that a folder's name states, and how exactly. Nothing here touches the disk.

A school year is known by the calendar year in which it starts: 2019 is 2019-2020.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import IntEnum
from functools import cache, lru_cache

from classface_assets.core.errors import UserError
from classface_assets.core.languages import current_language, gettext, marked
from classface_assets.core.school_years import words

_PATTERN_HINT = r"set CLASSFACE_YEAR_PATTERN to one like (?P<first>\d{4})-(?P<second>\d\d), or leave it empty."
_SEASON_REASONS = {
    "spring": marked("the spring of %(year)s lies in it"),
    "summer": marked("the summer of %(year)s lies in it"),
    "autumn": marked("the autumn of %(year)s lies in it"),
    "winter": marked("the winter of %(year)s lies in it"),
}
_KEY = re.compile(r"(19\d\d|20\d\d)-(\d{4})")
_JOINT = r"\s*(?:[-_.~+&/]|to|bis|til|au|a|al|ate)\s*"
_PAIR = re.compile(
    rf"(?<![0-9])(?P<first>(?:19|20)[0-9]{{2}})(?:(?P<joint>{_JOINT})(?P<second>[0-9]{{4}}|[0-9]{{2}})|\s(?P<full>(?:19|20)[0-9]{{2}}))"
    r"(?![0-9])"
)
_SHORT_PAIR = re.compile(r"(?<![0-9])(?<![0-9][-_./])(?P<first>[0-9]{2})[-_.](?P<second>[0-9]{2})(?![0-9]|[-_./][0-9])")
_YEAR = re.compile(r"(?<![0-9])(?:19|20)[0-9]{2}(?![0-9])")
_YEAR_MONTH_DAY = re.compile(r"(?<![0-9])((?:19|20)[0-9]{2})([-_. ]?)([0-9]{2})\2([0-9]{2})(?![^\W_])")
_DAY_MONTH_YEAR = re.compile(r"(?<![0-9])([0-9]{1,2})([-_. ])([0-9]{1,2})\2((?:19|20)[0-9]{2})(?![0-9])")
EARLY_START_MONTH = 3
"""A school year that starts by this month ends in the same calendar year: on the southern half of the earth, and in
schools whose year is the calendar year."""


class YearSettingError(UserError):
    """The pattern of school-year folders, or the day on which a school year starts, cannot be understood."""


class Exactness(IntEnum):
    """How exactly a name states a school year; of two names on a folder's path the more exact one counts."""

    NONE = 0
    YEAR = 1  # 2019: one calendar year, of two school years
    DATE = 2  # 2019-06-12, June 2019
    TERM = 3  # Class of 2020, Spring 2019
    SPELLED = 4  # 2019-2020
    HAND = 5  # set by a person


@dataclass(frozen=True)
class YearReading:
    """The school year that a name states.

    Attributes:
        first: The calendar year in which it starts; None when the name states none.
        exactness: How exactly it is stated.
        reason: Why, as people read it.
        is_guess: Whether a person should check it.
    """

    first: int | None
    exactness: Exactness
    reason: str
    is_guess: bool = False


def parse_folder_name(
    name: str, pattern: str = "", year_start: str = "09-01", siblings: Collection[str] = ()
) -> YearReading:
    """The school year that one folder's name states.

    Args:
        name: The folder's name.
        pattern: The archive's own regular expression, beside which nothing else counts; "" for the built-in rules.
        year_start: The day on which a school year starts, month-day.
        siblings: The names beside it, by which `19-20` is recognised as a school year.

    Raises:
        YearSettingError: The pattern or the start of the year cannot be understood.
    """
    return _parsed(name, pattern, year_start, tuple(siblings), current_language())


@lru_cache(20_000)
def _parsed(name: str, pattern: str, year_start: str, siblings: Collection[str], language: str) -> YearReading:  # noqa: ARG001
    """As `parse_folder_name`, with a cache that has the reasons in each language."""
    if pattern:
        return _by_pattern(name, pattern)
    text = words.normalize_folder_name(name)
    masked, why_not = _mask_other_numbers(text)
    readings = (
        _read_year_pairs(text),
        _read_prefixed_pairs(text, siblings),
        _read_dates(text, year_start),
        _read_months(text, masked, year_start),
        _read_terms(masked, year_start),
        _read_short_pairs(text, siblings),
        _read_single_years(masked),
    )
    for read in readings:
        found = next(read, None)
        if found:
            return found
    return YearReading(None, Exactness.NONE, why_not or gettext("its name tells no school year"))


def _by_pattern(name: str, pattern: str) -> YearReading:
    found = compile_year_pattern(pattern).search(name)
    if found:
        first, second = expand_year(found["first"]), found.groupdict().get("second")
        if not second or int(second) % 100 == (first + 1) % 100:
            exactness = Exactness.SPELLED if second else Exactness.YEAR
            return YearReading(first, exactness, gettext("CLASSFACE_YEAR_PATTERN finds it in its name"))
    return YearReading(None, Exactness.NONE, gettext("CLASSFACE_YEAR_PATTERN finds no school year in its name"))


def first_year(key: str) -> int | None:
    """The calendar year in which a school year (`2019-2020`) starts; None for a key that is no school year."""
    found = _KEY.fullmatch(key)
    return int(found[1]) if found and int(found[2]) == int(found[1]) + 1 else None


def school_year_start(key: str, year_start: str) -> datetime | None:
    """The first day of a school year; None for a key that is no school year.

    Args:
        key: `2019-2020`.
        year_start: The day on which a school year starts, month-day.

    Raises:
        YearSettingError: The start of the year cannot be understood.
    """
    month, day = parse_year_start(year_start)
    first = first_year(key)
    return datetime(first, month, day) if first else None  # noqa: DTZ001


@cache
def compile_year_pattern(pattern: str) -> re.Pattern[str]:
    """Compile the archive's own pattern, which has the groups `first` and, if wanted, `second`.

    Raises:
        YearSettingError: It is no regular expression, or its groups have other names.
    """
    try:
        found = re.compile(pattern)
    except re.error as error:
        raise YearSettingError(
            f"The year pattern {pattern!r} is no regular expression ({error}); {_PATTERN_HINT}"
        ) from None
    if "first" not in found.groupindex or not set(found.groupindex) <= {"first", "second"}:
        raise YearSettingError(f"The year pattern {pattern!r} needs a group named first; {_PATTERN_HINT}")
    return found


def expand_year(digits: str) -> int:
    """Four digits for two: 95 is 1995, 19 is 2019."""
    return int(digits) + (0 if len(digits) > 2 else 1900 if int(digits) >= 70 else 2000)


@cache
def parse_year_start(year_start: str) -> tuple[int, int]:
    """Month and day on which school years start.

    Raises:
        YearSettingError: The text is not month-day.
    """
    try:
        start = date.fromisoformat(f"2001-{year_start}")
    except ValueError:
        raise YearSettingError(
            f"{year_start!r} is no day on which a school year can start; set CLASSFACE_YEAR_START to month-day, 09-01."
        ) from None
    return start.month, start.day


def start_year_of_date(year: int, month: int, day: int, year_start: str) -> int:
    """The calendar year in which the school year of a day started."""
    return year if (month, day) >= parse_year_start(year_start) else year - 1


def start_year_ending_in(year: int, year_start: str) -> int:
    """The calendar year in which the school year started that ends in `year`."""
    return year if parse_year_start(year_start)[0] <= EARLY_START_MONTH else year - 1


def _mask_other_numbers(text: str) -> tuple[str, str]:
    """The text with decades and other numbers masked by `?`, and why such a number is no year."""
    why = ""
    for found in words.DECADE_PATTERN.finditer(text):
        text, why = _masked(text, *found.span()), gettext("%(text)s is a decade, not a year", text=found[0].strip())
    for pattern in (words.NUMBERED_PATTERN, words.MEASURE_PATTERN):
        for found in pattern.finditer(text):
            groups = found.groupdict()
            number = "number" if groups["number"] else "bare"
            text = _masked(text, *found.span(number))
            why = gettext(
                "%(number)s in “%(text)s” is a number, not a year", number=groups[number], text=found[0].strip()
            )
    for found in _PAIR.finditer(text):  # 2019-2021, 2019-18: two numbers that are no school year
        if not found["full"] and len(found["second"]) == 2 and found["joint"].strip() not in ("-", "_", "."):
            continue
        text = _masked(text, *found.span())
        why = why or gettext("%(text)s is no school year", text=found[0].strip())
    return text, why


def _masked(text: str, start: int, end: int) -> str:
    return text[:start] + "?" * (end - start) + text[end:]


def _is_next_year(first: int, second: str) -> bool:
    return int(second) == first + 1 if len(second) == 4 else int(second) == (first + 1) % 100


def _read_year_pairs(text: str) -> Iterator[YearReading]:
    """2019-2020, 2019-20, 2019.20; the first two numbers of 2010-11-05 are no pair of years."""
    for found in _PAIR.finditer(text):
        first, day = int(found["first"]), _YEAR_MONTH_DAY.match(text, found.start())
        is_day = day is not None and _date_or_none(day[1], day[3], day[4]) is not None
        if not is_day and _is_next_year(first, found["full"] or found["second"]):
            yield YearReading(first, Exactness.SPELLED, gettext("its name says %(text)s", text=found[0].strip()))


def _read_prefixed_pairs(text: str, siblings: Collection[str]) -> Iterator[YearReading]:
    """SY1920, Schuljahr 19/20. SY2021 is 2020-21 only beside names like SY1920: else it is the year 2021."""
    for found in words.PREFIXED_PAIR_PATTERN.finditer(text):
        first = expand_year(found["first"])
        may_be_a_year = not found["joint"] and found["first"] == "20"
        if _is_next_year(first, found["second"]) and (not may_be_a_year or any(map(_is_joined_pair, siblings))):
            yield YearReading(first, Exactness.SPELLED, gettext("its name says %(text)s", text=found[0].strip()))


def _is_joined_pair(name: str) -> bool:
    found = words.PREFIXED_PAIR_PATTERN.search(words.normalize_folder_name(name))
    if not found or found["joint"] or found["first"] == "20":
        return False
    return _is_next_year(expand_year(found["first"]), found["second"])


def _find_dates(text: str) -> Iterator[tuple[date, bool, str]]:
    """The dates in a text, whether day and month may be the other way round, and the date as it is written."""
    for found in _YEAR_MONTH_DAY.finditer(text):
        year, _, month, day = found.groups()
        if there := _date_or_none(year, month, day):
            yield there, False, found[0]
    for found in _DAY_MONTH_YEAR.finditer(text):
        day, joint, month, year = found.groups()
        usual, other = _date_or_none(year, month, day), _date_or_none(year, day, month)
        if there := usual or other:
            yield there, bool(usual and other and joint != "." and usual != other), found[0]


def _date_or_none(year: str, month: str, day: str) -> date | None:
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


def _read_dates(text: str, year_start: str) -> Iterator[YearReading]:
    """2019-06-12, 12.06.2019, 20190612."""
    for day, turned, written in _find_dates(text):
        first = start_year_of_date(day.year, day.month, day.day, year_start)
        doubtful = turned and start_year_of_date(day.year, day.day, day.month, year_start) != first
        yield YearReading(first, Exactness.DATE, gettext("the day %(day)s lies in it", day=written), doubtful)


def _read_months(text: str, masked: str, year_start: str) -> Iterator[YearReading]:
    """June 2019; and 2019-06, which may be something else. A month counts by its last days."""
    year, month = _YEAR.search(masked), words.MONTH_PATTERN.search(masked)
    if year and month:
        number = next(int(name[1:]) for name, found in month.groupdict().items() if found)
        first = start_year_of_date(int(year[0]), number, 28, year_start)
        yield YearReading(first, Exactness.DATE, gettext("%(month)s %(year)s lies in it", month=month[0], year=year[0]))
    for found in _PAIR.finditer(text):
        second = found["second"] or ""
        if len(second) == 2 and 1 <= int(second) <= 12:
            first = start_year_of_date(int(found["first"]), int(second), 28, year_start)
            yield YearReading(
                first, Exactness.DATE, gettext("%(text)s is taken for a month", text=found[0].strip()), is_guess=True
            )


def _read_terms(text: str, year_start: str) -> Iterator[YearReading]:
    """Class of 2020, Abi 20: the school year that ends then. Spring 2019: the one in which that spring lies."""
    years = list(_YEAR.finditer(text))
    graduation = words.GRADUATION_PATTERN.search(text) or words.OTHER_SCRIPTS_GRADUATION_PATTERN.search(text)
    short = words.SHORT_GRADUATION_PATTERN.search(text)
    if graduation and years:
        ends = _year_near(years, graduation)
        if any(int(found[0]) < int(ends[0]) for found in years):
            return  # “2017 Class of 2020”: photos of 2017
        first = start_year_ending_in(int(ends[0]), year_start)
        yield YearReading(
            first,
            Exactness.TERM,
            gettext("“%(word)s” %(year)s: the school year that ends then", word=graduation[0], year=ends[0]),
        )
    elif short and not years:
        first = start_year_ending_in(expand_year(short[1]), year_start)
        yield YearReading(first, Exactness.TERM, gettext("“%(text)s”: the school year that ends then", text=short[0]))
    seasons = [(found, name) for name, (pattern, _) in words.SEASON_PATTERNS.items() if (found := pattern.search(text))]
    if seasons and years:
        word, season = min(seasons, key=lambda one: one[0].start())
        year = int(_year_near(years, word)[0])
        ends_then = parse_year_start(year_start)[0] <= EARLY_START_MONTH
        first = year if ends_then else start_year_of_date(year, *words.SEASON_PATTERNS[season][1], year_start)
        yield YearReading(
            first, Exactness.TERM, gettext(_SEASON_REASONS[season], year=year), is_guess=season == "winter"
        )


def _year_near(years: Sequence[re.Match[str]], word: re.Match[str]) -> re.Match[str]:
    """The year that belongs to a word: the next one after it, else the first."""
    return next((found for found in years if found.start() >= word.end()), years[0])


def _read_short_pairs(text: str, siblings: Collection[str]) -> Iterator[YearReading]:
    """19-20 and 99-00, where the names beside it are clear school years."""
    for found in _SHORT_PAIR.finditer(text):
        first = expand_year(found["first"])
        if _is_next_year(first, found["second"]) and any(
            next(_read_year_pairs(words.normalize_folder_name(name)), None) for name in siblings
        ):
            why = gettext("%(text)s is taken for two years, as the folders beside it name school years", text=found[0])
            yield YearReading(first, Exactness.SPELLED, why, is_guess=True)


def _read_single_years(text: str) -> Iterator[YearReading]:
    for found in _YEAR.finditer(text):
        why = gettext("its name says %(year)s alone; taken for the school year that starts then", year=found[0])
        yield YearReading(int(found[0]), Exactness.YEAR, why, is_guess=True)
