"""Photos whose file was rotated, edited or copied keep what was decided about their faces: each run looks for the
decided photos among the others, and writes into the ledger which show one shot.

How two photos are compared belongs in vision.same_shot, what a pair does to the decisions in store.same_shots.
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
"""Who the ledger says it was."""
CANDIDATES_PER_PHOTO = 16
"""Of each decided photo at most, of those that look most like it: a scene shot a thousand times makes few pairs."""


@dataclass(frozen=True)
class FollowedPhotos:
    """What a run found: the pairs of photos that show one shot, the labelled faces that are in no photo (LOST_LABELS),
    and how many faces of erased people were found in such photos and taken out."""

    pairs: tuple[SameShot, ...]
    lost: pl.DataFrame
    erased_again: int


def follow_photos(archive: Archive, models: Models, facts: FaceCatalog) -> FollowedPhotos:
    """Bring the ledger's pairs up to date with the photos that are there. Raises LedgerError, StorageError."""
    layout, ledger = archive.layout, replace(archive.open_ledger(), actor=AUTOMATIC_ACTOR)
    events = ledger.events()
    decided = _decided_photos(layout, events)
    # What an older version knew by the bytes of its file is the very same picture: no look is needed.
    known = _known_pairs(events)
    pairs = [SameShot(*pair) for pair in renamed_photos(facts.images, decided) if frozenset(pair) not in known]
    if pairs:
        ledger.follow_photos(pairs)
        events = ledger.events()
        decided = _decided_photos(layout, events)
    decisions = replay(events)
    records = update_photo_records(layout, facts.images, decided, _photos_with_erased_faces(layout, events))
    photos = PhotoAppearances(layout, models.describe(layout), facts, records)
    found = _new_pairs(photos, decisions, decided, _known_pairs(events))
    if found:
        ledger.follow_photos(found)
        events = ledger.events()
        decisions = replay(events)
    erased_again = _erase_again(layout, events, decisions, facts) if pairs or found else 0
    set_compared_photos(layout, set(photos.present), decided)
    lost = update_lost_labels(layout, decisions, facts.faces, records)
    return FollowedPhotos((*pairs, *found), lost, erased_again)


def _decided_photos(layout: ArchiveLayout, events: Sequence[Event]) -> set[str]:
    return photos_with_decisions(replay(events)) | _photos_with_erased_faces(layout, events)


def _photos_with_erased_faces(layout: ArchiveLayout, events: Sequence[Event]) -> set[str]:
    """The photos with faces of erased people, whatever this ledger knows of them."""
    return {face.asset_id for face in erased_faces(layout, events).values()}


def _known_pairs(events: Sequence[Event]) -> set[frozenset[str]]:
    """The pairs that the ledger has or had: one that somebody has undone does not come back."""
    followed = (event for event in events if event.kind == "photos_followed")
    return {frozenset((pair["from"], pair["to"])) for event in followed for pair in event.payload["photos"]}


def _new_pairs(
    photos: PhotoAppearances, decisions: Decisions, decided: Set[str], known: Set[frozenset[str]]
) -> list[SameShot]:
    """The pairs that the ledger does not have."""
    person = settings_for(photos.pack.name).person_threshold
    likeness = SimilarityThresholds(person, (1 + person) / 2)
    found = []
    for photo, other in sorted(set(_candidates(photos, decisions, decided, likeness))):
        if frozenset((photo, other)) in known or other in decisions.same_shots.others(photo):
            continue
        same_place = photo in photos.gone and photos.gone[photo]["path"] == photos.present[other]["path"]
        transform = match_same_shot(photos.of(photo), photos.of(other), likeness, same_place)
        if transform is not None:
            found.append(SameShot(photo, other, as_transform(transform.ravel().tolist())))
    return found


def _candidates(
    photos: PhotoAppearances, decisions: Decisions, decided: Set[str], likeness: SimilarityThresholds
) -> Iterator[tuple[str, str]]:
    """(decided photo, photo that is there) worth comparing: all with those that are gone and of whose shot no photo is
    left, else only what is new."""
    compared, decided_before = compared_photos(photos.layout)
    present = set(photos.present)
    gone = {photo for photo in photos.gone if not decisions.same_shots.others(photo).keys() & present}
    here = decided & present
    yield from _similar_pairs(photos, gone | (here - decided_before), present)
    yield from _similar_pairs(photos, here & decided_before, present - compared)
    by_path = {str(row["path"]): photo for photo, row in photos.present.items()}
    for photo in gone:
        if (other := by_path.get(str(photos.gone[photo]["path"]))) is not None:
            yield photo, other
        vectors = photos.of(photo).vectors
        for other in photos.showing(vectors, likeness.single_face):
            yield photo, other


def _similar_pairs(photos: PhotoAppearances, some: Set[str], others: Set[str]) -> Iterator[tuple[str, str]]:
    """The pairs whose hashes are near, either of them turned or mirrored."""
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
        for place in np.unique(neighbours[distances <= MAX_HASH_BITS]):
            if other_ids[place] != photo:
                yield photo, other_ids[place]


def _erase_again(layout: ArchiveLayout, events: Sequence[Event], decisions: Decisions, facts: FaceCatalog) -> int:
    """Take out the faces of erased people in photos that turned out to show what was erased; how many."""
    barred = constraints_for(decisions, facts.faces).erased_faces if facts.faces.height else frozenset()
    erased = all_erasures(layout, events)
    write_tombstones(layout, erased)
    if barred:
        faces = {face.face_id: face for of_person in erased.values() for face in of_person}
        erase_faces(layout, faces, set(erased), new=True)
    return len(barred)
