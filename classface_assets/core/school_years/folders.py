"""The school year of a folder: every level of its path is looked at, and the most exact year counts. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from classface_assets.core.school_years.names import Exactness, YearReading, parse_folder_name

NO_YEAR = "none"
"""Set by hand in place of a school year: the folder is its own, under its own name."""


@dataclass(frozen=True)
class YearGuess:
    """The school year of a folder (`2019-2020`, "" where none is known), how exactly it is known, and why.

    `is_guess`: a person should look at it. `level`: which part of the path, from 0, tells it; -1 when none does.
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
    """The school year of a folder with this path below the photos folder.

    `siblings` are the names beside each part of the path, where known; `set_by_hand` maps paths (joined by `/`) to
    school years or NO_YEAR. Raises YearSettingError.
    """
    guess = NO_GUESS
    for level, name in enumerate(parts):
        beside = tuple(siblings[level]) if level < len(siblings) else ()
        read = parse_folder_name(name, pattern, year_start, beside)
        by_hand = (set_by_hand or {}).get("/".join(parts[: level + 1]))
        guess = combine_with_parent(guess, read, level, by_hand)
    return guess


def combine_with_parent(above: YearGuess, read: YearReading, level: int, by_hand: str | None = None) -> YearGuess:
    """The school year of a folder, from that of the folder above and from what its own name says.

    A school year that is written out counts wherever it is. A single year, a date or a graduation counts where no
    folder above says anything; where it contradicts the folder above, that one counts, and it is a guess.
    """
    if by_hand is not None:
        key = "" if by_hand == NO_YEAR else by_hand
        return YearGuess(key, Exactness.HAND, "set by hand", level=level)
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
    why = f"it lies in a folder of {above.key}, but {own.reason} ({own.key})"
    return replace(above, reason=why, is_guess=True, level=level)
