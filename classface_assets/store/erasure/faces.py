"""Taking people out of everything that was made of their faces, in every version, and keeping them out.

Who is erased, and where their faces lie, stands in the ledger: erasing starts from there, so a call that was killed is
finished by the next one. Photos are never touched; who is in them is told, so that somebody can see to them.
"""

from collections.abc import Iterator, Mapping, Set
from dataclasses import replace

import polars as pl

from classface_assets.core.layout import Layout, name_of
from classface_assets.core.locations import remove
from classface_assets.core.schemas import IMAGES
from classface_assets.store.catalog.portraits import all_portraits, remove_chips
from classface_assets.store.catalog.school_year import (
    all_former_ids,
    detection_parts,
    image_parts,
    with_all,
    years_with_images,
)
from classface_assets.store.decisions.exclusions import PLACES, barred_in, without_barred
from classface_assets.store.erasure.derived import erase_made
from classface_assets.store.erasure.receipt import Removed
from classface_assets.store.files.deletion import folders, keep_rows, take_away, temporary_files
from classface_assets.store.files.parquet import read_table
from classface_assets.store.files.parts import Parts
from classface_assets.store.model.face_ref import LabelledFace


def erase_faces(
    layout: Layout, barred: Mapping[str, LabelledFace], persons: Set[str], new: bool = False
) -> list[Removed]:
    """Remove all that was made of these faces (those of the erased `persons`); killed, the next call goes on.

    `new`: some were not yet erased from this machine, so what may name or show them goes whether it tells so or not.
    What a face was called under other detectors and thresholds is found by its place, so the faces themselves go last.
    Raises StorageError, and DamagedFileError for a file of which nobody can say what is in it.
    """
    found, known, ids = list(_versions(layout)), set[str](), set(barred)
    barred = _under_every_id(layout, barred)
    for _, parts in found:
        rows = parts.read(PLACES)
        known |= set(rows["face_id"].drop_nulls()) if rows.width else set()
        ids |= barred_in(rows, barred)
    removed = [
        _temporary(layout),
        *erase_made(layout, ids, persons, new),
        *_portraits(layout, persons),
        *_vectors(layout, ids, known),
        *(Removed("faces and their chips", where, _blank(parts, barred)) for where, parts in found),
    ]
    return [one for one in removed if one.count]


def photos_that_show(layout: Layout, barred: Mapping[str, LabelledFace]) -> list[str]:
    """The photos in which the faces are still to be seen, by their paths below the photos folder."""
    photos = [face.asset_id for face in barred.values()]
    theirs = pl.col("asset_id").is_in(photos) | pl.col("file_digest").is_in(photos).fill_null(value=False)
    rows = (with_all(IMAGES, image_parts(layout, year).read(list(IMAGES))) for year in years_with_images(layout))
    return sorted({path for files in rows for path in files.filter(theirs)["path"]})


def _under_every_id(layout: Layout, barred: Mapping[str, LabelledFace]) -> dict[str, LabelledFace]:
    """The faces, and each once more for every other id that its photo has or had: what an older version found with
    other thresholds or another detector may be under any of them."""
    former, more = all_former_ids(layout), {}
    for face_id, face in barred.items():
        today = former.current.get(face.asset_id, face.asset_id)
        for other in {today, *former.first.get(today, ())} - {face.asset_id}:
            more[f"{face_id} in {other}"] = replace(face, asset_id=other)
    return {**barred, **more}


def _versions(layout: Layout) -> Iterator[tuple[str, Parts]]:
    """The faces of every detector, school year and thresholds."""
    for detector in folders(layout.parts("detections")):
        for year in folders(detector):
            for settings in folders(year):
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


def _vectors(layout: Layout, ids: Set[str], known: Set[str]) -> Iterator[Removed]:
    """Also those of faces that no detector's rows know any more: nobody could say that they are not theirs."""
    is_theirs = pl.col("face_id").is_in(list(ids)) | ~pl.col("face_id").is_in(list(known))
    for pack in folders(layout.parts("embeddings")):
        for year in folders(pack):
            yield _rows("vectors", layout, Parts(year, ("face_id",)), is_theirs)


def _portraits(layout: Layout, persons: Set[str]) -> Iterator[Removed]:
    for parts in all_portraits(layout):
        yield _rows("portraits", layout, parts, pl.col("person_id").is_in(list(persons)))
    yield Removed("chips of portraits", "portraits", remove_chips(layout, persons))


def _rows(what: str, layout: Layout, parts: Parts, is_theirs: pl.Expr) -> Removed:
    column = is_theirs.meta.root_names()[0]
    count = sum(read_table(file, [column]).filter(is_theirs).height for file in parts.files())
    if count:
        keep_rows(parts, lambda rows: rows.filter(~is_theirs))
    return Removed(what, layout.below(parts.folder), count)


def _temporary(layout: Layout) -> Removed:
    """What killed processes left behind may hold anything."""
    left = temporary_files(layout)
    for entry in left:
        take_away(entry.path)
    return Removed("temporary files of killed runs", "this machine", len(left))
