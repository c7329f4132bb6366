"""The values of a roster's cells: names, siblings, ids, birth dates and school years, or why a cell has none.

Birth dates are parsed by column, since 3/4/2011 alone does not show which number is the month: a cell that is no day is
left out, and of a column in which nothing shows the order all ambiguous cells are.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum

from classface_assets.core.languages import gettext
from classface_assets.core.names import MAX_NAME_LENGTH, clean_name, normalize_name
from classface_assets.store.roster.titles import strip_accents, title_words, word_list

_SUFFIX = re.compile(r"(jr|sr|ii|iii|iv|v|phd|md|esq)\.?", re.IGNORECASE)
_EAST_ASIAN_NAME = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
_WHOLE_NUMBER = re.compile(r"(\d+)\.0+")


def parse_name(fields: Mapping[str, str]) -> str:
    """The name of a student.

    Args:
        fields: Field (`name`, `first`, `last`) -> text.

    Raises:
        ValueError: There is none.
        InvalidNameError: It cannot be a name.
    """
    whole, first, last = fields.get("name", ""), fields.get("first", ""), fields.get("last", "")
    if not whole and not first and not last:
        raise ValueError(gettext("it has no name"))
    if whole and last and not first and normalize_name(last) not in normalize_name(whole):
        whole, first = "", whole  # columns `Name` and `Surname`
    name = _first_name_first(clean_name(whole)) if whole else clean_name(_join_name(first, last))
    if not any(c.isalpha() for c in name):
        raise ValueError(gettext("there are no letters in its name %(name)s", name=repr(name)))
    return name


def _join_name(first: str, last: str) -> str:
    return last + first if _EAST_ASIAN_NAME.fullmatch(last + first) else f"{first} {last}"


def _first_name_first(name: str) -> str:
    """`Weiss, Anna` as Anna Weiss; `John Smith, Jr.` stays."""
    last, comma, first = (part.strip() for part in name.partition(","))
    is_turned = comma and "," not in first and first and last and not _SUFFIX.fullmatch(first)
    return f"{first} {last}" if is_turned else name


def parse_siblings(text: str) -> list[str]:
    """Names or ids, separated by semicolons, bars, slashes or lines, else by commas but the one in `Weiss, Anna`."""
    parts = re.split(r"[;|/\n]" if re.search(r"[;|/\n]", text) else ",", text)
    parts = [" ".join(part.split()) for part in parts if part.strip()]
    if len(parts) == 2 and text.count(",") == 1 and not any(c.isdigit() for c in text):
        parts = [text] if any(" " not in part for part in parts) else parts
    return [_first_name_first(" ".join(part.split())) for part in parts]


def parse_student_id(fields: Mapping[str, str]) -> str:
    """The student id as it is written, but for a spreadsheet's `123.0`."""
    text = fields.get("student_id", "")
    whole = _WHOLE_NUMBER.fullmatch(text)
    return whole[1] if whole else text


def clean_cell(text: str) -> str:
    """The text on one line, without characters that cannot be shown.

    Raises:
        ValueError: It is too long.
    """
    plain = " ".join("".join(" " if unicodedata.category(c) in ("Cc", "Cs") else c for c in text).split())
    if len(plain) > MAX_NAME_LENGTH:
        raise ValueError(
            gettext("%(text)s… has more than %(most)s characters", text=repr(text[:40]), most=MAX_NAME_LENGTH)
        )
    return plain


