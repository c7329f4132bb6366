"""One transaction on the ledger: what its commands read, how they find people and students, and what they append."""

from collections.abc import Collection, Sequence, Set
from dataclasses import dataclass

import sqlalchemy as sa

from classface_assets.core.errors import UserError
from classface_assets.core.languages import format_names, gettext, marked
from classface_assets.core.names import clean_name, join_names, normalize_name, normalized_name, similar_names
from classface_assets.store.decisions.people.enrolment import StudentMatcher
from classface_assets.store.decisions.reconciliation import rekey_to_faces
from classface_assets.store.decisions.replay import replay
from classface_assets.store.ledger.database import append_event, event_ids_of_photos, read_events_of
from classface_assets.store.ledger.followed_pairs import FollowedPairs
from classface_assets.store.ledger.known_people import KnownPeople
from classface_assets.store.ledger.payloads import EventPayload, PhotosFollowed
from classface_assets.store.model.decisions import Decisions, Person
from classface_assets.store.model.events import LINK_KINDS, PEOPLE_KINDS, PHOTO_KINDS
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.store.model.person_kinds import PersonStatus
from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets.store.model.student_ids import normalize_student_id


class LedgerError(UserError):
    """A decision that cannot be recorded, or a ledger that cannot be opened."""


class UnknownError(LedgerError):
    """No person has that name or id, or there is no such event."""


def unknown_person_sentence(people: Decisions, who: str) -> str:
    """That nobody has a name, and who has a similar one."""
    names = {person.display_name for person in people.persons.values() if not person.erased}
    similar = similar_names(who, names)[:3]
    nobody = gettext("Nobody is called %(name)s; `classface people` lists the names.", name=repr(who))
    if not similar:
        return nobody
    return f"{nobody} {gettext('Did you mean %(names)s?', names=join_names(similar, gettext(' or ').strip()))}"


class ConflictError(LedgerError):
    """The request contradicts what is recorded: a name that exists, a merge of a person into themselves."""


@dataclass(frozen=True)
class CommandResult:
    """What a command did.

    Attributes:
        events: Ids of the events that it appended.
        subject: The person that it was about, None where it was about no single one.
        faces: How many faces it changed.
        notes: Sentences on what it overrules, or what looks odd.
    """

    events: tuple[int, ...]
    subject: Person | None
    faces: int = 0
    notes: tuple[str, ...] = ()

    @property
    def person(self) -> Person:
        """The person that it was about, as they are now."""
        assert self.subject is not None, "this command is about no single person"
        return self.subject


