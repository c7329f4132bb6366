"""Erasure of a person: first in what people can see, then in the ledger, then in everything else, with a receipt.

From the moment that the ledger has the erasure no page and no file of an album shows the person. It comes before all
that takes longer, so that an erasure that was interrupted is finished by the next call, or by the next run.
"""

from collections.abc import Callable, Sequence, Set
from dataclasses import replace

import dagster as dg
import polars as pl

from classface_assets.core.errors import UserError
from classface_assets.core.failpoints import Failpoint, reached
from classface_assets.core.languages import gettext, marked
from classface_assets.core.names import normalize_name
from classface_assets.orchestration.archive_lock import lock_on_all_machines
from classface_assets.orchestration.instance import RunInProgressError, require_idle
from classface_assets.orchestration.records.run_history import delete_all_run_records, erase_left_home
from classface_assets.orchestration.resources import Archive
from classface_assets.orchestration.settings.archive_names import names_of
from classface_assets.services.archive_view.cache import read_snapshot
from classface_assets.services.archive_view.model import build_archive_view
from classface_assets.services.face_regions.erasing import erase_written_names
from classface_assets.store.backups.generations import locked_backups
from classface_assets.store.backups.redaction import payloads_after, redact_backups
from classface_assets.store.decisions.replay import replay
from classface_assets.store.erasure.derived import erase_albums
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
from classface_assets.store.ledger.ledger import Ledger
from classface_assets.store.ledger.redaction import names_of_people, people_redactor, redact_people, student_redactor
from classface_assets.store.ledger.transaction import UnknownError, find_person_by_name, unknown_person_sentence
from classface_assets.store.model.decisions import Decisions, Person
from classface_assets.store.model.events import NAMING_KINDS
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.store.published.publishing_lease import publishing_lease
from classface_assets.store.published.shared_cache import erased_from_data
from classface_assets.store.published.shared_push import push_erasure

_FINISHED_ANOTHER = marked(
    "An erasure that had been interrupted was finished; if it was theirs, nothing is left of them."
)


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
    person = decisions.persons.get(who) or find_person_by_name(decisions, who) or _partly_erased(decisions, who)
    if person is None:
        raise UnknownError(unknown_person_sentence(decisions, who))
    if person.erased:
        return person, erasures(events)[decisions.canonical_id(person.id)]
    if not layout.database.exists():  # the outputs were deleted, or there never were any
        return person, []
    view = build_archive_view(read_snapshot(layout.database, events), events)
    rows = view.faces.filter(pl.col("person_id") == decisions.canonical_id(person.id))
    columns = rows.select("face_id", "asset_id", "bbox_x", "bbox_y", "bbox_w", "bbox_h")
    return person, [FaceRef(face, photo, (x, y, w, h)) for face, photo, x, y, w, h in columns.iter_rows()]


def _partly_erased(decisions: Decisions, name: str) -> Person | None:
    """An erased person who still has a name, which is removed last: some data of theirs may be left."""
    normalized, persons = normalize_name(name), decisions.persons.values()
    return next((one for one in persons if one.erased and normalize_name(one.name) == normalized), None)


