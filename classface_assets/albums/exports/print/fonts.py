"""Fonts for print: for each character one that has it, first of those that are installed with the program.

Open Sans has Latin, Greek, Cyrillic and Hebrew; Noto Sans has Devanagari and rare Latin letters; others of its family
have Arabic, Thai, Tamil, Chinese, Japanese and Korean; DejaVu Sans, which comes with matplotlib, has Armenian and
Georgian. For any other script a font of the system is looked for. The font for text has no Devanagari, so that a run of
it is shaped by itself: shaped together with Latin its letters would not join.
"""

import functools
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

_PACKAGES = {
    "text": ("fontpkg_open_sans", "**/OpenSans[[]*.ttf"),
    "noto": ("fontpkg_noto_sans", "**/NotoSans[[]*.ttf"),
    "arabic": ("fontpkg_noto_sans_arabic", "**/*.ttf"),
    "thai": ("fontpkg_noto_sans_thai", "**/*.ttf"),
    "tamil": ("fontpkg_noto_sans_tamil", "**/*.ttf"),
    "dejavu": ("matplotlib", "mpl-data/fonts/ttf/DejaVuSans.ttf"),
    "cjk": ("cvttf_NotoSansCJK_Regular", "*.otf"),
}
TEXT_FONT = "text"
MISSING = "\N{WHITE SQUARE}"
_INVISIBLE = ("Cc", "Cf", "Zs", "Zl", "Zp")


@dataclass(frozen=True)
class FontChoice:
    """The fonts that some texts need.

    Attributes:
        files: Name of a font -> its file; the first one is for text.
        missing: Characters that no font has.
    """

    files: Mapping[str, Path]
    missing: frozenset[str]

    def printable(self, text: str) -> str:
        """The text with a square for each character that no font has."""
        return "".join(MISSING if c in self.missing else c for c in unicodedata.normalize("NFC", text))


def choose_fonts(texts: Iterable[str]) -> FontChoice:
    """The fonts for all characters of these texts."""
    characters = {c for text in texts for c in unicodedata.normalize("NFC", text)}
    left = {ord(c) for c in characters if unicodedata.category(c) not in _INVISIBLE}
    left.add(ord(MISSING))
    files = {}
    for name in _PACKAGES:
        file = _packaged(name) if left or name == TEXT_FONT else None
        if file is not None and (name == TEXT_FONT or left & covered_characters(file)):
            files[name] = file
            left -= covered_characters(file)
    left.discard(ord(MISSING))
    for number, file in enumerate(_system_fonts() if left else ()):
        found = left & covered_characters(file)
        if found:
            files[f"system{number}"] = file
            left -= found
        if not left:
            break
    return FontChoice(files, frozenset(map(chr, left)))


@functools.lru_cache(maxsize=64)
def covered_characters(file: Path) -> frozenset[int]:
    """The code points that a font has; none where it cannot be read."""
    from fontTools.ttLib import TTFont, TTLibError

    try:
        with TTFont(file, lazy=True) as font:
            return frozenset(font.getBestCmap() or ())
    except (TTLibError, OSError, KeyError, AssertionError):
        return frozenset()


@functools.cache
def _packaged(name: str) -> Path | None:
    package, pattern = _PACKAGES[name]
    spec = find_spec(package)
    folders = spec.submodule_search_locations or [] if spec else []
    return next((file for folder in folders for file in sorted(Path(folder).glob(pattern))), None)


@functools.cache
def _system_fonts() -> tuple[Path, ...]:
    """The fonts of the system, Noto's first; collections (.ttc) cannot be embedded."""
    from matplotlib.font_manager import findSystemFonts

    found = {Path(name) for name in findSystemFonts()}
    single = (file for file in found if file.suffix.lower() in (".ttf", ".otf"))
    return tuple(sorted(single, key=lambda file: (not file.name.startswith("Noto"), file.name)))
