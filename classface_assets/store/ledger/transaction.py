"""One act on the ledger, while its transaction is open: what it reads, whom it means, what it appends and tells."""

import unicodedata
from collections.abc import Collection, Iterable, Sequence, Set
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from classface_assets.core.errors import UserError
from classface_assets.core.names import normalize_name, normalized_name
from classface_assets.store.decisions.enrolment import StudentMatcher
from classface_assets.store.decisions.reconciliation import rekey_to_faces
from classface_assets.store.decisions.replay import replay, replay_state
from classface_assets.store.decisions.state import finalize
from classface_assets.store.ledger.database import append_event, event_ids_of_photos, read_events
from classface_assets.store.ledger.followed_pairs import PHOTOS_FOLLOWED, FollowedPairs
from classface_assets.store.model.decisions import Decisions, Person
from classface_assets.store.model.events import LINK_KINDS, PEOPLE_KINDS, PHOTO_KINDS, ROSTER_KINDS
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets.store.model.student_ids import normalize_student_id

MAX_NAME_LENGTH = 255


class LedgerError(UserError):
    """A decision that cannot be taken, or a ledger that cannot be opened."""


class UnknownError(LedgerError):
    """Nobody has that name or id, or there is no such event."""


class ConflictError(LedgerError):
    """What is asked for contradicts what is: a name that exists, a merge into oneself."""


@dataclass(frozen=True)
class CommandResult:
    """What an act did: the events it appended, whom it was about (None: nobody in particular), how many faces changed,
    and sentences on what it overrules or what looks odd."""

    events: tuple[int, ...]
    subject: Person | None
    faces: int = 0
    notes: tuple[str, ...] = ()

    @property
    def person(self) -> Person:
        """Whom it was about, as they are now."""
        assert self.subject is not None, "this act is about nobody in particular"
        return self.subject


class LedgerTransaction:
    """The open transaction of one act by one actor. Nothing of it is kept when the act raises."""

    def __init__(self, con: sa.Connection, actor: str) -> None:
        self.con = con
        self.actor = actor
        self.appended: list[int] = []
        self.notes: list[str] = []
        self._people: tuple[int, Decisions, StudentMatcher] | None = None
        self._followed: FollowedPairs | None = None

    def append(self, kind: str, **payload: Any) -> None:
        self.appended.append(append_event(self.con, kind, payload, self.actor))

    def people(self) -> Decisions:
        """Who is who, with what this act appended; nothing of faces."""
        return self._now()[1]

    def enrolling(self) -> StudentMatcher:
        """Which students they are, and whose refusals concern them."""
        return self._now()[2]

    def _now(self) -> tuple[int, Decisions, StudentMatcher]:
        if self._people is None or self._people[0] != len(self.appended):
            state = replay_state(read_events(self.con, (*PEOPLE_KINDS, *ROSTER_KINDS)))
            self._people = (len(self.appended), finalize(state), state.enrolling)
        return self._people

    def around(self, photos: Collection[str]) -> Decisions:
        """Who is who, every link, and all that was said of these photos, of others of their shots, and their faces."""
        if self._followed is None:
            self._followed = FollowedPairs.of(read_events(self.con, (PHOTOS_FOLLOWED,)))
        wanted, followed = self._followed.around(photos)
        kinds = (*PEOPLE_KINDS, *PHOTO_KINDS, *LINK_KINDS)
        said = read_events(self.con, kinds, event_ids_of_photos(self.con, wanted))
        said = [event for event in said if event.kind != PHOTOS_FOLLOWED]
        return replay(sorted([*said, *followed], key=lambda event: event.id))

    def said_of(self, faces: Sequence[FaceRef]) -> Decisions:
        """The same of the photos of these faces, said of them under the ids that they have here."""
        return rekey_to_faces(self.around({face.asset_id for face in faces}), faces)

    def person(self, who: str) -> Person:
        """The person of that id or name, or whom they were merged into. Raises UnknownError."""
        found = self.find_person(who)
        people = self.people()
        return people.persons[people.canonical_id(found.id)]

    def find_person(self, who: str) -> Person:
        """The person of that id, name or display name, be they merged or not.

        Raises UnknownError, or ConflictError where it may be one of several.
        """
        found = self.people().persons.get(who) or find_person_by_name(self.people(), who)
        if found is None or found.erased:
            raise UnknownError(f"Nobody is called {who!r}; `classface people` lists the names.")
        return found

    def student(self, which: str) -> RosterEntry:
        """The student of the rosters of that key, id, name or display name, be they a person or not.

        Raises UnknownError, or ConflictError where it may be one of several.
        """
        people, key, wanted = self.people(), normalize_student_id(which), normalize_name(which)
        shown = {entry.key: self.shown(entry) for entry in people.roster}
        found = [e for e in people.roster if e.key == which or (key and normalize_student_id(e.student_id) == key)]
        found = found or [e for e in people.roster if normalized_name(shown[e.key]) == wanted]
        found = found or [e for e in people.roster if normalized_name(e.name) == wanted]
        if not found:
            raise UnknownError(f"Nobody on the roster is called {which!r}; `classface roster list` lists the students.")
        if len(found) > 1:
            raise _ambiguous_name_error(which, [shown[entry.key] for entry in found], "students")
        return found[0]

    def shown(self, entry: RosterEntry) -> str:
        """The display name of a student: the person's whom they are, if that is the student's name."""
        person = self.people().persons.get(self.people().students.get(entry.key, ""))
        if person is not None and normalize_name(person.name) == normalize_name(entry.name):
            return person.display_name
        return self.people().student_names.get(entry.key, entry.name)

    def whom(self, name: str) -> Person | RosterEntry | None:
        """Whom a face is said to be by a name: a person, a student who is nobody yet, or None for somebody new.

        Raises ConflictError where it may be one of several.
        """
        people, wanted = self.people(), normalize_name(name)
        by_id = people.persons.get(name)
        if by_id is not None and not by_id.erased:
            return by_id
        persons, students = people.people_named(name), people.unlinked_students_named(name)
        if any(normalize_name(person.name) != wanted for person in persons):  # by the display name
            students = []
        elif any(normalize_name(student.name) != wanted for student in students):
            persons = []
        elif students:
            namesakes = [
                people.students.get(entry.key) for entry in people.roster if normalized_name(entry.name) == wanted
            ]
            persons += [people.persons[person_id] for person_id in namesakes if person_id is not None]
        persons = list({people.canonical_id(person.id): person for person in reversed(persons)}.values())[::-1]
        if len(persons) + len(students) > 1:
            shown = [*(person.display_name for person in persons), *map(self.shown, students)]
            what = "students" if all(people.student_keys_of(person.id) for person in persons) else "people"
            raise _ambiguous_name_error(name, shown, what)
        return persons[0] if persons else students[0] if students else None

    def free(self, name: str, person_id: str = "") -> str:
        """The cleaned name, which nobody else has, but for other students of that name where it is known which of them
        everybody is; who was merged into the person does not count.

        Raises ConflictError, or LedgerError for what cannot be a name.
        """
        name, people = clean_name(name), self.people()
        mine = people.student_keys_of(person_id) if person_id else set()
        for other in people.people_named(name):
            theirs = people.student_keys_of(other.id)
            is_known = mine and theirs and not mine & theirs and normalize_name(other.name) == normalize_name(name)
            if people.canonical_id(other.id) != person_id and not is_known:
                raise ConflictError(f"There is already a person called {other.display_name!r}; choose another name.")
        return name

    def names_twice(self) -> set[str]:
        """The names of several persons of whom it is not known that they are different students."""
        people, called = self.people(), dict[str, list[Person]]()
        for person in people.persons.values():
            if not person.erased and person.status != "merged":
                called.setdefault(normalized_name(person.name), []).append(person)
        twice: set[str] = set()
        for group in (group for group in called.values() if len(group) > 1):
            keys = [people.student_keys_of(person.id) for person in group]
            if not all(keys) or len(set().union(*keys)) < sum(map(len, keys)):
                twice.add(group[-1].name)
        return twice

    def no_name_twice(self, before: Set[str], what: str) -> None:
        """Raises ConflictError, and so takes the act back, when names are several persons' that were not `before`.

        `what` would leave it so.
        """
        for name in sorted(self.names_twice() - before):
            raise ConflictError(f"{what} would leave two people called {name!r}; rename one of them first.")

    def done(self, person_id: str | None, faces: int = 0) -> CommandResult:
        person = None if person_id is None else self.people().persons[person_id]
        return CommandResult(tuple(self.appended), person, faces, tuple(self.notes))


