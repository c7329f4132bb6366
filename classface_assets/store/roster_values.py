"""What one cell of a roster says: a name, siblings, an id; or why nothing can be made of it."""

import re
import unicodedata
from collections.abc import Mapping

from classface_assets.store.decisions import fold
from classface_assets.store.writing import LONGEST_NAME, clean

_SUFFIX = re.compile(r"(jr|sr|ii|iii|iv|v|phd|md|esq)\.?", re.IGNORECASE)
_EAST_ASIAN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
_WHOLE_NUMBER = re.compile(r"(\d+)\.0+")


def name_in(fields: Mapping[str, str]) -> str:
    """Raises ValueError where there is none, or LedgerError for one that cannot be taken."""
    whole, first, last = fields.get("name", ""), fields.get("first", ""), fields.get("last", "")
    if not whole and not first and not last:
        raise ValueError("it has no name")
    if whole and last and not first and fold(last) not in fold(whole):
        whole, first = "", whole  # columns `Name` and `Surname`
    name = _turned(clean(whole)) if whole else clean(_joined(first, last))
    if not any(c.isalpha() for c in name):
        raise ValueError(f"there are no letters in its name {name!r}")
    return name


def _joined(first: str, last: str) -> str:
    return last + first if _EAST_ASIAN.fullmatch(last + first) else f"{first} {last}"


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


def student_id_in(fields: Mapping[str, str]) -> str:
    """As it is written, but for a spreadsheet's `123.0`."""
    text = fields.get("student_id", "")
    whole = _WHOLE_NUMBER.fullmatch(text)
    return whole[1] if whole else text


def short(text: str) -> str:
    """On one line, without what cannot be shown. Raises ValueError when it is too long."""
    plain = " ".join("".join(" " if unicodedata.category(c) in ("Cc", "Cs") else c for c in text).split())
    if len(plain) > LONGEST_NAME:
        raise ValueError(f"{text[:40]!r}… has more than {LONGEST_NAME} characters")
    return plain
