"""The acts about the school's rosters: taking in a file, and striking a student out of all of them."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from classface_assets.store.decisions.students import merge_imports, refusal_of
from classface_assets.store.ledger.commands.people import preserve_refusals
from classface_assets.store.ledger.database import read_events
from classface_assets.store.ledger.event_store import EventStore
from classface_assets.store.ledger.redaction import remove_student_rows
from classface_assets.store.ledger.transaction import CommandResult, LedgerTransaction, join_names
from classface_assets.store.model.events import ROSTER_KINDS, Event, undone_event_ids
from classface_assets.store.model.roster_entry import RosterEntry


@dataclass(frozen=True)
class RosterImportResult:
    """What an import came to. `event`: None when it changed nothing. `new` and `changed` count students.

    `rows_of`: the event that imported these very rows, now or before. `notes`: sentences on people of whom it is not
    clear any more which student they are.
    """

    event: int | None
    new: int
    changed: int
    students: int
    rows_of: int | None = None
    notes: tuple[str, ...] = ()


class RosterCommands(EventStore):
    """A roster is one event, so one undo takes it back whole, with the names that its portraits gave to faces."""

    def import_roster(self, entries: Sequence[RosterEntry], source: str) -> RosterImportResult:
        """Take in the rows of a file. The rows of an import in force, or what is known already, change nothing."""
        rows = [entry.payload() for entry in entries]
        digest = hashlib.blake2b(json.dumps(rows, sort_keys=True).encode(), digest_size=16).hexdigest()

        def act(now: LedgerTransaction) -> RosterImportResult:
            events = read_events(now.con, (*ROSTER_KINDS, "undone"))
            undone = undone_event_ids(events)
            told = [e for e in events if e.kind == "roster_imported" and e.id not in undone]
            before = merge_imports(told).entries
            payload = {"source": _printable_source(source), "digest": digest, "entries": rows}
            students = merge_imports([*told, Event(0, datetime.now(UTC), "", "roster_imported", payload)])
            after, places = students.entries, students.imports[-1].places
            changed = sum(old.payload() != new.payload() for old, new in zip(before, after, strict=False))
            answers = zip(entries, places, strict=True)
            news = any(_changes_consent(row, before[place]) for row, place in answers if place < len(before))
            same = [e.id for e in told if e.payload.get("digest") == digest]
            if same or not (changed or news or len(after) > len(before)):
                return RosterImportResult(None, 0, 0, len(before), same[-1] if same else None)
            unclear = _ambiguous_people(now)
            now.append("roster_imported", **payload)
            notes = tuple(note for person, note in _ambiguous_people(now).items() if unclear.get(person) != note)
            number = now.appended[0]
            return RosterImportResult(number, len(after) - len(before), changed, len(after), number, notes)

        return self.write(act)

    def link_student(self, who: str, student: str) -> CommandResult:
        """Say which student of the rosters (by id, name or `RosterEntry.key`) a person is.

        What other students of that name refused does not count for the person any more. Raises UnknownError, or
        ConflictError where the student is another person of the same name.
        """

        def act(now: LedgerTransaction) -> CommandResult:
            person, entry = now.find_person(who), now.student(student)
            other, before = now.people().students.get(entry.key), now.names_twice()
            now.append("student_linked", person_id=person.id, student=entry.key)
            now.no_name_twice(before, "Saying so")
            if other is not None and other != now.people().canonical_id(person.id):
                told = now.people().persons[other].display_name
                now.notes.append(f"{told} was taken for that student until now, and is not any more.")
            return now.done(now.people().canonical_id(person.id))

        return self.write(act)

    def remove_student(self, who: str) -> int:
        """Take a student (name or student id) out of every roster for good; returns out of how many imports.

        It cannot be undone: nothing of them is left, and the same files do not bring them back. What they refused stays
        refused to whom it concerned. Raises UnknownError, or ConflictError for one of several students of a name.
        """

        def keep_refused(now: LedgerTransaction) -> str:
            entry = now.student(who)
            preserve_refusals(now, {entry.key})
            return entry.key

        count = remove_student_rows(self.url, self.write(keep_refused))
        self.write(lambda now: now.append("roster_struck", imports=max(1, count)))
        return count


def _changes_consent(row: RosterEntry, known: RosterEntry) -> bool:
    """Whether a row answers for consent otherwise than is known, or refuses: a refusal counts from when it is said."""
    others = any(known.consents.get(purpose) != given for purpose, given in row.consents.items())
    return others or row.consent not in (None, known.consent) or refusal_of(row) is not None


def _ambiguous_people(now: LedgerTransaction) -> dict[str, str]:
    """By person, the sentence on which students of their name they may be."""
    people, told = now.people(), {}
    for person in people.persons.values():
        if person.status != "merged" and not person.erased and not people.student_keys_of(person.id):
            students = people.unlinked_students_named(person.name)
            if students:
                names = join_names((people.student_names.get(entry.key, entry.name) for entry in students), "or")
                told[person.id] = (
                    f"{person.display_name} may be {names}: what any of them refused counts until `classface student` "
                    "says which it is."
                )
    return told


def _printable_source(source: str) -> str:
    return "".join(c if c.isprintable() else "_" for c in source)[-255:] or "roster"