def find_person_by_name(people: Decisions, name: str) -> Person | None:
    """The person of that name or display name, if there is one. Raises ConflictError where it may be one of several."""
    found = people.find_person(name)
    several = people.people_named(name)
    if found is None and several:
        raise _ambiguous_name_error(name, [person.display_name for person in several], "people")
    return found


def _ambiguous_name_error(name: str, choices: Sequence[str], what: str) -> ConflictError:
    number = {2: "two", 3: "three", 4: "four"}.get(len(choices), str(len(choices)))
    return ConflictError(
        f"There are {number} {what} called {' '.join(name.split())}: {join_names(choices)}; say which."
    )


def join_names(names: Iterable[str], word: str = "and") -> str:
    """`Anna, Ben and Cem`."""
    *most, last = names
    return f"{', '.join(most)} {word} {last}" if most else last


def clean_name(name: str) -> str:
    """A name without stray white space. Raises LedgerError when nothing, too much, or what no page can show is left."""
    cleaned = " ".join(name.split())
    if not normalize_name(cleaned):
        raise LedgerError("A name is needed: an empty one was given.")
    if len(cleaned) > MAX_NAME_LENGTH:
        raise LedgerError(f"A name has at most {MAX_NAME_LENGTH} characters; this one has {len(cleaned)}.")
    if any(unicodedata.category(c) in ("Cc", "Cs") for c in cleaned):
        raise LedgerError(f"The name {cleaned!r} has characters that cannot be shown; leave them out.")
    return cleaned


def distinct_faces(faces: Sequence[FaceRef], least: int = 1) -> list[FaceRef]:
    """The faces, each once. Raises LedgerError when they are fewer than `least`."""
    once = list({face.face_id: face for face in faces}.values())
    if len(once) < least:
        needed = "A face is needed" if least == 1 else f"At least {least} different faces are needed"
        raise LedgerError(f"{needed}: {'none was' if not once else f'only {len(once)} was'} given.")
    return once


def pluralize(count: int, one: str, more: str = "") -> str:
    """`1 face`, `2,000 faces`."""
    return f"1 {one}" if count == 1 else f"{count:,} {more or one + 's'}"
