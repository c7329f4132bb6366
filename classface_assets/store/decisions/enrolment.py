"""Which student of the school's rosters a person is, found while a replay goes on, and whose refusals reach them.

A student is somebody once a person has that name and nobody else on a roster has; afterwards neither a new name of the
person nor a new spelling on a roster parts them. Whoever *may* be a student is refused what the student was refused:
all who have or had the name and are not clearly others, until somebody says by hand who they are, or that they consent.
"""

from collections import defaultdict
from dataclasses import dataclass, field

from classface_assets.core.names import normalized_name
from classface_assets.store.decisions.refusals import ConsentRecords
from classface_assets.store.decisions.students import RosterMerger
from classface_assets.store.model.decisions import Person


@dataclass
class StudentMatcher:
    """`then`: how many imports there were so far. `bound`: student → person; `places`: the other way round.

    `linked`: person → the key of the student that somebody said they are; it holds also while no roster has that one.
    `met`: person → the students whose refusals count for them; `met_by`: the other way round; `met_names`: person → the
    folded names of rows without an id that do. `called`: folded name → those who have it; `ever_called`: those who had
    it at any time.
    """

    students: RosterMerger = field(default_factory=RosterMerger)
    consents: ConsentRecords = field(default_factory=ConsentRecords)
    then: int = 0
    bound: dict[int, str] = field(default_factory=dict)
    places: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    linked: dict[str, str] = field(default_factory=dict)
    met: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    met_by: dict[int, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))
    met_names: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    called: dict[str, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))
    ever_called: dict[str, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))

    def name(self, person_id: str, name: str, before: str, persons: dict[str, Person]) -> None:
        """A person has a name from now on; `before`: the one until now, if any."""
        new, old = normalized_name(name), normalized_name(before)
        self.called[old].pop(person_id, None)
        self.called[new][person_id] = self.ever_called[new][person_id] = None
        students = self.students.called(new, self.then)
        if len(students) == 1:
            self._bind(person_id, students[0], persons)
        for place in students:
            self._meet(person_id, place)
        self._refuse_by_name(person_id, new)

    def link(self, person_id: str, key: str) -> None:
        """Somebody says which student a person is; what clearly other students refused is not theirs then."""
        self.linked = {p: k for p, k in self.linked.items() if k != key} | {person_id: key}
        place = self.students.keyed(key, self.then)
        if place is None:
            return
        for mine in [*self.places[person_id]]:
            if self.students.are_others(mine, place, self.then):
                self._release(mine)
        self._release(place)
        self._enrol(person_id, place)
        for other in [*self.met[person_id]]:
            if self.students.are_others(other, place, self.then):
                self.met[person_id].discard(other)
                self.met_by[other].pop(person_id, None)
                self.consents.drop(person_id, ("student", other))

    def take_in(self, persons: dict[str, Person]) -> None:
        """One more roster was imported."""
        new = self.students.imports[self.then]
        self.then += 1
        by_key = {key: person_id for person_id, key in self.linked.items() if key in new.keys}
        for key, person_id in by_key.items():
            self.link(person_id, key)
        for name, places in new.names.items():
            if name in self.ever_called:
                self._named_on_roster(name, places, persons)
        for place, refusal in new.refused.items():
            for person_id in self.met_by.get(place, ()):
                self.consents.refuse(person_id, ("student", place), refusal)
        for name, refusal in new.refused_by_name.items():
            for person_id in self._may_be_called(name):
                self.consents.refuse(person_id, ("name", name), refusal)

    def _named_on_roster(self, name: str, new: tuple[int, ...], persons: dict[str, Person]) -> None:
        students = self.students.called(name, self.then)
        here = [p for p in self.called[name] if p in persons and not persons[p].erased]
        here.sort(key=lambda p: persons[p].status == "merged")
        for person_id in here if len(students) == 1 else ():
            self._bind(person_id, students[0], persons)
        formerly = [p for p in self.ever_called[name] if p not in self.called[name] and not self.places[p]]
        for person_id in [*here, *formerly]:
            linked = self._linked_place(person_id)
            for place in new:
                if linked is None or not self.students.are_others(linked, place, self.then):
                    self._meet(person_id, place)

    def _may_be_called(self, name: str) -> dict[str, None]:
        """Who may be meant by a row that has a name and no id."""
        bound = [self.bound[place] for place in self.students.called(name, self.then) if place in self.bound]
        formerly = [p for p in self.ever_called.get(name, ()) if not self.places.get(p)]
        return dict.fromkeys([*self.called.get(name, ()), *bound, *formerly])

    def _linked_place(self, person_id: str) -> int | None:
        return self.students.keyed(self.linked[person_id], self.then) if person_id in self.linked else None

    def _bind(self, person_id: str, place: int, persons: dict[str, Person]) -> None:
        """By name, which takes no student from who somebody said they are, nor from who still has a name of theirs."""
        owner = self.bound.get(place)
        if owner == person_id or (owner is not None and not self._has_left(owner, place, persons)):
            return
        mine = self.places[person_id]
        if mine and all(self.students.are_others(other, place, self.then) for other in mine):
            if person_id in self.linked:
                return
            for other in [*mine]:
                self._release(other)
        self._release(place)
        self._enrol(person_id, place)

    def _has_left(self, owner: str, place: int, persons: dict[str, Person]) -> bool:
        """Whether a student was somebody by a name only that neither has any more."""
        if owner in self.linked or owner not in persons or persons[owner].erased:
            return False
        return place not in self.students.called(normalized_name(persons[owner].name), self.then)

    def _enrol(self, person_id: str, place: int) -> None:
        self.bound[place] = person_id
        self.places[person_id].append(place)
        self._meet(person_id, place)
        for since, name in self.students.names_of[place]:
            if since < self.then:
                self._refuse_by_name(person_id, name)

    def _release(self, place: int) -> None:
        owner = self.bound.pop(place, None)
        if owner is not None:
            self.places[owner].remove(place)

    def _meet(self, person_id: str, place: int) -> None:
        """The person may be that student."""
        if place not in self.met[person_id]:
            self.met[person_id].add(place)
            self.met_by[place][person_id] = None
            for refusal in self.students.refusals(place, self.then):
                self.consents.refuse(person_id, ("student", place), refusal)

    def _refuse_by_name(self, person_id: str, name: str) -> None:
        """The person may be whom rows without an id mean by that name."""
        if name in self.met_names[person_id]:
            return
        self.met_names[person_id].add(name)
        for refusal in self.students.refusals_by_name(name, self.then):
            self.consents.refuse(person_id, ("name", name), refusal)
