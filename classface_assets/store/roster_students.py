"""The students of the school's rosters put together: which rows are the same student, and what the newest says.

Rows of two files are one student when they have the same student id; a row without one is the student of that name.
The newer file has the last word on each thing it tells, and takes nothing away by not telling it.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from classface_assets.store.decisions import fold
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
