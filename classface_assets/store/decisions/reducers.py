"""What the events about faces and photos do to the decisions.

What the events about people do to the decisions.

What a run's word on photos that show one shot does to the decisions.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from itertools import combinations, pairwise
from typing import TypeVar

from classface_assets.store.decisions.refusals import purposes_of_event
from classface_assets.store.decisions.state import ReplayState
from classface_assets.store.model.decisions import FaceLabel, FaceLink, Person
from classface_assets.store.model.events import Event
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.store.model.same_shots import IDENTITY, SameShot, Transform, reorient_pair, transform_box


def _face_refs(event: Event) -> list[FaceRef]:
    return [FaceRef.of(face) for face in event.payload["faces"]]


def faces_labelled(state: ReplayState, event: Event) -> None:
    """A label has the last word: what was said of the face and this person before is gone."""
    person_id = event.payload["person_id"]
    if person_id not in state.persons:
        return
    how, now = event.payload.get("how", ""), state.canonical_id(person_id)
    for face in event.payload["faces"]:
        face_id = face["face_id"]
        state.labels[face_id] = FaceLabel(person_id, face["asset_id"], tuple(face["box"]), event.id, how)
        state.removed_labels.pop(face_id, None)
        if face_id in state.rejected:
            kept = {p: m for p, m in state.rejected[face_id].items() if state.canonical_id(p) != now}
            state.rejected[face_id] = kept


def faces_confirmed(state: ReplayState, event: Event) -> None:
    faces_labelled(state, replace(event, payload={**event.payload, "how": "confirmed"}))


def faces_rejected(state: ReplayState, event: Event) -> None:
    person_id = event.payload["person_id"]
    for face in _face_refs(event):
        mark = FaceLabel(person_id, face.asset_id, face.box, event.id)
        state.rejected.setdefault(face.face_id, {})[person_id] = mark
        labelled = state.labels.get(face.face_id)
        if labelled is not None and state.canonical_id(labelled.person_id) == state.canonical_id(person_id):
            _remove_label(state, face, event)


def faces_taken_off(state: ReplayState, event: Event) -> None:
    for face in _face_refs(event):
        _remove_label(state, face, event)


def _remove_label(state: ReplayState, face: FaceRef, event: Event) -> None:
    state.labels.pop(face.face_id, None)
    state.removed_labels[face.face_id] = FaceLabel("", face.asset_id, face.box, event.id)


def linked(same: bool) -> Callable[[ReplayState, Event], None]:
    def said(state: ReplayState, event: Event) -> None:
        faces = _face_refs(event)
        pairs = pairwise(faces) if same else combinations(faces, 2)
        state.links += [FaceLink(a, b, same, event.id) for a, b in pairs]

    return said


def cluster_split(state: ReplayState, event: Event) -> None:
    """The faces of a group belong together; that one face of each differs parts the groups."""
    groups = [[FaceRef.of(face) for face in group] for group in event.payload["groups"]]
    state.links += [FaceLink(a[0], b[0], False, event.id) for a, b in combinations(groups, 2)]
    for group in groups:
        state.links += [FaceLink(a, b, True, event.id) for a, b in pairwise(group)]


def photo_marked(state: ReplayState, event: Event) -> None:
    state.photo_marks[event.payload["asset_id"]] = event.payload["mark"]


def photo_unmarked(state: ReplayState, event: Event) -> None:
    state.photo_marks.pop(event.payload["asset_id"], None)


def face_drawn(state: ReplayState, event: Event) -> None:
    for face in _face_refs(event):
        state.drawn[face.face_id] = face


def person_created(state: ReplayState, event: Event) -> None:
    name = event.payload["name"]
    person = Person(event.payload["person_id"], name, event.at, event.at, display_name=name)
    state.persons[person.id] = person
    state.enrolling.name(person.id, person.name, "", state.persons)


def person_renamed(state: ReplayState, event: Event) -> None:
    person = state.persons.get(event.payload["person_id"])
    if person is not None:
        state.change(event, name=event.payload["name"], display_name=event.payload["name"])
        state.enrolling.name(person.id, event.payload["name"], person.name, state.persons)


def student_linked(state: ReplayState, event: Event) -> None:
    if event.payload["person_id"] in state.persons:
        state.enrolling.link(event.payload["person_id"], event.payload["student"])
        state.change(event)


def person_merged(state: ReplayState, event: Event) -> None:
    """A merge that others, undone and redone in another order, have made a circle of has no effect."""
    into = event.payload["into_id"]
    if into in state.persons and state.canonical_id(into) != event.payload["person_id"]:
        state.change(event, status="merged", merged_into_id=into)
        state.merged.append(event.payload["person_id"])


def shown(status: str) -> Callable[[ReplayState, Event], None]:
    def said(state: ReplayState, event: Event) -> None:
        person = state.persons.get(event.payload["person_id"])
        if person is not None and person.merged_into_id is None:
            state.change(event, status=status)

    return said


def consent_given(state: ReplayState, event: Event) -> None:
    """It ends the refusals of all who are that person now; once a merge is undone, only those of whom it was said."""
    person_id = event.payload["person_id"]
    state.enrolling.consents.give(person_id, state.group(person_id), purposes_of_event(event.payload))
    state.change(event)


def consent_withdrawn(state: ReplayState, event: Event) -> None:
    """It is said of all who were that person then, and stays so where a merge was undone later."""
    group = state.group(event.payload["person_id"], state.merged_then(event.id))
    state.enrolling.consents.withdraw(group, purposes_of_event(event.payload), event.id)
    state.change(event)


def birth_date_set(state: ReplayState, event: Event) -> None:
    said = event.payload["birth_date"]
    state.change(event, birth_date=date.fromisoformat(said) if said else None)


def person_erased(state: ReplayState, event: Event) -> None:
    """Their faces are barred, and nothing that was said of these stands."""
    gone = {p for p in state.persons if state.canonical_id(p) == state.canonical_id(event.payload["person_id"])}
    for person_id in gone:
        person = state.persons[person_id]
        status = person.status if person.merged_into_id else "hidden"
        state.persons[person_id] = replace(person, erased=True, status=status, updated_at=event.at)
    barred = {face.face_id: face for face in map(FaceRef.of, event.payload["faces"])}
    state.erased_faces |= barred
    for face_id in barred:
        state.removed_labels.pop(face_id, None)
        state.rejected.pop(face_id, None)
        state.drawn.pop(face_id, None)
    state.links = [link for link in state.links if not {link.a.face_id, link.b.face_id} & barred.keys()]
    state.labels = {f: m for f, m in state.labels.items() if f not in barred and m.person_id not in gone}


def siblings_declared(state: ReplayState, event: Event) -> None:
    state.siblings.append(event.payload["person_ids"])


def portrait_given(state: ReplayState, event: Event) -> None:
    """In place of the one before."""
    state.portraits[event.payload["person_id"]] = event.payload["portrait"]


def roster_imported(state: ReplayState, _event: Event) -> None:
    state.enrolling.take_in(state.persons)


P = TypeVar("P", FaceLabel, FaceRef)


def photos_followed(state: ReplayState, event: Event) -> None:
    """A photo is the same shot as another; of a photo and itself: from now on its pixels lie otherwise, as when
    somebody corrects which way is up."""
    for pair in event.payload["photos"]:
        transform: Transform = tuple(pair.get("transform", IDENTITY))
        if pair["from"] == pair["to"]:
            _reorient_photo(state, pair["from"], transform)
        else:
            state.same_shots.append(SameShot(pair["from"], pair["to"], transform))


def _reorient_photo(state: ReplayState, photo: str, turn: Transform) -> None:
    """All that was said of the photo's faces so far is said of their new places."""

    def placed(face: P) -> P:
        return replace(face, box=transform_box(face.box, turn)) if face.asset_id == photo else face

    for marks in (state.labels, state.removed_labels):
        marks.update((face_id, placed(mark)) for face_id, mark in list(marks.items()) if mark.asset_id == photo)
    for faces in (state.drawn, state.erased_faces):
        faces.update((face_id, placed(face)) for face_id, face in list(faces.items()) if face.asset_id == photo)
    for rejections in state.rejected.values():
        rejections.update((person, placed(mark)) for person, mark in list(rejections.items()))
    state.links = [replace(link, a=placed(link.a), b=placed(link.b)) for link in state.links]
    state.same_shots = [reorient_pair(pair, photo, turn) for pair in state.same_shots]
