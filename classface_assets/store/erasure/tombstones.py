"""Who was erased from an archive, stored beside its data, so that an older ledger (a backup or export) restores nobody.

Like the ledger, the list holds ids and boxes of faces, but neither names nor vectors. And who of them is erased from
this machine: another one has albums, records and a DuckDB file of its own.
"""

import json
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

from classface_assets.core.atomic_files import read_file, write_file
from classface_assets.core.errors import UserError
from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import Location
from classface_assets.store.decisions.replay import replay
from classface_assets.store.model.events import Event, undone_event_ids
from classface_assets.store.model.face_ref import FaceRef

ErasedFaces = dict[str, list[FaceRef]]
"""Person id → the faces that were erased with them."""


def tombstones_file(layout: ArchiveLayout) -> Location:
    """Where the list of erased people lies."""
    return layout.data / "erased.json"


def erasures(events: Sequence[Event]) -> ErasedFaces:
    """Everybody who is erased according to the ledger; merged persons were erased with the person they became."""
    undone, decisions = undone_event_ids(events), replay(events)
    found: ErasedFaces = {person.id: [] for person in decisions.persons.values() if person.erased}
    for event in events:
        if event.kind == "person_erased" and event.id not in undone:
            faces = {face.face_id: face for face in map(FaceRef.of, event.payload["faces"])}
            # Where they lie now: a photo may have been turned since.
            here = {f: decisions.erased_faces.get(f, face) for f, face in faces.items()}
            found.setdefault(event.payload["person_id"], []).extend(decisions.same_shots.with_others(here).values())
    return found


def erasures_missing_from(layout: ArchiveLayout, events: Sequence[Event]) -> ErasedFaces:
    """Who was erased from the archive by an event that this ledger does not have.

    Raises:
        UserError: The list of erased people is damaged.
    """
    return _without_known_to_ledger(_read_tombstones(layout), events, erasures(events))


def all_erasures(layout: ArchiveLayout, events: Sequence[Event]) -> ErasedFaces:
    """Everybody who was erased, also those that are not in this ledger.

    Raises:
        UserError: The list of erased people is damaged.
    """
    by_ledger = erasures(events)
    return _without_known_to_ledger(_read_tombstones(layout), events, by_ledger) | by_ledger


def erased_faces(layout: ArchiveLayout, events: Sequence[Event]) -> dict[str, FaceRef]:
    """By face id, the faces that may be neither detected nor embedded.

    Raises:
        UserError: The list of erased people is damaged.
    """
    return {face.face_id: face for faces in all_erasures(layout, events).values() for face in faces}


def write_tombstones(layout: ArchiveLayout, erased: Mapping[str, Iterable[FaceRef]]) -> None:
    """Write the list of erased people.

    Raises:
        StorageError: The disk, drive or server fails.
    """
    content = {person: [face.payload() for face in faces] for person, faces in sorted(erased.items())}
    if content or _read_tombstones(layout):
        write_file(tombstones_file(layout), lambda out: out.write(json.dumps(content).encode()))


def locally_erased(layout: ArchiveLayout) -> set[str]:
    """The erased persons without any data left on this machine."""
    file = layout.local / "forgotten.json"
    return set(json.loads(file.read_bytes())) if file.exists() else set()


def record_locally_erased(layout: ArchiveLayout, persons: Set[str]) -> None:
    """Record which erased persons have no data left on this machine.

    Raises:
        StorageError: The disk fails.
    """
    if persons != locally_erased(layout):
        content = json.dumps(sorted(persons)).encode()
        write_file(layout.local / "forgotten.json", lambda out: out.write(content))


def _without_known_to_ledger(listed: ErasedFaces, events: Sequence[Event], by_ledger: ErasedFaces) -> ErasedFaces:
    """Without those whose erasure the ledger has an event of, also where it was undone."""
    known = by_ledger.keys() | {e.payload["person_id"] for e in events if e.kind == "person_erased"}
    return {person: faces for person, faces in listed.items() if person not in known}


def _read_tombstones(layout: ArchiveLayout) -> ErasedFaces:
    file = tombstones_file(layout)
    try:
        content: Any = json.loads(read_file(file))
        return {person: [FaceRef.of(face) for face in faces] for person, faces in content.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(
            f"{file} does not say who was erased; put it back from a backup, or delete it where the ledger knows them."
        ) from None
