"""Names of people: cleaned, compared, and listed in sentences.

Names that are nearly the same are found, so that a slip of the keyboard does not create a second person.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

from classface_assets.core.errors import InvalidNameError
from classface_assets.core.languages import gettext

MAX_NAME_LENGTH = 255
_CONTROLS = r"\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f"
_SPACES = r"\x09-\x0d\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_INVISIBLE = (
    r"\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f"
    r"\ufeff\ufff9-\ufffb"
    # As they are: dialects of regular expressions write characters beyond the first plane differently.
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f"
)
NAME_PATTERN = f"^[^{_CONTROLS}]*[^{_CONTROLS}{_SPACES}{_INVISIBLE}][^{_CONTROLS}]*$"
"""What `clean_name` accepts, besides the length, as a regular expression of JSON Schema: something can be seen."""
_PLAIN_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th", "-": " "}
)


def normalize_name(name: str) -> str:
    """The form in which two spellings of a name are equal.

    Case, spaces, the encoding of accents and invisible characters (a joiner between two Persian letters, a mark of the
    writing direction) make no difference.

    >>> normalize_name(" Anna  MARIA ") == normalize_name("anna maria")
    True
    """
    if name.isascii():
        return " ".join(name.casefold().split())
    visible = "".join(c for c in unicodedata.normalize("NFC", name.casefold()) if unicodedata.category(c) != "Cf")
    return " ".join(visible.split())


normalized_name = lru_cache(maxsize=65_536)(normalize_name)
"""`normalize_name` with a cache, for replays that meet the same names thousands of times."""


def similar_names(name: str, names: Iterable[str]) -> list[str]:
    """Names that may be meant by this one, so that a typing error does not make a second person.

    Similar are names that are equal without accents or in another order of words, and names within a restricted
    Damerau-Levenshtein distance of 1 (three to seven letters) or 2 (longer ones).

    Args:
        name: The name as it was typed.
        names: The names to choose from.

    Returns:
        The similar names, nearest first; the very same name is not among them.
    """
    plain, own = _without_accents(name), normalize_name(name)
    parts, letters = sorted(plain.split()), Counter(plain)
    allowed = 0 if len(plain) < 3 else 1 if len(plain) < 8 else 2
    found = []
    for other in names:
        if normalize_name(other) == own:
            continue
        other_plain = _without_accents(other)
        if other_plain == plain or sorted(other_plain.split()) == parts:
            found.append((0, other))
        elif abs(len(other_plain) - len(plain)) <= allowed and _letter_difference(letters, other_plain) <= 2 * allowed:
            distance = edit_distance(plain, other_plain)
            if distance <= allowed:
                found.append((distance, other))
    return [other for _, other in sorted(found)]


def edit_distance(a: str, b: str) -> int:
    """The restricted Damerau-Levenshtein distance (optimal string alignment) of two texts.

    How many letters must be inserted, deleted, replaced or swapped with their neighbour to make `a` into `b`.

    >>> edit_distance("Thmoas", "Thomas")
    1
    """
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
    """How many letters are in one text and not in the other: at most twice their edit distance, and quick."""
    other_letters = Counter(other)
    return sum((letters - other_letters).values()) + sum((other_letters - letters).values())


def _without_accents(name: str) -> str:
    """The normalized name without accents and invisible marks."""
    decomposed = unicodedata.normalize("NFKD", normalize_name(name).translate(_PLAIN_LETTERS))
    return " ".join("".join(c for c in decomposed if not unicodedata.combining(c)).split())


def clean_name(name: str) -> str:
    """The name without stray white space.

    Raises:
        InvalidNameError: Nothing is left, or too much, or characters that no page can show.
    """
    cleaned = " ".join(name.split())
    if not normalize_name(cleaned):
        raise InvalidNameError(gettext("A name is needed: an empty one was given."))
    if len(cleaned) > MAX_NAME_LENGTH:
        raise InvalidNameError(
            gettext(
                "A name has at most %(most)s characters; this one has %(number)s.",
                most=MAX_NAME_LENGTH,
                number=len(cleaned),
            )
        )
    if any(unicodedata.category(c) in ("Cc", "Cs") for c in cleaned):
        raise InvalidNameError(
            gettext("The name %(name)s has characters that cannot be shown; leave them out.", name=repr(cleaned))
        )
    return cleaned


def join_names(names: Iterable[str], conjunction: str = "and") -> str:
    """`Anna, Ben and Cem`."""
    *most, last = names
    return f"{', '.join(most)} {conjunction} {last}" if most else last


def pluralize(count: int, singular: str, plural: str = "") -> str:
    """`1 face`, `2,000 faces`; without `plural` an s is added."""
    return f"1 {singular}" if count == 1 else f"{count:,} {plural or singular + 's'}"
