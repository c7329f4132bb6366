"""The school's rosters put together: which rows are the same student, and what that says of people.

Rows of two files are one student when they have the same student id; a row without one is the student of that name.
The newer file has the last word on each thing it tells, and takes nothing away by not telling it.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from datetime import date
from functools import lru_cache

from classface_assets.store.decisions import Decisions, Person, fold
from classface_assets.store.events import Event
from classface_assets.store.roster_entry import RosterEntry

folded = lru_cache(maxsize=65_536)(fold)


@dataclass
class Students:
    """The students while rosters are read. `by_id` and `by_name` hold their places in `entries`."""

    entries: list[RosterEntry] = field(default_factory=list)
    by_id: dict[str, int] = field(default_factory=dict)
    by_name: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def add(self, new: RosterEntry) -> None:
        """Take in a row."""
        place = self._place(new)
        if place is None:
            place = len(self.entries)
            self.entries.append(new)
        else:
            old = self.entries[place]
            self.by_name[folded(old.name)].remove(place)
            self.entries[place] = updated(old, new)
        self.by_name[folded(new.name)].append(place)
        if new.student_id:
            self.by_id[folded(new.student_id)] = place

    def _place(self, new: RosterEntry) -> int | None:
        """By id; else the one student of that name, unless both have an id."""
        if new.student_id and folded(new.student_id) in self.by_id:
            return self.by_id[folded(new.student_id)]
        called = self.by_name[folded(new.name)]
        unnumbered = [place for place in called if not self.entries[place].student_id]
        likely = unnumbered if new.student_id else unnumbered or called
        return likely[0] if len(likely) == 1 else None


# The imports that were put together last, and the students: a server replays the ledger after every label, and holds
# the same events all the time.
_last: tuple[tuple[Event, ...], tuple[RosterEntry, ...]] = ((), ())


def students_of(imports: Iterable[Event]) -> tuple[RosterEntry, ...]:
    """The students of these imports, oldest first."""
    global _last
    asked, (known, found) = tuple(imports), _last
    if len(asked) != len(known) or any(a is not b for a, b in zip(asked, known, strict=True)):
        students = Students()
        for event in asked:
            for row in event.payload["entries"]:
                students.add(RosterEntry.of(row, event.id))
        found = tuple(students.entries)
        _last = asked, found
    return found


def updated(old: RosterEntry, new: RosterEntry) -> RosterEntry:
    """The student with what a newer row says."""
    classes = {**old.classes, **{year: name or old.classes.get(year, "") for year, name in new.classes.items()}}
    said = old if new.consent is None else new
    return RosterEntry(
        new.name,
        new.student_id or old.student_id,
        classes,
        tuple(dict.fromkeys((*old.siblings, *new.siblings))),
        said.consent,
        new.birth_date or old.birth_date,
        tuple(dict.fromkeys((*old.portraits, *new.portraits))),
        said.consent_event,
    )


def roster_names(decisions: Decisions) -> list[tuple[str, tuple[str, ...]]]:
    """(name, school years) of the students on the roster who are no person yet, by name."""
    known = {folded(p.name) for p in decisions.persons.values() if not p.erased}
    years: dict[str, set[str]] = defaultdict(set)
    names: dict[str, str] = {}
    for entry in decisions.roster:
        if folded(entry.name) not in known:
            names.setdefault(folded(entry.name), entry.name)
            years[folded(entry.name)] |= entry.classes.keys()
    return sorted(((name, tuple(sorted(years[key]))) for key, name in names.items()), key=lambda n: n[0].casefold())


def enrolled(decisions: Decisions) -> dict[str, frozenset[str]]:
    """Person id → the school years in which a roster has them; who is on none, or on one without years, is left out."""
    years: dict[str, set[str]] = defaultdict(set)
    for person_id, entries in entries_of(decisions.persons, decisions.roster, decisions.became).items():
        for entry in entries:
            years[person_id] |= entry.classes.keys()
    return {person_id: frozenset(found) for person_id, found in years.items() if found}


def entries_of(
    persons: Mapping[str, Person], roster: Iterable[RosterEntry], became: Callable[[str], str]
) -> dict[str, list[RosterEntry]]:
    """The rows that have the name of each person, or of one who was merged into them."""
    called = {folded(p.name): became(p.id) for p in persons.values() if not p.erased and p.status == "merged"}
    called |= {folded(p.name): p.id for p in persons.values() if not p.erased and p.status != "merged"}
    found: dict[str, list[RosterEntry]] = defaultdict(list)
    for entry in roster:
        if folded(entry.name) in called:
            found[called[folded(entry.name)]].append(entry)
    return found


def without_erased(roster: Iterable[RosterEntry], persons: Iterable[Person]) -> tuple[RosterEntry, ...]:
    """The roster without those who have the name of an erased person and of nobody else."""
    persons = list(persons)
    alive = {folded(p.name) for p in persons if not p.erased}
    return without_names(roster, {folded(p.name) for p in persons if p.erased} - alive)


def without_names(roster: Iterable[RosterEntry], gone: Set[str]) -> tuple[RosterEntry, ...]:
    """The roster without the students of these folded names or student ids, also as siblings."""
    roster = tuple(roster)
    if not gone:
        return roster
    left = [e for e in roster if not {folded(e.name), folded(e.student_id)} & gone]
    ids = {folded(e.student_id) for e in roster if folded(e.name) in gone and e.student_id} | gone
    return tuple(replace(e, siblings=tuple(s for s in e.siblings if folded(s) not in ids)) for e in left)


def birth_date_of(entries: Iterable[RosterEntry]) -> date | None:
    """Of the students of one name; None when they were born on different days."""
    days = {entry.birth_date for entry in entries if entry.birth_date}
    return days.pop() if len(days) == 1 else None


def consent_of(entries: Iterable[RosterEntry], by_hand: tuple[int, bool] | None) -> bool | None:
    """Whether a person may be shown. `by_hand`: event and answer, where somebody said so of the person.

    The last word counts, but for one: a roster's yes does not lift a no that was said by hand. Where two students of
    one name differ, it is no.
    """
    told = [entry for entry in entries if entry.consent is not None]
    no = max((entry.consent_event for entry in told if entry.consent is False), default=0)
    if by_hand is None:
        return None if not told else not no
    return by_hand[1] and no <= by_hand[0]


def sibling_names(entries: Iterable[RosterEntry], names_by_id: Mapping[str, str]) -> set[str]:
    """The folded names of those whom these rows call siblings."""
    return {names_by_id.get(folded(sibling), folded(sibling)) for entry in entries for sibling in entry.siblings}
