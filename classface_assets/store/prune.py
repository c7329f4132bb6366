"""What nothing uses any more: faces of other thresholds and detectors, vectors of other packs, rows of photos that were
deleted, school years that are gone, temporary files of killed runs.

These are pictures of minors: what was taken out of the archive can be taken out of everything that was made from it.
The ledger is never touched, and a face that was labelled under a detector that is pruned keeps its label (carry).
"""

from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from classface_assets.places import Entry, Place, entries, remove
from classface_assets.store.layout import Layout, name_of
from classface_assets.store.parts import Parts
from classface_assets.store.tables import read_table
from classface_assets.store.year_parts import (
    current_settings,
    detection_parts,
    embedding_parts,
    image_parts,
    vectors_version,
)
from classface_assets.temporary import discard, is_abandoned


@dataclass(frozen=True)
class InUse:
    """A model pack whose faces and vectors stay: the version of its detector, and the key of its vectors."""

    detector: str
    vectors: str


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


def leftovers(layout: Layout, in_use: Iterable[InUse]) -> list[Leftover]:
    """Everything below the data folder that is not used, by what was last looked at in the photos folder."""
    kept, images = list(in_use), _images(layout)
    detectors = sorted({k.detector for k in kept})
    found = [_files("school years that are gone", layout, f) for f in _folders(layout.parts("images"))
             if name_of(f) not in images]  # fmt: skip
    found += _versions(layout, "detections", set(detectors), set(images), "faces of detectors that are not in use")
    vectors = {vectors_version(k.detector, k.vectors) for k in kept}
    found += _versions(layout, "embeddings", vectors, set(images), "vectors of packs not in use")
    for detector in detectors:
        found += _other_thresholds(layout, detector, images)
    for year, photos in images.items():
        found += _rows_of_the_gone(layout, kept, year, photos)
    found.append(_told_of_the_gone(layout))
    found.append(_stamps(layout, set(images)))
    found.append(_albums(layout, set().union(*images.values()), _all_faces(layout, detectors, images)))
    found.append(_of_files("temporary files of killed runs", "", temporary_files(layout)))
    return [leftover for leftover in found if leftover.count]


def prune(layout: Layout, found: Iterable[Leftover]) -> None:
    """Take these away. Killed at any moment, the next call does the rest."""
    for leftover in found:
        for file in leftover.files:
            take_away(file)
        if leftover.parts is not None:
            drop_rows(leftover.parts, leftover.column, leftover.ids)
    for asset in ("images", "detections", "embeddings"):
        for folder in _folders(layout.parts(asset)):
            _remove_empty(folder)


def take_away(left: Place) -> None:
    """Delete a file or, as a temporary one may be on this machine, a whole folder."""
    if isinstance(left, Path):
        discard(left)
    else:
        remove(left)


def drop_rows(parts: Parts, column: str, ids: Set[str]) -> None:
    """Remove the rows of these ids, part by part. A part that holds none of them stays as it is."""
    keep_rows(parts, lambda rows: rows.filter(~pl.col(column).is_in(list(ids)).fill_null(value=False)))


