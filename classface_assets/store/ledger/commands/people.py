"""Commands about people: who there is, what they are called, who is the same, and what else is known of them.

People are given by id or by name, whatever its case; somebody who was merged means the person they were merged
into.
"""

import uuid
from collections.abc import Sequence, Set
from datetime import date

from classface_assets.core.languages import gettext, ngettext
from classface_assets.core.names import clean_name, normalize_name
from classface_assets.store.ledger.database import photos_of_people
from classface_assets.store.ledger.payloads import (
    BirthDateSet,
    ConsentGiven,
    ConsentWithdrawn,
    CoverChosen,
    PersonCreated,
    PersonErased,
    PersonHidden,
    PersonKindSet,
    PersonMerged,
    PersonRenamed,
    PersonShown,
    PortraitGiven,
    SiblingsDeclared,
    StudentLinked,
    face_payloads,
)
from classface_assets.store.ledger.transaction import CommandResult, ConflictError, LedgerError, LedgerTransaction
from classface_assets.store.model.decisions import Decisions, Person
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.store.model.person_kinds import PERSON_KINDS, PersonStatus
from classface_assets.store.model.purposes import ALL_PURPOSES, Purpose
from classface_assets.store.model.roster_entry import RosterEntry

_EARLIEST_BIRTH = date(1850, 1, 1)


def create(tx: LedgerTransaction, name: str) -> CommandResult:
    """Create a person who has no face yet.

    Raises:
        ConflictError: Somebody has that name, or several students have it.
    """
    cleaned = clean_name(name)
    student = None if tx.people().people_named(cleaned) else tx.resolve_name(cleaned)
    if isinstance(student, RosterEntry):
        return tx.result(create_student(tx, cleaned, student))
    return tx.result(create_person(tx, tx.require_free_name(cleaned)))


def rename(tx: LedgerTransaction, who: str, name: str) -> CommandResult:
    """Give a person another name.

    Raises:
        UnknownError: There is no such person.
        ConflictError: Somebody else has that name.
    """
    person = tx.find_current_person(who)
    if normalize_name(name) == normalize_name(person.display_name) != normalize_name(person.name):
        tx.append(PersonRenamed(person_id=person.id, name=person.name))
    else:
        tx.append(PersonRenamed(person_id=person.id, name=tx.require_free_name(name, person.id)))
    return tx.result(person.id)


def merge(tx: LedgerTransaction, who: str, into: str) -> CommandResult:
    """Record that two people are one: all decisions about the first one hold for the second one.

    Returns:
        The result about the second person, with the number of labelled faces that this moves.
    """
    person, target = _find_unmerged(tx, who), _find_unmerged(tx, into)
    if person.id == target.id:
        raise ConflictError(
            gettext("%(name)s cannot be merged into themselves; name two different people.", name=person.name)
        )
    mine, theirs = (photos_of_people(tx.con, _merge_group(tx.people(), p.id)) for p in (person, target))
    decisions = tx.decisions_for_photos(mine)
    moved = [label for label in decisions.labels.values() if label.person_id == person.id]
    of_target = {
        label.asset_id
        for label in decisions.labels.values()
        if label.asset_id in theirs and label.person_id == target.id
    }
    both = ({label.asset_id for label in moved} & of_target) - decisions.photo_marks.keys()
    if both:
        tx.notes.append(
            ngettext(
                "%(name)s and %(other)s are both in %(num)s photo (as %(photo)s): if they are two people, undo the "
                "merge.",
                "%(name)s and %(other)s are both in %(num)s photos (as %(photo)s): if they are two people, undo the "
                "merge.",
                len(both),
                name=person.name,
                other=target.name,
                photo=min(both),
            )
        )
    tx.append(PersonMerged(person_id=person.id, into_id=target.id))
    return tx.result(target.id, len(moved))


