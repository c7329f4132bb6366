"""Names that tell people apart: "Anna Weiss (5c, 2011)" where two have one name, else the name alone."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from classface_assets.core.names import normalized_name
from classface_assets.store.model.decisions import Person
from classface_assets.store.model.person_kinds import PersonStatus
from classface_assets.store.model.roster_entry import RosterEntry

NOT_LINKED = "not linked"
"""The mark of a person who may be one of several students."""
_ID_LENGTH = 8


@dataclass(frozen=True)
class DisplayNames:
    """The display names of those whose name others have, too.

    Attributes:
        persons: Person id -> display name.
        students: `RosterEntry.key` -> display name, of students who are no person yet.
    """

    persons: dict[str, str]
    students: dict[str, str]


@dataclass
class _Namesake:
    """Somebody with the name of somebody else: a person, or a student by the key."""

    id: str
    name: str
    entries: Sequence[RosterEntry]
    birth_date: date | None
    is_person: bool
    details: list[str] = field(default_factory=list)

    @property
    def shown(self) -> str:
        return f"{self.name} ({', '.join(self.details)})" if self.details else self.name


def display_names(
    persons: Mapping[str, Person],
    rows: Mapping[str, Sequence[RosterEntry]],
    roster: Sequence[RosterEntry],
    students: Mapping[str, str],
) -> DisplayNames:
    """The display names of persons, and of the students who are no person.

    Args:
        persons: Person id -> person.
        rows: Person id -> the students on the roster that they are.
        roster: All students.
        students: `RosterEntry.key` -> person id.
    """
    named = [(normalized_name(p.name), p) for p in persons.values() if p.status != PersonStatus.MERGED and not p.erased]
    unlinked = [(normalized_name(entry.name), entry) for entry in roster if entry.key not in students]
    counts = Counter([name for name, _ in named] + [name for name, _ in unlinked])
    groups: dict[str, list[_Namesake]] = defaultdict(list)
    for name, p in named:
        if counts[name] > 1:
            groups[name].append(_Namesake(p.id, p.name, rows.get(p.id, ()), p.birth_date, True))
    for name, entry in unlinked:
        if counts[name] > 1:
            groups[name].append(_Namesake(entry.key, entry.name, (entry,), entry.birth_date, False))
    for group in groups.values():
        _disambiguate(group)
    namesakes = [one for group in groups.values() for one in group]
    return DisplayNames(
        persons={one.id: one.shown for one in namesakes if one.is_person},
        students={one.id: one.shown for one in namesakes if not one.is_person},
    )


def _disambiguate(group: list[_Namesake]) -> None:
    """Add class and year of birth, as far as they are known, and the id where these are not enough."""
    for one in group:
        one.details = _details(one)
    for one in _ambiguous(group):
        ids = [entry.student_id for entry in one.entries if entry.student_id]
        one.details += ids[:1] if one.entries else [NOT_LINKED]
    for one in _ambiguous(group):
        one.details.append(one.id[-_ID_LENGTH:])


def _ambiguous(group: list[_Namesake]) -> list[_Namesake]:
    counts = Counter(normalized_name(one.shown) for one in group)
    return [one for one in group if not one.details or counts[normalized_name(one.shown)] > 1]


def _details(one: _Namesake) -> list[str]:
    classes = {year: name for entry in one.entries for year, name in entry.classes.items() if name}
    last = [classes[max(classes)]] if classes else []
    return [*last, *([str(one.birth_date.year)] if one.birth_date else [])]
