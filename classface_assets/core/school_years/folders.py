"""The school year of a folder from the names on its path, of which the most exact one counts. Pure functions."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from classface_assets.core.languages import gettext
from classface_assets.core.school_years.names import Exactness, YearReading, parse_folder_name

NO_YEAR = "none"
"""Set by hand in place of a school year: the folder is a partition of its own, under its own name."""


@dataclass(frozen=True)
class YearGuess:
    """The school year of a folder, how exactly it is known, and why.

    Attributes:
        key: `2019-2020`; "" where none is known.
        exactness: How exactly the year is stated.
        reason: Why, as people read it.
        is_guess: Whether a person should check it.
        level: Index of the part of the path that states it; -1 when none does.
    """

    key: str
    exactness: Exactness
    reason: str
    is_guess: bool = False
    level: int = -1


NO_GUESS = YearGuess("", Exactness.NONE, "its name tells no school year")


def school_year_of_path(
    parts: Sequence[str],
    pattern: str = "",
    year_start: str = "09-01",
    siblings: Sequence[Collection[str]] = (),
    set_by_hand: Mapping[str, str] | None = None,
) -> YearGuess:
    """The school year of a folder.

    Args:
        parts: The names on its path below the photos folder.
        pattern: The archive's own regular expression for school years; "" for the built-in rules.
        year_start: The day on which a school year starts, month-day.
        siblings: For each part of the path the names beside it, where known.
        set_by_hand: Paths (joined by `/`) to the school years or NO_YEAR that people set.

    Raises:
        YearSettingError: The pattern or the start of the year cannot be understood.
    """
    guess = NO_GUESS
    for level, name in enumerate(parts):
        beside = tuple(siblings[level]) if level < len(siblings) else ()
        read = parse_folder_name(name, pattern, year_start, beside)
        by_hand = (set_by_hand or {}).get("/".join(parts[: level + 1]))
        guess = combine_with_parent(guess, read, level, by_hand)
    return guess


def combine_with_parent(above: YearGuess, read: YearReading, level: int, by_hand: str | None = None) -> YearGuess:
    """The school year of a folder from that of its parent folder and from its own name.

    A school year that is written out counts wherever it is. A single year, a date or a graduation counts where no
    parent states a year; where it contradicts the parent, the parent counts, and the result is a guess.

    Args:
        above: The parent's school year.
        read: The year in the folder's own name.
        level: How deep the folder lies: 0 right below the photos folder.
        by_hand: The school year or NO_YEAR that a person set for the folder.
    """
    if by_hand is not None:
        key = "" if by_hand == NO_YEAR else by_hand
        return YearGuess(key, Exactness.HAND, gettext("set by hand"), level=level)
    if read.first is None:
        return replace(above, reason=read.reason) if above.exactness == Exactness.NONE else above
    own = YearGuess(f"{read.first}-{read.first + 1}", read.exactness, read.reason, read.is_guess, level)
    is_exact = read.exactness == Exactness.SPELLED and not read.is_guess
    if above.exactness == Exactness.NONE or is_exact:
        return own
    if own.key == above.key:
        return above if above.exactness >= own.exactness else own
    if not above.key:
        return above
    why = gettext(
        "it lies in a folder of %(above)s, but %(reason)s (%(own)s)", above=above.key, reason=own.reason, own=own.key
    )
    return replace(above, reason=why, is_guess=True, level=level)
