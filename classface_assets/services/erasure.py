"""What `classface forget` does: a person is erased in the ledger, then from everything that was made, and a receipt."""

from collections.abc import Iterable, Set
from contextlib import AbstractContextManager

import dagster as dg
import polars as pl

from classface_assets.core.errors import UserError
from classface_assets.core.names import normalize_name
from classface_assets.orchestration.archive_lock import archive_lock
from classface_assets.orchestration.resources import Archive
from classface_assets.orchestration.run_history import delete_all_run_records
from classface_assets.services.archive_view.cache import read_snapshot
from classface_assets.services.archive_view.model import build_archive_view
from classface_assets.services.maintenance import require_idle
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


def find_person_to_erase(archive: Archive, who: str) -> tuple[Person, list[FaceRef]]:
    """The person of that id or name, and the faces that are said or thought to be theirs.

    Raises UnknownError, or ConflictError where one of several may be meant.

    Of somebody whose erasure was interrupted, those that are barred.
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
    if not layout.database.exists():  # what was made was deleted, or never was
        return person, []
    view = build_archive_view(read_snapshot(layout.database, events), events)
    rows = view.faces.filter(pl.col("person_id") == decisions.canonical_id(person.id))
    columns = rows.select("face_id", "asset_id", "bbox_x", "bbox_y", "bbox_w", "bbox_h")
    return person, [FaceRef(face, photo, (x, y, w, h)) for face, photo, x, y, w, h in columns.iter_rows()]


def _find_partly_erased(persons: Iterable[Person], name: str) -> Person | None:
    """Names are taken out of the ledger last, so who has one is not erased from all that was made."""
    return next(
        (person for person in persons if person.erased and normalize_name(person.name) == normalize_name(name)), None
    )


def erase_person(archive: Archive, instance: dg.DagsterInstance, who: str) -> ErasureReceipt:
    """Erase a person: first in the ledger, so that what a killed call leaves is finished by the next, or by `finish`.

    Raises UnknownError, UpkeepError or RunningAlreadyError while a run is under way, and UnfinishedError.
    """
    with _archive_lock(archive):
        require_idle(instance)
        person, faces = find_person_to_erase(archive, who)
        ledger = archive.open_ledger()
        before = set(ledger.decisions().erased_faces)
        if person.erased:
            before -= {face.face_id for face in faces}
        else:
            ledger.erase(person.id, faces)
        return _erase_all(archive, instance, before)


class ErasureUnfinishedError(UserError):
    """Erasing stopped halfway."""


def finish_erasures(archive: Archive, instance: dg.DagsterInstance, before: Set[str] = frozenset()) -> ErasureReceipt:
    """Remove what is left of everybody who was erased; `before` are faces that earlier receipts told of.

    Raises UpkeepError or RunningAlreadyError while a run is under way, and UnfinishedError when it stops halfway.
    """
    with _archive_lock(archive):
        return _erase_all(archive, instance, before)


def _archive_lock(archive: Archive) -> AbstractContextManager[None]:
    """No run of this archive begins meanwhile; one that goes on is not waited for: it may take hours."""
    return archive_lock(archive.layout, "classface forget", lambda _: None, wait=False)


def _erase_all(archive: Archive, instance: dg.DagsterInstance, before: Set[str]) -> ErasureReceipt:
    require_idle(instance)
    try:
        synchronize_erasures(archive)
        return _remove_erased(archive, instance, before)
    except UserError as error:
        raise ErasureUnfinishedError(
            f"{error} Who is to be erased is noted: `classface forget` does the rest."
        ) from None


def _remove_erased(archive: Archive, instance: dg.DagsterInstance, before: Set[str]) -> ErasureReceipt:
    layout, events = archive.layout, archive.open_ledger().events()
    erased = all_erasures(layout, events)
    if not erased:
        return ErasureReceipt()
    barred = {face.face_id: face for faces in erased.values() for face in faces}
    persons, new = set(erased), not erased.keys() <= locally_erased(layout)
    removed = erase_faces(layout, barred, persons, new)
    notes: list[str] = []
    if new or removed:
        try:
            versions = remove_old_versions(layout)
            removed.append(RemovedItem("old versions that the bucket had kept", str(layout.data), versions))
        except VersionsInaccessibleError as error:
            notes.append(str(error))
        removed.append(
            RemovedItem("runs with pictures", "Dagster", delete_all_run_records(instance, layout.dagster_home))
        )
    require_idle(instance)  # a run that began meanwhile may have read what was not removed yet
    removed.append(
        RemovedItem("names and birthdays", "ledger", redact_people(archive.ledger or layout.ledger_url, persons))
    )
    record_locally_erased(layout, persons)
    archive.release_catalog()
    told = {face: mark for face, mark in barred.items() if face not in before}
    counted = tuple(one for one in removed if one.count)
    return ErasureReceipt(tuple(sorted(persons)), len(told), counted, tuple(photos_showing(layout, told)), tuple(notes))


def synchronize_erasures(archive: Archive) -> tuple[int, int]:
    """Let who was erased from this archive be erased in its ledger, were it an older one, and the other way round.

    Returns how many the ledger did not know of, and of how many something may be left on this machine.
    """
    layout, ledger = archive.layout, archive.open_ledger()
    events = ledger.events()
    persons = replay(events).persons  # who is another person here was erased with them, or is not that person any more
    alive = {p for p, person in persons.items() if person.merged_into_id is None}
    unknown = {p: faces for p, faces in erasures_missing_from(layout, events).items() if p in alive}
    for person, faces in unknown.items():
        ledger.erase(person, faces)
    events = ledger.events() if unknown else events
    erased = all_erasures(layout, events)
    write_tombstones(layout, erased)
    redact_people(archive.ledger or layout.ledger_url, erased.keys() & locally_erased(layout))
    return len(unknown), len(erased.keys() - locally_erased(layout))