def keep_rows(parts: Parts, wanted: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    """Keep only the wanted rows of each part. The new part is there before the old one goes."""
    for file in parts.files():
        rows = read_table(file)
        kept = wanted(rows)
        if kept.height < rows.height:
            parts.append(kept)
            remove(file)


def temporary_files(layout: Layout) -> list[Entry]:
    """The files and folders that killed processes left on this machine below the data, photos and records left out."""
    roots = {folder for folder in (layout.data, layout.local) if isinstance(folder, Path)}
    found: list[Entry] = []
    folders = sorted(roots)
    while folders:
        for entry in entries(folders.pop()):
            path = entry.path
            if not isinstance(path, Path) or path.is_symlink() or path in (layout.photos, layout.dagster_home):
                continue
            if path.match(".*.tmp*"):
                found += [entry] if is_abandoned(path) else []
            elif entry.is_folder:
                folders.append(path)
    return sorted(found, key=lambda entry: entry.path)


def tree(folder: Place) -> list[Entry]:
    """Every file below a folder; links to folders are not followed."""
    found = []
    for entry in entries(folder):
        if not entry.is_folder:
            found.append(entry)
        elif not entry.path.is_symlink():
            found += tree(entry.path)
    return found


def _images(layout: Layout) -> dict[str, set[str]]:
    """School year → the ids of its photos; a year without a single file is gone."""
    years = (name_of(folder) for folder in _folders(layout.parts("images")))
    photos = {year: image_parts(layout, year).ids("asset_id") for year in years}
    return {year: ids for year, ids in photos.items() if ids}


def _versions(layout: Layout, asset: str, kept: Set[str], years: Set[str], kind: str) -> Iterator[Leftover]:
    for version in _folders(layout.parts(asset)):
        if name_of(version) not in kept:
            yield _files(kind, layout, version)
        else:
            gone = (year for year in _folders(version) if name_of(year) not in years)
            yield from (_files("school years that are gone", layout, year) for year in gone)


def _other_thresholds(layout: Layout, detector: str, years: Iterable[str]) -> Iterator[Leftover]:
    """Where no thresholds count yet, a first run was killed, and the next goes on with what is there."""
    for year in years:
        current = current_settings(layout, detector, year)
        for folder in _folders(layout.parts("detections", detector, year)) if current else ():
            if folder.name != current:
                yield _files("faces of thresholds that are not in use", layout, folder)


def _rows_of_the_gone(layout: Layout, kept: Iterable[InUse], year: str, photos: Set[str]) -> Iterator[Leftover]:
    for pack in kept:
        settings = current_settings(layout, pack.detector, year)
        if settings is not None:
            found = detection_parts(layout, pack.detector, year, settings)
            yield _rows("faces of deleted photos", layout, found, "asset_id", found.ids("asset_id") - photos)
            vectors = embedding_parts(layout, pack.detector, pack.vectors, year)
            faces = _faces(layout, pack.detector, year, photos)
            yield _rows("vectors of faces no longer there", layout, vectors, "face_id", vectors.ids("face_id") - faces)


def _faces(layout: Layout, detector: str, year: str, photos: Set[str]) -> set[str]:
    settings = current_settings(layout, detector, year)
    rows = detection_parts(layout, detector, year, settings).read(["asset_id", "face_id"]) if settings else None
    if rows is None or not rows.width:
        return set()
    return set(rows.filter(pl.col("asset_id").is_in(list(photos)))["face_id"].drop_nulls())


def _all_faces(layout: Layout, detectors: Iterable[str], images: dict[str, set[str]]) -> set[str]:
    return {f for d in detectors for year, photos in images.items() for f in _faces(layout, d, year, photos)}


def _albums(layout: Layout, photos: Set[str], faces: Set[str]) -> Leftover:
    """Thumbnails are named `<asset id>-<size>.jpg`, face crops `<face id>.jpg`."""
    crops = [e for e in tree(layout.albums / "faces") if e.path.stem not in faces]
    thumbnails = [e for e in tree(layout.albums / "thumbs") if e.path.stem.rpartition("-")[0] not in photos]
    return _of_files("album pictures of deleted photos", "albums", [*crops, *thumbnails])


def _told_of_the_gone(layout: Layout) -> Leftover:
    """The list of what the last publication moved, where it names faces that are no longer there."""
    table = layout.table("changes")
    listed = [e for e in entries(table.parent) if e.path == table]
    gone = listed and read_table(table, ["to"])["to"].null_count()
    return _of_files("what moved, of faces no longer there", _below(layout, table), listed if gone else [])


def _stamps(layout: Layout, years: Set[str]) -> Leftover:
    """What was noted of the albums of years that are gone."""
    noted = entries(layout.stamp("albums", "any year").parent)
    of_no_year = [e for e in noted if name_of(e.path.with_suffix("")) not in years]
    return _of_files("school years that are gone", "stamps", of_no_year)


def _rows(kind: str, layout: Layout, parts: Parts, column: str, ids: Set[str]) -> Leftover:
    """Rows have no size of their own: their share of their part's."""
    count, size = 0, 0.0
    sizes = {e.path: e.size for e in entries(parts.folder)} if ids else {}
    for file in parts.files() if ids else ():
        held = read_table(file, [column])[column]
        hits = int(held.is_in(list(ids)).sum())
        count += hits
        size += sizes.get(file, 0) * hits / max(1, len(held))
    return Leftover(kind, _below(layout, parts.folder), count, round(size), (), parts, column, frozenset(ids))


def _files(kind: str, layout: Layout, folder: Place) -> Leftover:
    """A folder counts even when it is empty: it stands for a school year."""
    found = _of_files(kind, _below(layout, folder), tree(folder))
    return found if found.count else replace(found, count=1)


def _of_files(kind: str, where: str, files: list[Entry]) -> Leftover:
    return Leftover(kind, where, len(files), sum(e.size for e in files), tuple(e.path for e in files))


def _below(layout: Layout, folder: Place) -> str:
    return "/".join(folder.parts[len(layout.data.parts) :])


def _folders(folder: Place) -> list[Place]:
    return [e.path for e in entries(folder) if e.is_folder]


def _remove_empty(folder: Place) -> None:
    """An object storage has no folders of its own to remove."""
    if isinstance(folder, Path):
        for inner in _folders(folder):
            _remove_empty(inner)
        if not any(folder.iterdir()):
            folder.rmdir()
