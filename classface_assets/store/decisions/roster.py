"""What the school's rosters say of people: who is enrolled when, born when, whose sibling, and may be shown."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, replace
from datetime import date
from typing import TypedDict

from classface_assets.core.names import normalized_name
from classface_assets.store.decisions.people.refusals import ConsentRecords
from classface_assets.store.model.decisions import Decisions, Person
from classface_assets.store.model.purposes import Purpose
from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets.store.model.student_ids import normalize_student_id

_PURPOSES = tuple(Purpose)
"""Each of them; to go through the enum itself takes ten times as long."""


def roster_people(decisions: Decisions) -> Iterator[tuple[RosterEntry, Person | None, str]]:
    """(student, the person who they are, display name) of all rosters; None where a student is no person yet."""
    for entry in decisions.roster:
        person_id = decisions.students.get(entry.key)
        person = decisions.persons.get(decisions.canonical_id(person_id)) if person_id else None
        name = person.display_name if person else decisions.student_names.get(entry.key) or entry.name
        yield entry, person, name


def entries_by_person(decisions: Decisions) -> dict[str, RosterEntry]:
    """Person id → the student on the roster who they are; of two the last."""
    return {person.id: entry for entry, person, _ in roster_people(decisions) if person is not None}


def unlinked_entries(decisions: Decisions) -> list[tuple[str, RosterEntry]]:
    """(display name, student) of the students on the roster who are no person yet, by name."""
    names: dict[str, list[RosterEntry]] = defaultdict(list)
    for entry in decisions.roster:
        names[normalized_name(entry.name)].append(entry)
    unlinked = [entry for namesakes in names.values() for entry in decisions.without_person(namesakes)]
    shown = [(decisions.student_names.get(entry.key, entry.name), entry) for entry in unlinked]
    return sorted(shown, key=lambda student: student[0].casefold())


def unlinked_students(decisions: Decisions) -> list[tuple[str, tuple[str, ...]]]:
    """(display name, school years) of the students on the roster who are no person yet, by name."""
    return [(name, tuple(sorted(entry.classes))) for name, entry in unlinked_entries(decisions)]


def student_choices(decisions: Decisions, person: Person) -> list[tuple[str, str]]:
    """(`RosterEntry.key`, display name) of the students who a person is, and of their namesakes who they may be."""
    mine = decisions.student_keys_of(person.id)
    namesakes = [e for e in decisions.roster if normalized_name(e.name) == normalized_name(person.name)]
    others = [entry for entry in decisions.without_person(namesakes) if entry.key not in mine]
    shown = [(entry.key, decisions.student_names.get(entry.key, entry.name)) for entry in others]
    return [*((key, person.display_name) for key in sorted(mine)), *shown]


def enrolled_years(decisions: Decisions) -> dict[str, frozenset[str]]:
    """Person id -> the school years in which a roster has them.

    People who are on no roster, or only on one without years, are left out.
    """
    years: dict[str, set[str]] = defaultdict(set)
    for entry in decisions.roster:
        if entry.key in decisions.students:
            years[decisions.students[entry.key]] |= entry.classes.keys()
    return {person_id: frozenset(found) for person_id, found in years.items() if found}


@dataclass(frozen=True)
class StudentIndex:
    """The students of all rosters, to find the one that a row of a file means.

    Attributes:
        decisions: The decisions in force.
        by_id: Normalized student id -> students.
        by_name: Normalized name -> students.
    """

    decisions: Decisions
    by_id: Mapping[str, list[RosterEntry]]
    by_name: Mapping[str, list[RosterEntry]]

    @classmethod
    def of(cls, decisions: Decisions) -> "StudentIndex":
        """The index of all students of these decisions."""
        by_id: dict[str, list[RosterEntry]] = defaultdict(list)
        by_name: dict[str, list[RosterEntry]] = defaultdict(list)
        for entry in decisions.roster:
            by_name[normalized_name(entry.name)].append(entry)
            if entry.student_id:
                by_id[normalize_student_id(entry.student_id)].append(entry)
        return cls(decisions, by_id, by_name)

    def students(self, row: RosterEntry) -> list[RosterEntry]:
        """The students that a row of a roster may mean: one where its id or name is one student's alone."""
        namesakes = self.by_name.get(normalized_name(row.name), [])
        if row.key:
            return [entry for entry in namesakes if entry.key == row.key]
        student_id = normalize_student_id(row.student_id)
        found = (self.by_id.get(student_id, []) if student_id else []) or namesakes
        if row.birth_date is not None:
            found = [entry for entry in found if entry.birth_date in (None, row.birth_date)] or found
        return found

    def person(self, row: RosterEntry) -> Person | None:
        """The person who the student of a row is; None if they are no person yet, or several may be meant."""
        found = self.students(row)
        person_id = self.decisions.students.get(found[0].key) if len(found) == 1 else None
        return self.decisions.persons[person_id] if person_id else None


