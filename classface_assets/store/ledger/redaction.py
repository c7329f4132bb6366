"""The one exception to a ledger that only grows: the name of a person who was erased is taken out of it.

The law asks for it (GDPR, article 17); that there was a person, what was done when and by whom, and where the barred
faces lie, stays. The guard against changes is lifted for that one transaction only, and only names and birthdays of
erased people are written over, and their rows of the school's rosters.

Which rows of the rosters in a ledger go when a person is erased, or a student is taken out of every roster.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from classface_assets.core.names import normalized_name
from classface_assets.store.decisions.replay import replay_state
from classface_assets.store.decisions.roster import drop_siblings
from classface_assets.store.decisions.state import ReplayState
from classface_assets.store.decisions.students import RosterMerger
from classface_assets.store.ledger.database import (
    autocommit_engine,
    create_tables,
    create_triggers,
    events,
    open_engine,
    read_events,
)
from classface_assets.store.ledger.event_store import translate_database_errors
from classface_assets.store.model.events import PEOPLE_KINDS, ROSTER_KINDS, Event
from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets.store.model.student_ids import normalize_student_id

Payload = Mapping[str, Any]


@dataclass(frozen=True)
class RowRemoval:
    """`places`: the students who go, among those of the imports in force (`imports`: by event id), and their `keys`.
    `ids` (`student_key`) and folded `names` are theirs alone: by these they go out of imports that were undone, too;
    `kept_ids` are of those who stay."""

    places: Set[int]
    imports: Mapping[int, Sequence[int]]
    keys: Set[str]
    ids: Set[str]
    names: Set[str]
    remaining_ids: Set[str]

    @classmethod
    def of(cls, state: ReplayState, places: Set[int], names: Iterable[str] = ()) -> "RowRemoval":
        """`names`: what the people who go were called beside; who stays keeps the row, if the name is theirs too."""
        students, left = state.enrolling.students, state.persons.values()
        ids, called = _ids_and_names(students, places)
        others = set(range(len(students.entries))) - places
        kept_ids, kept_names = _ids_and_names(students, others)
        kept_names |= {normalized_name(p.name) for p in left if not p.erased}
        imports = {number: done.places for number, done in zip(state.imports, students.imports, strict=True)}
        keys = {key for key, known in students.keys.items() if {place for _, place in known} & places}
        return cls(places, imports, keys, ids - kept_ids, (called | set(names)) - kept_names, kept_ids)

    @classmethod
    def of_erased(cls, state: ReplayState, persons: Set[str]) -> "RowRemoval":
        """The students who these erased people are; and who is nobody, and has the name of one of them alone."""
        bound, students = state.enrolling.bound, state.enrolling.students
        places = {place for place, person in bound.items() if person in persons}
        called = {n for n, people in state.enrolling.ever_called.items() if set(people) & persons}
        taken = {normalized_name(p.name) for p in state.persons.values() if not p.erased}
        taken |= {
            normalized_name(students.entries[place].name) for place, person in bound.items() if person not in persons
        }
        nobody: dict[str, list[int]] = {}
        for place, entry in enumerate(students.entries):
            if place not in bound and normalized_name(entry.name) in called - taken:
                nobody.setdefault(normalized_name(entry.name), []).append(place)
        return cls.of(state, places | {found[0] for found in nobody.values() if len(found) == 1}, called)

    def without(self, event: Event) -> Payload:
        """What is left of an import."""
        places = self.imports.get(event.id)
        left: list[Any] = []
        for number, told in enumerate(event.payload["entries"]):
            row = RosterEntry.of(told)
            is_theirs = self._is_theirs(row) if places is None else places[number] in self.places
            if not is_theirs:
                kept = drop_siblings(row, self.ids, self.names)
                left.append(told if kept == row else kept.payload())
        return {**event.payload, "entries": left}

    def _is_theirs(self, row: RosterEntry) -> bool:
        key = normalize_student_id(row.student_id)
        return key in self.ids or (normalized_name(row.name) in self.names and key not in self.remaining_ids)


def _ids_and_names(students: RosterMerger, places: Iterable[int]) -> tuple[set[str], set[str]]:
    places = set(places)
    ids = {key for place, (_, key) in students.ids.items() if place in places}
    names = {name for place in places for _, name in students.names_of.get(place, ())}
    return ids, names


_IDENTIFYING_KEYS = ("name", "student", "birth_date")
"""The keys of payloads that say who a person is."""
_DISABLE_TRIGGERS = {
    "sqlite": [
        "PRAGMA secure_delete = ON",
        "DROP TRIGGER IF EXISTS events_no_UPDATE",
        "DROP TRIGGER IF EXISTS no_UPDATE",
    ],
    "postgresql": ["ALTER TABLE events DISABLE TRIGGER events_only_grow"],
}
# What was written over is in no free space of the database either; a backup and PostgreSQL's log are others' business.
_PURGE_STATEMENTS = {
    "sqlite": ["VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"],
    "postgresql": ["SET lock_timeout = '60s'", "VACUUM FULL events"],
}
_ENABLE_TRIGGERS = {"postgresql": ["ALTER TABLE events ENABLE TRIGGER events_only_grow"]}


def redact_people(url: str, persons: Set[str]) -> int:
    """Write over the names and birthdays of these erased people, in every event; returns in how many."""

    def cleaner(told: list[Event]) -> Callable[[Event], Payload]:
        struck = RowRemoval.of_erased(replay_state(told), persons)

        def clean(event: Event) -> Payload:
            if event.kind == "roster_imported":
                return struck.without(event)
            return _without_name(event.payload) if event.payload.get("person_id") in persons else event.payload

        return clean

    return _rewrite_payloads(url, cleaner) if persons else 0


def is_redaction_of(event: Event, plain: Event) -> bool:
    """Whether an event is another one, out of which names were taken."""
    if (event.id, event.at, event.actor, event.kind) != (plain.id, plain.at, plain.actor, plain.kind):
        return False
    if event.kind != "roster_imported":
        cleaned = (_without_name(plain.payload), _without_student(plain.payload))
        return any(key in plain.payload for key in _IDENTIFYING_KEYS) and event.payload in cleaned
    kept, rows = (
        [_comparable_row(row) for row in event.payload["entries"]],
        map(_comparable_row, plain.payload["entries"]),
    )
    same = all(event.payload[key] == value for key, value in plain.payload.items() if key != "entries")
    return same and all(row in rows for row in kept)  # in their order: each is looked for behind the one before


def _without_name(payload: Payload) -> Payload:
    nobody = erased_name(payload["person_id"]) if "person_id" in payload else ""
    cleaned = {"name": nobody, "student": nobody, "birth_date": None}
    return {key: cleaned.get(key, value) for key, value in payload.items()}


def _without_student(payload: Payload) -> Payload:
    """Without the student whom a person was said to be."""
    return {**payload, "student": f"struck {payload['person_id'][:8]}"} if "student" in payload else payload


def _comparable_row(row: Payload) -> RosterEntry:
    """A roster's row but for the siblings, of whom some may have been struck."""
    return replace(RosterEntry.of(row), siblings=())


