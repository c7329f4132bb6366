"""The students whom rosters list in school years and classes, and who they are.

What follows from the roster alone is computed once for all views: a name that was given changes few of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from classface_assets.core.names import normalized_name
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.store.model.roster_entry import RosterEntry


@dataclass(frozen=True)
class ExpectedStudent:
    """A student whom the roster lists for a session.

    Attributes:
        entry: The row of the roster.
        class_name: The class in the session's school year.
        person_id: Who the student is, None while nobody named a face of theirs.
    """

    entry: RosterEntry
    class_name: str
    person_id: str | None


def students_of_classes(
    view: ArchiveView, years: Sequence[str], classes: tuple[str, ...] = ()
) -> tuple[ExpectedStudent, ...]:
    """The students on the roster in these school years, by class and name; of these classes only, if any are given."""
    which = tuple(sorted(set(years))), tuple(sorted({normalized_name(name) for name in classes}))
    return view.derived(("students", *which), lambda: _find_students(view, *which))


def _find_students(view: ArchiveView, years: tuple[str, ...], classes: tuple[str, ...]) -> tuple[ExpectedStudent, ...]:
    roster = _roster(view)
    key = years, classes
    rows = view.reused(("rows of students", *key), (roster,), lambda: _rows(view, roster, years, classes))
    known = view.decisions.students
    people = tuple([known.get(entry.key) for entry, _ in rows])
    students = zip(rows, people, strict=True)
    return view.reused(
        ("students", *key), (rows, people), lambda: tuple(ExpectedStudent(*row, person) for row, person in students)
    )


def _roster(view: ArchiveView) -> Sequence[RosterEntry]:
    """The rosters: the same object for all views in which they are equal."""
    roster = view.decisions.roster
    return view.derived("roster", lambda: view.reused("roster", (roster,), lambda: roster))


def _rows(
    view: ArchiveView, roster: Sequence[RosterEntry], years: tuple[str, ...], classes: tuple[str, ...]
) -> tuple[tuple[RosterEntry, str], ...]:
    """Rows of the roster with the class in the school years, by class and name."""
    by_year = view.reused("rows by school year", (roster,), lambda: _rows_by_year(roster))
    # Who is in several of the years is listed once, with the class that the roster names last.
    listed = [one for year in years for one in by_year.get(year, ())]
    found = {
        number: (entry, name)
        for number, _, entry, name in sorted(listed, key=lambda one: one[:2])
        if not classes or normalized_name(name) in classes
    }
    rows = [found[number] for number in sorted(found)]
    return tuple(sorted(rows, key=lambda one: (one[1], normalized_name(one[0].name))))


def _rows_by_year(roster: Sequence[RosterEntry]) -> dict[str, list[tuple[int, int, RosterEntry, str]]]:
    """School year -> its rows, each with its number, the place of the year in it, and the class."""
    found: dict[str, list[tuple[int, int, RosterEntry, str]]] = {}
    for number, entry in enumerate(roster):
        for place, (year, name) in enumerate(entry.classes.items()):
            found.setdefault(year, []).append((number, place, entry, name))
    return found