def person_of_row(decisions: Decisions, row: RosterEntry) -> Person | None:
    """The person who the student of a row is; None if they are no person yet, or several may be meant."""
    return StudentIndex.of(decisions).person(row)


def drop_erased_students(
    roster: Iterable[RosterEntry], persons: Iterable[Person], bound: Collection[int], erased: Set[int]
) -> tuple[RosterEntry, ...]:
    """The roster without students who are erased.

    A student who is no person goes, too, if they have the name of an erased person, and nobody else has it.

    Args:
        roster: All students.
        persons: All people.
        bound: The places in `roster` of the students who are people.
        erased: Those of `bound` who are erased.
    """
    roster, persons = tuple(roster), tuple(persons)
    if not any(person.erased for person in persons):
        return roster
    taken = {normalized_name(p.name) for p in persons if not p.erased}
    taken |= {normalized_name(e.name) for place, e in enumerate(roster) if place in bound and place not in erased}
    names = {normalized_name(p.name) for p in persons if p.erased} - taken
    unlinked = [e for place, e in enumerate(roster) if place not in bound and normalized_name(e.name) in names]
    counts = Counter(normalized_name(e.name) for e in unlinked)
    gone = {e.key for e in unlinked if counts[normalized_name(e.name)] == 1} | {roster[place].key for place in erased}
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
    """A row without the siblings of these normalized student ids or normalized names."""
    siblings = (s for s in row.siblings if normalize_student_id(s) not in ids and normalized_name(s) not in names)
    return replace(row, siblings=tuple(siblings))


def birth_date_of(entries: Iterable[RosterEntry]) -> date | None:
    """The birth date of the students that a person is; None where they were born on different days."""
    days = {entry.birth_date for entry in entries if entry.birth_date}
    return days.pop() if len(days) == 1 else None


class ConsentStatus(TypedDict):
    """The fields of `Person` about consent."""

    consent: bool | None
    consents: Mapping[str, bool]
    refused: frozenset[str]
    consent_in_doubt: str


def consent_status(consents: ConsentRecords, people: Collection[str], entries: Iterable[RosterEntry]) -> ConsentStatus:
    """For what a person may be shown: a refusal counts before every yes.

    Args:
        consents: All answers.
        people: All records of the person.
        entries: The students on the rosters that the person is.
    """
    refused, given = consents.refused_to(people), set(consents.given_to(people))
    for entry in entries:
        given |= {p for p in _PURPOSES if entry.consents.get(p, entry.consent) and entry.consent is not False}
    answers = {str(p): p not in refused for p in _PURPOSES if p in refused or p in given}
    return {
        "consent": answers.get(Purpose.ALBUM),
        "consents": answers,
        "refused": frozenset(map(str, refused)),
        "consent_in_doubt": consents.doubt_about(people),
    }


def sibling_pairs(roster: Iterable[RosterEntry], students: Mapping[str, str]) -> Iterator[list[str]]:
    """Pairs of person ids that a roster calls siblings; `students`: `RosterEntry.key` -> person id."""
    roster = tuple(roster)
    if not any(entry.siblings for entry in roster):
        return
    ids: dict[str, set[str]] = defaultdict(set)
    names: dict[str, set[str]] = defaultdict(set)
    for entry in roster:
        if entry.key in students:
            ids[normalize_student_id(entry.student_id)].add(students[entry.key])
            names[normalized_name(entry.name)].add(students[entry.key])
    for entry in roster:
        person_id = students.get(entry.key, "")
        for sibling in entry.siblings if person_id else ():
            student_id = normalize_student_id(sibling)
            found = ids.get(student_id, set()) if student_id else set()
            for other in sorted(found or names.get(normalized_name(sibling), set())):
                if other != person_id:
                    yield [person_id, other]
