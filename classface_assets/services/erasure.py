"""Erasure of a person: first in the ledger, then in everything that was derived from the photos, with a receipt.

The ledger comes first, so that an erasure that was interrupted is finished by the next call.
"""

from collections.abc import Iterable, Set
from contextlib import AbstractContextManager

import dagster as dg
import polars as pl

from classface_assets.core.errors import UserError
from classface_assets.core.names import normalize_name
from classface_assets.orchestration.archive_lock import archive_lock
from classface_assets.orchestration.instance import require_idle
from classface_assets.orchestration.resources import Archive
from classface_assets.orchestration.run_history import delete_all_run_records
from classface_assets.services.archive_view.cache import read_snapshot
from classface_assets.services.archive_view.model import build_archive_view
from classface_assets.store.decisions.replay import replay
from classface_assets.store.erasure.faces import erase_faces, photos_showing
from classface_assets.store.erasure.object_versions import VersionsInaccessibleError, remove_old_versions
from classface_assets.store.erasure.receipt import ErasureReceipt, RemovedItem
from classface_assets.store.erasure.tombstones import (
    all_erasures,
    erasures,
    erasures_missing_from,
    locally_erased,
    record_locally_erased,
    write_tombstones,
)
from classface_assets.store.ledger.redaction import redact_people
from classface_assets.store.ledger.transaction import UnknownError, find_person_by_name
from classface_assets.store.model.decisions import Person
from classface_assets.store.model.face_ref import FaceRef


class ErasureUnfinishedError(UserError):
    """The erasure stopped halfway; the next one finishes it."""


def find_person_to_erase(archive: Archive, who: str) -> tuple[Person, list[FaceRef]]:
    """The person of that id or name, and the faces that are labelled or matched as theirs.

    Of somebody whose erasure was interrupted, the faces that the ledger lists as erased.

    Raises:
        UnknownError: Nobody has that id or name.
        ConflictError: Several people have that name.
    """
    events, layout = archive.open_ledger().events(), archive.layout
    decisions = replay(events)
    person = (
        decisions.persons.get(who)
        or find_person_by_name(decisions, who)
        or _find_partly_erased(decisions.persons.values(), who)
    )
    if person is None:
        raise UnknownError(f"Nobody is called {who!r}; `classface people` lists the names.")
    if person.erased:
        return person, erasures(events)[decisions.canonical_id(person.id)]
    if not layout.database.exists():  # the outputs were deleted, or there never were any
        return person, []
    view = build_archive_view(read_snapshot(layout.database, events), events)
    rows = view.faces.filter(pl.col("person_id") == decisions.canonical_id(person.id))
    columns = rows.select("face_id", "asset_id", "bbox_x", "bbox_y", "bbox_w", "bbox_h")
    return person, [FaceRef(face, photo, (x, y, w, h)) for face, photo, x, y, w, h in columns.iter_rows()]


def _find_partly_erased(persons: Iterable[Person], name: str) -> Person | None:
    """An erased person who still has a name, which is removed last: some data of theirs may be left."""
    normalized = normalize_name(name)
    return next((one for one in persons if one.erased and normalize_name(one.name) == normalized), None)


def erase_person(archive: Archive, instance: dg.DagsterInstance, who: str) -> ErasureReceipt:
    """Erase the person of that id or name, and finish the erasures that were interrupted before.

    Raises:
        UnknownError: Nobody has that id or name.
        ConflictError: Several people have that name.
        RunInProgressError, ArchiveLockedError: A run of this archive is in progress.
        ErasureUnfinishedError: It stopped halfway.
    """
    with _locked(archive):
        require_idle(instance)
        person, faces = find_person_to_erase(archive, who)
        ledger = archive.open_ledger()
        erased_before = set(ledger.decisions().erased_faces)
        if person.erased:
            erased_before -= {face.face_id for face in faces}
        else:
            ledger.erase(person.id, faces)
        return _erase_all(archive, instance, erased_before)


def finish_erasures(
    archive: Archive, instance: dg.DagsterInstance, erased_before: Set[str] = frozenset()
) -> ErasureReceipt:
    """Remove what is left of everybody who was erased.

    Args:
        archive: The archive.
        instance: Its Dagster instance, whose records show faces too.
        erased_before: Ids of faces that earlier receipts listed; this one leaves them out.

    Raises:
        RunInProgressError, ArchiveLockedError: A run of this archive is in progress.
        ErasureUnfinishedError: It stopped halfway.
    """
    with _locked(archive):
        return _erase_all(archive, instance, erased_before)


def _locked(archive: Archive) -> AbstractContextManager[None]:
    """No run of this archive begins meanwhile; one in progress is not waited for, as it may take hours."""
    return archive_lock(archive.layout, "classface forget", lambda _: None, wait=False)


def _erase_all(archive: Archive, instance: dg.DagsterInstance, erased_before: Set[str]) -> ErasureReceipt:
    require_idle(instance)
    try:
        synchronize_erasures(archive)
        return _remove_erased(archive, instance, erased_before)
    except UserError as error:
        raise ErasureUnfinishedError(
            f"{error} The ledger lists who is to be erased: `classface forget` finishes it."
        ) from None


def _remove_erased(archive: Archive, instance: dg.DagsterInstance, erased_before: Set[str]) -> ErasureReceipt:
    layout, events = archive.layout, archive.open_ledger().events()
    erasures_by_person = all_erasures(layout, events)
    if not erasures_by_person:
        return ErasureReceipt()
    faces = {face.face_id: face for of_person in erasures_by_person.values() for face in of_person}
    persons, new = set(erasures_by_person), not erasures_by_person.keys() <= locally_erased(layout)
    removed = erase_faces(layout, faces, persons, new)
    notes: list[str] = []
    if new or removed:
        try:
            versions = remove_old_versions(layout)
            removed.append(RemovedItem("old versions in the bucket", str(layout.data), versions))
        except VersionsInaccessibleError as error:
            notes.append(str(error))
        runs = delete_all_run_records(instance, layout.dagster_home)
        removed.append(RemovedItem("runs with pictures", "Dagster", runs))
    require_idle(instance)  # a run that began meanwhile may have read what was not removed yet
    names = redact_people(archive.ledger or layout.ledger_url, persons)
    removed.append(RemovedItem("names and birthdays", "ledger", names))
    record_locally_erased(layout, persons)
    archive.release_catalog()
    newly_erased = {face_id: face for face_id, face in faces.items() if face_id not in erased_before}
    return ErasureReceipt(
        tuple(sorted(persons)),
        len(newly_erased),
        tuple(item for item in removed if item.count),
        tuple(photos_showing(layout, newly_erased)),
        tuple(notes),
    )


def synchronize_erasures(archive: Archive) -> tuple[int, int]:
    """Bring the ledger's erasures and those of this archive's folder up to date with each other.

    The ledger may be older than the archive's folder, restored from a backup, and the other way round.

    Returns:
        How many people are newly erased in the ledger, and of how many something may be left on this machine.
    """
    layout, ledger = archive.layout, archive.open_ledger()
    events = ledger.events()
    persons = replay(events).persons  # a merged person was erased with the other, or is not that person any more
    current = {p for p, person in persons.items() if person.merged_into_id is None}
    unknown = {p: faces for p, faces in erasures_missing_from(layout, events).items() if p in current}
    for person, faces in unknown.items():
        ledger.erase(person, faces)
    events = ledger.events() if unknown else events
    erased = all_erasures(layout, events)
    write_tombstones(layout, erased)
    redact_people(archive.ledger or layout.ledger_url, erased.keys() & locally_erased(layout))
    return len(unknown), len(erased.keys() - locally_erased(layout))