class LedgerTransaction:
    """The open transaction of one command by one actor. Nothing of it is stored when the command raises.

    Attributes:
        con: The open database connection.
        actor: Who acts.
        appended: Ids of the events appended so far.
        notes: Sentences for `CommandResult.notes`.
    """

    def __init__(self, con: sa.Connection, actor: str, known: KnownPeople | None = None) -> None:
        """Begin.

        Args:
            con: The open database connection.
            actor: Who acts.
            known: What an earlier transaction read of people; the transaction changes it.
        """
        self.con = con
        self.actor = actor
        self.appended: list[int] = []
        self.notes: list[str] = []
        self._known = KnownPeople() if known is None else known
        self._read: int | None = None
        self._followed: FollowedPairs | None = None

    def append(self, payload: EventPayload) -> None:
        """Append one event."""
        self.appended.append(append_event(self.con, payload.kind, payload.stored(), self.actor))

    def result(self, person_id: str | None, faces: int = 0) -> CommandResult:
        """The result of the command, about this person."""
        person = None if person_id is None else self.people().persons[person_id]
        return CommandResult(tuple(self.appended), person, faces, tuple(self.notes))

    def people(self) -> Decisions:
        """The decisions about people, including what this command appended; without any face."""
        return self._people_now().decisions()

    def student_matcher(self) -> StudentMatcher:
        """Which students of the rosters the people are, and whose refusals concern them, until the next event."""
        return self._people_now().student_matcher()

    def _people_now(self) -> KnownPeople:
        """What is recorded of people; once it was read, nobody but this transaction appends to it."""
        if self._read != len(self.appended):
            self._known.read(self.con, only_new=self._read is not None)
            self._read = len(self.appended)
        return self._known

    def decisions_for_photos(self, photos: Collection[str]) -> Decisions:
        """The decisions about people, all links, and those about faces of these photos and of others of their shots."""
        if self._followed is None:
            self._followed = FollowedPairs.of(read_events_of(self.con, (PhotosFollowed.kind,)))
        same_shots, followed = self._followed.around(photos)
        about = read_events_of(self.con, (*PHOTO_KINDS, *LINK_KINDS), event_ids_of_photos(self.con, same_shots))
        people = (event for event in self._people_now().events if event.kind in PEOPLE_KINDS)
        events = {event.id: event for event in (*about, *people) if event.kind != PhotosFollowed.kind}
        return replay(sorted([*events.values(), *followed], key=lambda event: event.id))

    def decisions_for_faces(self, faces: Sequence[FaceRef]) -> Decisions:
        """The same for the photos of these faces, with their labels under the ids that the faces have here."""
        return rekey_to_faces(self.decisions_for_photos({face.asset_id for face in faces}), faces)

    def find_person(self, who: str) -> Person:
        """The person of that id, name or display name, whether merged into another one or not.

        Raises:
            UnknownError: Nobody has that id or name.
            ConflictError: Several people have that name.
        """
        found = self.people().persons.get(who) or find_person_by_name(self.people(), who)
        if found is None or found.erased:
            raise UnknownError(unknown_person_sentence(self.people(), who))
        return found

    def find_current_person(self, who: str) -> Person:
        """The person of that id or name, or the one that they were merged into.

        Raises:
            UnknownError: Nobody has that id or name.
            ConflictError: Several people have that name.
        """
        found = self.find_person(who)
        people = self.people()
        return people.persons[people.canonical_id(found.id)]

    def find_student(self, which: str) -> RosterEntry:
        """The student of the rosters of that key, id, name or display name, whether a person or not.

        Raises:
            UnknownError: No student has that id or name.
            ConflictError: Several students have that name.
        """
        people, student_id, name = self.people(), normalize_student_id(which), normalize_name(which)
        shown = {entry.key: self.display_name_of(entry) for entry in people.roster}
        found = [e for e in people.roster if e.key == which or (student_id and _id_of(e) == student_id)]
        found = found or [e for e in people.roster if normalized_name(shown[e.key]) == name]
        found = found or [e for e in people.roster if normalized_name(e.name) == name]
        if not found:
            raise UnknownError(
                gettext(
                    "Nobody on the roster is called %(name)s; `classface roster list` lists the students.",
                    name=repr(which),
                )
            )
        if len(found) > 1:
            raise _ambiguous_name_error(which, [shown[entry.key] for entry in found], "students")
        return found[0]

    def display_name_of(self, entry: RosterEntry) -> str:
        """The display name of a student: that of the person who they are, if they have the student's name."""
        person = self.people().persons.get(self.people().students.get(entry.key, ""))
        if person is not None and normalize_name(person.name) == normalize_name(entry.name):
            return person.display_name
        return self.people().student_names.get(entry.key, entry.name)

    def resolve_name(self, name: str) -> Person | RosterEntry | None:
        """Who is meant by the name that a face is given.

        Returns:
            A person, a student of the rosters who is no person yet, or None for somebody new.

        Raises:
            ConflictError: Several people or students may be meant.
        """
        people, normalized = self.people(), normalize_name(name)
        by_id = people.persons.get(name)
        if by_id is not None and not by_id.erased:
            return by_id
        persons, students = people.people_named(name), people.unlinked_students_named(name)
        if any(normalize_name(person.name) != normalized for person in persons):  # by the display name
            students = []
        elif any(normalize_name(student.name) != normalized for student in students):
            persons = []
        elif students:
            namesakes = [e for e in people.roster if normalized_name(e.name) == normalized]
            linked = [people.students.get(entry.key) for entry in namesakes]
            persons += [people.persons[person_id] for person_id in linked if person_id is not None]
        # Of those who were merged into one person the first counts.
        persons = list({people.canonical_id(person.id): person for person in reversed(persons)}.values())[::-1]
        if len(persons) + len(students) > 1:
            shown = [*(person.display_name for person in persons), *map(self.display_name_of, students)]
            what = "students" if all(people.student_keys_of(person.id) for person in persons) else "people"
            raise _ambiguous_name_error(name, shown, what)
        return persons[0] if persons else students[0] if students else None

    def require_free_name(self, name: str, person_id: str = "") -> str:
        """The cleaned name, if it is free for that person, or for a new one.

        It is taken by other people of that name, unless it is known of all of them which students they are; those who
        were merged into the person do not count.

        Raises:
            ConflictError: Somebody else has that name.
            InvalidNameError: It cannot be a name.
        """
        name, people = clean_name(name), self.people()
        mine = people.student_keys_of(person_id) if person_id else set()
        for other in people.people_named(name):
            theirs = people.student_keys_of(other.id)
            is_known = mine and theirs and not mine & theirs and normalize_name(other.name) == normalize_name(name)
            if people.canonical_id(other.id) != person_id and not is_known:
                raise ConflictError(
                    gettext(
                        "There is already a person called %(name)s; choose another name.", name=repr(other.display_name)
                    )
                )
        return name

    def ambiguous_names(self) -> set[str]:
        """The names of several people who may be the same student."""
        people, namesakes = self.people(), dict[str, list[Person]]()
        for person in people.persons.values():
            if not person.erased and person.status != PersonStatus.MERGED:
                namesakes.setdefault(normalized_name(person.name), []).append(person)
        ambiguous: set[str] = set()
        for group in (group for group in namesakes.values() if len(group) > 1):
            keys = [people.student_keys_of(person.id) for person in group]
            if not all(keys) or len(set().union(*keys)) < sum(map(len, keys)):
                ambiguous.add(group[-1].name)
        return ambiguous

    def require_no_new_ambiguity(self, before: Set[str], cause: str) -> None:
        """Check that this command makes no further name ambiguous.

        Args:
            before: `ambiguous_names` before the command.
            cause: The beginning of the sentence, what makes it so.

        Raises:
            ConflictError: There is a new one.
        """
        for name in sorted(self.ambiguous_names() - before):
            raise ConflictError(
                gettext(
                    "%(cause)s would leave two people called %(name)s; rename one of them first.",
                    cause=cause,
                    name=repr(name),
                )
            )


