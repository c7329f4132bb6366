"""The acts that say which faces belong together and which apart, without saying whose they are."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

from classface_assets.store.decisions.links import Word, resolve
from classface_assets.store.ledger.commands.faces import FaceActs
from classface_assets.store.ledger.transaction import Act, ConflictError, LedgerError, Writing, counted, distinct
from classface_assets.store.model.decisions import Decisions
from classface_assets.store.model.face_ref import LabelledFace

MOST_APART = 100  # the pairs grow with the square


class LinkActs(FaceActs):
    """The notes of an act tell which words it overrules."""

    def must_link(self, faces: Sequence[LabelledFace]) -> Act:
        """These are one person, whoever it is. Raises ConflictError when they are labelled as several."""
        faces = distinct(faces, 2)

        def act(now: Writing) -> Act:
            before = _near(now, faces)
            named = {before.marks[f.face_id].person_id for f in faces if f.face_id in before.marks}
            if len(named) > 1:
                names = " and ".join(sorted(before.persons[p].name for p in named))
                raise ConflictError(
                    f"These faces are labelled as {names}; take the wrong label off, or merge the people."
                )
            return _say(now, before, len(faces), "must_linked", faces=[face.payload() for face in faces])

        return self.write(act)

    def cannot_link(self, faces: Sequence[LabelledFace]) -> Act:
        """No two of these are one person. Raises ConflictError when two are labelled as the same."""
        faces = distinct(faces, 2)
        if len(faces) > MOST_APART:
            raise LedgerError(f"At most {MOST_APART} faces can be said to be different people at once; name fewer.")

        def act(now: Writing) -> Act:
            before = _near(now, faces)
            marks = [before.marks[f.face_id].person_id for f in faces if f.face_id in before.marks]
            twice = next((a for a, b in combinations(marks, 2) if a == b), None)
            if twice is not None:
                name = before.persons[twice].name
                raise ConflictError(f"Two of these faces are labelled as {name}; take the wrong label off first.")
            return _say(now, before, len(faces), "cannot_linked", faces=[face.payload() for face in faces])

        return self.write(act)

    def split(self, cluster_id: str, groups: Sequence[Sequence[LabelledFace]]) -> Act:
        """The faces of a cluster are as many people as there are groups, and each group is one."""
        parts = [distinct(group) for group in groups]
        ids = [face.face_id for part in parts for face in part]
        if len(parts) < 2:
            raise LedgerError("A cluster is split into at least two groups of faces; only one was given.")
        if len(set(ids)) < len(ids):
            raise LedgerError("A face is in two groups of the split; put it into one.")

        def act(now: Writing) -> Act:
            before = _near(now, [face for part in parts for face in part])
            payload = [[face.payload() for face in part] for part in parts]
            return _say(now, before, len(ids), "cluster_split", cluster_id=cluster_id, groups=payload)

        return self.write(act)


def _near(now: Writing, faces: Sequence[LabelledFace]) -> Decisions:
    """What was said of these faces, and of all that belong together with them by way of others."""
    linked: dict[str, list[LabelledFace]] = {}
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


def _say(now: Writing, before: Decisions, count: int, kind: str, **payload: object) -> Act:
    now.append(kind, **payload)
    after = replace(now.around(()), marks=before.marks)
    gone = _overruled(after) - _overruled(before)
    if now.appended[0] in gone:
        now.notes.append("Labels contradict a part of this; they count, and that part does not.")
    earlier = sorted(gone - set(now.appended))
    if earlier:
        told = ", ".join(map(str, earlier[:5])) + (", …" if len(earlier) > 5 else "")
        number = counted(len(earlier), "earlier word")
        now.notes.append(f"This contradicts {number} on who belongs together (event {told}): the later word counts.")
    return now.done(None, count)


def _overruled(decisions: Decisions) -> set[int]:
    """The events of which a link does not count, as far as these labels tell."""
    owners = {face: mark.person_id for face, mark in decisions.marks.items()}
    words = [Word(link.a.face_id, link.b.face_id, link.same, link.event_id) for link in decisions.links]
    return {word.event_id for word in resolve(owners, words)[1]}
