"""The receipt of an erasure: which data of which person were removed, what remains, and what people have to do."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from classface_assets.core.languages import gettext, translated


@dataclass(frozen=True)
class RemovedItem:
    """What was removed (`what`), where, and how many."""

    what: str
    where: str
    count: int


@dataclass(frozen=True)
class ErasureReceipt:
    """Which data of which person were removed.

    Attributes:
        person_ids: The erased persons.
        face_count: How many faces will never be detected or embedded again.
        removed: What was removed.
        photos: Paths of the photos that still show them.
        notes: What is left for people to do.
    """

    person_ids: tuple[str, ...] = ()
    face_count: int = 0
    removed: tuple[RemovedItem, ...] = ()
    photos: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def lines(self) -> Iterator[str]:
        """The receipt as lines of text."""
        yield gettext("Erased: %(people)s", people=", ".join(self.person_ids) or gettext("nobody"))
        yield from (f"{one.count:>9,}  {translated(one.what)}: {translated(one.where)}" for one in self.removed)
        erased = gettext("faces that will never be detected or embedded again")
        yield f"{self.face_count:>9,}  {erased}"
        shown = gettext("photos still show them; they are never touched:")
        yield f"{len(self.photos):>9,}  {shown}"
        yield from (f"           {path}" for path in self.photos)
        yield from self.notes

    def to_json(self) -> dict[str, Any]:
        """The receipt as the REST interface returns it."""
        removed = [{"what": one.what, "where": one.where, "count": one.count} for one in self.removed]
        return {
            "personIds": list(self.person_ids),
            "facesBarred": self.face_count,
            "removed": removed,
            "photosThatShowThem": list(self.photos),
            "notes": list(self.notes),
        }
