"""Names that are nearly the same, so that a slip of the keyboard does not make a second person."""

import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

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
    invisible (a joiner between two Persian letters, a mark of the writing direction)."""
    if name.isascii():
        return " ".join(name.casefold().split())
    seen = "".join(c for c in unicodedata.normalize("NFC", name.casefold()) if unicodedata.category(c) != "Cf")
    return " ".join(seen.split())


normalized_name = lru_cache(maxsize=65_536)(normalize_name)
