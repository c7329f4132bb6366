"""What each kind of event does to the decisions."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from itertools import combinations, pairwise

from classface_assets.store.decisions import FaceMark, LabelledFace, Link, Person
from classface_assets.store.events import Event
from classface_assets.store.state import State


def _faces(event: Event) -> list[LabelledFace]:
    return [LabelledFace.of(face) for face in event.payload["faces"]]


def _person_created(state: State, event: Event) -> None:
    person = Person(event.payload["person_id"], event.payload["name"], event.at, event.at)
    state.persons[person.id] = person


def _person_merged(state: State, event: Event) -> None:
    """A merge that others, undone and redone in another order, have made a circle of has no effect."""
    into = event.payload["into_id"]
    if into in state.persons and state.became(into) != event.payload["person_id"]:
        state.change(event, status="merged", merged_into_id=into)


def _shown(status: str) -> Callable[[State, Event], None]:
    def said(state: State, event: Event) -> None:
        person = state.persons.get(event.payload["person_id"])
        if person is not None and person.merged_into_id is None:
            state.change(event, status=status)

    return said


def _consent(given: bool) -> Callable[[State, Event], None]:
    def said(state: State, event: Event) -> None:
        state.consents[event.payload["person_id"]] = (event.id, given)
        state.change(event)

    return said


def _birth_date_set(state: State, event: Event) -> None:
    said = event.payload["birth_date"]
    state.change(event, birth_date=date.fromisoformat(said) if said else None)


def _person_erased(state: State, event: Event) -> None:
    """Their faces are barred, and nothing that was said of these stands."""
    gone = {p for p in state.persons if state.became(p) == state.became(event.payload["person_id"])}
    for person_id in gone:
        person = state.persons[person_id]
        status = person.status if person.merged_into_id else "hidden"
        state.persons[person_id] = replace(person, erased=True, status=status, updated_at=event.at)
    barred = {face.face_id: face for face in _faces(event)}
    state.barred |= barred
    for face_id in barred:
        state.taken_off.pop(face_id, None)
        state.rejected.pop(face_id, None)
        state.drawn.pop(face_id, None)
    state.links = [link for link in state.links if not {link.a.face_id, link.b.face_id} & barred.keys()]
    state.marks = {f: m for f, m in state.marks.items() if f not in barred and m.person_id not in gone}


def _faces_labelled(state: State, event: Event) -> None:
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


def _faces_confirmed(state: State, event: Event) -> None:
    _faces_labelled(state, replace(event, payload={**event.payload, "how": "confirmed"}))


def _faces_rejected(state: State, event: Event) -> None:
    person_id = event.payload["person_id"]
    for face in _faces(event):
        mark = FaceMark(person_id, face.asset_id, face.box, event.id)
        state.rejected.setdefault(face.face_id, {})[person_id] = mark
        labelled = state.marks.get(face.face_id)
        if labelled is not None and state.became(labelled.person_id) == state.became(person_id):
            _take_off(state, face, event)


def _faces_taken_off(state: State, event: Event) -> None:
    for face in _faces(event):
        _take_off(state, face, event)


def _take_off(state: State, face: LabelledFace, event: Event) -> None:
    state.marks.pop(face.face_id, None)
    state.taken_off[face.face_id] = FaceMark("", face.asset_id, face.box, event.id)


def _linked(same: bool) -> Callable[[State, Event], None]:
    def said(state: State, event: Event) -> None:
        faces = _faces(event)
        pairs = pairwise(faces) if same else combinations(faces, 2)
        state.links += [Link(a, b, same, event.id) for a, b in pairs]

    return said


def _cluster_split(state: State, event: Event) -> None:
    """The faces of a group belong together; that one face of each differs parts the groups."""
    groups = [[LabelledFace.of(face) for face in group] for group in event.payload["groups"]]
    state.links += [Link(a[0], b[0], False, event.id) for a, b in combinations(groups, 2)]
    for group in groups:
        state.links += [Link(a, b, True, event.id) for a, b in pairwise(group)]


def _photo_marked(state: State, event: Event) -> None:
    state.photo_marks[event.payload["asset_id"]] = event.payload["mark"]


def _photo_unmarked(state: State, event: Event) -> None:
    state.photo_marks.pop(event.payload["asset_id"], None)


def _face_drawn(state: State, event: Event) -> None:
    for face in _faces(event):
        state.drawn[face.face_id] = face


def _siblings_declared(state: State, event: Event) -> None:
    state.siblings.append(event.payload["person_ids"])


def _portrait_given(state: State, event: Event) -> None:
    """In place of the one before."""
    state.portraits[event.payload["person_id"]] = event.payload["portrait"]


def _roster_imported(state: State, event: Event) -> None:
    state.rosters.append(event)


EFFECTS: dict[str, Callable[[State, Event], None]] = {
    "person_created": _person_created,
    "person_renamed": lambda state, event: state.change(event, name=event.payload["name"]),
    "person_merged": _person_merged,
    "person_hidden": _shown("hidden"),
    "person_shown": _shown("active"),
    "person_kind_set": lambda state, event: state.change(event, kind=event.payload["value"]),
    "siblings_declared": _siblings_declared,
    "birth_date_set": _birth_date_set,
    "consent_given": _consent(True),
    "consent_withdrawn": _consent(False),
    "person_erased": _person_erased,
    "faces_labelled": _faces_labelled,
    "faces_confirmed": _faces_confirmed,
    "faces_rejected": _faces_rejected,
    "faces_taken_off": _faces_taken_off,
    "must_linked": _linked(True),
    "cannot_linked": _linked(False),
    "cluster_split": _cluster_split,
    "photo_marked": _photo_marked,
    "photo_unmarked": _photo_unmarked,
    "face_drawn": _face_drawn,
    "portrait_given": _portrait_given,
    "roster_imported": _roster_imported,
    "roster_struck": lambda _state, _event: None,  # the rows are gone from the imports themselves
}
