"""What the school's rosters say of people: who is enrolled when, born when, whose sibling, and may be shown."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, replace
from datetime import date
from typing import TypedDict

from classface_assets.core.names import normalized_name
from classface_assets.store.decisions.refusals import ConsentRecords
from classface_assets.store.model.decisions import Decisions, Person
from classface_assets.store.model.purposes import Purpose
from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets.store.model.student_ids import normalize_student_id


def unlinked_students(decisions: Decisions) -> list[tuple[str, tuple[str, ...]]]:
    """(name, school years) of the students on the roster who are no person yet, by name; with class and year of birth
    where others have the name too."""
    names: dict[str, list[RosterEntry]] = defaultdict(list)
    for entry in decisions.roster:
        names[normalized_name(entry.name)].append(entry)
    free = [entry for namesakes in names.values() for entry in decisions.without_person(namesakes)]
    shown = [(decisions.student_names.get(entry.key, entry.name), tuple(sorted(entry.classes))) for entry in free]
    return sorted(shown, key=lambda student: student[0].casefold())


def student_choices(decisions: Decisions, person: Person) -> list[tuple[str, str]]:
    """(key, name to show) of the students whom a person is, and of those of that name whom they may be."""
    mine = decisions.student_keys_of(person.id)
    namesakes = [entry for entry in decisions.roster if normalized_name(entry.name) == normalized_name(person.name)]
    others = [entry for entry in decisions.without_person(namesakes) if entry.key not in mine]
    shown = [(entry.key, decisions.student_names.get(entry.key, entry.name)) for entry in others]
    return [*((key, person.display_name) for key in sorted(mine)), *shown]


def enrolled_years(decisions: Decisions) -> dict[str, frozenset[str]]:
    """Person id → the school years in which a roster has them; who is on none, or on one without years, is left out."""
    years: dict[str, set[str]] = defaultdict(set)
    for entry in decisions.roster:
        if entry.key in decisions.students:
            years[decisions.students[entry.key]] |= entry.classes.keys()
    return {person_id: frozenset(found) for person_id, found in years.items() if found}


@dataclass(frozen=True)
class StudentIndex:
    """The students of all rosters by id and by name: to find the one that a row of a file means."""

    decisions: Decisions
    by_id: Mapping[str, list[RosterEntry]]
    by_name: Mapping[str, list[RosterEntry]]

    @classmethod
    def of(cls, decisions: Decisions) -> "StudentIndex":
        by_id: dict[str, list[RosterEntry]] = defaultdict(list)
        by_name: dict[str, list[RosterEntry]] = defaultdict(list)
        for entry in decisions.roster:
            by_name[normalized_name(entry.name)].append(entry)
            if entry.student_id:
                by_id[normalize_student_id(entry.student_id)].append(entry)
        return cls(decisions, by_id, by_name)

    def students(self, row: RosterEntry) -> list[RosterEntry]:
        """Those whom a row of a roster, or a student, may mean: one where its id or its name is one student's alone."""
        named = self.by_name.get(normalized_name(row.name), [])
        if row.key:
            return [entry for entry in named if entry.key == row.key]
        mine = self.by_id.get(normalize_student_id(row.student_id), []) if normalize_student_id(row.student_id) else []
        found = mine or named
        if row.birth_date is not None:
            born = [entry for entry in found if entry.birth_date in (None, row.birth_date)]
            found = born or found
        return found

    def person(self, row: RosterEntry) -> Person | None:
        """Who the student of a row is; None for one who is nobody yet, or where it may be several."""
        found = self.students(row)
        person_id = self.decisions.students.get(found[0].key) if len(found) == 1 else None
        return self.decisions.persons[person_id] if person_id else None


def person_of_row(decisions: Decisions, row: RosterEntry) -> Person | None:
    """Who the student of a row of a roster is; None for one who is nobody yet, or where it may be several."""
    return StudentIndex.of(decisions).person(row)