def hide(tx: LedgerTransaction, who: str) -> CommandResult:
    """Show a person nowhere; their faces stay labelled."""
    person = tx.find_current_person(who)
    if person.status == PersonStatus.HIDDEN:
        raise ConflictError(gettext("%(name)s is hidden already.", name=person.name))
    tx.append(PersonHidden(person_id=person.id))
    return tx.result(person.id)


def show(tx: LedgerTransaction, who: str) -> CommandResult:
    """Show a hidden person again."""
    person = tx.find_current_person(who)
    if person.status == PersonStatus.ACTIVE:
        raise ConflictError(gettext("%(name)s is not hidden.", name=person.name))
    tx.append(PersonShown(person_id=person.id))
    return tx.result(person.id)


def set_kind(tx: LedgerTransaction, who: str, kind: str) -> CommandResult:
    """Set whether a person is a student, staff, not a student, or not a face."""
    if kind not in PERSON_KINDS:
        raise LedgerError(
            gettext(
                "%(kind)s is no kind of person; it is one of %(kinds)s.", kind=repr(kind), kinds=", ".join(PERSON_KINDS)
            )
        )
    person = tx.find_current_person(who)
    tx.append(PersonKindSet(person_id=person.id, value=kind))
    return tx.result(person.id)


def set_birth_date(tx: LedgerTransaction, who: str, born: date | None) -> CommandResult:
    """Set when a person was born; None removes the date.

    Raises:
        LedgerError: The day lies in the future, or before the age of school photos.
    """
    if born is not None and not _EARLIEST_BIRTH <= born <= date.today():  # noqa: DTZ011 a day has no time zone
        raise LedgerError(
            gettext("Nobody in a school's photos was born on %(day)s; check the year.", day=born.isoformat())
        )
    person = tx.find_current_person(who)
    tx.append(BirthDateSet(person_id=person.id, birth_date=born.isoformat() if born else None))
    return tx.result(person.id)


def set_consent(tx: LedgerTransaction, who: str, given: bool, purposes: Sequence[str] = ()) -> CommandResult:
    """Set whether a person may be shown for these purposes; without any, for all of them.

    Only this lifts a refusal. It is recorded of the person that is named: once a merge is undone, the other one's
    refusal holds again.

    Args:
        tx: The open transaction.
        who: Id or name of the person.
        given: Whether consent is given or withdrawn.
        purposes: Values of `Purpose`, or `ALL_PURPOSES`.

    Raises:
        LedgerError: One of `purposes` is none.
        ConflictError: Another student of that name may be meant.
    """
    unknown = [purpose for purpose in purposes if purpose not in {ALL_PURPOSES, *Purpose}]
    if unknown:
        raise LedgerError(
            gettext(
                "%(purpose)s is no purpose; it is one of %(purposes)s.",
                purpose=repr(unknown[0]),
                purposes=", ".join([*Purpose, ALL_PURPOSES]),
            )
        )
    only = list(dict.fromkeys(map(str, purposes))) if purposes and ALL_PURPOSES not in purposes else None
    person = tx.find_person(who)
    if given and who not in tx.people().persons:
        tx.resolve_name(who)
    payload = ConsentGiven if given else ConsentWithdrawn
    tx.append(payload(person_id=person.id, purposes=only))
    return tx.result(tx.people().canonical_id(person.id))


def set_portrait(tx: LedgerTransaction, who: str, face_id: str) -> CommandResult:
    """Enrol a person with the face of a portrait that is no photo of the archive, in place of the one before."""
    person = tx.find_person(who)
    tx.append(PortraitGiven(person_id=person.id, portrait=face_id))
    return tx.result(tx.people().canonical_id(person.id))


def choose_cover(tx: LedgerTransaction, who: str, face: FaceRef) -> CommandResult:
    """Show a person by this face in albums and lists, as long as it is theirs.

    Raises:
        UnknownError: There is no such person.
    """
    person = tx.find_current_person(who)
    tx.append(CoverChosen(person_id=person.id, faces=face_payloads([face])))
    return tx.result(person.id)