def erase_person(archive: Archive, instance: dg.DagsterInstance, who: str) -> ErasureReceipt:
    """Erase the person of that id or name, and finish the erasures that were interrupted before.

    The name may be that of a person whose erasure was interrupted when the ledger had their name no more: then nobody
    is newly erased, and a note on the receipt says so.

    Raises:
        UnknownError: Nobody has that id or name.
        ConflictError: Several people have that name.
        RunInProgressError, ArchiveLockedError: A run of this archive is in progress.
        ErasureUnfinishedError: It stopped halfway.
    """
    with lock_on_all_machines(archive.layout, "classface forget"):
        require_idle(instance, names_of(archive.layout))
        try:
            person, faces = find_person_to_erase(archive, who)
        except UnknownError as error:
            if not unfinished_erasures(archive):
                raise
            receipt = _erase_all(archive, instance, frozenset())
            return replace(receipt, notes=(*receipt.notes, f"{error} {gettext(_FINISHED_ANOTHER)}"))
        ledger = archive.open_ledger()
        erased_before = set(ledger.decisions().erased_faces)
        withdrawn: list[RemovedItem] = []
        if person.erased:
            erased_before -= {face.face_id for face in faces}
        else:
            ledger.require_writable()
            try:
                withdrawn += erase_albums(archive.layout, {face.face_id for face in faces}, new=True)
            except UserError as error:  # a server is away: the next call, which may come when it is back, goes on
                ledger.erase(person.id, faces)
                raise _unfinished(error) from None
            ledger.erase(person.id, faces)
            reached(Failpoint.ERASURE_PROMISED)
        return _erase_all(archive, instance, erased_before, withdrawn)


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
    with lock_on_all_machines(archive.layout, "classface forget"):
        return _erase_all(archive, instance, erased_before)


def finish_interrupted_erasures(
    archive: Archive, instance: dg.DagsterInstance, report: Callable[[str], object]
) -> None:
    """Finish the erasures that were interrupted, or that another machine has recorded in the ledger, before a run.

    The caller holds the lock of the archive.

    Args:
        archive: The archive.
        instance: Its Dagster instance.
        report: Called with a sentence, if there are any.

    Raises:
        ErasureUnfinishedError: It stopped halfway again.
    """
    waiting = unfinished_erasures(archive)
    if not waiting:
        return
    people = "one person" if len(waiting) == 1 else f"{len(waiting):,} people"
    try:
        with publishing_lease(archive.layout, "classface run", report):
            receipt = _erase_all(archive, instance, frozenset())
    except RunInProgressError as error:
        report(f"The erasure of {people} is not finished yet. {error}")
        return
    report(f"The erasure of {people} was interrupted and is finished now; removed: {_counts(receipt.removed)}.")


def unfinished_erasures(archive: Archive) -> set[str]:
    """The ids of the erased people of whom something may be left, in the data or on this machine."""
    layout = archive.layout
    finished = locally_erased(layout) & erased_from_data(layout)
    return all_erasures(layout, archive.open_ledger().events()).keys() - finished


def _counts(removed: Sequence[RemovedItem]) -> str:
    return ", ".join(f"{one.count:,} {one.what}" for one in removed) or "nothing was left"


def _erase_all(
    archive: Archive, instance: dg.DagsterInstance, erased_before: Set[str], withdrawn: Sequence[RemovedItem] = ()
) -> ErasureReceipt:
    require_idle(instance, names_of(archive.layout))
    try:
        archive.synchronize()  # what other machines have made of these people is then here, to be removed
        synchronize_erasures(archive)
        return _remove_erased(archive, instance, erased_before, withdrawn)
    except UserError as error:
        raise _unfinished(error) from None


def _unfinished(error: UserError) -> ErasureUnfinishedError:
    return ErasureUnfinishedError(f"{error} The ledger lists who is to be erased: `classface forget` finishes it.")


