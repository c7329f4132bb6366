"""The acts about people: who there is, what they are called, who is the same, what else is known of them."""

import uuid
from collections.abc import Callable, Sequence, Set
from datetime import date

from classface_assets.core.names import normalize_name
from classface_assets.store.ledger.database import photos_of_people
from classface_assets.store.ledger.event_store import EventStore
from classface_assets.store.ledger.transaction import (
    CommandResult,
    ConflictError,
    LedgerError,
    LedgerTransaction,
    clean_name,
    pluralize,
)
from classface_assets.store.model.decisions import PERSON_KINDS, Decisions, Person
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.store.model.purposes import ALL_PURPOSES, Purpose
from classface_assets.store.model.roster_entry import RosterEntry


class PeopleCommands(EventStore):
    """People are named by id or by name, whatever the case; who was merged means whom they were merged into."""

    def create(self, name: str) -> CommandResult:
        """A person without a face yet. Raises ConflictError when somebody has that name, or several students do."""

        def act(now: LedgerTransaction) -> CommandResult:
            cleaned = clean_name(name)
            student = None if now.people().people_named(cleaned) else now.whom(cleaned)
            if isinstance(student, RosterEntry):
                return now.done(create_student(now, cleaned, student))
            return now.done(create_person(now, now.free(cleaned)))

        return self.write(act)

    def rename(self, who: str, name: str) -> CommandResult:
        """Give a person another name. Raises UnknownError, or ConflictError when somebody else has it."""

        def act(now: LedgerTransaction) -> CommandResult:
            person = now.person(who)
            if normalize_name(name) == normalize_name(person.display_name) != normalize_name(person.name):
                now.append("person_renamed", person_id=person.id, name=person.name)
                return now.done(person.id)
            now.append("person_renamed", person_id=person.id, name=now.free(name, person.id))
            return now.done(person.id)

        return self.write(act)

    def merge(self, who: str, into: str) -> CommandResult:
        """Two people are one: all that was said of the first is said of the second. `faces`: how many that moves."""

        def act(now: LedgerTransaction) -> CommandResult:
            person, target = _find_unmerged(now, who), _find_unmerged(now, into)
            if person.id == target.id:
                raise ConflictError(f"{person.name} cannot be merged into themselves; name two different people.")
            mine, theirs = (photos_of_people(now.con, _merge_group(now.people(), p.id)) for p in (person, target))
            said = now.around(mine)
            moved = [mark for mark in said.labels.values() if mark.person_id == person.id]
            met = {m.asset_id for m in said.labels.values() if m.asset_id in theirs and m.person_id == target.id}
            both = ({mark.asset_id for mark in moved} & met) - said.photo_marks.keys()
            if both:
                now.notes.append(
                    f"{person.name} and {target.name} are both in {pluralize(len(both), 'photo')} (as {min(both)}): "
                    "if they are two people, undo the merge."
                )
            now.append("person_merged", person_id=person.id, into_id=target.id)
            return now.done(target.id, len(moved))

        return self.write(act)

    def hide(self, who: str) -> CommandResult:
        """The person is shown nowhere; their faces stay theirs."""
        return self._about(who, "person_hidden", lambda p: p.status == "hidden", "is hidden already")

    def show(self, who: str) -> CommandResult:
        return self._about(who, "person_shown", lambda p: p.status == "active", "is not hidden")

    def set_kind(self, who: str, kind: str) -> CommandResult:
        """student, staff, not a student, or not a face."""
        if kind not in PERSON_KINDS:
            raise LedgerError(f"{kind!r} is no kind of person; it is one of {', '.join(PERSON_KINDS)}.")
        return self._about(who, "person_kind_set", value=kind)

    def birth_date(self, who: str, born: date | None) -> CommandResult:
        """When the person was born; None takes it back. Raises LedgerError for a day to come or of another age."""
        if born is not None and not date(1850, 1, 1) <= born <= date.today():  # noqa: DTZ011 a day has no time zone
            raise LedgerError(f"Nobody in a school's photos was born on {born.isoformat()}; check the year.")
        return self._about(who, "birth_date_set", birth_date=born and born.isoformat())

    def consent(self, who: str, given: bool, purposes: Sequence[str] = ()) -> CommandResult:
        """Whether the person may be shown for these purposes (`consent.Purpose`); none: for all.

        Only this lifts a refusal, and it is said of whom is named: once a merge is undone, the other's refusal stands.
        Raises LedgerError for what is no purpose, or ConflictError when another student of that name may be meant.
        """
        unknown = [purpose for purpose in purposes if purpose not in {ALL_PURPOSES, *Purpose}]
        if unknown:
            raise LedgerError(f"{unknown[0]!r} is no purpose; it is one of {', '.join([*Purpose, ALL_PURPOSES])}.")
        said = {"purposes": list(dict.fromkeys(purposes))} if purposes and ALL_PURPOSES not in purposes else {}

        def act(now: LedgerTransaction) -> CommandResult:
            person = now.find_person(who)
            if given and who not in now.people().persons:
                now.whom(who)
            now.append("consent_given" if given else "consent_withdrawn", person_id=person.id, **said)
            return now.done(now.people().canonical_id(person.id))

        return self.write(act)

    def give_portrait(self, who: str, face_id: str) -> CommandResult:
        """The face of a portrait that is no photo of the archive stands for the person, in place of the one before."""

        def act(now: LedgerTransaction) -> CommandResult:
            person = now.find_person(who)
            now.append("portrait_given", person_id=person.id, portrait=face_id)
            return now.done(now.people().canonical_id(person.id))

        return self.write(act)

    def siblings(self, people: Sequence[str]) -> CommandResult:
        """These people look alike for a reason: telling them apart takes a larger margin."""

        def act(now: LedgerTransaction) -> CommandResult:
            ids = list(dict.fromkeys(now.find_person(who).id for who in people))
            if len({now.people().canonical_id(person_id) for person_id in ids}) < 2:
                raise LedgerError("Siblings are at least two different people; name them all.")
            now.append("siblings_declared", person_ids=ids)
            return now.done(now.people().canonical_id(ids[0]))

        return self.write(act)

    def erase(self, who: str, faces: Sequence[FaceRef] = ()) -> CommandResult:
        """Forget a person: their labelled faces and these ones are barred from ever being embedded again.

        The ledger keeps that there was such a person, and the places of the faces, by which they stay barred.
        """

        def act(now: LedgerTransaction) -> CommandResult:
            person = now.person(who)
            said = now.around(photos_of_people(now.con, _merge_group(now.people(), person.id)))
            barred = {f: FaceRef(f, m.asset_id, m.box) for f, m in said.labels.items() if m.person_id == person.id}
            barred |= {face.face_id: face for face in faces}
            theirs = now.people().student_keys_of(person.id)
            now.append("person_erased", person_id=person.id, faces=[face.payload() for face in barred.values()])
            preserve_refusals(now, theirs)
            return now.done(person.id, len(barred))

        return self.write(act)

    def _about(
        self, who: str, kind: str, already: Callable[[Person], bool] = lambda _: False, told: str = "", **said: object
    ) -> CommandResult:
        def act(now: LedgerTransaction) -> CommandResult:
            person = now.person(who)
            if already(person):
                raise ConflictError(f"{person.name} {told}.")
            now.append(kind, person_id=person.id, **said)
            return now.done(person.id)

        return self.write(act)


