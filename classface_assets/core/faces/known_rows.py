"""Rows of photos that were found before: finding them takes milliseconds a photo, and most photos stay as they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from types import MappingProxyType

from classface_assets.core.faces.photo_rows import arrange_rows
from classface_assets.core.geometry import Box


@dataclass(frozen=True)
class FoundRows:
    """The rows of a photo: indices of its boxes as in `PhotoRows.rows`, and which boxes are not sure to be there."""

    rows: tuple[tuple[int, ...], ...]
    unsure: tuple[int, ...]


NONE_KNOWN: Mapping[str, FoundRows] = MappingProxyType({})


class RowFinder:
    """Finds the rows of photos, but for those that are known."""

    def __init__(self, known: Mapping[str, FoundRows] = NONE_KNOWN) -> None:
        """By the digests of boxes, `known` are rows that this version of the program found."""
        self._known = known
        self.found: dict[str, FoundRows] = {}
        """All rows that were asked for, for the next time."""

    @property
    def has_new(self) -> bool:
        """Whether rows were asked for that were not known."""
        return not self.found.keys() <= self._known.keys()

    def find(self, boxes: Sequence[Box]) -> FoundRows:
        """The rows of a photo with these boxes."""
        digest = blake2b(repr(boxes).encode(), digest_size=16).hexdigest()
        found = self.found.get(digest) or self._known.get(digest) or _arrange(boxes)
        self.found[digest] = found
        return found


def _arrange(boxes: Sequence[Box]) -> FoundRows:
    arranged = arrange_rows(boxes)
    return FoundRows(arranged.rows, tuple(at for at in range(len(boxes)) if not arranged.is_sure(at)))
