"""Something that is no longer used: what it is, where it lies, and how much room it takes."""

from collections.abc import Set
from dataclasses import dataclass, replace

from classface_assets.places import Entry, Place, entries
from classface_assets.store.layout import Layout
from classface_assets.store.listing import tree
from classface_assets.store.parts import Parts
from classface_assets.store.tables import read_table


@dataclass(frozen=True)
class Leftover:
    """Something that is not used: whole files, or the rows of these parts whose `column` is one of `ids`."""

    kind: str
    where: str
    count: int
    size: int
    files: tuple[Place, ...] = ()
    parts: Parts | None = None
    column: str = ""
    ids: frozenset[str] = frozenset()


def unused_rows(kind: str, layout: Layout, parts: Parts, column: str, ids: Set[str]) -> Leftover:
    """Rows have no size of their own: their share of their part's."""
    count, size = 0, 0.0
    sizes = {e.path: e.size for e in entries(parts.folder)} if ids else {}
    for file in parts.files() if ids else ():
        held = read_table(file, [column])[column]
        hits = int(held.is_in(list(ids)).sum())
        count += hits
        size += sizes.get(file, 0) * hits / max(1, len(held))
    return Leftover(kind, layout.below(parts.folder), count, round(size), (), parts, column, frozenset(ids))


def unused_folder(kind: str, layout: Layout, folder: Place) -> Leftover:
    """A folder counts even when it is empty: it stands for a school year."""
    found = unused_files(kind, layout.below(folder), tree(folder))
    return found if found.count else replace(found, count=1)


def unused_files(kind: str, where: str, files: list[Entry]) -> Leftover:
    return Leftover(kind, where, len(files), sum(e.size for e in files), tuple(e.path for e in files))
