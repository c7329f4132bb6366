"""What `classface forget` does: a person is erased in the ledger, then from everything that was made, and a receipt."""

from collections.abc import Iterable, Set
from contextlib import AbstractContextManager

import dagster as dg
import polars as pl

from classface_assets.core.errors import UserError
from classface_assets.core.names import fold
from classface_assets.orchestration.archive_lock import turn
from classface_assets.orchestration.resources import Archive
from classface_assets.orchestration.run_history import forget_records
from classface_assets.services.archive_view.cache import read_snapshot
from classface_assets.services.archive_view.model import view_of
from classface_assets.services.maintenance import at_rest
from classface_assets.services.working_set import forget_facts
from classface_assets.store.decisions.replay import replay
from classface_assets.store.erasure.faces import erase_faces, photos_that_show
from classface_assets.store.erasure.object_versions import NotLookedAtError, remove_old_versions
from classface_assets.store.erasure.receipt import Receipt, Removed
from classface_assets.store.erasure.tombstones import (
    all_erasures,
    done_here,
    erasures,
    keep_tombstones,
    note_done_here,
    unknown_to,
)
from classface_assets.store.ledger.redaction import redact
from classface_assets.store.ledger.transaction import UnknownError, one_called
from classface_assets.store.model.decisions import Person
from classface_assets.store.model.face_ref import LabelledFace


def whom(archive: Archive, who: str) -> tuple[Person, list[LabelledFace]]:
    """The person of that id or name, and the faces that are said or thought to be theirs.

    Raises UnknownError, or ConflictError where one of several may be meant.

    Of somebody whose erasure was interrupted, those that are barred.
    """
    events, layout = archive.open_ledger().events(), archive.layout
    decisions = replay(events)
    person = decisions.persons.get(who) or one_called(decisions, who) or _half_erased(decisions.persons.values(), who)
    if person is None:
        raise UnknownError(f"Nobody is called {who!r}; `classface people` lists the names.")
    if person.erased:
        return person, erasures(events)[decisions.became(person.id)]
    if not layout.database.exists():  # what was made was deleted, or never was
        return person, []
    view = view_of(read_snapshot(layout.database, events), events)
    rows = view.faces.filter(pl.col("person_id") == decisions.became(person.id))
    columns = rows.select("face_id", "asset_id", "bbox_x", "bbox_y", "bbox_w", "bbox_h")
    return person, [LabelledFace(face, photo, (x, y, w, h)) for face, photo, x, y, w, h in columns.iter_rows()]


def _half_erased(persons: Iterable[Person], name: str) -> Person | None:
    """Names are taken out of the ledger last, so who has one is not erased from all that was made."""
    return next((person for person in persons if person.erased and fold(person.name) == fold(name)), None)


def forget(archive: Archive, instance: dg.DagsterInstance, who: str) -> Receipt:
    """Erase a person: first in the ledger, so that what a killed call leaves is finished by the next, or by `finish`.

    Raises UnknownError, UpkeepError or RunningAlreadyError while a run is under way, and UnfinishedError.
    """
    with _alone(archive):
        at_rest(instance)
        person, faces = whom(archive, who)
        ledger = archive.open_ledger()
        before = set(ledger.decisions().barred)
        if person.erased:
            before -= {face.face_id for face in faces}
        else:
            ledger.erase(person.id, faces)
        return _erase_all(archive, instance, before)


class UnfinishedError(UserError):
    """Erasing stopped halfway."""


def finish(archive: Archive, instance: dg.DagsterInstance, before: Set[str] = frozenset()) -> Receipt:
    """Remove what is left of everybody who was erased; `before` are faces that earlier receipts told of.

    Raises UpkeepError or RunningAlreadyError while a run is under way, and UnfinishedError when it stops halfway.
    """
    with _alone(archive):
        return _erase_all(archive, instance, before)


def _alone(archive: Archive) -> AbstractContextManager[None]:
    """No run of this archive begins meanwhile; one that goes on is not waited for: it may take hours."""
    return turn(archive.layout, "classface forget", lambda _: None, wait=False)


def _erase_all(archive: Archive, instance: dg.DagsterInstance, before: Set[str]) -> Receipt:
    at_rest(instance)
    try:
        keep_erased(archive)
        return _finished(archive, instance, before)
    except UserError as error:
        raise UnfinishedError(f"{error} Who is to be erased is noted: `classface forget` does the rest.") from None


def _finished(archive: Archive, instance: dg.DagsterInstance, before: Set[str]) -> Receipt:
    layout, events = archive.layout, archive.open_ledger().events()
    erased = all_erasures(layout, events)
    if not erased:
        return Receipt()
    barred = {face.face_id: face for faces in erased.values() for face in faces}
    persons, new = set(erased), not erased.keys() <= done_here(layout)
    removed = erase_faces(layout, barred, persons, new)
    notes: list[str] = []
    if new or removed:
        try:
            versions = remove_old_versions(layout)
            removed.append(Removed("old versions that the bucket had kept", str(layout.data), versions))
        except NotLookedAtError as error:
            notes.append(str(error))
        removed.append(Removed("runs with pictures", "Dagster", forget_records(instance, layout.dagster_home)))
    at_rest(instance)  # a run that began meanwhile may have read what was not removed yet
    removed.append(Removed("names and birthdays", "ledger", redact(archive.ledger or layout.ledger_url, persons)))
    note_done_here(layout, persons)
    forget_facts()
    told = {face: mark for face, mark in barred.items() if face not in before}
    counted = tuple(one for one in removed if one.count)
    return Receipt(tuple(sorted(persons)), len(told), counted, tuple(photos_that_show(layout, told)), tuple(notes))


def keep_erased(archive: Archive) -> tuple[int, int]:
    """Let who was erased from this archive be erased in its ledger, were it an older one, and the other way round.

    Returns how many the ledger did not know of, and of how many something may be left on this machine.
    """
    layout, ledger = archive.layout, archive.open_ledger()
    events = ledger.events()
    persons = replay(events).persons  # who is another person here was erased with them, or is not that person any more
    alive = {p for p, person in persons.items() if person.merged_into_id is None}
    unknown = {p: faces for p, faces in unknown_to(layout, events).items() if p in alive}
    for person, faces in unknown.items():
        ledger.erase(person, faces)
    events = ledger.events() if unknown else events
    erased = all_erasures(layout, events)
    keep_tombstones(layout, erased)
    redact(archive.ledger or layout.ledger_url, erased.keys() & done_here(layout))
    return len(unknown), len(erased.keys() - done_here(layout))
