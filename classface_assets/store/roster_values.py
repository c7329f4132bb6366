"""What one cell of a roster says: a name, siblings, consent, a birth date; or why nothing can be made of it."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date

from classface_assets.store.decisions import fold
from classface_assets.store.writing import LONGEST_NAME, clean

_YES = frozenset(
    {
        *("yes", "y", "true", "t", "1", "x", "ok", "given", "granted", "agreed", "✓", "✔", "☑", "ja", "j", "oui"),
        *("si", "s", "sim", "sí", "да", "evet", "tak", "ano", "kyllä", "igen", "はい", "是", "예"),
    }
)
_NO = frozenset(
    {
        *("no", "n", "false", "f", "0", "-", "refused", "denied", "withdrawn", "declined", "✗", "✘", "☐", "nein"),
        *("non", "não", "nao", "nee", "nej", "nei", "нет", "hayır", "nie", "ne", "ei", "nem", "いいえ", "否", "아니요"),
    }
)
_SUFFIX = re.compile(r"(jr|sr|ii|iii|iv|v|phd|md|esq)\.?", re.IGNORECASE)
_EAST_ASIAN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
SLASHED = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")
_DAY_FIRST = re.compile(r"(\d{1,2})[.\-](\d{1,2})[.\-](\d{4})")
_YEAR_FIRST = re.compile(r"(\d{4})[-./](\d{1,2})[-./](\d{1,2})(?:[T ].*)?")


def name_in(fields: Mapping[str, str]) -> str:
    first, last = fields.get("first", ""), fields.get("last", "")
    if not fields.get("name") and not first and not last:
        raise ValueError("it has no name")
    if "name" not in fields:
        joined = _EAST_ASIAN.fullmatch(last + first)
        return clean(last + first if joined else f"{first} {last}")
    return _turned(clean(fields["name"]))


def _turned(name: str) -> str:
    """`Weiss, Anna` as Anna Weiss; `John Smith, Jr.` stays."""
    last, comma, first = (part.strip() for part in name.partition(","))
    turned = comma and "," not in first and first and last and not _SUFFIX.fullmatch(first)
    return f"{first} {last}" if turned else name


def siblings_in(text: str) -> list[str]:
    """Names or ids, parted by semicolons, bars, slashes or lines; by commas where there is none of these, but for the
    one in `Weiss, Anna`."""
    parts = re.split(r"[;|/\n]" if re.search(r"[;|/\n]", text) else ",", text)
    parts = [" ".join(part.split()) for part in parts if part.strip()]
    if len(parts) == 2 and text.count(",") == 1 and not any(c.isdigit() for c in text):
        parts = [text] if any(" " not in part for part in parts) else parts
    return [_turned(" ".join(part.split())) for part in parts]


def consent_in(fields: Mapping[str, str]) -> bool | None:
    """Raises ValueError for a word that is neither yes nor no: to guess would be to show a child, or not."""
    said = {key: fold(fields[key]) for key in ("consent", "refused") if fields.get(key)}
    for key, word in said.items():
        if word not in _YES | _NO:
            raise ValueError(f"its {'consent' if key == 'consent' else 'refusal'} {word[:40]!r} is neither yes nor no")
    if said.get("refused", "no") in _YES:
        return False
    return said["consent"] in _YES if "consent" in said else None


def day_comes_first(texts: Sequence[str]) -> bool | None:
    """Whether the day comes first in 3/4/2011, as far as another date of the column shows it."""
    found = [(int(m[1]), int(m[2])) for m in map(SLASHED.fullmatch, texts) if m]
    day, month = any(a > 12 for a, _ in found), any(b > 12 for _, b in found)
    return day if day != month else None


def birth_date_in(text: str, day_first: bool | None) -> date | None:
    if not text or (day_first is None and SLASHED.fullmatch(text)):
        return None
    try:
        born = _day(text, bool(day_first))
    except ValueError:
        born = None
    if born is None:
        raise ValueError(f"{text[:40]!r} is no birth date; write it like 2011-02-03")
    if not date(1850, 1, 1) <= born <= date.today():  # noqa: DTZ011 a day has no time zone
        raise ValueError(f"nobody in a school's photos was born on {born.isoformat()}")
    return born


def _day(text: str, day_first: bool) -> date | None:
    if found := _YEAR_FIRST.fullmatch(text):
        return date(int(found[1]), int(found[2]), int(found[3]))
    found = SLASHED.fullmatch(text) or _DAY_FIRST.fullmatch(text)
    if not found:
        return None
    a, b, year = map(int, found.groups())
    return date(year, b, a) if day_first or not SLASHED.fullmatch(text) else date(year, a, b)


def short(text: str, what: str) -> str:
    """On one line, without what cannot be shown. Raises ValueError when it is too long."""
    plain = " ".join("".join(" " if unicodedata.category(c) in ("Cc", "Cs") else c for c in text).split())
    if len(plain) > LONGEST_NAME:
        raise ValueError(f"its {what} has more than {LONGEST_NAME} characters")
    return plain