_EARLIEST = date(1850, 1, 1)
_MIN_AGE = 1
"""Years of age under which nobody is in a school's photos: two digits of a year are of the century before."""
_EXCEL_EPOCH = date(1899, 12, 30)  # its day 60 never was, so that this holds from March 1900 on
_SERIALS = range(3_700, 73_051)  # 1910 to 2099
_TIME = r"(?:[T ,]+\d{1,2}[:.]\d{2}(?:[:.]\d{2}(?:[.,]\d+)?)?\s*(?:[ap]\.?m\.?|z)?)?"
_YEAR_FIRST = re.compile(rf"(\d{{4}})\s?[-./ ]\s?(\d{{1,2}})\s?[-./ ]\s?(\d{{1,2}}){_TIME}\.?", re.IGNORECASE)
_COMPACT = re.compile(r"(1[89]\d\d|20\d\d)(\d\d)(\d\d)")
_NUMBERS = re.compile(rf"(\d{{1,2}})\s?([-./ ])\s?(\d{{1,2}})\s?[-./ ]\s?'?(\d{{4}}|\d{{2}}){_TIME}", re.IGNORECASE)
_EAST_ASIAN_DATE = re.compile(r"(\d{4})\s?[年년]\s?(\d{1,2})\s?[月월]\s?(\d{1,2})\s?[日일号]?")
_DAY_MONTH_YEAR = re.compile(
    r"(\d{1,2})[^\W\d]{0,2}[\s.\-/,]*(?:de |di )?([^\W\d]+)"
    rf"[\s.\-/,]*(?:de |del )?(\d{{4}}|\d{{2}}){_TIME}\.?"
)
_MONTH_DAY_YEAR = re.compile(rf"([^\W\d]+)[\s.\-/]*(\d{{1,2}})[^\W\d]{{0,2}}[\s.\-/,]+(\d{{4}}|\d{{2}}){_TIME}")
_MONTHS = (
    "jan januar january janv janvier ene enero gen gennaio janeiro januari styczen stycznia sty led leden ledna "
    "янв oca ocak sij",
    "feb februar fev fevrier febrero febbraio fevereiro februari lut luty lutego uno unor unora фев sub subat velj",
    "mar march mars marz maerz marzo marco maart mrt marzec marca bre brezen brezna мар mart ozujka",
    "apr april avr avril abr abril aprile kwi kwiecien kwietnia dub duben dubna апр nis nisan travnja",
    "may mai mayo mag maggio maio mei maj maja kve kveten kvetna мая май маи mayis svibnja",
    "jun june juin junio giu giugno junho juni cze czerwiec czerwca cerven cervna cvn июн haz haziran lipnja",
    "jul july juil juillet julio lug luglio julho juli lip lipiec lipca cervenec cervence cvc июл tem temmuz srpnja",
    "aug august aout ago agosto augustus augusti sie sierpien sierpnia srp srpen srpna авг agu agustos kolovoza",
    "sep sept september septembre septiembre set settembre setembro wrz wrzesien wrzesnia zar zari сен eyl eylul rujna",
    "oct october okt oktober octobre octubre ott ottobre out outubro paz pazdziernik pazdziernika rij rijen rijna "
    "окт eki ekim",
    "nov november novembre noviembre novembro lis listopad listopada ноя kas kasim",
    "dec december dez dezember decembre dic diciembre dicembre dezembro gru grudzien grudnia pro prosinec "
    "prosince дек ara aralik",
)
_MONTH_OF = {word: number for number, words in enumerate(_MONTHS, 1) for word in word_list(words)}


class DateOrder(Enum):
    """What comes first in a date of three numbers."""

    DAY = "day"
    MONTH = "month"
    UNCLEAR = "unclear"


@dataclass(frozen=True)
class DateColumn:
    """How the cells of a column of dates are parsed.

    Attributes:
        order: The order of dates with slashes or dashes.
        dotted: The order of dates with dots.
    """

    order: DateOrder
    dotted: DateOrder

    @classmethod
    def of(cls, cells: Sequence[str], title: str = "") -> "DateColumn":
        """The order by the title (`DOB (MM/DD/YYYY)`), else by the cells: a number above 12 is no month."""
        in_title = _order_in_title(title)
        if in_title is not None:
            return cls(in_title, in_title)
        found = [match for cell in cells if (match := _NUMBERS.fullmatch(cell.strip()))]
        day = any(int(m[1]) > 12 for m in found)
        month = any(int(m[3]) > 12 for m in found)
        if day != month:
            order = DateOrder.DAY if day else DateOrder.MONTH
            return cls(order, order)
        return cls(DateOrder.UNCLEAR, DateOrder.UNCLEAR if month else DateOrder.DAY)

    def day(self, text: str, latest: date) -> date | None:
        """Parse the day of a cell.

        Args:
            text: The cell.
            latest: The day of a photo, before which the student was born.

        Returns:
            The day; None where nothing shows the order.

        Raises:
            ValueError: It is no birth date; the message says why.
        """
        text = text.strip()
        numbers = _NUMBERS.fullmatch(text)
        order = self.dotted if numbers and numbers[2] == "." else self.order
        if numbers and order is DateOrder.UNCLEAR:
            return None
        try:
            born = _date_of_numbers(numbers.groups(), order, latest) if numbers else _parse_unambiguous(text, latest)
        except (ValueError, OverflowError):
            born = None
        if born is None:
            raise ValueError(gettext("%(text)s is no birth date; write it like 2011-02-03", text=repr(text[:40])))
        if not _EARLIEST <= born <= date.today():  # noqa: DTZ011 a day has no time zone
            raise ValueError(gettext("nobody in a school's photos was born on %(day)s", day=born.isoformat()))
        return born


