"""Commands about faces: which person a face is, is not, or is no longer.

Every face comes with its photo and box, by which it is found again under another detector.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from classface_assets.core.languages import gettext
from classface_assets.core.names import clean_name, pluralize
from classface_assets.store.ledger.commands.people import create_person, create_student
from classface_assets.store.ledger.payloads import (
    FacesConfirmed,
    FacesLabelled,
    FacesRejected,
    FacesTakenOff,
    PersonKindSet,
    face_payloads,
)
from classface_assets.store.ledger.transaction import (
    CommandResult,
    ConflictError,
    LedgerError,
    LedgerTransaction,
    distinct_faces,
)
from classface_assets.store.model.decisions import LABEL_METHODS, NOT_A_FACE, Decisions
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.store.model.person_kinds import PersonKind
from classface_assets.store.model.roster_entry import RosterEntry


def label(tx: LedgerTransaction, name: str, faces: Sequence[FaceRef], method: str = "hand") -> CommandResult:
    """Label faces as the person of that name, display name or id, who is created if nobody has that name.

    Labels by the name of somebody who was merged stay theirs when the merge is undone.

    Args:
        tx: The open transaction.
        name: Name, display name or id of the person.
        faces: The faces.
        method: How the faces were chosen, one of `LABEL_METHODS`.

    Raises:
        ConflictError: Several people may be meant, or a face was erased.
    """
    name, faces = clean_name(name), distinct_faces(faces)
    if method not in LABEL_METHODS:
        raise LedgerError(f"Faces are labelled by {', '.join(LABEL_METHODS)}, not by {method!r}.")
    return _append_labels(tx, _find_or_create_person(tx, name), faces, method=method)


def label_groups(tx: LedgerTransaction, named: Sequence[tuple[str, Sequence[FaceRef]]], method: str) -> CommandResult:
    """Label groups of faces as one person each, all of them or none; see `label`.

    Raises:
        ConflictError: Several people may be meant by a name, or a face was erased.
    """
    for name, faces in named:
        label(tx, name, faces, method)
    return tx.result(None, sum(len(faces) for _, faces in named))


def label_imported(
    tx: LedgerTransaction,
    named: Sequence[tuple[str, FaceRef]],
    roster: int | None = None,
    students: Mapping[str, str] | None = None,
) -> CommandResult:
    """Label the faces of portraits, all of them or none; people who are not known yet are created.

    Args:
        tx: The open transaction.
        named: (name, face) of each portrait.
        roster: The event that imported the names; undoing it undoes these labels too.
        students: Face id -> the student (`RosterEntry.key`) of the portrait, which takes precedence over the name.
    """
    keys = students or {}
    people: dict[tuple[str, str], list[FaceRef]] = {}
    for name, face in named:
        people.setdefault((keys.get(face.face_id, ""), clean_name(name)), []).append(face)
    for (key, name), faces in people.items():
        person_id = _find_or_create_student(tx, key, roster) if key else _find_or_create_person(tx, name, roster)
        _append_labels(tx, person_id, distinct_faces(faces), method="import", roster=roster)
    return tx.result(None, len(named))


def confirm(tx: LedgerTransaction, who: str, faces: Sequence[FaceRef]) -> CommandResult:
    """Confirm that faces are that person, who must exist."""
    faces = distinct_faces(faces)
    record_id = tx.find_person(who).id
    person_id = _check_labels(tx, record_id, faces)
    tx.append(FacesConfirmed(person_id=record_id, faces=face_payloads(faces)))
    return tx.result(person_id, len(faces))


def mark_not_faces(tx: LedgerTransaction, faces: Sequence[FaceRef]) -> CommandResult:
    """Label detections that are no faces at all."""
    faces = distinct_faces(faces)
    person = tx.people().find_current_person(NOT_A_FACE)
    person_id = person.id if person else create_person(tx, NOT_A_FACE)
    if person is None or person.kind != PersonKind.NOT_A_FACE:
        tx.append(PersonKindSet(person_id=person_id, value=PersonKind.NOT_A_FACE.value))
    return _append_labels(tx, person_id, faces, method="hand")


def reject(tx: LedgerTransaction, who: str, faces: Sequence[FaceRef]) -> CommandResult:
    """Record that faces are not that person, and are never matched with them again.

    Returns:
        The result, with the number of these faces that were labelled as that person.
    """
    faces = distinct_faces(faces)
    record, person = tx.find_person(who), tx.find_current_person(who)
    labels = tx.decisions_for_faces(faces).labels
    labelled = [f for f in faces if f.face_id in labels and labels[f.face_id].person_id == person.id]
    if labelled:
        count = pluralize(len(labelled), "face")
        tx.notes.append(f"{count} had been labelled as {person.name}; the newer decision counts.")
    tx.append(FacesRejected(person_id=record.id, faces=face_payloads(faces)))
    return tx.result(person.id, len(labelled))


def remove_labels(tx: LedgerTransaction, faces: Sequence[FaceRef]) -> CommandResult:
    """Remove the labels of faces, which may be matched with anybody again."""
    faces = distinct_faces(faces)
    labels = tx.decisions_for_faces(faces).labels
    count = sum(face.face_id in labels for face in faces)
    if not count:
        raise ConflictError(gettext("None of these faces was labelled, so there is no name to remove."))
    tx.append(FacesTakenOff(faces=face_payloads(faces)))
    return tx.result(None, count)


def remove_assignments(
    tx: LedgerTransaction, labelled: Sequence[FaceRef], matched: Sequence[tuple[str, Sequence[FaceRef]]]
) -> CommandResult:
    """Remove the labels of faces, and reject people for the faces that were matched with them; all or none.

    Args:
        tx: The open transaction.
        labelled: Faces with a label.
        matched: (person id, faces) of automatic matches.
    """
    if labelled:
        remove_labels(tx, labelled)
    for person_id, faces in matched:
        reject(tx, person_id, faces)
    return tx.result(None, len(labelled) + sum(len(faces) for _, faces in matched))


def _find_or_create_person(tx: LedgerTransaction, name: str, roster: int | None = None) -> str:
    """The id of the person of that name, whether merged or not."""
    found = tx.resolve_name(name)
    if isinstance(found, RosterEntry):
        return create_student(tx, name, found, roster)
    return create_person(tx, name, roster) if found is None else found.id


def _find_or_create_student(tx: LedgerTransaction, key: str, roster: int | None) -> str:
    """The id of the person who a student of the rosters is."""
    person_id = tx.people().students.get(key)
    entry = tx.find_student(key)
    return person_id or create_student(tx, entry.name, entry, roster)


def _append_labels(
    tx: LedgerTransaction, record_id: str, faces: Sequence[FaceRef], method: str, roster: int | None = None
) -> CommandResult:
    """Label faces under the record of a person, which their merge, if it is undone, gives back to them."""
    person_id = _check_labels(tx, record_id, faces)
    tx.append(FacesLabelled(person_id=record_id, faces=face_payloads(faces), how=method, roster=roster))
    return tx.result(person_id, len(faces))


def _check_labels(tx: LedgerTransaction, record_id: str, faces: Sequence[FaceRef]) -> str:
    """Note what these labels overrule; returns the id of the person after all merges."""
    person_id = tx.people().canonical_id(record_id)
    before = tx.decisions_for_faces(faces)
    erased = [face for face in faces if face.face_id in before.erased_faces]
    if erased:
        raise ConflictError(
            gettext(
                "The face %(face)s is of a person who was erased, and cannot be labelled; undo that first.",
                face=erased[0].face_id,
            )
        )
    tx.notes += _label_notes(before, person_id, faces)
    return person_id


def _label_notes(before: Decisions, person_id: str, faces: Sequence[FaceRef]) -> Iterator[str]:
    """Sentences on what labels overrule, and on photos in which they give a person two faces."""
    ids = {face.face_id for face in faces}
    name = before.persons[person_id].name if person_id in before.persons else "that person"
    others = Counter(before.labels[f].person_id for f in ids if f in before.labels)
    for other, count in others.items():
        if other != person_id:
            name_before = before.persons[other].name
            yield f"{pluralize(count, 'face')} had been labelled as {name_before}; the newer label counts."
    rejected = sum((f, person_id) in before.rejected for f in ids)
    if rejected:
        yield f"{pluralize(rejected, 'face')} had been rejected as {name}; the newer label counts."
    apart = [link for link in before.links if not link.same and {link.a.face_id, link.b.face_id} <= ids]
    if apart:
        yield f"{pluralize(len(apart), 'pair')} of these faces had been marked as two people; the label counts."
    if person_id in before.persons and before.persons[person_id].kind == PersonKind.NOT_A_FACE:
        return
    yield from _repeated_in_photo(before, person_id, name, faces)


def _repeated_in_photo(before: Decisions, person_id: str, name: str, faces: Sequence[FaceRef]) -> Iterator[str]:
    photos = {f.asset_id for f in faces} - before.photo_marks.keys()
    photo_of = {f: label.asset_id for f, label in before.labels.items() if label.person_id == person_id}
    counts = Counter((photo_of | {face.face_id: face.asset_id for face in faces}).values())
    twice = sorted(photo for photo in photos if counts[photo] > 1)
    if twice:
        yield (
            f"{name} now has more than one face in {pluralize(len(twice), 'photo')} (as {twice[0]}): "
            "remove the wrong labels, or mark the photo as a collage."
        )
