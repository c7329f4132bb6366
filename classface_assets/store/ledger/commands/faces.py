"""The acts about faces: whose one is, is not, or is no more."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from classface_assets.store.ledger.commands.people import create_person, create_student
from classface_assets.store.ledger.commands.photos import PhotoCommands
from classface_assets.store.ledger.transaction import (
    CommandResult,
    ConflictError,
    LedgerError,
    LedgerTransaction,
    clean_name,
    distinct_faces,
    pluralize,
)
from classface_assets.store.model.decisions import LABEL_METHODS, NOT_A_FACE, Decisions
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.store.model.roster_entry import RosterEntry


class FaceCommands(PhotoCommands):
    """Every face comes with its photo and box, by which it is found again under another detector."""

    def label(self, name: str, faces: Sequence[FaceRef], how: str = "hand") -> CommandResult:
        """Say that the faces are the person of that name, display name or id, who is created if nobody is called so.

        `how` the faces were chosen: as a cluster, by hand, or by an import. Said by the name of somebody who was merged
        it stays said of them when the merge is undone. Raises ConflictError where one of several may be meant.
        """
        name, faces = clean_name(name), distinct_faces(faces)
        if how not in LABEL_METHODS:
            raise LedgerError(f"Faces are labelled by {', '.join(LABEL_METHODS)}, not by {how!r}.")

        def act(now: LedgerTransaction) -> CommandResult:
            return _append_label(now, _find_or_create_person(now, name), faces, "faces_labelled", how=how)

        return self.write(act)

    def label_imported(
        self,
        named: Sequence[tuple[str, FaceRef]],
        roster: int | None = None,
        students: Mapping[str, str] | None = None,
    ) -> CommandResult:
        """Say whose faces these are, as (name, face), all of it or nothing; who is not known yet is created.

        `roster`: the event that imported the names; undoing it undoes this too. `students`: face id → the student
        (`RosterEntry.key`) whose portrait it is, which counts before the name.
        """
        said = {"roster": roster} if roster is not None else {}
        keys = students or {}
        people: dict[tuple[str, str], list[FaceRef]] = {}
        for name, face in named:
            people.setdefault((keys.get(face.face_id, ""), clean_name(name)), []).append(face)

        def act(now: LedgerTransaction) -> CommandResult:
            for (key, name), faces in people.items():
                person_id = (
                    _find_or_create_student(now, key, **said) if key else _find_or_create_person(now, name, **said)
                )
                _append_label(now, person_id, distinct_faces(faces), "faces_labelled", how="import", **said)
            return now.done(None, len(named))

        return self.write(act)

    def confirm(self, who: str, faces: Sequence[FaceRef]) -> CommandResult:
        """Yes, these are that person, who must be known."""
        faces = distinct_faces(faces)
        return self.write(lambda now: _append_label(now, now.find_person(who).id, faces, "faces_confirmed"))

    def not_faces(self, faces: Sequence[FaceRef]) -> CommandResult:
        """These are no faces at all."""
        faces = distinct_faces(faces)

        def act(now: LedgerTransaction) -> CommandResult:
            person = now.people().named(NOT_A_FACE)
            person_id = person.id if person else create_person(now, NOT_A_FACE)
            if person is None or person.kind != NOT_A_FACE.lower():
                now.append("person_kind_set", person_id=person_id, value="not a face")
            return _append_label(now, person_id, faces, "faces_labelled", how="hand")

        return self.write(act)

    def reject(self, who: str, faces: Sequence[FaceRef]) -> CommandResult:
        """No, these are not that person, and are never offered as them again. `faces`: how many were theirs."""
        faces = distinct_faces(faces)

        def act(now: LedgerTransaction) -> CommandResult:
            record, person = now.find_person(who), now.person(who)
            marks = now.said_of(faces).labels
            were = [f for f in faces if f.face_id in marks and marks[f.face_id].person_id == person.id]
            if were:
                now.notes.append(
                    f"{pluralize(len(were), 'face')} had been said to be {person.name}; the later word counts."
                )
            now.append("faces_rejected", person_id=record.id, faces=_face_payloads(faces))
            return now.done(person.id, len(were))

        return self.write(act)

    def take_off(self, faces: Sequence[FaceRef]) -> CommandResult:
        """The faces are nobody's any more, and may be anybody's again."""
        faces = distinct_faces(faces)

        def act(now: LedgerTransaction) -> CommandResult:
            marks = now.said_of(faces).labels
            labelled = sum(face.face_id in marks for face in faces)
            if not labelled:
                raise ConflictError("None of these faces was labelled, so there is no name to take off.")
            now.append("faces_taken_off", faces=_face_payloads(faces))
            return now.done(None, labelled)

        return self.write(act)


def _find_or_create_person(now: LedgerTransaction, name: str, **said: object) -> str:
    """The person of that name, be they merged or not, who is created if there is none."""
    found = now.whom(name)
    if isinstance(found, RosterEntry):
        return create_student(now, name, found, **said)
    return create_person(now, name, **said) if found is None else found.id


def _find_or_create_student(now: LedgerTransaction, key: str, **said: object) -> str:
    """The person who a student of the roster is, who is created if they are nobody yet."""
    person_id = now.people().students.get(key)
    entry = now.student(key)
    return person_id or create_student(now, entry.name, entry, **said)


def _append_label(
    now: LedgerTransaction, record_id: str, faces: Sequence[FaceRef], kind: str, **said: object
) -> CommandResult:
    """What is said by the name of somebody who was merged is kept as theirs: their merge may be undone."""
    person_id = now.people().canonical_id(record_id)
    before = now.said_of(faces)
    barred = [face for face in faces if face.face_id in before.erased_faces]
    if barred:
        raise ConflictError(
            f"The face {barred[0].face_id} is of a person who was erased, and cannot be labelled; undo that first."
        )
    now.notes += _label_notes(before, person_id, faces)
    now.append(kind, person_id=record_id, faces=_face_payloads(faces), **said)
    return now.done(person_id, len(faces))


def _label_notes(before: Decisions, person_id: str, faces: Sequence[FaceRef]) -> Iterable[str]:
    """What a label overrules, and where it gives a person two faces in one photo."""
    ids = {face.face_id for face in faces}
    name = before.persons[person_id].name if person_id in before.persons else "that person"
    others = Counter(before.labels[f].person_id for f in ids if f in before.labels)
    for other, count in others.items():
        if other != person_id:
            yield f"{pluralize(count, 'face')} had been said to be {before.persons[other].name}; the later word counts."
    rejected = sum((f, person_id) in before.rejected for f in ids)
    if rejected:
        yield f"{pluralize(rejected, 'face')} had been said not to be {name}; the later word counts."
    apart = [x for x in before.links if not x.same and {x.a.face_id, x.b.face_id} <= ids]
    if apart:
        yield f"{pluralize(len(apart), 'pair')} of these faces had been said to be two people; the label counts."
    if person_id in before.persons and before.persons[person_id].kind == "not a face":
        return
    inside = {f.asset_id for f in faces} - before.photo_marks.keys()
    mine = {f: m.asset_id for f, m in before.labels.items() if m.person_id == person_id}
    counts = Counter((mine | {face.face_id: face.asset_id for face in faces}).values())
    twice = sorted(photo for photo in inside if counts[photo] > 1)
    if twice:
        yield (
            f"{name} now has more than one face in {pluralize(len(twice), 'photo')} (as {twice[0]}): "
            "take the wrong ones off, or mark the photo as a collage."
        )


def _face_payloads(faces: Iterable[FaceRef]) -> list[dict[str, object]]:
    return [face.payload() for face in faces]
