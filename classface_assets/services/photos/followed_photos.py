"""Photos whose file was rotated, edited or copied: each run pairs them with the photos that have decisions.

A pair of photos that show the same shot is recorded in the ledger; what was decided about faces in one then counts in
the other. How two photos are compared belongs in `vision.photos.same_shot`, what a pair does to decisions in
`store.model.same_shots`.
"""

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from classface_assets.core.layout import ArchiveLayout
from classface_assets.identity.settings import settings_for
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.services.photos.appearance import PhotoAppearances
from classface_assets.store.catalog.faces import FaceCatalog
from classface_assets.store.catalog.former_ids import renamed_photos
from classface_assets.store.catalog.photo_records import (
    compared_photos,
    photos_with_decisions,
    set_compared_photos,
    update_lost_labels,
    update_photo_records,
)
from classface_assets.store.decisions.reconciliation import constraints_for
from classface_assets.store.decisions.replay import replay
from classface_assets.store.erasure.faces import erase_faces
from classface_assets.store.erasure.tombstones import all_erasures, erased_faces, write_tombstones
from classface_assets.store.model.decisions import Decisions
from classface_assets.store.model.events import Event
from classface_assets.store.model.same_shots import SameShot, as_transform
from classface_assets.vision.photos.same_shot import (
    MAX_HASH_BITS,
    SimilarityThresholds,
    match_same_shot,
    transformed_hashes,
)

AUTOMATIC_ACTOR = "classface"
"""The actor of the recorded events."""
CANDIDATES_PER_PHOTO = 16
"""At most this many photos are compared with each photo that has decisions, the most similar hashes first."""


@dataclass(frozen=True)
class FollowedPhotos:
    """What a run found.

    Attributes:
        pairs: The new pairs of photos that show the same shot.
        lost: The labelled faces that are in no photo (LOST_LABELS).
        erased_again: How many faces of erased people were found in such photos, and removed.
    """

    pairs: tuple[SameShot, ...]
    lost: pl.DataFrame
    erased_again: int


def follow_photos(archive: Archive, models: Models, catalog: FaceCatalog) -> FollowedPhotos:
    """Bring the ledger's pairs of photos up to date with the photos that are present.

    Args:
        archive: The archive.
        models: The model pack whose vectors are compared.
        catalog: The present photos and their faces.

    Raises:
        LedgerError: The ledger cannot be written.
        StorageError: The Parquet parts cannot be read or written.
    """
    layout, ledger = archive.layout, replace(archive.open_ledger(), actor=AUTOMATIC_ACTOR)
    events = ledger.events()
    decided = _decided_photos(layout, events)
    # Of photos that an older version identified by their bytes, the pictures are the same: nothing to compare.
    known = _known_pairs(events)
    pairs = [SameShot(*pair) for pair in renamed_photos(catalog.images, decided) if frozenset(pair) not in known]
    if pairs:
        ledger.follow_photos(pairs)
        events = ledger.events()
        decided = _decided_photos(layout, events)
    decisions = replay(events)
    records = update_photo_records(layout, catalog.images, decided, _photos_with_erased_faces(layout, events))
    photos = PhotoAppearances(layout, models.describe(layout), catalog, records)
    found = _new_pairs(photos, decisions, decided, _known_pairs(events))
    if found:
        ledger.follow_photos(found)
        events = ledger.events()
        decisions = replay(events)
    erased_again = _erase_again(layout, events, decisions, catalog) if pairs or found else 0
    set_compared_photos(layout, set(photos.present), decided)
    lost = update_lost_labels(layout, decisions, catalog.faces, records)
    return FollowedPhotos((*pairs, *found), lost, erased_again)


def _decided_photos(layout: ArchiveLayout, events: Sequence[Event]) -> set[str]:
    """The photos with decisions about their faces, or with faces of erased people."""
    return photos_with_decisions(replay(events)) | _photos_with_erased_faces(layout, events)


