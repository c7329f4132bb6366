"""Taking people out of everything that was made of their faces, in every version, and keeping them out.

Who is erased, and where their faces lie, stands in the ledger: erasing starts from there, so a call that was killed is
finished by the next one. Photos are never touched; who is in them is told, so that somebody can see to them.
"""

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from classface_assets.places import Place, entries, remove
from classface_assets.store.barred import PLACES, barred_in, without_barred
from classface_assets.store.database import publish, query
from classface_assets.store.decisions import LabelledFace
from classface_assets.store.facts import detection_parts, image_parts, years_with_images
from classface_assets.store.head_file import head_files
from classface_assets.store.layout import Layout, name_of
from classface_assets.store.parts import Parts
from classface_assets.store.portraits import all_portraits, remove_chips
from classface_assets.store.prune import drop_rows, tree
from classface_assets.store.schemas import TABLES
from classface_assets.store.tables import read_table, write_whole


@dataclass(frozen=True)
class Removed:
    """How many of what were removed, and where. A count of things told, not removed, for photos."""

    what: str
    where: str
    count: int


def erase_faces(layout: Layout, barred: Mapping[str, LabelledFace], persons: Set[str]) -> list[Removed]:
    """Remove all that was made of these faces (those of the ledger's erased `persons`); killed, the next call goes on.

    What a face was called under other detectors and thresholds is found by its place, so faces go last.
    """
    found = list(_versions(layout))
    ids = set(barred).union(*(barred_in(parts.read(PLACES), barred) for _, parts in found))
    removed = [
        *_vectors(layout, ids),
        *(_rows("portraits", layout, parts, "person_id", set(persons)) for parts in all_portraits(layout)),
        Removed("chips of portraits", "portraits", remove_chips(layout, persons)),
        *_head(layout, persons),
        *_tables(layout, ids),
        *_database(layout, ids, persons),
        *_albums(layout, ids),
        *_stamps(layout),
    ]
    for where, parts in found:
        count = _blank(parts, barred)
        removed.append(Removed("faces and their chips", where, count))
    return [one for one in removed if one.count]


def photos_that_show(layout: Layout, barred: Mapping[str, LabelledFace]) -> list[str]:
    """The photos in which the faces are still to be seen, by their paths below the photos folder."""
    photos = {face.asset_id for face in barred.values()}
    rows = [image_parts(layout, year).read(["path", "asset_id"]) for year in years_with_images(layout)]
    return sorted({p for r in rows if r.width for p in r.filter(pl.col("asset_id").is_in(list(photos)))["path"]})


def _versions(layout: Layout) -> Iterator[tuple[str, Parts]]:
    """The faces of every detector, school year and thresholds."""
    for detector in _folders(layout.parts("detections")):
        for year in _folders(detector):
            for settings in _folders(year):
                where = f"{name_of(detector)}, {name_of(year)}, {settings.name}"
                yield where, detection_parts(layout, name_of(detector), name_of(year), settings.name)


def _blank(parts: Parts, barred: Mapping[str, LabelledFace]) -> int:
    """The new part is there before the old one goes; returns how many faces it has less."""
    count = 0
    for file in parts.files():
        ids = barred_in(read_table(file, PLACES), barred)
        if ids:
            parts.append(without_barred(read_table(file), barred))
            remove(file)
            count += len(ids)
    return count


def _vectors(layout: Layout, ids: Set[str]) -> Iterator[Removed]:
    for pack in _folders(layout.parts("embeddings")):
        for year in _folders(pack):
            yield _rows("vectors", layout, Parts(year, ("face_id",)), "face_id", ids)


def _rows(what: str, layout: Layout, parts: Parts, column: str, ids: Set[str]) -> Removed:
    count = sum(int(read_table(file, [column])[column].is_in(list(ids)).sum()) for file in parts.files())
    if count:
        drop_rows(parts, column, ids)
    return Removed(what, _below(layout, parts.folder), count)