def find_person_by_name(people: Decisions, name: str) -> Person | None:
    """The person of that name or display name, if there is one.

    Raises:
        ConflictError: Several people may be meant.
    """
    found = people.find_person(name)
    several = people.people_named(name)
    if found is None and several:
        raise _ambiguous_name_error(name, [person.display_name for person in several], "people")
    return found


def distinct_faces(faces: Sequence[FaceRef], minimum: int = 1) -> list[FaceRef]:
    """The faces, each once.

    Raises:
        LedgerError: There are fewer than `minimum`.
    """
    distinct = list({face.face_id: face for face in faces}.values())
    if len(distinct) < minimum:
        if minimum == 1:
            raise LedgerError(gettext("A face is needed: none was given."))
        needed = gettext("At least %(number)s different faces are needed", number=minimum)
        given = gettext("only %(number)s was given.", number=len(distinct)) if distinct else gettext("none was given.")
        raise LedgerError(f"{needed}: {given}")
    return distinct


def _ambiguous_name_error(name: str, choices: Sequence[str], what: str) -> ConflictError:
    numbers = {2: gettext("two"), 3: gettext("three"), 4: gettext("four")}
    message = (
        marked("There are %(number)s students called %(name)s: %(choices)s; say which.")
        if what == "students"
        else marked("There are %(number)s people called %(name)s: %(choices)s; say which.")
    )
    number = numbers.get(len(choices), str(len(choices)))
    return ConflictError(gettext(message, number=number, name=" ".join(name.split()), choices=format_names(choices)))


def _id_of(entry: RosterEntry) -> str:
    return normalize_student_id(entry.student_id)