def _photos_with_erased_faces(layout: ArchiveLayout, events: Sequence[Event]) -> set[str]:
    """The photos with faces of erased people, by the ledger or by the archive's tombstones."""
    return {face.asset_id for face in erased_faces(layout, events).values()}


def _known_pairs(events: Sequence[Event]) -> set[frozenset[str]]:
    """All pairs that were ever recorded: one that somebody has undone is not recorded again."""
    followed = (event for event in events if event.kind == "photos_followed")
    return {frozenset((pair["from"], pair["to"])) for event in followed for pair in event.payload["photos"]}


def _new_pairs(
    photos: PhotoAppearances, decisions: Decisions, decided: Set[str], known: Set[frozenset[str]]
) -> list[SameShot]:
    """The pairs that show the same shot and were never recorded."""
    person = settings_for(photos.pack.embedder).person_threshold
    thresholds = SimilarityThresholds(person, (1 + person) / 2)
    found = []
    for photo, other in sorted(set(_candidates(photos, decisions, decided, thresholds))):
        if frozenset((photo, other)) in known or other in decisions.same_shots.others(photo):
            continue
        same_path = photo in photos.gone and photos.gone[photo]["path"] == photos.present[other]["path"]
        transform = match_same_shot(photos.of(photo), photos.of(other), thresholds, same_path)
        if transform is not None:
            found.append(SameShot(photo, other, as_transform(transform.ravel().tolist())))
    return found


def _candidates(
    photos: PhotoAppearances, decisions: Decisions, decided: Set[str], thresholds: SimilarityThresholds
) -> Iterator[tuple[str, str]]:
    """(photo with decisions, present photo) to be compared.

    A photo that is gone, and of whose shot no other photo is left, is compared with all; of the others only pairs that
    were not compared before are.
    """
    compared, decided_before = compared_photos(photos.layout)
    present = set(photos.present)
    gone = {photo for photo in photos.gone if not decisions.same_shots.others(photo).keys() & present}
    decided_present = decided & present
    yield from _similar_pairs(photos, gone | (decided_present - decided_before), present)
    yield from _similar_pairs(photos, decided_present & decided_before, present - compared)
    by_path = {str(row["path"]): photo for photo, row in photos.present.items()}
    for photo in gone:
        if (other := by_path.get(str(photos.gone[photo]["path"]))) is not None:
            yield photo, other
        vectors = photos.of(photo).vectors
        for other in photos.photos_with_similar_face(vectors, thresholds.single_face):
            yield photo, other


def _similar_pairs(photos: PhotoAppearances, some: Set[str], others: Set[str]) -> Iterator[tuple[str, str]]:
    """The pairs whose perceptual hashes differ little, if one of them is turned or mirrored."""
    import faiss

    if not some or not others:
        return
    ids, bits = photos.bits(sorted(some))
    other_ids, other_bits = photos.bits(sorted(others))
    if not ids or not other_ids:
        return
    index = faiss.IndexBinaryFlat(bits[0].size)
    index.add(np.packbits(other_bits.reshape(len(other_ids), -1), axis=1))
    for photo, own in zip(ids, bits, strict=True):
        turned = np.stack([np.packbits(way.ravel()) for _, way in transformed_hashes(own)])
        distances, neighbours = index.search(turned, min(CANDIDATES_PER_PHOTO, len(other_ids)))
        for row in np.unique(neighbours[distances <= MAX_HASH_BITS]):
            if other_ids[row] != photo:
                yield photo, other_ids[row]


def _erase_again(layout: ArchiveLayout, events: Sequence[Event], decisions: Decisions, catalog: FaceCatalog) -> int:
    """Remove the faces of erased people from photos that show the shot of an erased face; how many there were."""
    found = constraints_for(decisions, catalog.faces).erased_faces if catalog.faces.height else frozenset()
    erasures = all_erasures(layout, events)
    write_tombstones(layout, erasures)
    if found:
        faces = {face.face_id: face for of_person in erasures.values() for face in of_person}
        erase_faces(layout, faces, set(erasures), new=True)
    return len(found)
