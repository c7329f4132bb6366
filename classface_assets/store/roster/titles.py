"""The words of a column's title, by which columns are identified, whatever their case, accents, dots and camel case."""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

_CAMEL = re.compile(r"(?<=[a-zà-öø-ÿ])(?=[A-ZÀ-ÖØ-Þ])")
_TRANSLITERATION = str.maketrans({"ø": "o", "ı": "i", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "ß": "ss"})
_YES_OR_NO = re.compile(
    r"\b(?:yes|y|ja|j|oui|o|si|s|sim|tak|t|ano|a|да|evet|e)\s*(?:/|\||,|-|or|oder|ou|o|of|eller|czy|или|nebo)\s*"
    r"(?:no|n|nein|non|nao|nee|nej|nei|nie|ne|нет|hayir|h)\b"
)


def word_list(text: str) -> tuple[str, ...]:
    """The words of a list that is written as a text, as `bare` leaves those that are compared with them."""
    return tuple(strip_accents(text).split())


def alphanumeric(title: str) -> str:
    """Letters and digits only, without case and accents: `Schüler-Nr.` is schulernr."""
    return "".join(title_words(title))


@lru_cache(maxsize=4096)
def title_words(title: str) -> tuple[str, ...]:
    """The words without case and accents: `StudentLastName (legal)` is student, last, name, legal."""
    return tuple(re.findall(r"[^\W_]+", strip_accents(_CAMEL.sub(" ", title))))


def strip_accents(text: str) -> str:
    """Without case and accents. The signs of kana and Hangul stay."""
    folded = (
        unicodedata.normalize("NFKC", text).casefold().translate(_TRANSLITERATION).replace("'", " ").replace("’", " ")
    )
    decomposed = unicodedata.normalize("NFD", folded)
    return unicodedata.normalize("NFC", "".join(c for c in decomposed if not _is_accent(c)))


def _is_accent(c: str) -> bool:
    return unicodedata.category(c) == "Mn" and not "\u3099" <= c <= "\u309a"


def drop_yes_no(title: str) -> str:
    """A title without the answers that it offers: `Photo Release (Y/N)`."""
    return _YES_OR_NO.sub(" ", strip_accents(_CAMEL.sub(" ", title)))


def drop_brackets(title: str) -> str:
    """A title without what it has in brackets."""
    return re.sub(r"[(\[（【].*?[)\]）】]", " ", title)


def contains_stem(words: Iterable[str], stems: Iterable[str]) -> bool:
    """Whether a title is about one of these stems.

    Stems of five letters or more, and those of other scripts, match anywhere in a word (`Fotoeinwilligung`), shorter
    ones at its start, those that end in `.` only as the whole word.
    """
    words = tuple(words)
    joined = " ".join(words)
    return any(_contains(stem, words, joined) for stem in stems)


def _contains(stem: str, words: tuple[str, ...], joined: str) -> bool:
    if stem.endswith("."):
        return stem[:-1] in words
    if "_" in stem:
        return f" {stem.replace('_', ' ')}" in f" {joined}"
    if len(stem) >= 5 or stem[0] >= "\u2e80":
        return stem in joined
    return any(word.startswith(stem) for word in words)
