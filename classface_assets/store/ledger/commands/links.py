"""The acts that say which faces belong together and which apart, without saying whose they are."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

from classface_assets.store.decisions.links import PairConstraint, resolve_conflicts
from classface_assets.store.ledger.commands.faces import FaceCommands
from classface_assets.store.ledger.transaction import (
    CommandResult,
    ConflictError,
    LedgerError,
    LedgerTransaction,
    distinct_faces,
    pluralize,
)
from classface_assets.store.model.decisions import Decisions
from classface_assets.store.model.face_ref import FaceRef

MAX_CANNOT_LINK_FACES = 100  # the pairs grow with the square


class LinkCommands(FaceCommands):
    """The notes of an act tell which words it overrules."""

    def must_link(self, faces: Sequence[FaceRef]) -> CommandResult:
        """These are one person, whoever it is. Raises ConflictError when they are labelled as several."""
        faces = distinct_faces(faces, 2)

        def act(now: LedgerTransaction) -> CommandResult:
            before = _decisions_of_linked_faces(now, faces)
            named = {before.labels[f.face_id].person_id for f in faces if f.face_id in before.labels}
            if len(named) > 1:
                names = " and ".join(sorted(before.persons[p].name for p in named))
                raise ConflictError(
                    f"These faces are labelled as {names}; take the wrong label off, or merge the people."
                )
            return _append_constraint(now, before, len(faces), "must_linked", faces=[face.payload() for face in faces])

        return self.write(act)

    def cannot_link(self, faces: Sequence[FaceRef]) -> CommandResult:
        """No two of these are one person. Raises ConflictError when two are labelled as the same."""
        faces = distinct_faces(faces, 2)
        if len(faces) > MAX_CANNOT_LINK_FACES:
            raise LedgerError(
                f"At most {MAX_CANNOT_LINK_FACES} faces can be said to be different people at once; name fewer."
            )

        def act(now: LedgerTransaction) -> CommandResult:
            before = _decisions_of_linked_faces(now, faces)
            marks = [before.labels[f.face_id].person_id for f in faces if f.face_id in before.labels]
            twice = next((a for a, b in combinations(marks, 2) if a == b), None)
            if twice is not None:
                name = before.persons[twice].name
                raise ConflictError(f"Two of these faces are labelled as {name}; take the wrong label off first.")
            return _append_constraint(
                now, before, len(faces), "cannot_linked", faces=[face.payload() for face in faces]
            )

        return self.write(act)

    def split(self, cluster_id: str, groups: Sequence[Sequence[FaceRef]]) -> CommandResult:
        """The faces of a cluster are as many people as there are groups, and each group is one."""
        parts = [distinct_faces(group) for group in groups]
        ids = [face.face_id for part in parts for face in part]
        if len(parts) < 2:
            raise LedgerError("A cluster is split into at least two groups of faces; only one was given.")
        if len(set(ids)) < len(ids):
            raise LedgerError("A face is in two groups of the split; put it into one.")

        def act(now: LedgerTransaction) -> CommandResult:
            before = _decisions_of_linked_faces(now, [face for part in parts for face in part])
            payload = [[face.payload() for face in part] for part in parts]
            return _append_constraint(now, before, len(ids), "cluster_split", cluster_id=cluster_id, groups=payload)

        return self.write(act)


def _decisions_of_linked_faces(now: LedgerTransaction, faces: Sequence[FaceRef]) -> Decisions:
    """What was said of these faces, and of all that belong together with them by way of others."""
    linked: dict[str, list[FaceRef]] = {}
    for link in now.around(()).links:
        if link.same:
            linked.setdefault(link.a.face_id, []).append(link.b)
            linked.setdefault(link.b.face_id, []).append(link.a)
    found, waiting = {face.face_id: face for face in faces}, list(faces)
    while waiting:
        new = [face for face in linked.pop(waiting.pop().face_id, ()) if face.face_id not in found]
        found |= {face.face_id: face for face in new}
        waiting += new
    return now.around({face.asset_id for face in found.values()})


def _append_constraint(
    now: LedgerTransaction, before: Decisions, count: int, kind: str, **payload: object
) -> CommandResult:
    now.append(kind, **payload)
    after = replace(now.around(()), labels=before.labels)
    gone = _dropped_events(after) - _dropped_events(before)
    if now.appended[0] in gone:
        now.notes.append("Labels contradict a part of this; they count, and that part does not.")
    earlier = sorted(gone - set(now.appended))
    if earlier:
        told = ", ".join(map(str, earlier[:5])) + (", …" if len(earlier) > 5 else "")
        number = pluralize(len(earlier), "earlier word")
        now.notes.append(f"This contradicts {number} on who belongs together (event {told}): the later word counts.")
    return now.done(None, count)


def _dropped_events(decisions: Decisions) -> set[int]:
    """The events of which a link does not count, as far as these labels tell."""
    owners = {face: mark.person_id for face, mark in decisions.labels.items()}
    words = [PairConstraint(link.a.face_id, link.b.face_id, link.same, link.event_id) for link in decisions.links]
    return {word.event_id for word in resolve_conflicts(owners, words)[1]}
