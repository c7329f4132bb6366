"""The text of a roster's bytes: its encoding, given by marks or guessed by what is plausible in names.

Statistics of running text fool themselves with short lists of names (cp1250 Polish taken for cp1252 reads `£ukasz`), so
every encoding that could be meant is tried, and the reading counts in which the words look like names of one language.
"""

import codecs
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from classface_assets.core.errors import UserError
from classface_assets.core.languages import gettext
from classface_assets.store.roster.alphabets import FREQUENT_CHARACTERS, LANGUAGES

MAX_SAMPLED_LINES = 400
"""Lines with letters beyond ASCII that are weighed, evenly spread over the file."""
TITLE_BYTES = 1024
"""Bytes that contain the titles, by whose words the language is recognised."""
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# Natural logarithms: how much less likely each encoding is than the first, before anything is read.
_RARENESS = """cp1252 0 cp1250 1 cp1251 1 cp1254 1 cp1253 1 cp1255 1 cp1256 1 cp1257 1 cp874 1.5
    iso8859-1 0.5 iso8859-15 1 iso8859-2 1.5 iso8859-7 1.5 iso8859-8 1.5 iso8859-9 1.5 iso8859-6 2 iso8859-13 2.5
    iso8859-5 3 iso8859-4 4 koi8-r 1.5 koi8-u 2 mac-roman 2 mac-latin2 4 mac-cyrillic 4 mac-greek 4 mac-turkish 4
    cp866 3 cp850 4 cp437 4.5 cp857 5 cp862 5 cp932 1 gb18030 1 cp949 1 big5hkscs 1 euc-jp 2"""
_PRIORS = {name: -float(rareness) for name, rareness in re.findall(r"(\S+) ([\d.]+)", _RARENESS)}
_LIBRARY_BONUS = 1.0
_CONTROL, _SYMBOL, _OUTSIDE, _FOREIGN, _BAD_CASE, _MIXED, _RARE, _OFTEN = (
    -14.0,
    -9.0,
    -9.0,
    -4.0,
    -6.0,
    -8.0,
    -10.0,
    -4.5,
)
_QUOTED, _ALONE, _LONE_LETTER, _BY_TITLES = -6.0, -1.0, -3.0, 4.0
_WORD = re.compile(r"[^ \t\r\n\f\v,;|\t\"()/\\:.!?+*=<>{}\[\]0-9_&@#-]+")
_PUNCTUATION = frozenset("’‘“”„‚«»‹›–—…·•°ºª§№、。・「」（）／：；，－　‐\u00a0")
_VOWELS = frozenset("aeiouyæœøıə")
_NAMES = {
    "iso2022-jp": "ISO-2022-JP",
    "gb18030": "GB18030 (GBK)",
    "cp932": "Shift-JIS (cp932)",
    "cp949": "EUC-KR (cp949)",
}
_NAMES |= {"big5hkscs": "Big5", "mac-roman": "Mac Roman"}


class RosterError(UserError):
    """A file that is no roster."""


@dataclass(frozen=True)
class DecodedText:
    """A text with its encoding.

    Attributes:
        text: The text.
        encoding: Name of the encoding.
        guessed: Nothing in the file says its encoding.
        replaced: The lines in which bytes could not be read, which hold a replacement character there.
    """

    text: str
    encoding: str
    guessed: bool = False
    replaced: tuple[int, ...] = ()


def decode_text(content: bytes, encoding: str = "") -> DecodedText:
    """Decode the bytes of a file.

    Args:
        content: The bytes.
        encoding: The encoding that somebody named, empty to detect it.

    Raises:
        RosterError: It is no encoding, or the file is no text.
    """
    if encoding:
        return _decode(content, _lookup_encoding(encoding))
    marked = _decode_by_bom(content)
    if marked:
        return marked
    if b"\0" in content:
        return _decode_wide(content)
    if content.isascii() and b"\x1b$" not in content:
        return DecodedText(content.decode("ascii"), "ASCII")
    if content.isascii():
        return _decode(content, "iso2022-jp")
    if _is_mostly_utf8(content):
        return _decode(content, "utf-8")
    found = _guess_encoding(content)
    return _decode(content, found, guessed=True)


