"""Commands about the school's rosters: importing a file, linking people with students, and removing a student.

A roster is one event, so one undo takes it back whole, with the labels that its portraits gave.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from classface_assets.core.languages import gettext
from classface_assets.core.names import join_names
from classface_assets.store.decisions.people.students import merge_imports, refusal_of
from classface_assets.store.ledger.commands.people import preserve_refusals
from classface_assets.store.ledger.database import read_events_of
from classface_assets.store.ledger.payloads import RosterImported, StudentLinked, StudentRemoved, Undone
from classface_assets.store.ledger.transaction import CommandResult, LedgerTransaction
from classface_assets.store.model.events import ROSTER_KINDS, Event, undone_event_ids
from classface_assets.store.model.person_kinds import PersonStatus
from classface_assets.store.model.roster_entry import RosterEntry

_MAX_SOURCE_LENGTH = 255


@dataclass(frozen=True)
class RosterImportResult:
    """What an import changed.

    Attributes:
        event: The event that it appended; None when it changed nothing.
        new: Number of new students.
        changed: Number of students with new or changed data.
        students: Number of students on all rosters.
        import_event: The event that imported these very rows, now or before.
        notes: Sentences on people who may now be one of several students.
    """

    event: int | None
    new: int
    changed: int
    students: int
    import_event: int | None = None
    notes: tuple[str, ...] = ()


def import_roster(tx: LedgerTransaction, entries: Sequence[RosterEntry], source: str) -> RosterImportResult:
    """Import the rows of a file. Rows of an import in force, or what is known already, change nothing."""
    rows = [entry.payload() for entry in entries]
    digest = hashlib.blake2b(json.dumps(rows, sort_keys=True).encode(), digest_size=16).hexdigest()
    imports = _imports_in_force(tx)
    before = merge_imports(imports).entries
    payload = RosterImported.model_validate({"source": _printable_source(source), "digest": digest, "entries": rows})
    students = merge_imports([*imports, Event(0, datetime.now(UTC), "", payload.kind, payload.stored())])
    after, places = students.entries, students.imports[-1].places
    changed = sum(old.payload() != new.payload() for old, new in zip(before, after, strict=False))
    consent_changes = any(
        _changes_consent(row, before[place]) for row, place in zip(entries, places, strict=True) if place < len(before)
    )
    same = [event.id for event in imports if event.payload.get("digest") == digest]
    if same or not (changed or consent_changes or len(after) > len(before)):
        return RosterImportResult(None, 0, 0, len(before), same[-1] if same else None)
    unclear = _ambiguous_people(tx)
    tx.append(payload)
    notes = tuple(note for person, note in _ambiguous_people(tx).items() if unclear.get(person) != note)
    event = tx.appended[0]
    return RosterImportResult(event, len(after) - len(before), changed, len(after), event, notes)


def link_student(tx: LedgerTransaction, who: str, student: str) -> CommandResult:
    """Record which student of the rosters a person is.

    What other students of that name refused does not count for the person any more.

    Args:
        tx: The open transaction.
        who: Id or name of the person.
        student: Id, name or `RosterEntry.key` of the student.

    Raises:
        UnknownError: There is no such person or student.
        ConflictError: The student is another person of the same name.
    """
    person, entry = tx.find_person(who), tx.find_student(student)
    other, before = tx.people().students.get(entry.key), tx.ambiguous_names()
    tx.append(StudentLinked(person_id=person.id, student=entry.key))
    tx.require_no_new_ambiguity(before, gettext("Saying so"))
    if other is not None and other != tx.people().canonical_id(person.id):
        name = tx.people().persons[other].display_name
        tx.notes.append(f"{name} was linked with that student until now, and is not any more.")
    return tx.result(tx.people().canonical_id(person.id))


def preserve_refusals_of(tx: LedgerTransaction, who: str) -> str:
    """Record by hand what the rows of a student refuse, before they are removed; returns the student's key."""
    entry = tx.find_student(who)
    preserve_refusals(tx, {entry.key})
    return entry.key


def record_removal(tx: LedgerTransaction, imports: int) -> None:
    """Record that a student was removed from this many imports."""
    tx.append(StudentRemoved(imports=max(1, imports)))


def _imports_in_force(tx: LedgerTransaction) -> list[Event]:
    events = read_events_of(tx.con, (*ROSTER_KINDS, Undone.kind))
    undone = undone_event_ids(events)
    return [event for event in events if event.kind == RosterImported.kind and event.id not in undone]


def _changes_consent(row: RosterEntry, known: RosterEntry) -> bool:
    """Whether a row answers for consent otherwise than is known, or refuses: a refusal counts from its date on."""
    others = any(known.consents.get(purpose) != given for purpose, given in row.consents.items())
    return others or row.consent not in (None, known.consent) or refusal_of(row) is not None


def _ambiguous_people(tx: LedgerTransaction) -> dict[str, str]:
    """Person id -> the sentence on which students of their name they may be."""
    people, notes = tx.people(), {}
    for person in people.persons.values():
        if person.status == PersonStatus.MERGED or person.erased or people.student_keys_of(person.id):
            continue
        students = people.unlinked_students_named(person.name)
        if students:
            names = join_names((people.student_names.get(entry.key, entry.name) for entry in students), "or")
            notes[person.id] = (
                f"{person.display_name} may be {names}: what any of them refused counts until `classface student` "
                "says which it is."
            )
    return notes


def _printable_source(source: str) -> str:
    printable = "".join(c if c.isprintable() else "_" for c in source)
    return printable[-_MAX_SOURCE_LENGTH:] or "roster"
