"""The students of the school's rosters put together: which rows are the same student, and what the rosters say of each.

Rows of two files are one student when they have the same student id, unless they were born on different days; a row
without one is the student of that name. The newer file has the last word on each thing it tells, and takes nothing away
by not telling it; but what a roster refused stays refused.

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
    """What a row refuses, and the answer in it that nobody understood, if it is for that."""

    purposes: frozenset[str]
    in_doubt: str = ""


@dataclass(frozen=True)
class RosterImport:
    """What one import says beside the students themselves.

    `places`: the student of each of its rows. `names`: folded name → the students who have it for the first time.
    `keys`: keys by which a student may be called for the first time. `refused`: student → what their rows refuse.
    `refused_by_name`: the same by folded name, of rows without an id: whoever has that name may be meant.
    """

    places: tuple[int, ...]
    names: Mapping[str, tuple[int, ...]]
    keys: Mapping[str, int]
    refused: Mapping[int, Refusal]
    refused_by_name: Mapping[str, Refusal]


@dataclass
class RosterMerger:
    """All students after any number of imports, one after the other; `then` is the number of imports up to a moment.

    `entries`: what all imports together say. `names`, `keys`, `born`, `ids` and `names_of` hold since which import
    it is so.
    """

    entries: list[RosterEntry] = field(default_factory=list)
    imports: list[RosterImport] = field(default_factory=list)
    names: dict[str, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    keys: dict[str, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    born: dict[int, tuple[int, date]] = field(default_factory=dict)
    ids: dict[int, tuple[int, str]] = field(default_factory=dict)
    names_of: dict[int, list[tuple[int, str]]] = field(default_factory=lambda: defaultdict(list))
    by_id: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def called(self, name: str, then: int) -> list[int]:
        """The students who had this folded name in any of the first `then` imports."""
        return [place for since, place in self.names.get(name, ()) if since < then]

    def keyed(self, key: str, then: int) -> int | None:
        """The student of that key (`RosterEntry.key`), as far as the first `then` imports know of them."""
        return next((place for since, place in self.keys.get(key, ()) if since < then), None)

    def are_others(self, a: int, b: int, then: int) -> bool:
        """Whether two are clearly two: by their ids, or their birth dates."""
        ids = [self.ids[place][1] for place in (a, b) if place in self.ids and self.ids[place][0] < then]
        born = [self.born[place][1] for place in (a, b) if place in self.born and self.born[place][0] < then]
        return a != b and (len(set(ids)) == 2 or len(set(born)) == 2)

    def refusals(self, place: int, then: int) -> Iterator[Refusal]:
        return (done.refused[place] for done in self.imports[:then] if place in done.refused)

    def refusals_by_name(self, name: str, then: int) -> Iterator[Refusal]:
        return (done.refused_by_name[name] for done in self.imports[:then] if name in done.refused_by_name)

    def take_in(self, rows: Iterable[RosterEntry]) -> None:
        """The rows of one more import."""
        rows = list(rows)
        repeated = repeated_ids((row.student_id, row.name) for row in rows)
        known = [replace(row, student_id=_valid_id(row.student_id, repeated)) for row in rows]
        numbered: dict[str, set[str]] = defaultdict(set)
        for row in known:
            numbered[normalized_name(row.name)].add(normalize_student_id(row.student_id))
        several = {name for name, ids in numbered.items() if len(ids - {""}) > 1}
        new = _RosterImportBuilder(len(self.imports))
        for row in known:
            self._add(row, normalized_name(row.name) in several, new)
        self.imports.append(new.done())

    def _add(self, row: RosterEntry, is_shared: bool, new: "_RosterImportBuilder") -> None:
        name, key = normalized_name(row.name), normalize_student_id(row.student_id)
        place = self._place(row, is_shared)
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
        for known_by in {self.entries[place].key, f"id:{key}" if key else f"name:{name}"}:
            if not self.keys[known_by]:
                self.keys[known_by].append((new.number, place))
                new.keys[known_by] = place
        if key and place not in self.ids:
            self.ids[place] = (new.number, key)
            self.by_id[key].append(place)
        if row.birth_date:
            self.born.setdefault(place, (new.number, row.birth_date))
        new.refuse(place, "" if key else name, refusal_of(row))

    def _place(self, row: RosterEntry, is_shared: bool) -> int | None:
        """By id; else the one student of that name, unless both have an id, or others of the file have that name."""
        key, name = normalize_student_id(row.student_id), normalized_name(row.name)
        if key:
            same = [place for place in self.by_id.get(key, ()) if self._may_be(place, row)]
            if same:
                return same[-1]
        if key and is_shared:
            return None
        called = [place for _, place in self.names.get(name, ()) if self._may_be(place, row)]
        called = [place for place in called if normalized_name(self.entries[place].name) == name] or called
        unnumbered = [place for place in called if place not in self.ids]
        likely = unnumbered if key else unnumbered or called
        return likely[0] if len(likely) == 1 else None

    def _may_be(self, place: int, row: RosterEntry) -> bool:
        return not row.birth_date or self.born.get(place, (0, row.birth_date))[1] == row.birth_date

    def _new_key(self, row: RosterEntry) -> str:
        key = (
            f"id:{normalize_student_id(row.student_id)}"
            if normalize_student_id(row.student_id)
            else f"name:{normalized_name(row.name)}"
        )
        born = f"{key}/{row.birth_date}" if row.birth_date else key
        number = f"{born}/{len(self.entries)}"
        return next(k for k in (key, born, number) if k == number or not self.keys.get(k))


@dataclass
class _RosterImportBuilder:
    """An import while its rows are read."""

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

    def done(self) -> RosterImport:
        names = {name: tuple(places) for name, places in self.names.items()}
        return RosterImport(tuple(self.places), names, self.keys, self.refused, self.refused_by_name)


# The imports that were put together last, and the students: a server replays the ledger after every label, and holds
# the same events all the time.
_last: tuple[tuple[Event, ...], RosterMerger] = ((), RosterMerger())


def merge_imports(imports: Iterable[Event]) -> RosterMerger:
    """The students of these imports, oldest first; not to be changed."""
    global _last
    asked, (known, found) = tuple(imports), _last
    if len(asked) != len(known) or any(a is not b and a != b for a, b in zip(asked, known, strict=True)):
        found = RosterMerger()
        for event in asked:
            found.take_in(map(RosterEntry.of, event.payload["entries"]))
        _last = asked, found
    return found


def refusal_of(row: RosterEntry) -> Refusal | None:
    """What a row refuses: everything by a no for all purposes, or by an answer that nobody understood."""
    no = frozenset(purpose for purpose, given in row.consents.items() if not given)
    everything = row.consent is False or row.consent_in_doubt
    refused = frozenset(Purpose) if everything else no
    return Refusal(refused, row.consent_in_doubt) if refused else None


def merge_rows(old: RosterEntry, new: RosterEntry) -> RosterEntry:
    """The student with what a newer row says; a no stays one."""
    classes = {**old.classes, **{year: name or old.classes.get(year, "") for year, name in new.classes.items()}}
    given = old.consent if new.consent is None or old.consent is False else new.consent
    return RosterEntry(
        new.name,
        old.student_id or new.student_id,
        classes,
        tuple(dict.fromkeys((*old.siblings, *new.siblings))),
        given,
        new.birth_date or old.birth_date,
        tuple(dict.fromkeys((*old.portraits, *new.portraits))),
        {**old.consents, **{p: said and old.consents.get(p, True) for p, said in new.consents.items()}},
        new.consent_in_doubt or old.consent_in_doubt,
        old.key,
    )


def _valid_id(student_id: str, repeated: frozenset[str]) -> str:
    """The id as it was written, unless it is none or stands for several."""
    key = normalize_student_id(student_id)
    return "" if not key or key in repeated else student_id.strip()


def _merge_refusals(a: Refusal | None, b: Refusal) -> Refusal:
    return b if a is None else Refusal(a.purposes | b.purposes, a.in_doubt or b.in_doubt)
