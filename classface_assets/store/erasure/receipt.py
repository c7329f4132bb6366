"""The receipt of an erasure: what was removed of whom, what stays, and what is left for others to do."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class RemovedItem:
    """How many of what were removed, and where."""

    what: str
    where: str
    count: int


@dataclass(frozen=True)
class ErasureReceipt:
    """What was removed of whom. `barred`: how many faces may never be searched for or embedded again. `notes`: what
    is left for others to do."""

    person_ids: tuple[str, ...] = ()
    barred: int = 0
    removed: tuple[RemovedItem, ...] = ()
    photos: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def lines(self) -> Iterator[str]:
        yield f"Erased: {', '.join(self.person_ids) or 'nobody'}"
        yield from (f"{one.count:>9,}  {one.what}: {one.where}" for one in self.removed)
        yield f"{self.barred:>9,}  faces barred from being found or embedded again"
        yield f"{len(self.photos):>9,}  photos still show them; they are never touched:"
        yield from (f"           {path}" for path in self.photos)
        yield from self.notes

    def told(self) -> dict[str, Any]:
        removed = [{"what": one.what, "where": one.where, "count": one.count} for one in self.removed]
        return {
            "personIds": list(self.person_ids),
            "facesBarred": self.barred,
            "removed": removed,
            "photosThatShowThem": list(self.photos),
            "notes": list(self.notes),
        }