def remove_student_rows(url: str, key: str) -> int:
    """Take the student of this key (`RosterEntry.key`) out of every roster; returns out of how many."""
    count = 0

    def cleaner(told: list[Event]) -> Callable[[Event], Payload]:
        state = replay_state(told)
        places = {place for place, entry in enumerate(state.enrolling.students.entries) if entry.key == key}
        struck = RowRemoval.of(state, places)

        def clean(event: Event) -> Payload:
            nonlocal count
            if event.kind == "student_linked" and event.payload["student"] in struck.keys:
                return _without_student(event.payload)
            left = struck.without(event) if event.kind == "roster_imported" else event.payload
            count += left != event.payload
            return left

        return clean

    _rewrite_payloads(url, cleaner)
    return count


def _rewrite_payloads(url: str, cleaner: Callable[[list[Event]], Callable[[Event], Payload]]) -> int:
    """Write over the payloads that are changed by what `cleaner` makes of all events; returns how many.

    Raises LedgerError.
    """
    count = 0
    with translate_database_errors(url):
        engine = open_engine(url, writing=True)
        dialect = engine.dialect.name
        with engine.begin() as con:
            create_tables(con)
            for statement in _DISABLE_TRIGGERS.get(dialect, ()):
                con.exec_driver_sql(statement)
            told = read_events(con, (*PEOPLE_KINDS, *ROSTER_KINDS))
            clean = cleaner(told)
            for event in told:
                payload = clean(event)
                if payload != event.payload:
                    con.execute(sa.update(events).where(events.c.id == event.id).values(payload=payload))
                    count += 1
            for statement in _ENABLE_TRIGGERS.get(dialect, ()):
                con.exec_driver_sql(statement)
            create_triggers(con)
        with autocommit_engine(url).connect() as con:
            for statement in _PURGE_STATEMENTS.get(dialect, ()):
                con.exec_driver_sql(statement)
    return count


def erased_name(person_id: str) -> str:
    return f"erased {person_id[:8]}"
