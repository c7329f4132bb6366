"""Which student of the school's rosters a person is, found while a replay goes on, and whose refusals concern them.

A student is a person once a person has that name and nobody else on a roster has it; afterwards neither a new name of
the person nor a new spelling on a roster parts them. Whoever *may* be a student is refused what the student was
refused: all who have or had the name and are not clearly others, until somebody records who they are, or that they
consent.
"""

from collections import defaultdict
from dataclasses import dataclass, field

from classface_assets.core.names import normalized_name
from classface_assets.store.decisions.people.refusals import ConsentRecords
from classface_assets.store.decisions.people.students import RosterMerger
from classface_assets.store.model.decisions import Person
from classface_assets.store.model.person_kinds import PersonStatus


@dataclass
class StudentMatcher:
    """The people and the students that they are, or may be. A student is given by the place in `students`.

    Attributes:
        students: All students of all imports.
        consents: The answers about people.
        imports_so_far: How many imports there were up to the current event.
        bound: Student -> person id.
        places: Person id -> students; `bound` the other way round.
        linked: Person id -> the `RosterEntry.key` that somebody linked by hand; it holds also while no roster has it.
        candidates: Person id -> the students who they may be, whose refusals count for them.
        candidates_of: Student -> the people who may be them; `candidates` the other way round.
        candidate_names: Person id -> the normalized names of rows without an id that may mean them.
        called: Normalized name -> those who have it.
        ever_called: Normalized name -> those who had it at any time.
    """

    students: RosterMerger = field(default_factory=RosterMerger)
    consents: ConsentRecords = field(default_factory=ConsentRecords)
    imports_so_far: int = 0
    bound: dict[int, str] = field(default_factory=dict)
    places: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    linked: dict[str, str] = field(default_factory=dict)
    candidates: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    candidates_of: dict[int, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))
    candidate_names: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    called: dict[str, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))
    ever_called: dict[str, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))

    def set_name(self, person_id: str, name: str, before: str, persons: dict[str, Person]) -> None:
        """Give a person a name.

        Args:
            person_id: The person.
            name: The name from now on.
            before: The name until now, empty for a new person.
            persons: All persons by id.
        """
        new, old = normalized_name(name), normalized_name(before)
        self.called[old].pop(person_id, None)
        self.called[new][person_id] = self.ever_called[new][person_id] = None
        students = self.students.named(new, self.imports_so_far)
        if len(students) == 1:
            self._bind(person_id, students[0], persons)
        for place in students:
            self._add_candidate(person_id, place)
        self._refuse_by_name(person_id, new)

    def link(self, person_id: str, key: str) -> None:
        """Link a person with the student of that key; what clearly other students refused no longer counts for them."""
        self.linked = {p: k for p, k in self.linked.items() if k != key} | {person_id: key}
        place = self.students.keyed(key, self.imports_so_far)
        if place is None:
            return
        for mine in [*self.places[person_id]]:
            if self.students.are_different(mine, place, self.imports_so_far):
                self._release(mine)
        self._release(place)
        self._enrol(person_id, place)
        for other in [*self.candidates[person_id]]:
            if self.students.are_different(other, place, self.imports_so_far):
                self.candidates[person_id].discard(other)
                self.candidates_of[other].pop(person_id, None)
                self.consents.drop(person_id, ("student", other))

    def add_import(self, persons: dict[str, Person]) -> None:
        """Match people with the next import of `students`."""
        new = self.students.imports[self.imports_so_far]
        self.imports_so_far += 1
        by_key = {key: person_id for person_id, key in self.linked.items() if key in new.keys}
        for key, person_id in by_key.items():
            self.link(person_id, key)
        for name, places in new.names.items():
            if name in self.ever_called:
                self._match_new_name(name, places, persons)
        for place, refusal in new.refused.items():
            for person_id in self.candidates_of.get(place, ()):
                self.consents.refuse(person_id, ("student", place), refusal)
        for name, refusal in new.refused_by_name.items():
            for person_id in self._people_meant_by(name):
                self.consents.refuse(person_id, ("name", name), refusal)

    def _match_new_name(self, name: str, new: tuple[int, ...], persons: dict[str, Person]) -> None:
        """Match people with students (`new`) who have a name for the first time."""
        students = self.students.named(name, self.imports_so_far)
        current = [p for p in self.called[name] if p in persons and not persons[p].erased]
        current.sort(key=lambda p: persons[p].status == PersonStatus.MERGED)
        for person_id in current if len(students) == 1 else ():
            self._bind(person_id, students[0], persons)
        formerly = [p for p in self.ever_called[name] if p not in self.called[name] and not self.places[p]]
        for person_id in [*current, *formerly]:
            linked = self._linked_place(person_id)
            for place in new:
                if linked is None or not self.students.are_different(linked, place, self.imports_so_far):
                    self._add_candidate(person_id, place)

    def _people_meant_by(self, name: str) -> dict[str, None]:
        """The people who may be meant by a row that has a name and no id."""
        bound = [self.bound[place] for place in self.students.named(name, self.imports_so_far) if place in self.bound]
        formerly = [p for p in self.ever_called.get(name, ()) if not self.places.get(p)]
        return dict.fromkeys([*self.called.get(name, ()), *bound, *formerly])

    def _linked_place(self, person_id: str) -> int | None:
        return self.students.keyed(self.linked[person_id], self.imports_so_far) if person_id in self.linked else None

    def _bind(self, person_id: str, place: int, persons: dict[str, Person]) -> None:
        """Match a person and a student by name.

        This takes no student from a person who was linked by hand, nor from one who still has a name of theirs.
        """
        owner = self.bound.get(place)
        if owner == person_id or (owner is not None and not self._has_left(owner, place, persons)):
            return
        mine = self.places[person_id]
        if mine and all(self.students.are_different(other, place, self.imports_so_far) for other in mine):
            if person_id in self.linked:
                return
            for other in [*mine]:
                self._release(other)
        self._release(place)
        self._enrol(person_id, place)

    def _has_left(self, owner: str, place: int, persons: dict[str, Person]) -> bool:
        """Whether a student was bound to a person only by a name that the person has no more."""
        if owner in self.linked or owner not in persons or persons[owner].erased:
            return False
        return place not in self.students.named(normalized_name(persons[owner].name), self.imports_so_far)

    def _enrol(self, person_id: str, place: int) -> None:
        self.bound[place] = person_id
        self.places[person_id].append(place)
        self._add_candidate(person_id, place)
        for since, name in self.students.names_of[place]:
            if since < self.imports_so_far:
                self._refuse_by_name(person_id, name)

    def _release(self, place: int) -> None:
        owner = self.bound.pop(place, None)
        if owner is not None:
            self.places[owner].remove(place)

    def _add_candidate(self, person_id: str, place: int) -> None:
        """Record that the person may be that student."""
        if place not in self.candidates[person_id]:
            self.candidates[person_id].add(place)
            self.candidates_of[place][person_id] = None
            for refusal in self.students.refusals(place, self.imports_so_far):
                self.consents.refuse(person_id, ("student", place), refusal)

    def _refuse_by_name(self, person_id: str, name: str) -> None:
        """Record that rows of that name without an id may mean the person."""
        if name in self.candidate_names[person_id]:
            return
        self.candidate_names[person_id].add(name)
        for refusal in self.students.refusals_by_name(name, self.imports_so_far):
            self.consents.refuse(person_id, ("name", name), refusal)
