"""Names of people: cleaned, compared, and listed in sentences.

Names that are nearly the same are found, so that a slip of the keyboard does not create a second person.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

from classface_assets.core.errors import InvalidNameError

MAX_NAME_LENGTH = 255
_PLAIN = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th", "-": " "})


def similar_names(name: str, names: Iterable[str]) -> list[str]:
    """Those of the names that this one may be meant to be, nearest first; the very name itself is not among them.

    Near are names that are the same without accents, in another order of words, or but for a letter in names of three
    to seven letters, two in longer ones (Damerau's distance: a letter more, less, other, or two swapped).
    """
    wanted, own = _without_accents(name), normalize_name(name)
    words, letters = sorted(wanted.split()), Counter(wanted)
    allowed = 0 if len(wanted) < 3 else 1 if len(wanted) < 8 else 2
    found = []
    for other in names:
        plain = _without_accents(other)
        if normalize_name(other) == own:
            continue
        if plain == wanted or sorted(plain.split()) == words:
            found.append((0, other))
        elif abs(len(plain) - len(wanted)) <= allowed and _letter_difference(letters, plain) <= 2 * allowed:
            distance = edit_distance(wanted, plain)
            if distance <= allowed:
                found.append((distance, other))
    return [other for _, other in sorted(found)]


def edit_distance(a: str, b: str) -> int:
    """How many letters are to be added, taken, changed or swapped with their neighbour to make a into b."""
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, last, row = row, before, [i]
        for j, y in enumerate(b, 1):
            least = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                least = min(least, last[j - 2] + 1)
            row.append(least)
    return row[-1]


def _letter_difference(letters: Counter[str], other: str) -> int:
    """How many letters are in one and not in the other: at most twice the distance."""
    theirs = Counter(other)
    return sum((letters - theirs).values()) + sum((theirs - letters).values())


def _without_accents(name: str) -> str:
    """Without case, accents, and marks that are not seen."""
    decomposed = unicodedata.normalize("NFKD", normalize_name(name).translate(_PLAIN))
    return " ".join("".join(c for c in decomposed if not unicodedata.combining(c)).split())


def normalize_name(name: str) -> str:
    """The form in which two names are the same: no matter the case, the spaces, how accents are encoded, or what is
    invisible (a joiner between two Persian letters, a mark of the writing direction).
    """
    if name.isascii():
        return " ".join(name.casefold().split())
    seen = "".join(c for c in unicodedata.normalize("NFC", name.casefold()) if unicodedata.category(c) != "Cf")
    return " ".join(seen.split())


normalized_name = lru_cache(maxsize=65_536)(normalize_name)


def clean_name(name: str) -> str:
    """The name without stray white space.

    Raises:
        InvalidNameError: Nothing is left, or too much, or characters that no page can show.
    """
    cleaned = " ".join(name.split())
    if not normalize_name(cleaned):
        raise InvalidNameError("A name is needed: an empty one was given.")
    if len(cleaned) > MAX_NAME_LENGTH:
        raise InvalidNameError(f"A name has at most {MAX_NAME_LENGTH} characters; this one has {len(cleaned)}.")
    if any(unicodedata.category(c) in ("Cc", "Cs") for c in cleaned):
        raise InvalidNameError(f"The name {cleaned!r} has characters that cannot be shown; leave them out.")
    return cleaned


def join_names(names: Iterable[str], conjunction: str = "and") -> str:
    """`Anna, Ben and Cem`."""
    *most, last = names
    return f"{', '.join(most)} {conjunction} {last}" if most else last


def pluralize(count: int, singular: str, plural: str = "") -> str:
    """`1 face`, `2,000 faces`; without `plural` an s is added."""
    return f"1 {singular}" if count == 1 else f"{count:,} {plural or singular + 's'}"
