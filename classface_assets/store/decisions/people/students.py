"""The students of the school's rosters merged: which rows are the same student, and what the rosters say of each.

Rows of two files are one student when they have the same student id, unless they were born on different days; a row
without an id is the student of that name. The newer file overrides the older ones in each thing that it says, and takes
nothing away by not saying it; but what a roster refused stays refused.

A student is known by the place in the list of all of them, which only grows with every import.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date

from classface_assets.core.names import normalized_name
from classface_assets.store.model.events import Event
from classface_assets.store.model.purposes import Purpose
from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets.store.model.student_ids import normalize_student_id, repeated_ids


@dataclass(frozen=True)
class Refusal:
    """The purposes that a row refuses, and the answer that nobody understood, if it refuses because of that."""

    purposes: frozenset[str]
    in_doubt: str = ""


@dataclass(frozen=True)
class RosterImport:
    """What one import adds to the students themselves.

    Attributes:
        places: The student of each of its rows.
        names: Normalized name -> the students who have it for the first time.
        keys: Keys by which a student may be called for the first time -> the student.
        refused: Student -> what their rows refuse.
        refused_by_name: Normalized name -> what rows without an id refuse: whoever has that name may be meant.
    """

    places: tuple[int, ...]
    names: Mapping[str, tuple[int, ...]]
    keys: Mapping[str, int]
    refused: Mapping[int, Refusal]
    refused_by_name: Mapping[str, Refusal]


@dataclass
class RosterMerger:
    """All students after any number of imports, one after the other.

    Several attributes note since which import they hold (its number, from 0): `before` of a method is the number of
    imports up to a moment.

    Attributes:
        entries: The students, as all imports together describe them.
        imports: The imports.
        names: Normalized name -> (import, student) of those who have it.
        keys: `RosterEntry.key` -> (import, student).
        born: Student -> (import, birth date).
        ids: Student -> (import, normalized student id).
        names_of: Student -> (import, normalized name) of all their names.
        by_id: Normalized student id -> students.
    """

    entries: list[RosterEntry] = field(default_factory=list)
    imports: list[RosterImport] = field(default_factory=list)
    names: dict[str, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    keys: dict[str, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    born: dict[int, tuple[int, date]] = field(default_factory=dict)
    ids: dict[int, tuple[int, str]] = field(default_factory=dict)
    names_of: dict[int, list[tuple[int, str]]] = field(default_factory=lambda: defaultdict(list))
    by_id: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def named(self, name: str, before: int) -> list[int]:
        """The students who had this normalized name in any import before that one."""
        return [place for since, place in self.names.get(name, ()) if since < before]

    def keyed(self, key: str, before: int) -> int | None:
        """The student of that `RosterEntry.key`, if the imports before that one know them."""
        return next((place for since, place in self.keys.get(key, ()) if since < before), None)

    def are_different(self, a: int, b: int, before: int) -> bool:
        """Whether two students are clearly two: by their ids, or their birth dates."""
        ids = [self.ids[place][1] for place in (a, b) if place in self.ids and self.ids[place][0] < before]
        born = [self.born[place][1] for place in (a, b) if place in self.born and self.born[place][0] < before]
        return a != b and (len(set(ids)) == 2 or len(set(born)) == 2)

    def refusals(self, place: int, before: int) -> Iterator[Refusal]:
        """What the rows of a student refuse."""
        return (done.refused[place] for done in self.imports[:before] if place in done.refused)

    def refusals_by_name(self, name: str, before: int) -> Iterator[Refusal]:
        """What rows of that normalized name without an id refuse."""
        return (done.refused_by_name[name] for done in self.imports[:before] if name in done.refused_by_name)

    def add_import(self, rows: Iterable[RosterEntry]) -> None:
        """Merge the rows of one more import."""
        rows = list(rows)
        repeated = repeated_ids((row.student_id, row.name) for row in rows)
        rows = [_with_id(row, _valid_id(row.student_id, repeated)) for row in rows]
        ids_of_name: dict[str, set[str]] = defaultdict(set)
        for row in rows:
            ids_of_name[normalized_name(row.name)].add(normalize_student_id(row.student_id))
        shared_names = {name for name, ids in ids_of_name.items() if len(ids - {""}) > 1}
        new = _RosterImportBuilder(len(self.imports))
        for row in rows:
            self._add(row, normalized_name(row.name) in shared_names, new)
        self.imports.append(new.build())

    def _add(self, row: RosterEntry, is_shared: bool, new: "_RosterImportBuilder") -> None:
        name, student_id = normalized_name(row.name), normalize_student_id(row.student_id)
        place = self._find(row, is_shared)
        if place is None:
            place = len(self.entries)
            self.entries.append(replace(row, key=self._new_key(row)))
        else:
            self.entries[place] = merge_rows(self.entries[place], row)
        new.places.append(place)
        if all(other != place for _, other in self.names[name]):
            self.names[name].append((new.number, place))
            self.names_of[place].append((new.number, name))
            new.names[name].append(place)
        for key in {self.entries[place].key, f"id:{student_id}" if student_id else f"name:{name}"}:
            if not self.keys[key]:
                self.keys[key].append((new.number, place))
                new.keys[key] = place
        if student_id and place not in self.ids:
            self.ids[place] = (new.number, student_id)
            self.by_id[student_id].append(place)
        if row.birth_date:
            self.born.setdefault(place, (new.number, row.birth_date))
        new.refuse(place, "" if student_id else name, refusal_of(row))

    def _find(self, row: RosterEntry, is_shared: bool) -> int | None:
        """The student of a row.

        By id; else the one student of that name, unless both have an id, or others of the file have that name
        (`is_shared`).
        """
        student_id, name = normalize_student_id(row.student_id), normalized_name(row.name)
        if student_id:
            same = [place for place in self.by_id.get(student_id, ()) if self._may_be(place, row)]
            if same:
                return same[-1]
        if student_id and is_shared:
            return None
        namesakes = [place for _, place in self.names.get(name, ()) if self._may_be(place, row)]
        namesakes = [p for p in namesakes if normalized_name(self.entries[p].name) == name] or namesakes
        unnumbered = [place for place in namesakes if place not in self.ids]
        likely = unnumbered if student_id else unnumbered or namesakes
        return likely[0] if len(likely) == 1 else None

    def _may_be(self, place: int, row: RosterEntry) -> bool:
        return not row.birth_date or self.born.get(place, (0, row.birth_date))[1] == row.birth_date

    def _new_key(self, row: RosterEntry) -> str:
        student_id = normalize_student_id(row.student_id)
        key = f"id:{student_id}" if student_id else f"name:{normalized_name(row.name)}"
        born = f"{key}/{row.birth_date}" if row.birth_date else key
        number = f"{born}/{len(self.entries)}"
        return next(k for k in (key, born, number) if k == number or not self.keys.get(k))


@dataclass
class _RosterImportBuilder:
    """An import while its rows are merged."""

    number: int
    places: list[int] = field(default_factory=list)
    names: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    keys: dict[str, int] = field(default_factory=dict)
    refused: dict[int, Refusal] = field(default_factory=dict)
    refused_by_name: dict[str, Refusal] = field(default_factory=dict)

    def refuse(self, place: int, name: str, refusal: Refusal | None) -> None:
        if refusal is not None:
            self.refused[place] = _merge_refusals(self.refused.get(place), refusal)
            if name:
                self.refused_by_name[name] = _merge_refusals(self.refused_by_name.get(name), refusal)

    def build(self) -> RosterImport:
        names = {name: tuple(places) for name, places in self.names.items()}
        return RosterImport(tuple(self.places), names, self.keys, self.refused, self.refused_by_name)


# The imports that were merged last, and the students: a server replays the ledger after every label, with the same
# imports all the time.
_last: tuple[tuple[Event, ...], RosterMerger] = ((), RosterMerger())


def merge_imports(imports: Iterable[Event]) -> RosterMerger:
    """The students of these imports, oldest first. The result is shared: it may not be changed."""
    global _last
    events, (known, merger) = tuple(imports), _last
    if not events:  # a check that reads no rosters: the next replay needs the ones that were merged last
        return RosterMerger()
    if len(events) != len(known) or any(a is not b and a != b for a, b in zip(events, known, strict=True)):
        merger = RosterMerger()
        for event in events:
            merger.add_import(map(RosterEntry.of, event.payload["entries"]))
        _last = events, merger
    return merger


def refusal_of(row: RosterEntry) -> Refusal | None:
    """What a row refuses: everything by a no for all purposes, or by an answer that nobody understood."""
    no = frozenset(purpose for purpose, given in row.consents.items() if not given)
    everything = row.consent is False or row.consent_in_doubt
    refused = frozenset(Purpose) if everything else no
    return Refusal(refused, row.consent_in_doubt) if refused else None


def merge_rows(old: RosterEntry, new: RosterEntry) -> RosterEntry:
    """The student with what a newer row says; a no stays one."""
    classes = {**old.classes, **{year: name or old.classes.get(year, "") for year, name in new.classes.items()}}
    consents = {p: given and old.consents.get(p, True) for p, given in new.consents.items()}
    return RosterEntry(
        name=new.name,
        student_id=old.student_id or new.student_id,
        classes=classes,
        siblings=tuple(dict.fromkeys((*old.siblings, *new.siblings))),
        consent=old.consent if new.consent is None or old.consent is False else new.consent,
        birth_date=new.birth_date or old.birth_date,
        portraits=tuple(dict.fromkeys((*old.portraits, *new.portraits))),
        consents={**old.consents, **consents},
        consent_in_doubt=new.consent_in_doubt or old.consent_in_doubt,
        key=old.key,
    )


def _with_id(row: RosterEntry, student_id: str) -> RosterEntry:
    return row if row.student_id == student_id else replace(row, student_id=student_id)


def _valid_id(student_id: str, repeated: frozenset[str]) -> str:
    """The id as it was written, empty where it is a placeholder or means several students."""
    key = normalize_student_id(student_id)
    return "" if not key or key in repeated else student_id.strip()


def _merge_refusals(a: Refusal | None, b: Refusal) -> Refusal:
    return b if a is None else Refusal(a.purposes | b.purposes, a.in_doubt or b.in_doubt)