def _order_in_title(title: str) -> DateOrder | None:
    words = "".join(word for word in title_words(title) if re.fullmatch(r"[dmyjat]{1,8}|gg|rrrr", word))
    found = re.search(r"(dd?|tt|gg)?(mm?)(dd?)?(?:y|j|a|r)", words)
    if not found or bool(found[1]) == bool(found[3]):
        return None
    return DateOrder.DAY if found[1] else DateOrder.MONTH


def _date_of_numbers(parts: Sequence[str], order: DateOrder, latest: date) -> date:
    a, _, b, year = parts
    day, month = (int(a), int(b)) if order is DateOrder.DAY else (int(b), int(a))
    return date(_full_year(year, latest), month, day)


def _parse_unambiguous(text: str, latest: date) -> date | None:
    """Dates that say on their own which number is what, and Excel's numbers of days."""
    if found := _YEAR_FIRST.fullmatch(text) or _COMPACT.fullmatch(text) or _EAST_ASIAN_DATE.fullmatch(text):
        return date(int(found[1]), int(found[2]), int(found[3]))
    if re.fullmatch(r"\d{4,5}(?:\.\d+)?", text) and int(float(text)) in _SERIALS:
        return _EXCEL_EPOCH + timedelta(days=int(float(text)))
    plain = strip_accents(text)
    if found := _DAY_MONTH_YEAR.fullmatch(plain):
        day, month, year = int(found[1]), _month_number(found[2]), found[3]
    elif found := _MONTH_DAY_YEAR.fullmatch(plain):
        day, month, year = int(found[2]), _month_number(found[1]), found[3]
    else:
        return None
    return date(_full_year(year, latest), month, day)


def _month_number(word: str) -> int:
    """The month by the longest known name, of at least three letters, that the word starts with.

    Raises ValueError for a word that is no month.
    """
    for length in range(len(word), 2, -1):
        if word[:length] in _MONTH_OF:
            return _MONTH_OF[word[:length]]
    raise ValueError(word)


def _full_year(digits: str, latest: date) -> int:
    """The year; two digits are of the last century in which somebody in the photos can have been born."""
    if len(digits) == 4:
        return int(digits)
    last = latest.year - _MIN_AGE
    year = last - last % 100 + int(digits)
    return year if year <= last else year - 100


MAX_YEARS = 20
_YEAR = r"(?:19|20)\d\d"
_ONE = re.compile(rf"(?<!\d)({_YEAR})(?:\s*[-–—/_]\s*({_YEAR}|\d\d)(?!\d))?(?!\d)")
_SPAN = re.compile(r"\s*(?:-|–|—|→|\.\.+|…|to|until|till|bis|à|au|hasta|al?|até|tot|til|do|по|до)\s*", re.IGNORECASE)
_BETWEEN = re.compile(r"(?:[\s,;/|+&]|and|und|et|y|e|en|och|og|i|и)*", re.IGNORECASE)


def parse_school_years(text: str) -> list[str] | None:
    """The keys (`2019-2020`) of the school years that a text names, in order; None when it names anything else.

    People write 2019-20, 2019/2020, 2019, a span of several, or a list of them. `2015-2019` is the span from 2015-2016
    to 2018-2019, and so is `2015-16 to 2018-19`.
    """
    first: list[int] = []
    end, span = 0, False
    for found in _ONE.finditer(text):
        between = text[end : found.start()]
        span = bool(first) and _SPAN.fullmatch(between) is not None
        if not span and not _BETWEEN.fullmatch(between):
            return None
        start, stop = _year_range(found[1], found[2])
        begin = first[-1] + 1 if span else start
        if not 0 <= stop - begin < MAX_YEARS:
            return None
        first += range(begin, stop + 1)
        end = found.end()
    if not first or not _BETWEEN.fullmatch(text[end:]):
        return None
    return [f"{year}-{year + 1}" for year in sorted(set(first))]


def _year_range(start: str, stop: str | None) -> tuple[int, int]:
    """The first calendar year of the first and of the last school year."""
    if stop is None:
        return int(start), int(start)
    last = int(stop) if len(stop) == 4 else int(start) // 100 * 100 + int(stop)
    last += 100 if last < int(start) and len(stop) == 2 else 0
    return int(start), max(last - 1, int(start)) if last > int(start) else last
