"""Why a photo is not searched, or not shown: phrases, stored in English with each photo and shown in every language.

One list of templates makes the phrases and reads them back. What another version worded otherwise stays English.
"""

import re
from collections.abc import Mapping
from enum import Enum
from functools import cache

from classface_assets.core.languages import ENGLISH, Sentence, marked, sentence, use_language

_OS_ERRORS = (
    *(marked("permission denied"), marked("operation not permitted"), marked("input/output error")),
    *(marked("no such file or directory"), marked("file name too long"), marked("stale file handle")),
)
"""What the operating system says most often of a file that cannot be opened, for the catalogs."""
_DIGITS = r"\d+"
_PATTERNS = {
    **dict.fromkeys(("width", "height", "others", "pages"), _DIGITS),
    **dict.fromkeys(("most", "seconds"), r"\d{1,3}(?:,\d{3})*"),
    **dict.fromkeys(("size", "needed", "allowed"), r"\d{1,3}(?:,\d{3})*\.\d"),
}
"""The values that are numbers: as digits, whole numbers, and numbers with one digit after the point."""
_PLACEHOLDER = re.compile(r"%\((\w+)\)s")


class PhotoReason(Enum):
    """The templates of all phrases; a more special one comes first."""

    EMPTY = marked("the file is empty")
    FILE_TOO_LARGE = marked("%(size)s GB are more than %(most)s: save it smaller")
    NOT_OPENED = marked("cannot be opened: %(why)s")
    CHANGED = marked("changed while it was read: the next run reads it again")
    SPECIAL_FILE = marked("a socket, pipe or device, not a file")
    CAMERA_RAW = marked("a camera raw file: export it as JPEG to have it searched")
    OTHER_FILE = marked("%(ending)s files are not searched for faces")
    NO_PHOTO = marked("no photo, and no file ending that says more")
    NO_PICTURE = marked("no picture inside that can be opened: the file is damaged or something else")
    SIDE_TOO_LONG = marked("%(width)s × %(height)s pixels: no side may have more than %(most)s")
    TOO_MANY_PIXELS = marked("%(width)s × %(height)s pixels are more than %(most)s million: save it smaller")
    TOO_MUCH_TO_DECODE = marked(
        "decoding it would take %(needed)s GB of memory, more than %(allowed)s: save it smaller, or as a JPEG"
    )
    TOO_MUCH_MEMORY = marked("decoding it takes more memory than there is: save it smaller")
    TOO_LARGE_TO_SEARCH = marked("too large for this machine's memory")
    DAMAGED_JPEG = marked("truncated or damaged JPEG: nothing of it can be decoded")
    DAMAGED = marked("damaged %(format)s file: its pixels cannot be decoded")
    UNKNOWN_COLOURS = marked("its colours (%(mode)s) cannot be converted to RGB")
    DECODED_TOO_LONG = marked("decoding it takes longer than %(seconds)s seconds")
    DECODER_DIED = marked("the decoder failed on it, or it needs too much memory")
    DECODER_NOT_STARTED = marked("the decoder did not start; try it again")
    DECODER_OUT_OF_MEMORY = marked("it needs too much memory to be decoded: send a smaller one")
    TRUNCATED = marked("truncated: only the part that could be read was searched")
    OTHER_PAGE = marked("%(others)s of its %(pages)s pages was not searched: save it as a file of its own")
    OTHER_PAGES = marked("%(others)s of its %(pages)s pages were not searched: save each as a file of its own")
    SAME_FILE = marked("the same file as %(path)s")
    SAME_PICTURE = marked("the same picture as %(path)s, with other metadata")
    WITHHELD = marked("somebody in it may not be shown")
    DECODER_FAILED = marked("the decoder failed on it (%(error)s)")

    def phrase(self, **values: str | float) -> str:
        """The phrase as it is stored."""
        with use_language(ENGLISH):
            return str(sentence(self.value, **values))


def reason_sentence(phrase: str) -> Sentence:
    """A stored phrase in the language in use.

    >>> with use_language("de"):
    ...     str(reason_sentence("damaged PNG file: its pixels cannot be decoded"))
    'beschädigte PNG-Datei: Ihre Pixel lassen sich nicht entschlüsseln'
    """
    for reason, pattern in _readers().items():
        found = pattern.fullmatch(phrase)
        if found is not None:
            return sentence(reason.value, **_values(found.groupdict()))
    return sentence(phrase)


def _values(texts: Mapping[str, str]) -> dict[str, object]:
    return {name: _value(name, text) for name, text in texts.items()}


def _value(name: str, text: str) -> object:
    if name == "why":
        return sentence(text)
    if name not in _PATTERNS or _PATTERNS[name] == _DIGITS:
        return text
    return float(text.replace(",", "")) if "." in text else int(text.replace(",", ""))


@cache
def _readers() -> Mapping[PhotoReason, re.Pattern[str]]:
    return {reason: re.compile(_pattern(reason.value), re.DOTALL) for reason in PhotoReason}


def _pattern(template: str) -> str:
    """The regular expression of the phrases that a template makes."""
    texts = _PLACEHOLDER.split(template)  # text, name, text, …
    parts = [re.escape(texts[0])]
    for name, text in zip(texts[1::2], texts[2::2], strict=True):
        parts += [f"(?P<{name}>{_PATTERNS.get(name, '.+')})", re.escape(text)]
    return "".join(parts)