def declare_siblings(tx: LedgerTransaction, people: Sequence[str]) -> CommandResult:
    """Record that people are siblings, so that telling them apart takes a larger margin."""
    ids = list(dict.fromkeys(tx.find_person(who).id for who in people))
    if len({tx.people().canonical_id(person_id) for person_id in ids}) < 2:
        raise LedgerError(gettext("Siblings are at least two different people; name them all."))
    tx.append(SiblingsDeclared(person_ids=ids))
    return tx.result(tx.people().canonical_id(ids[0]))


def erase(tx: LedgerTransaction, who: str, faces: Sequence[FaceRef] = ()) -> CommandResult:
    """Erase a person: their labelled faces and these ones are never embedded again.

    The ledger retains that there was such a person, and where the faces lie, by which they are recognised as erased.
    """
    person = tx.find_current_person(who)
    decisions = tx.decisions_for_photos(photos_of_people(tx.con, _merge_group(tx.people(), person.id)))
    labelled = {f: label for f, label in decisions.labels.items() if label.person_id == person.id}
    erased = {f: FaceRef(f, label.asset_id, label.box) for f, label in labelled.items()}
    erased |= {face.face_id: face for face in faces}
    student_keys = tx.people().student_keys_of(person.id)
    tx.append(PersonErased(person_id=person.id, faces=face_payloads(erased.values())))
    preserve_refusals(tx, student_keys)
    return tx.result(person.id, len(erased))


def create_person(tx: LedgerTransaction, name: str, roster: int | None = None) -> str:
    """Append a new person of that name; `roster`: the import that named them. Returns the id."""
    person_id = str(uuid.uuid4())
    tx.append(PersonCreated(person_id=person_id, name=name, roster=roster))
    return person_id


def create_student(tx: LedgerTransaction, name: str, student: RosterEntry, roster: int | None = None) -> str:
    """Append the person who a student of the rosters is, linked explicitly where others have the name.

    Returns:
        The id of the person.
    """
    is_shared = student.key in tx.people().student_names
    is_same = normalize_name(name) == normalize_name(student.name)
    person_id = create_person(tx, name if is_same else student.name, roster)
    if is_shared or tx.people().students.get(student.key) != person_id:
        tx.append(StudentLinked(person_id=person_id, student=student.key, roster=roster))
    return person_id


def preserve_refusals(tx: LedgerTransaction, keys: Set[str]) -> None:
    """Record by hand, for every other person that they concern, what the rows of these students refuse.

    The rows of these students are about to be removed.
    """
    matcher = tx.student_matcher()
    places = {place for place, entry in enumerate(matcher.students.entries) if entry.key in keys}
    names = {name for place in places for _, name in matcher.students.names_of[place]}
    gone = {("student", place) for place in places} | {("name", name) for name in names}
    people, left = tx.people(), list[tuple[str, list[str]]]()
    for person_id, refused in matcher.consents.refused.items():
        person = people.persons.get(person_id)
        purposes = sorted(str(purpose) for purpose, sources in refused.items() if sources and sources.keys() <= gone)
        if purposes and person is not None and not person.erased:
            left.append((person_id, purposes))
    for person_id, purposes in left:  # what is appended changes the answers of the matcher
        tx.append(ConsentWithdrawn(person_id=person_id, purposes=purposes))


def _find_unmerged(tx: LedgerTransaction, who: str) -> Person:
    person = tx.find_person(who)
    if person.merged_into_id is not None:
        target = tx.people().persons[tx.people().canonical_id(person.id)]
        raise ConflictError(
            gettext(
                "%(name)s was merged into %(other)s already; undo that, or name %(other)s.",
                name=person.name,
                other=target.name,
            )
        )
    return person


def _merge_group(people: Decisions, person_id: str) -> list[str]:
    """The person and everybody who was merged into them."""
    return [p for p in people.persons if people.canonical_id(p) == person_id]
