"""What the events about faces and photos do to the decisions."""

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations, pairwise

from classface_assets.store.decisions import FaceMark, LabelledFace, Link
from classface_assets.store.events import Event
from classface_assets.store.state import State


def _faces(event: Event) -> list[LabelledFace]:
    return [LabelledFace.of(face) for face in event.payload["faces"]]


def faces_labelled(state: State, event: Event) -> None:
    """A label has the last word: what was said of the face and this person before is gone."""
    person_id = event.payload["person_id"]
    if person_id not in state.persons:
        return
    how, now = event.payload.get("how", ""), state.became(person_id)
    for face in event.payload["faces"]:
        face_id = face["face_id"]
        state.marks[face_id] = FaceMark(person_id, face["asset_id"], tuple(face["box"]), event.id, how)
        state.taken_off.pop(face_id, None)
        if face_id in state.rejected:
            kept = {p: m for p, m in state.rejected[face_id].items() if state.became(p) != now}
            state.rejected[face_id] = kept


def faces_confirmed(state: State, event: Event) -> None:
    faces_labelled(state, replace(event, payload={**event.payload, "how": "confirmed"}))


def faces_rejected(state: State, event: Event) -> None:
    person_id = event.payload["person_id"]
    for face in _faces(event):
        mark = FaceMark(person_id, face.asset_id, face.box, event.id)
        state.rejected.setdefault(face.face_id, {})[person_id] = mark
        labelled = state.marks.get(face.face_id)
        if labelled is not None and state.became(labelled.person_id) == state.became(person_id):
            _take_off(state, face, event)


def faces_taken_off(state: State, event: Event) -> None:
    for face in _faces(event):
        _take_off(state, face, event)


def _take_off(state: State, face: LabelledFace, event: Event) -> None:
    state.marks.pop(face.face_id, None)
    state.taken_off[face.face_id] = FaceMark("", face.asset_id, face.box, event.id)


def linked(same: bool) -> Callable[[State, Event], None]:
    def said(state: State, event: Event) -> None:
        faces = _faces(event)
        pairs = pairwise(faces) if same else combinations(faces, 2)
        state.links += [Link(a, b, same, event.id) for a, b in pairs]

    return said


def cluster_split(state: State, event: Event) -> None:
    """The faces of a group belong together; that one face of each differs parts the groups."""
    groups = [[LabelledFace.of(face) for face in group] for group in event.payload["groups"]]
    state.links += [Link(a[0], b[0], False, event.id) for a, b in combinations(groups, 2)]
    for group in groups:
        state.links += [Link(a, b, True, event.id) for a, b in pairwise(group)]


def photo_marked(state: State, event: Event) -> None:
    state.photo_marks[event.payload["asset_id"]] = event.payload["mark"]


def photo_unmarked(state: State, event: Event) -> None:
    state.photo_marks.pop(event.payload["asset_id"], None)


def face_drawn(state: State, event: Event) -> None:
    for face in _faces(event):
        state.drawn[face.face_id] = face
