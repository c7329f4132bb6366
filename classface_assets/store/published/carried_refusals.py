"""Who was refused or hidden in the publication stays so, whichever ledger takes the place of the one that knew it.

An older or another ledger may lack the decision. Then it gets one, which anybody may undo or overrule by another.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from classface_assets.core.names import join_names
from classface_assets.store.consent.photos import is_withheld
from classface_assets.store.files.duckdb import DatabaseError, query_database
from classface_assets.store.ledger.ledger import Ledger
from classface_assets.store.model.decisions import Decisions, Person
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.store.model.person_kinds import PersonKind, PersonStatus
from classface_assets.store.model.purposes import ALL_PURPOSES, Purpose

ACTOR = "classface ledger"
_LABELLED_FACES_SQL = """
    SELECT id, asset_id, bbox_x, bbox_y, bbox_w, bbox_h FROM face_instances
    WHERE person_id = ? AND assignment_reason = 'labelled' ORDER BY id"""


@dataclass(frozen=True)
class WithheldPerson:
    """Somebody who may not be shown by the publication.

    Attributes:
        person_id: As it was.
        name: As it was shown.
        is_hidden: Whether they are shown nowhere.
        refused: The purposes that were refused.
        faces: The faces that people labelled as them.
    """

    person_id: str
    name: str
    is_hidden: bool
    refused: tuple[Purpose, ...]
    faces: tuple[FaceRef, ...] = ()


def published_withheld(database: Path) -> list[WithheldPerson]:
    """Everybody who may not be shown by the publication; nobody where it cannot be read."""
    try:
        rows = query_database(database, "SELECT * FROM persons WHERE merged_into_id IS NULL ORDER BY name, id")
        found = [_withheld(row) for row in rows.filter(pl.col("kind") != PersonKind.NOT_A_FACE).iter_rows(named=True)]
        return [
            replace(one, faces=_labelled_faces(database, one.person_id))
            for one in found
            if one.is_hidden or one.refused
        ]
    except DatabaseError:
        return []


def carry_refusals(published: Sequence[WithheldPerson], ledger: Ledger) -> list[str]:
    """Let a ledger withhold everybody who was withheld when the archive was published last.

    Args:
        published: Who was.
        ledger: The ledger from now on.

    Returns:
        A sentence for each person whom it would have shown.

    Raises:
        LedgerError: The ledger cannot be used.
    """
    ledger, lines = replace(ledger, actor=ACTOR), list[str]()
    for one in published:
        persons = _persons(ledger.decisions(), one)
        if any(person.erased for person in persons):
            continue
        missing = [p for p in one.refused if not all(is_withheld(person, p) for person in persons) or not persons]
        is_shown = one.is_hidden and not (persons and all(who.status == PersonStatus.HIDDEN for who in persons))
        if missing or is_shown:
            _withhold(ledger, one, persons, missing, is_shown)
            what = ["was hidden"] if is_shown else []
            what += [f"had refused {join_names(missing)}"] if missing else []
            lines.append(f"{one.name} {' and '.join(what)} when the archive was published; that stays so.")
    return lines


def _withhold(
    ledger: Ledger, one: WithheldPerson, persons: Sequence[Person], refused: Sequence[Purpose], hide: bool
) -> None:
    decisions = ledger.decisions()
    unknown = [face for face in one.faces if face.face_id not in decisions.labels | decisions.erased_faces]
    who = [person.id for person in persons]
    if not who:
        made = ledger.label(one.name, unknown) if unknown else ledger.create_person(one.name)
        who = [made.person.id]
    elif unknown and len(who) == 1:
        ledger.label(who[0], unknown)
    for person in who:
        if refused:
            purposes = [ALL_PURPOSES] if set(refused) == set(Purpose) else list(map(str, refused))
            ledger.set_consent(person, False, purposes)
        if hide:
            ledger.hide(person)


def _persons(decisions: Decisions, one: WithheldPerson) -> list[Person]:
    """Who they are in a ledger: the person of that id, else everybody of that name."""
    known = decisions.persons.get(one.person_id)
    if known is not None:
        return [decisions.persons[decisions.canonical_id(known.id)]]
    named = {decisions.canonical_id(person.id) for person in decisions.people_named(one.name)}
    return [decisions.persons[person_id] for person_id in sorted(named)]


def _withheld(row: dict[str, Any]) -> WithheldPerson:
    refused = tuple(p for p in Purpose if row.get(f"consent_{p}", row.get("consent")) is False)
    return WithheldPerson(row["id"], row["name"], row["status"] == PersonStatus.HIDDEN, refused)


def _labelled_faces(database: Path, person_id: str) -> tuple[FaceRef, ...]:
    rows = query_database(database, _LABELLED_FACES_SQL, [person_id])
    return tuple(FaceRef(face, photo, (x, y, w, h)) for face, photo, x, y, w, h in rows.iter_rows())
