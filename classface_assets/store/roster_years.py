"""School years as people write them into lists: 2019-20, 2019/2020, 2019, a span of several, a list of them."""

import re

LONGEST = 20
_YEAR = r"(?:19|20)\d\d"
_ONE = re.compile(rf"(?<!\d)({_YEAR})(?:\s*[-–—/_]\s*({_YEAR}|\d\d)(?!\d))?(?!\d)")
_SPAN = re.compile(r"\s*(?:-|–|—|→|\.\.+|…|to|until|till|bis|à|au|hasta|al?|até|tot|til|do|по|до)\s*", re.IGNORECASE)
_BETWEEN = re.compile(r"(?:[\s,;/|+&]|and|und|et|y|e|en|och|og|i|и)*", re.IGNORECASE)


def school_years_in(text: str) -> list[str] | None:
    """The keys (`2019-2020`) of the school years that a text names, in order; None when it names anything else.

    `2015-2019` is the span from 2015-2016 to 2018-2019, and so is `2015-16 to 2018-19`.
    """
    first: list[int] = []
    end, span = 0, False
    for found in _ONE.finditer(text):
        between = text[end : found.start()]
        span = bool(first) and _SPAN.fullmatch(between) is not None
        if not span and not _BETWEEN.fullmatch(between):
            return None
        start, stop = _whole(found[1], found[2])
        begin = first[-1] + 1 if span else start
        if not 0 <= stop - begin < LONGEST:
            return None
        first += range(begin, stop + 1)
        end = found.end()
    if not first or not _BETWEEN.fullmatch(text[end:]):
        return None
    return [f"{year}-{year + 1}" for year in sorted(set(first))]


def _whole(start: str, stop: str | None) -> tuple[int, int]:
    """The first calendar year of the first and of the last school year."""
    if stop is None:
        return int(start), int(start)
    last = int(stop) if len(stop) == 4 else int(start) // 100 * 100 + int(stop)
    last += 100 if last < int(start) and len(stop) == 2 else 0
    return int(start), max(last - 1, int(start)) if last > int(start) else last
