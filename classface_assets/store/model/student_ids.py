"""A school's student ids as rosters write them: which are the same id, and which are none."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache

from classface_assets.core.names import normalize_name

PLACEHOLDERS = frozenset(
    (
        *("0", "na", "n/a", "n.a.", "n.a", "n/d", "nan", "none", "null", "nil", "tbd", "tba", "tbc", "unknown"),
        *("missing", "not available", "not applicable", "not assigned", "pending", "blank", "empty", "no id"),
        *("xxx", "xx", "x", "keine", "k.a.", "k. a.", "unbekannt", "fehlt", "inconnu", "aucun", "desconocido"),
        *("sin id", "ninguno"),
    )
)
"""Normalized words in place of a missing id, beside Excel's errors and what has neither letter nor digit."""
_EXCEL_ERROR = re.compile(r"#[a-z/0]+[!?]?")
_WHOLE_NUMBER = re.compile(r"(\d+)\.0+")


@lru_cache(maxsize=65_536)  # replays meet the same ids several times
def normalize_student_id(text: str) -> str:
    """The form in which two ids are the same: `00123`, ` 123 ` and `123.0` are `123`; "" for a placeholder."""
    key = normalize_name(unicodedata.normalize("NFKC", text))
    whole = _WHOLE_NUMBER.fullmatch(key)
    key = whole[1] if whole else key
    key = str(int(key)) if key.isdecimal() else key
    is_none = key in PLACEHOLDERS or _EXCEL_ERROR.fullmatch(key) or not any(c.isalnum() for c in key)
    return "" if is_none else key


def repeated_ids(rows: Iterable[tuple[str, str]]) -> frozenset[str]:
    """The normalized ids that stand for different names in one file, and so for nobody.

    Args:
        rows: (student id, name) of each row.
    """
    names: dict[str, set[str]] = defaultdict(set)
    for student_id, name in rows:
        names[normalize_student_id(student_id)].add(normalize_name(name))
    return frozenset(key for key, group in names.items() if key and len(group) > 1)
