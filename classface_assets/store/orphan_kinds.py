"""The kinds of what does not fit together, and what mending does with each."""

from collections.abc import Iterable
from dataclasses import dataclass

from classface_assets.places import Place
from classface_assets.store.layout import Layout
from classface_assets.store.parts import Parts

UNREADABLE = "file that cannot be read"
NEVER_SEARCHED = "photo that was never searched"
NO_VECTOR = "face without a vector"
NO_FACE = "vector without a face"
NO_CHIP = "face without a readable chip"
BAD_VECTOR = "vector that is broken"
TWICE = "row that is there twice"
NOT_IN_DATABASE = "face or photo that DuckDB lacks"
ONLY_IN_DATABASE = "face or photo that only DuckDB has"
TEMPORARY = "temporary file of a killed run"
REPAIR = {
    UNREADABLE: "removes it and makes it again",
    NEVER_SEARCHED: "searches it",
    NO_VECTOR: "makes it from the face's chip",
    NO_FACE: "removes it",
    NO_CHIP: "searches the photo again",
    BAD_VECTOR: "removes it and makes it again",
    TWICE: "keeps one of the two",
    NOT_IN_DATABASE: "makes the database again from the parts",
    ONLY_IN_DATABASE: "makes the database again from the parts",
    TEMPORARY: "removes it",
}


@dataclass(frozen=True)
class Orphans:
    """What was found of one kind: ids, or files below the data folder. `year` is empty for what is one for all years.

    `parts` and `rows_of` say in which parts the broken rows are, and by which column they are told.
    """

    kind: str
    year: str
    names: tuple[str, ...]
    files: tuple[Place, ...] = ()
    parts: Parts | None = None
    rows_of: str = ""


def orphan_files(kind: str, layout: Layout, files: Iterable[Place], year: str = "") -> Orphans:
    """Whole files, told by their paths below the data folder."""
    files = tuple(files)
    return Orphans(kind, year, tuple(map(layout.below, files)), files)
