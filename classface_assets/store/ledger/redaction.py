"""The one exception to a ledger that only grows: the name of an erased person is removed from it.

The law asks for it (GDPR, article 17). That there was a person, what was done when and by whom, and where the erased
faces lie, stays. The triggers are disabled for that one transaction only, and only names and birth dates of erased
people are overwritten, their rows of the school's rosters, and where they were present.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from classface_assets.core.failpoints import Failpoint, reached
from classface_assets.core.names import normalized_name
from classface_assets.store.decisions.people.students import RosterMerger
from classface_assets.store.decisions.replay import replay_state
from classface_assets.store.decisions.roster import drop_siblings
from classface_assets.store.decisions.state import ReplayState
from classface_assets.store.ledger.database import (
    autocommit_engine,
    create_tables,
    create_triggers,
    events,
    open_engine,
    read_events_of,
)
from classface_assets.store.ledger.event_store import translate_database_errors
from classface_assets.store.ledger.payloads import RosterImported, StudentLinked
from classface_assets.store.model.decisions import Person
from classface_assets.store.model.events import NAMING_KINDS, Event
from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets.store.model.student_ids import normalize_student_id

Payload = Mapping[str, Any]
Redactor = Callable[[list[Event]], Callable[[Event], Payload]]
"""Given all events about people and rosters: a function that returns what is left of the payload of one of them."""
_IDENTIFYING_KEYS = ("name", "student", "birth_date", "present", "title")
REDACTED_TITLE = "A set of photos"
"""The title of a session that had the name of somebody who was erased in it."""
_DISABLE_TRIGGERS = {
    "sqlite": [
        "PRAGMA secure_delete = ON",
        "DROP TRIGGER IF EXISTS events_no_UPDATE",
        "DROP TRIGGER IF EXISTS no_UPDATE",
    ],
    "postgresql": ["ALTER TABLE events DISABLE TRIGGER events_only_grow"],
}
_ENABLE_TRIGGERS = {"postgresql": ["ALTER TABLE events ENABLE TRIGGER events_only_grow"]}
# What was overwritten is in no free space of the database either; backups and PostgreSQL's log are out of reach.
_PURGE_STATEMENTS = {
    "sqlite": ["VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"],
    "postgresql": ["SET lock_timeout = '60s'", "VACUUM FULL events"],
}


def redact_people(url: str, persons: Set[str]) -> int:
    """Overwrite the names and birth dates of these erased people in every event.

    Returns:
        The number of events that changed.

    Raises:
        LedgerError: The database cannot be used.
    """
    return rewrite_payloads(url, people_redactor(persons)) if persons else 0


def people_redactor(persons: Set[str], names: Set[str] = frozenset()) -> Redactor:
    """Removes the names and birth dates of these erased people, and their rows of rosters.

    Args:
        persons: Their ids.
        names: Further normalized names of theirs; a ledger that is older than their erasure may not know these.
    """

    def redactor(every: list[Event]) -> Callable[[Event], Payload]:
        removal = RowRemoval.of_erased(replay_state(every), persons, names)
        called = names_of_people(every, persons) | names

        def redact(event: Event) -> Payload:
            if "title" in event.payload:
                return _without_names_in_title(event.payload, called)
            if event.kind == RosterImported.kind:
                return removal.remaining(event)
            return _without_name(event.payload) if event.payload.get("person_id") in persons else event.payload

        return redact

    return redactor


def names_of_people(every: list[Event], persons: Set[str]) -> set[str]:
    """The normalized names that these people have or had, by all events about people and rosters."""
    called = replay_state(every).student_matcher.ever_called
    return {name for name, people in called.items() if set(people) & persons}


def remove_student_rows(url: str, key: str) -> int:
    """Remove the student of this key (`RosterEntry.key`) from every roster.

    Returns:
        The number of imports that changed.

    Raises:
        LedgerError: The database cannot be used.
    """
    counts: list[int] = []
    rewrite_payloads(url, student_redactor(key, counts))
    return len(counts)


def student_redactor(key: str, changed: list[int] | None = None) -> Redactor:
    """Removes the student of this key from every roster.

    Args:
        key: `RosterEntry.key`.
        changed: Receives the numbers of the imports that change.
    """

    def redactor(every: list[Event]) -> Callable[[Event], Payload]:
        state = replay_state(every)
        places = {place for place, entry in enumerate(state.student_matcher.students.entries) if entry.key == key}
        removal = RowRemoval.of(state, places)

        def redact(event: Event) -> Payload:
            if event.kind == StudentLinked.kind and event.payload["student"] in removal.keys:
                return _without_student(event.payload)
            left = removal.remaining(event) if event.kind == RosterImported.kind else event.payload
            if changed is not None and left != event.payload:
                changed.append(event.id)
            return left

        return redact

    return redactor


def is_redaction_of(event: Event, plain: Event) -> bool:
    """Whether an event is another one out of which names were removed."""
    if (event.id, event.at, event.actor, event.kind) != (plain.id, plain.at, plain.actor, plain.kind):
        return False
    if event.kind != RosterImported.kind:
        redacted = [_without_name(plain.payload), _without_student(plain.payload)]
        if "title" in plain.payload:
            redacted = [{**plain.payload, "title": REDACTED_TITLE}]
        return any(key in plain.payload for key in _IDENTIFYING_KEYS) and event.payload in redacted
    left = [_comparable_row(row) for row in event.payload["entries"]]
    rows = map(_comparable_row, plain.payload["entries"])
    same = all(event.payload[key] == value for key, value in plain.payload.items() if key != "entries")
    return same and all(row in rows for row in left)  # in their order: each is looked for behind the one before


def erased_name(person_id: str) -> str:
    """What an erased person is called in the ledger."""
    return f"erased {person_id[:8]}"


@dataclass(frozen=True)
class RowRemoval:
    """Which rows of the rosters go when a person is erased, or a student is removed from every roster.

    Attributes:
        places: The students who go, by their places among those of the imports in force.
        imports: Event id of an import in force -> the student of each of its rows.
        keys: The `RosterEntry.key`s of the students who go.
        ids: Student ids (`normalize_student_id`) that are theirs alone; by these and by `names` they are found in
            imports that were undone, too.
        names: Normalized names that are theirs alone.
        remaining_ids: Student ids of those who stay.
    """

    places: Set[int]
    imports: Mapping[int, Sequence[int]]
    keys: Set[str]
    ids: Set[str]
    names: Set[str]
    remaining_ids: Set[str]

    @classmethod
    def of(
        cls, state: ReplayState, places: Set[int], names: Iterable[str] = (), persons: Set[str] = frozenset()
    ) -> "RowRemoval":
        """The removal of the students at these places.

        Args:
            state: The state of the ledger.
            places: The students who go.
            names: Further normalized names of the people who go; a row that somebody who stays may be meant by, stays.
            persons: The people who go.
        """
        students = state.student_matcher.students
        ids, own_names = _ids_and_names(students, places)
        remaining_ids, remaining_names = _ids_and_names(students, set(range(len(students.entries))) - places)
        remaining_names |= {normalized_name(p.name) for p in _people_who_stay(state, persons)}
        imports = {number: done.places for number, done in zip(state.imports, students.imports, strict=True)}
        keys = {key for key, known in students.keys.items() if {place for _, place in known} & places}
        own_names = (own_names | set(names)) - remaining_names
        return cls(places, imports, keys, ids - remaining_ids, own_names, remaining_ids)

    @classmethod
    def of_erased(cls, state: ReplayState, persons: Set[str], names: Set[str] = frozenset()) -> "RowRemoval":
        """The removal of the students who these erased people are.

        A student who is no person goes too if they have the name of an erased person (one of `names`, too), and nobody
        else has it.
        """
        matcher = state.student_matcher
        places = {place for place, person in matcher.bound.items() if person in persons}
        names = names | {name for name, people in matcher.ever_called.items() if set(people) & persons}
        taken = {normalized_name(p.name) for p in _people_who_stay(state, persons)}
        entries = matcher.students.entries
        taken |= {normalized_name(entries[place].name) for place, p in matcher.bound.items() if p not in persons}
        unlinked: dict[str, list[int]] = {}
        for place, entry in enumerate(entries):
            if place not in matcher.bound and normalized_name(entry.name) in names - taken:
                unlinked.setdefault(normalized_name(entry.name), []).append(place)
        unlinked_places = {found[0] for found in unlinked.values() if len(found) == 1}
        return cls.of(state, places | unlinked_places, names, persons)

    def remaining(self, event: Event) -> Payload:
        """The payload of an import without the rows that go."""
        places = self.imports.get(event.id)
        left: list[Any] = []
        for number, payload in enumerate(event.payload["entries"]):
            row = RosterEntry.of(payload)
            goes = self._is_removed(row) if places is None else places[number] in self.places
            if not goes:
                cleaned = drop_siblings(row, self.ids, self.names)
                left.append(payload if cleaned == row else cleaned.payload())
        return {**event.payload, "entries": left}

    def _is_removed(self, row: RosterEntry) -> bool:
        student_id = normalize_student_id(row.student_id)
        return student_id in self.ids or (
            normalized_name(row.name) in self.names and student_id not in self.remaining_ids
        )


def _people_who_stay(state: ReplayState, persons: Set[str]) -> list[Person]:
    return [person for person_id, person in state.persons.items() if not person.erased and person_id not in persons]


def _ids_and_names(students: RosterMerger, places: Iterable[int]) -> tuple[set[str], set[str]]:
    """The student ids and normalized names of the students at these places."""
    places = set(places)
    ids = {student_id for place, (_, student_id) in students.ids.items() if place in places}
    names = {name for place in places for _, name in students.names_of.get(place, ())}
    return ids, names


def _without_name(payload: Payload) -> Payload:
    name = erased_name(payload["person_id"]) if "person_id" in payload else ""
    redacted = {"name": name, "student": name, "birth_date": None, "session_id": name, "present": None}
    return {key: redacted.get(key, value) for key, value in payload.items()}


def _without_names_in_title(payload: Payload, names: Set[str]) -> Payload:
    """The payload of a session, with another title where one of these normalized names is in it."""
    title = normalized_name(payload["title"])
    return {**payload, "title": REDACTED_TITLE} if any(name and name in title for name in names) else payload


def _without_student(payload: Payload) -> Payload:
    """Without the student that a person was linked with."""
    return {**payload, "student": f"struck {payload['person_id'][:8]}"} if "student" in payload else payload


def _comparable_row(row: Payload) -> RosterEntry:
    """A roster's row without the siblings, some of which may have been removed."""
    return replace(RosterEntry.of(row), siblings=())


def rewrite_payloads(url: str, redactor: Redactor) -> int:
    """Overwrite the payloads that `redactor`, given all events, makes others of; returns how many.

    Raises:
        LedgerError: The database cannot be used.
    """
    count = 0
    with translate_database_errors(url):
        engine = open_engine(url, writing=True)
        dialect = engine.dialect.name
        with engine.begin() as con:
            create_tables(con)
            for statement in _DISABLE_TRIGGERS.get(dialect, ()):
                con.exec_driver_sql(statement)
            every = read_events_of(con, NAMING_KINDS)
            redact = redactor(every)
            for event in every:
                payload = redact(event)
                if payload != event.payload:
                    con.execute(sa.update(events).where(events.c.id == event.id).values(payload=payload))
                    count += 1
            for statement in _ENABLE_TRIGGERS.get(dialect, ()):
                con.exec_driver_sql(statement)
            create_triggers(con)
        reached(Failpoint.NAMES_OVERWRITTEN)
        with autocommit_engine(url).connect() as con:
            for statement in _PURGE_STATEMENTS.get(dialect, ()):
                con.exec_driver_sql(statement)
        reached(Failpoint.LEDGER_CLEANED)
    return count
