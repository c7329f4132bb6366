"""Who was erased from an archive, kept beside its data: an older ledger that is put in the place of the one that knows
it (a backup, an export from before) brings nobody back.

Like the ledger it holds ids and the places of faces, but neither names nor what anybody looks like. And which of them
this machine has done with: another one has albums, records and a DuckDB file of its own.
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
"""Person id → the faces that were barred with them."""


def tombstones_file(layout: ArchiveLayout) -> Location:
    return layout.data / "erased.json"


def erasures(events: Sequence[Event]) -> ErasedFaces:
    """Everybody who is erased by what the ledger says; who had become another person, by that person's erasure."""
    undone, decisions = undone_event_ids(events), replay(events)
    found: ErasedFaces = {person.id: [] for person in decisions.persons.values() if person.erased}
    for event in events:
        if event.kind == "person_erased" and event.id not in undone:
            faces = {face.face_id: face for face in map(FaceRef.of, event.payload["faces"])}
            here = {
                f: decisions.erased_faces.get(f, face) for f, face in faces.items()
            }  # a photo may have been turned since
            found.setdefault(event.payload["person_id"], []).extend(decisions.same_shots.with_others(here).values())
    return found


def erasures_missing_from(layout: ArchiveLayout, events: Sequence[Event]) -> ErasedFaces:
    """Who was erased from the archive by an event that this ledger does not have. Raises UserError."""
    return _without_known_to_ledger(_read_tombstones(layout), events, erasures(events))


def all_erasures(layout: ArchiveLayout, events: Sequence[Event]) -> ErasedFaces:
    """Everybody who was erased, also those of whom this ledger knows nothing. Raises UserError."""
    told = erasures(events)
    return _without_known_to_ledger(_read_tombstones(layout), events, told) | told


def erased_faces(layout: ArchiveLayout, events: Sequence[Event]) -> dict[str, FaceRef]:
    """By face id, the faces that may be neither found nor embedded. Raises UserError."""
    return {face.face_id: face for faces in all_erasures(layout, events).values() for face in faces}


def write_tombstones(layout: ArchiveLayout, erased: Mapping[str, Iterable[FaceRef]]) -> None:
    """Note who was erased; nobody else is from now on. Raises StorageError."""
    content = {person: [face.payload() for face in faces] for person, faces in sorted(erased.items())}
    if content or _read_tombstones(layout):
        write_file(tombstones_file(layout), lambda out: out.write(json.dumps(content).encode()))


def locally_erased(layout: ArchiveLayout) -> set[str]:
    """Those of whom nothing is left on this machine."""
    file = layout.local / "forgotten.json"
    return set(json.loads(file.read_bytes())) if file.exists() else set()


def record_locally_erased(layout: ArchiveLayout, persons: Set[str]) -> None:
    """Raises StorageError."""
    if persons != locally_erased(layout):
        content = json.dumps(sorted(persons)).encode()
        write_file(layout.local / "forgotten.json", lambda out: out.write(content))


def _without_known_to_ledger(noted: ErasedFaces, events: Sequence[Event], told: ErasedFaces) -> ErasedFaces:
    """Without those of whom the ledger has the last word, also where it is that the erasure was undone."""
    known = told.keys() | {e.payload["person_id"] for e in events if e.kind == "person_erased"}
    return {person: faces for person, faces in noted.items() if person not in known}


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
