"""Which rows of the rosters in a ledger go when a person is erased, or a student is taken out of every roster."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from classface_assets.store.decisions import folded
from classface_assets.store.events import Event
from classface_assets.store.roster import without_siblings
from classface_assets.store.roster_entry import RosterEntry
from classface_assets.store.roster_students import Students
from classface_assets.store.state import State
from classface_assets.store.student_ids import student_key

Payload = Mapping[str, Any]


@dataclass(frozen=True)
class StruckRows:
    """`places`: the students who go, among those of the imports in force (`imports`: by event id), and their `keys`.
    `ids` (`student_key`) and folded `names` are theirs alone: by these they go out of imports that were undone, too;
    `kept_ids` are of those who stay."""

    places: Set[int]
    imports: Mapping[int, Sequence[int]]
    keys: Set[str]
    ids: Set[str]
    names: Set[str]
    kept_ids: Set[str]

    @classmethod
    def of(cls, state: State, places: Set[int], names: Iterable[str] = ()) -> "StruckRows":
        """`names`: what the people who go were called beside; who stays keeps the row, if the name is theirs too."""
        students, left = state.enrolling.students, state.persons.values()
        ids, called = _known_as(students, places)
        others = set(range(len(students.entries))) - places
        kept_ids, kept_names = _known_as(students, others)
        kept_names |= {folded(p.name) for p in left if not p.erased}
        imports = {number: done.places for number, done in zip(state.imports, students.imports, strict=True)}
        keys = {key for key, known in students.keys.items() if {place for _, place in known} & places}
        return cls(places, imports, keys, ids - kept_ids, (called | set(names)) - kept_names, kept_ids)

    @classmethod
    def of_erased(cls, state: State, persons: Set[str]) -> "StruckRows":
        """The students who these erased people are; and who is nobody, and has the name of one of them alone."""
        bound, students = state.enrolling.bound, state.enrolling.students
        places = {place for place, person in bound.items() if person in persons}
        called = {n for n, people in state.enrolling.ever_called.items() if set(people) & persons}
        taken = {folded(p.name) for p in state.persons.values() if not p.erased}
        taken |= {folded(students.entries[place].name) for place, person in bound.items() if person not in persons}
        nobody: dict[str, list[int]] = {}
        for place, entry in enumerate(students.entries):
            if place not in bound and folded(entry.name) in called - taken:
                nobody.setdefault(folded(entry.name), []).append(place)
        return cls.of(state, places | {found[0] for found in nobody.values() if len(found) == 1}, called)

    def without(self, event: Event) -> Payload:
        """What is left of an import."""
        places = self.imports.get(event.id)
        left: list[Any] = []
        for number, told in enumerate(event.payload["entries"]):
            row = RosterEntry.of(told)
            is_theirs = self._is_theirs(row) if places is None else places[number] in self.places
            if not is_theirs:
                kept = without_siblings(row, self.ids, self.names)
                left.append(told if kept == row else kept.payload())
        return {**event.payload, "entries": left}

    def _is_theirs(self, row: RosterEntry) -> bool:
        key = student_key(row.student_id)
        return key in self.ids or (folded(row.name) in self.names and key not in self.kept_ids)


def _known_as(students: Students, places: Iterable[int]) -> tuple[set[str], set[str]]:
    places = set(places)
    ids = {key for place, (_, key) in students.ids.items() if place in places}
    names = {name for place in places for _, name in students.names_of.get(place, ())}
    return ids, names