def _head(layout: Layout, persons: Set[str]) -> Iterator[Removed]:
    """A head that may have learned from them is not used any more; the next run trains another."""
    files = head_files(layout.head) if persons else []
    for file in files:
        file.unlink(missing_ok=True)
    yield Removed("files of the trained head", "models", len(files))


def _tables(layout: Layout, ids: Set[str]) -> Iterator[Removed]:
    """Rows of the faces go. The graph, whose rows are numbers of one another, goes as a whole and comes back."""
    for entry in entries(layout.data / "tables"):
        if entry.path.suffix != ".parquet":
            continue
        rows = read_table(entry.path)
        if "face_id" not in rows.columns:
            continue
        theirs = pl.col("face_id").is_in(list(ids))
        count = rows.filter(theirs).height
        if count and "neighbours" in rows.columns:
            remove(entry.path)
        elif count:
            write_whole(rows.filter(~theirs), entry.path)
        yield Removed("rows", f"table {entry.path.stem}", count)


def _database(layout: Layout, ids: Set[str], persons: Set[str]) -> Iterator[Removed]:
    """What is published is made again without them; the events are published anew by the next run."""
    if not layout.database.exists():
        return
    tables = {name: query(layout.database, f"SELECT * FROM {name}") for name in TABLES}
    theirs = {
        "face_instances": pl.col("id").is_in(list(ids)),
        "persons": pl.col("id").is_in(list(persons)),
        "person_prototypes": pl.col("person_id").is_in(list(persons)) | pl.col("face_instance_id").is_in(list(ids)),
        "clusters": pl.col("sample_faces").list.eval(pl.element().is_in(list(ids))).list.any(),
        "face_assignment_events": pl.any_horizontal(
            pl.lit(value=False), *(pl.col("payload").str.contains(person, literal=True) for person in persons)
        ),
    }
    counts = {name: tables[name].filter(which.fill_null(value=False)).height for name, which in theirs.items()}
    if any(counts.values()):
        publish(
            layout.database,
            tables | {name: tables[name].filter(~which.fill_null(value=False)) for name, which in theirs.items()},
        )
    yield from (Removed("rows", f"DuckDB {name}", count) for name, count in counts.items())


def _albums(layout: Layout, ids: Set[str]) -> Iterator[Removed]:
    """Their crops go, and every page and folder, which may name or show them: the next run makes those again."""
    places: list[Place] = [layout.albums]
    if layout.published_albums is not None:
        places.append(layout.published_albums)
    for albums in places:
        files = [entry.path for entry in tree(albums)]
        crops = [file for file in files if file.parent.parent.name == "faces" and file.stem in ids]
        if not crops:
            continue
        kept = len(albums.parts)
        pages = [file for file in files if file.parts[kept] not in ("faces", "thumbs")]
        for file in [*crops, *pages]:
            remove(file)
        yield Removed("face crops", _name(layout, albums), len(crops))
        yield Removed("pages and files of albums, to be made again", _name(layout, albums), len(pages))


def _stamps(layout: Layout) -> Iterator[Removed]:
    """They hold pictures of faces for Dagster; without them everything is made again."""
    files = [entry.path for entry in tree(layout.local / "stamps")]
    for file in files:
        remove(file)
    yield Removed("notes of what was made of what", "stamps", len(files))


def _folders(folder: Place) -> list[Place]:
    return [entry.path for entry in entries(folder) if entry.is_folder]


def _below(layout: Layout, folder: Place) -> str:
    return "/".join(folder.parts[len(layout.data.parts) :])


def _name(layout: Layout, folder: Place) -> str:
    return _below(layout, folder) if isinstance(folder, Path) else str(folder)


def receipt_lines(removed: Iterable[Removed]) -> Iterator[str]:
    """One line for each kind and place."""
    for one in removed:
        yield f"{one.count:>9,}  {one.what}: {one.where}"