def drop_erased_students(
    roster: Iterable[RosterEntry], persons: Iterable[Person], bound: Collection[int], erased: Set[int]
) -> tuple[RosterEntry, ...]:
    """The roster without those who are erased (by their places), or are nobody and have the name of somebody who is
    erased and of nobody else. `bound`: the places of those who are persons."""
    roster, persons = tuple(roster), tuple(persons)
    if not any(person.erased for person in persons):
        return roster
    taken = {normalized_name(p.name) for p in persons if not p.erased}
    taken |= {normalized_name(e.name) for place, e in enumerate(roster) if place in bound and place not in erased}
    names = {normalized_name(p.name) for p in persons if p.erased} - taken
    nobody = [e for place, e in enumerate(roster) if place not in bound and normalized_name(e.name) in names]
    shared = {
        normalized_name(e.name)
        for e in nobody
        if sum(normalized_name(o.name) == normalized_name(e.name) for o in nobody) > 1
    }
    gone = {e.key for e in nobody if normalized_name(e.name) not in shared} | {roster[place].key for place in erased}
    return drop_students(roster, gone)


def drop_students(roster: Iterable[RosterEntry], gone: Set[str]) -> tuple[RosterEntry, ...]:
    """The roster without the students of these keys, also as siblings."""
    roster = tuple(roster)
    if not gone:
        return roster
    left = [entry for entry in roster if entry.key not in gone]
    ids = {normalize_student_id(e.student_id) for e in roster if e.key in gone} - {""}
    names = {normalized_name(e.name) for e in roster if e.key in gone} - {normalized_name(e.name) for e in left}
    return tuple(drop_siblings(entry, ids, names) for entry in left)


def drop_siblings(row: RosterEntry, ids: Set[str], names: Set[str]) -> RosterEntry:
    """A row that calls nobody of these ids (`student_key`) and folded names a sibling."""
    return replace(
        row,
        siblings=tuple(
            s for s in row.siblings if normalize_student_id(s) not in ids and normalized_name(s) not in names
        ),
    )


def birth_date_of(entries: Iterable[RosterEntry]) -> date | None:
    """Of the students that a person is; None when they were born on different days."""
    days = {entry.birth_date for entry in entries if entry.birth_date}
    return days.pop() if len(days) == 1 else None


class ConsentStatus(TypedDict):
    """What a person consented to, as `Person` has it."""

    consent: bool | None
    consents: Mapping[str, bool]
    refused: frozenset[str]
    consent_in_doubt: str


def consent_status(consents: ConsentRecords, people: Collection[str], entries: Iterable[RosterEntry]) -> ConsentStatus:
    """For what the person may be shown who all these people are: a refusal counts before every yes."""
    refused, given = consents.refused_to(people), set(consents.given_to(people))
    for entry in entries:
        given |= {p for p in Purpose if entry.consents.get(p, entry.consent) and entry.consent is not False}
    told = {str(p): p not in refused for p in Purpose if p in refused or p in given}
    return {
        "consent": told.get(Purpose.ALBUM),
        "consents": told,
        "refused": frozenset(map(str, refused)),
        "consent_in_doubt": consents.doubt_about(people),
    }


def sibling_pairs(roster: Iterable[RosterEntry], students: Mapping[str, str]) -> Iterator[list[str]]:
    """Pairs of persons of whom a roster says so. `students`: key → person."""
    roster = tuple(roster)
    ids: dict[str, set[str]] = defaultdict(set)
    names: dict[str, set[str]] = defaultdict(set)
    for entry in roster:
        if entry.key in students:
            ids[normalize_student_id(entry.student_id)].add(students[entry.key])
            names[normalized_name(entry.name)].add(students[entry.key])
    for entry in roster:
        person_id = students.get(entry.key, "")
        for sibling in entry.siblings if person_id else ():
            key = normalize_student_id(sibling)
            found = ids.get(key, set()) if key else set()
            for other in sorted(found or names.get(normalized_name(sibling), set())):
                if other != person_id:
                    yield [person_id, other]