def create_person(now: LedgerTransaction, name: str, **said: object) -> str:
    person_id = str(uuid.uuid4())
    now.append("person_created", person_id=person_id, name=name, **said)
    return person_id


def create_student(now: LedgerTransaction, name: str, student: RosterEntry, **said: object) -> str:
    """The person who a student of the roster is; said in so many words where others have the name."""
    is_shared = student.key in now.people().student_names
    person_id = create_person(
        now, name if normalize_name(name) == normalize_name(student.name) else student.name, **said
    )
    if is_shared or now.people().students.get(student.key) != person_id:
        now.append("student_linked", person_id=person_id, student=student.key, **said)
    return person_id


def preserve_refusals(now: LedgerTransaction, keys: Set[str]) -> None:
    """Say by hand what these students' rows refuse, which are about to go, to every other person whom it concerns."""
    enrolling = now.enrolling()
    places = {place for place, entry in enumerate(enrolling.students.entries) if entry.key in keys}
    names = {name for place in places for _, name in enrolling.students.names_of[place]}
    gone = {("student", place) for place in places} | {("name", name) for name in names}
    for person_id, told in enrolling.consents.refused.items():
        person = now.people().persons.get(person_id)
        purposes = sorted(str(purpose) for purpose, sources in told.items() if sources and sources.keys() <= gone)
        if purposes and person is not None and not person.erased:
            now.append("consent_withdrawn", person_id=person_id, purposes=purposes)


def _find_unmerged(now: LedgerTransaction, who: str) -> Person:
    person = now.find_person(who)
    if person.merged_into_id is not None:
        target = now.people().persons[now.people().canonical_id(person.id)]
        raise ConflictError(f"{person.name} was merged into {target.name} already; undo that, or name {target.name}.")
    return person


def _merge_group(people: Decisions, person_id: str) -> list[str]:
    """The person and everybody who was merged into them."""
    return [p for p in people.persons if people.canonical_id(p) == person_id]