def _lookup_encoding(name: str) -> str:
    try:
        codec = codecs.lookup(name.strip())
        if not isinstance("".encode(codec.name), bytes):
            raise LookupError
    except (LookupError, TypeError, ValueError):
        hint = "write one like utf-8, cp1250, iso-8859-2, mac_roman or shift_jis"
        raise RosterError(f"{name!r} is no encoding of text; {hint}.") from None
    return {"utf-8": "utf-8-sig"}.get(codec.name, codec.name)


def _decode(content: bytes, encoding: str, guessed: bool = False) -> DecodedText:
    try:
        return DecodedText(content.decode(encoding), _NAMES.get(encoding, encoding), guessed)
    except UnicodeDecodeError:
        text = content.decode(encoding, "replace")
    lines = re.split("\r\n|\r|\n", text)
    replaced = tuple(number for number, line in enumerate(lines, 1) if REPLACEMENT in line)
    return DecodedText(text, _NAMES.get(encoding, encoding), guessed, replaced)


def _decode_by_bom(content: bytes) -> DecodedText | None:
    """By a byte order mark."""
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF32_LE, "utf-32"),
        (codecs.BOM_UTF32_BE, "utf-32"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if content.startswith(mark):
            return _decode(content, encoding)
    return None


def _decode_wide(content: bytes) -> DecodedText:
    """UTF-16 or UTF-32 without a mark: delimiters, spaces and line ends hold zeros. Raises RosterError."""
    for encoding in ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        odd = sum(not c.isprintable() and c not in "\r\n\t" for c in text)
        plain = sum(c in " ,;\t|\r\n" or (c.isascii() and c.isalnum()) for c in text)
        if "\0" not in text and odd * 50 <= len(text) and plain:
            return DecodedText(text, encoding)
    raise RosterError(gettext("The file is no list of text; save it as .xlsx or as CSV (UTF-8) and import that."))


def _is_mostly_utf8(content: bytes) -> bool:
    """Whether it is UTF-8 but for a byte or two: a list in another encoding hardly holds a valid sequence."""
    text = content.decode("utf-8", "replace")
    wrong = text.count(REPLACEMENT)
    right = sum(not c.isascii() for c in text) - wrong
    return wrong == 0 or right >= 3 * wrong or (wrong == 1 and right >= 1)


def _guess_encoding(content: bytes) -> str:
    lines = [line for line in re.split(b"\r\n|\r|\n", content) if not line.isascii()]
    lines = lines[:: -(-len(lines) // MAX_SAMPLED_LINES)]
    titles = {word.decode().lower() for word in re.findall(rb"[A-Za-z]{3,}", content[:TITLE_BYTES])}
    likely = _library_guesses(content)
    scores = {
        e: _PRIORS[e] + (_LIBRARY_BONUS if e in likely else 0.0) + _plausibility(lines, e, titles) for e in _PRIORS
    }
    return max(scores, key=lambda encoding: scores[encoding])


def _library_guesses(content: bytes) -> set[str]:
    """What charset-normalizer thinks likeliest, and the encodings under which the text is the same."""
    from charset_normalizer import from_bytes

    best = from_bytes(content, cp_isolation=sorted({codecs.lookup(e).name for e in _PRIORS})).best()
    if best is None:
        return set()
    same = {codecs.lookup(name).name for name in best.could_be_from_charset}
    return {encoding for encoding in _PRIORS if codecs.lookup(encoding).name in same}


def _plausibility(lines: Iterable[bytes], encoding: str, titles: Set[str]) -> float:
    """How much the words look like names, as a sum of logarithms over what is not ASCII. `titles`: words of them."""
    words: Counter[str] = Counter()
    for line in lines:
        text = line.decode(encoding, "replace")
        words.update(word for word in _WORD.findall(text) if not word.isascii())
    frequent = FREQUENT_CHARACTERS.get(encoding)
    if frequent is not None:
        return sum(count * _east_asian_score(word, frequent) for word, count in words.items())
    mains = [language for language in LANGUAGES if encoding in language.encodings]
    form = sum(count * _shape_score(word) for word, count in words.items())
    foreign = {word: max(_spelling_score(word, n) for n in range(len(LANGUAGES))) + _FOREIGN for word in words}
    totals = []
    for language in mains:
        at = LANGUAGES.index(language)
        own = sum(count * max(_spelling_score(word, at), foreign[word]) for word, count in words.items())
        totals.append(own + language.prior + (_BY_TITLES if language.titles & titles else 0.0))
    return form + max(totals)


def _east_asian_score(word: str, frequent: frozenset[str]) -> float:
    """Of a word in an encoding of two bytes a character: Latin letters are not glued to others there."""
    score = 0.0
    for c in word:
        if c.isascii() or c in _PUNCTUATION:
            continue
        if c in frequent or "\u3041" <= c <= "\u30ff":
            score += _OFTEN
        elif c == REPLACEMENT or unicodedata.category(c)[0] in "CS":
            score += _CONTROL
        else:
            score += _RARE
    mixed = any(c.isascii() and c.isalpha() for c in word) and any(not c.isascii() and c.isalpha() for c in word)
    return score + (_MIXED if mixed else 0.0)


def _shape_score(word: str) -> float:
    """What no language does: symbols and controls in words, capitals after small letters, scripts mixed."""
    score = 0.0
    for before, c, after in zip(" " + word, word, word[1:] + " ", strict=False):
        if c == REPLACEMENT or unicodedata.category(c) in ("Cc", "Cn", "Co"):
            score += _CONTROL
        elif len(word) == 1:
            score += _LONE_LETTER if _is_letter(c) else _ALONE
        elif c in _PUNCTUATION:
            between = before.isalpha() and after.isalpha()
            score += -0.5 if between and c in "’‐" else _SYMBOL if between else _QUOTED
        elif not c.isascii() and not _is_letter(c):
            score += _SYMBOL
    letters = [c for c in word if _is_letter(c)]
    scripts = {_script(c) for c in letters} - {"COMBINING"}
    score += _MIXED * max(0, len(scripts) - 1)
    if any(c.islower() and c != "ß" for c in letters):
        score += _BAD_CASE * sum(
            c.isupper() and (not c.isascii() or letters[0].islower())
            for before, c in pairwise(word)
            if _is_letter(before)
        )
    if scripts == {"LATIN"}:
        score += _sound_score(word)
    return score + (-1.5 if word[0].islower() and not word[0].isascii() else 0.0)


def _is_letter(c: str) -> bool:
    """Vowel signs of Thai, Hebrew and Arabic are marks, and letters none the less."""
    return c not in _PUNCTUATION and (c.isalpha() or unicodedata.category(c)[0] == "M")


def _sound_score(word: str) -> float:
    """Of Latin letters: a letter beyond ASCII among four consonants, or one of three such letters in a row."""
    base = [unicodedata.normalize("NFD", c.lower())[0] for c in word]
    kinds = "".join("-" if not c.isalpha() else "v" if b in _VOWELS else "c" for b, c in zip(base, word, strict=True))
    score = -2.0 * len(re.findall(r"[^\x00-\x7f]{3,}", word))
    for run in re.finditer("c{4,}", kinds):
        score -= 2.0 * (not word[run.start() : run.end()].isascii())
    return score - (2.0 if "v" not in kinds and len(word) > 2 else 0.0)


@cache
def _script(c: str) -> str:
    return unicodedata.name(c, "?").split(" ")[0]


@cache
def _letter_log_probabilities(at: int) -> dict[str, float]:
    letters = LANGUAGES[at].letters
    weights = [1.0 / (rank + 1.5) for rank in range(len(letters))]
    total = sum(weights)
    return {c: math.log(weight / total) for c, weight in zip(letters, weights, strict=True)}


@cache
def _spelling_score(word: str, at: int) -> float:
    """How likely the letters beyond ASCII are in a language, by the number in LANGUAGES."""
    ranks = _letter_log_probabilities(at)
    lowered = (c.lower() if len(c.lower()) == 1 else "i" for c in word if not c.isascii() and _is_letter(c))
    return sum(ranks.get(c, _OUTSIDE) for c in lowered)


def non_ascii_examples(names: Sequence[str], most: int = 3) -> tuple[str, ...]:
    """Names by which a person sees whether the encoding was guessed right."""
    return tuple(dict.fromkeys(name for name in names if not name.isascii()))[:most]


def find_mojibake(names: Sequence[str]) -> tuple[str, ...]:
    """Names that were saved in a wrong encoding before: `MÃ¼ller` is the UTF-8 of Müller, read as cp1252."""
    return tuple(dict.fromkeys(name for name in names if not name.isascii() and _is_double_encoded(name)))


def _is_double_encoded(text: str) -> bool:
    for encoding in ("cp1252", "latin-1"):
        try:
            return not text.encode(encoding).decode("utf-8").isascii()
        except UnicodeError:
            continue
    return False
