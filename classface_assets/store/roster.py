"""What the school's rosters say of people: who is enrolled when, born when, whose sibling, and may be shown."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import replace
from datetime import date

from classface_assets.store.decisions import Decisions, Person
from classface_assets.store.roster_entry import RosterEntry
from classface_assets.store.roster_students import folded


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
