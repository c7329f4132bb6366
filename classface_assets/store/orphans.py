"""What does not fit together: photos, faces, vectors and the DuckDB file compared both ways, and what is broken.

Nothing here stops at a broken file: it is found, told, and what remains is compared. `mend` takes out what is broken,
so that the next run finds it missing and makes it again. Photos and the ledger are never touched.
"""

from collections.abc import Iterable, Iterator

from classface_assets.places import entries
from classface_assets.store.damage import unreadable, usual_size
from classface_assets.store.database import DatabaseError, query
from classface_assets.store.layout import Layout
from classface_assets.store.listing import temporary_files
from classface_assets.store.once import Seen
from classface_assets.store.orphan_kinds import (
    NOT_IN_DATABASE,
    ONLY_IN_DATABASE,
    TEMPORARY,
    TWICE,
    UNREADABLE,
    Orphans,
    orphan_files,
)
from classface_assets.store.orphans_of_year import YearCheck, check_year
from classface_assets.store.removal import drop_rows, keep_rows, take_away
from classface_assets.store.year_parts import embedding_parts, years_with_images


def find_orphans(layout: Layout, detector: str, pack: str) -> list[Orphans]:
    """Everything that does not fit together, for one model pack's detector and vectors. Changes nothing."""
    names = years_with_images(layout)
    size = usual_size(embedding_parts(layout, detector, pack, name) for name in names)
    years = [check_year(layout, name, detector, pack, size) for name in names]
    found = [orphans for year in years for orphans in year.found]
    tables = [e.path for e in entries(layout.data / "tables") if e.path.suffix == ".parquet"]
    found.append(orphan_files(UNREADABLE, layout, unreadable(tables)))
    found += _look_at_database(layout, years)
    found.append(orphan_files(TEMPORARY, layout, [e.path for e in temporary_files(layout)]))
    return [orphans for orphans in found if orphans.names]


def mend(found: Iterable[Orphans]) -> None:
    """Take out what is broken; what has to be made again is then missing, and the next run makes it."""
    for orphans in sorted(found, key=lambda o: not o.files):  # rows are then taken out of what can be read
        for file in orphans.files:
            take_away(file)
        if orphans.kind == TWICE and orphans.parts is not None:
            keep_rows(orphans.parts, Seen(orphans.parts.key).fresh)
        elif orphans.parts is not None:
            drop_rows(orphans.parts, orphans.rows_of, set(orphans.names))


def _look_at_database(layout: Layout, years: list[YearCheck]) -> Iterator[Orphans]:
    """Current faces and files against the published ones. A face that is in two years is there once."""
    current = {name for year in years for name in year.faces | year.files}
    published: set[str] = set()
    try:
        published.update(query(layout.database, "SELECT id FROM face_instances")["id"])
        published.update(query(layout.database, "SELECT path FROM image_assets")["path"])
    except DatabaseError:
        if layout.database.exists():
            yield orphan_files(UNREADABLE, layout, [layout.database])
    yield Orphans(NOT_IN_DATABASE, "", tuple(sorted(current - published)))
    yield Orphans(ONLY_IN_DATABASE, "", tuple(sorted(published - current)))
