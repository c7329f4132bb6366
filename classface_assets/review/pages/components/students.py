"""Class and student id of people, and of students on the roster, as lists and name boxes show them and find them."""

from collections.abc import Callable

from classface_assets.core.languages import gettext
from classface_assets.core.names import normalize_name, normalized_name
from classface_assets.store.decisions.roster import entries_by_person
from classface_assets.store.model.decisions import Decisions
from classface_assets.store.model.roster_entry import RosterEntry


def class_and_id(entry: RosterEntry | None, year: str = "") -> tuple[str, str]:
    """Class in that school year, or in the last known one, and student id; empty where there is none."""
    if entry is None:
        return "", ""
    last = entry.classes[max(entry.classes)] if entry.classes else ""
    return entry.classes.get(year, last), entry.student_id


def student_text(entry: RosterEntry | None, year: str = "") -> str:
    """Class and student id in a few characters, as `3b · no. 1042`; empty where nothing is known."""
    class_name, student_id = class_and_id(entry, year)
    return " · ".join(filter(None, (class_name, student_id and gettext("no. %(id)s", id=student_id))))


def description_matcher(q: str) -> Callable[[RosterEntry], bool]:
    """A function: whether `q` is a student's class of any school year, or begins the student id, in any case."""
    query = normalize_name(q).removeprefix("class ").removeprefix("no. ")

    def matches(entry: RosterEntry) -> bool:
        student_id = normalized_name(entry.student_id)
        is_id = student_id.startswith(query) or student_id.lstrip("0").startswith(query)
        return bool(query) and (is_id or any(query == normalized_name(name) for name in entry.classes.values()))

    return matches


def people_described_by(decisions: Decisions, q: str) -> list[str]:
    """Ids of the people whose class or student id is `q` (`description_matcher`)."""
    matches = description_matcher(q)
    return [person for person, entry in entries_by_person(decisions).items() if matches(entry)]