def _remove_erased(
    archive: Archive, instance: dg.DagsterInstance, erased_before: Set[str], withdrawn: Sequence[RemovedItem]
) -> ErasureReceipt:
    layout, ledger = archive.layout, archive.open_ledger()
    events = ledger.events()
    erasures_by_person = all_erasures(layout, events)
    if not erasures_by_person:
        return ErasureReceipt()
    faces = {face.face_id: face for of_person in erasures_by_person.values() for face in of_person}
    persons, new = set(erasures_by_person), not erasures_by_person.keys() <= erased_from_data(layout)
    here = not erasures_by_person.keys() <= locally_erased(layout)
    removed = [*withdrawn, *erase_faces(layout, faces, persons, new)]
    in_metadata, notes = erase_written_names(layout, _with_merged(replay(events), persons))
    removed += in_metadata
    if new or removed:
        blobs = push_erasure(layout, persons)
        reached(Failpoint.ERASURE_SHARED)
        removed.append(RemovedItem(marked("files that machines share, in their old state"), str(layout.data), blobs))
        try:
            versions = remove_old_versions(layout)
            removed.append(RemovedItem(marked("old versions in the bucket"), str(layout.data), versions))
        except VersionsInaccessibleError as error:
            notes.append(str(error))
    if new or removed or here:
        erase_left_home(layout)
        runs = delete_all_run_records(instance, layout.dagster_home, names_of(layout))
        removed.append(RemovedItem(marked("runs with pictures"), "Dagster", runs))
        reached(Failpoint.RECORDS_REMOVED)
    require_idle(instance, names_of(layout))  # a run that began meanwhile may have read what was not removed yet
    removed += _redact_ledger(archive, ledger, persons)
    record_locally_erased(layout, persons)
    reached(Failpoint.ERASURE_RECORDED)
    archive.release_catalog()
    newly_erased = {face_id: face for face_id, face in faces.items() if face_id not in erased_before}
    return ErasureReceipt(
        tuple(sorted(persons)),
        len(newly_erased),
        tuple(item for item in removed if item.count),
        tuple(photos_showing(layout, newly_erased)),
        tuple(notes),
    )


def _with_merged(decisions: Decisions, persons: Set[str]) -> set[str]:
    """These people, and those who were merged into them, under whose ids names may have been written."""
    return {*persons, *(p for p in decisions.persons if decisions.canonical_id(p) in persons)}


def _redact_ledger(archive: Archive, ledger: Ledger, persons: Set[str]) -> list[RemovedItem]:
    """Remove these people from the backups of the ledger, and then from the ledger, which lists whom to remove."""
    folder = archive.layout.ledger_backups
    if not persons:
        return []
    with locked_backups(folder):
        every = ledger.events(kinds=NAMING_KINDS)
        redactor = people_redactor(persons, names_of_people(every, persons))
        backups = redact_backups(folder, payloads_after(ledger, redactor), redactor)
        names = redact_people(ledger.url, persons)
    return [
        RemovedItem(marked("names and birthdays"), marked("ledger"), names),
        RemovedItem(marked("backups with names and birthdays"), folder.name, backups.changed),
        RemovedItem(marked("backups that could not be read, and were deleted"), folder.name, backups.deleted),
    ]


def remove_student(archive: Archive, who: str) -> int:
    """Remove a student from every roster, in the ledger and its backups; see `Ledger.remove_student`."""
    ledger, folder = archive.open_ledger(), archive.layout.ledger_backups

    def redact(key: str) -> None:
        redactor = student_redactor(key)
        redact_backups(folder, payloads_after(ledger, redactor), redactor)

    with locked_backups(folder):
        return ledger.remove_student(who, redact)


def synchronize_erasures(archive: Archive, ledger: Ledger | None = None) -> tuple[int, int]:
    """Bring the ledger's erasures and those of this archive's folder up to date with each other.

    The ledger may be older than the archive's folder, restored from a backup, and the other way round.

    Args:
        archive: The archive.
        ledger: A ledger that is about to become the archive's; None for the one that it has.

    Returns:
        How many people are newly erased in the ledger, and of how many something may be left on this machine.
    """
    layout, ledger = archive.layout, ledger or archive.open_ledger()
    events = ledger.events()
    persons = replay(events).persons  # a merged person was erased with the other, or is not that person any more
    current = {p for p, person in persons.items() if person.merged_into_id is None}
    unknown = {p: faces for p, faces in erasures_missing_from(layout, events).items() if p in current}
    for person, faces in unknown.items():
        ledger.erase(person, faces)
    events = ledger.events() if unknown else events
    erased = all_erasures(layout, events)
    write_tombstones(layout, erased)
    reached(Failpoint.TOMBSTONES_WRITTEN)
    _redact_ledger(archive, ledger, erased.keys() & locally_erased(layout))
    return len(unknown), len(erased.keys() - locally_erased(layout))
