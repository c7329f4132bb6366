"""What each kind of event does to the state of a replay."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from itertools import combinations, pairwise
from typing import TypeVar

from classface_assets.store.decisions.people.refusals import purposes_of_event
from classface_assets.store.decisions.state import ReplayState
from classface_assets.store.model.decisions import FaceLabel, FaceLink, Person
from classface_assets.store.model.events import Event
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.store.model.person_kinds import PersonStatus
from classface_assets.store.model.photo_session import PhotoSession
from classface_assets.store.model.same_shots import IDENTITY, SameShot, Transform, reorient_pair, transform_box

Located = TypeVar("Located", FaceLabel, FaceRef)


def _face_refs(event: Event) -> list[FaceRef]:
    return [FaceRef.of(face) for face in event.payload["faces"]]


def _person_created(state: ReplayState, event: Event) -> None:
    name = event.payload["name"]
    person = Person(event.payload["person_id"], name, event.at, event.at, display_name=name)
    state.persons[person.id] = person
    state.student_matcher.set_name(person.id, person.name, "", state.persons)


def _person_renamed(state: ReplayState, event: Event) -> None:
    person = state.persons.get(event.payload["person_id"])
    if person is not None:
        state.change(event, name=event.payload["name"], display_name=event.payload["name"])
        state.student_matcher.set_name(person.id, event.payload["name"], person.name, state.persons)


def _person_merged(state: ReplayState, event: Event) -> None:
    """A merge that others, undone and redone in another order, have made a circle of has no effect."""
    into = event.payload["into_id"]
    if into in state.persons and state.canonical_id(into) != event.payload["person_id"]:
        state.change(event, status=PersonStatus.MERGED.value, merged_into_id=into)
        state.merged.append(event.payload["person_id"])


def _set_status(state: ReplayState, event: Event, status: PersonStatus) -> None:
    person = state.persons.get(event.payload["person_id"])
    if person is not None and person.merged_into_id is None:
        state.change(event, status=status.value)


def _person_hidden(state: ReplayState, event: Event) -> None:
    _set_status(state, event, PersonStatus.HIDDEN)


def _person_shown(state: ReplayState, event: Event) -> None:
    _set_status(state, event, PersonStatus.ACTIVE)


def _person_kind_set(state: ReplayState, event: Event) -> None:
    state.change(event, kind=event.payload["value"])


def _birth_date_set(state: ReplayState, event: Event) -> None:
    born = event.payload["birth_date"]
    state.change(event, birth_date=date.fromisoformat(born) if born else None)


def _siblings_declared(state: ReplayState, event: Event) -> None:
    state.siblings.append(event.payload["person_ids"])


def _portrait_given(state: ReplayState, event: Event) -> None:
    state.portraits[event.payload["person_id"]] = event.payload["portrait"]


def _cover_chosen(state: ReplayState, event: Event) -> None:
    state.covers[event.payload["person_id"]] = _face_refs(event)[0]


def _consent_given(state: ReplayState, event: Event) -> None:
    """It ends the refusals of all who are that person now; once a merge is undone, only those of the one it names."""
    person_id = event.payload["person_id"]
    state.student_matcher.consents.give(person_id, state.group(person_id), purposes_of_event(event.payload))
    state.change(event)


def _consent_withdrawn(state: ReplayState, event: Event) -> None:
    """It holds for all who were that person then, also where a merge was undone later."""
    group = state.group(event.payload["person_id"], state.merged_then(event.id))
    state.student_matcher.consents.withdraw(group, purposes_of_event(event.payload), event.id)
    state.change(event)


def _person_erased(state: ReplayState, event: Event) -> None:
    """Their faces are erased, and every decision about these is dropped."""
    gone = {p for p in state.persons if state.canonical_id(p) == state.canonical_id(event.payload["person_id"])}
    for person_id in gone:
        person = state.persons[person_id]
        status = person.status if person.merged_into_id else PersonStatus.HIDDEN.value
        state.persons[person_id] = replace(person, erased=True, status=status, updated_at=event.at)
    erased = {face.face_id: face for face in _face_refs(event)}
    state.erased_faces |= erased
    for face_id in erased:
        state.removed_labels.pop(face_id, None)
        state.rejected.pop(face_id, None)
        state.drawn.pop(face_id, None)
    state.links = [link for link in state.links if not {link.a.face_id, link.b.face_id} & erased.keys()]
    state.labels = {f: m for f, m in state.labels.items() if f not in erased and m.person_id not in gone}
    state.covers = {p: face for p, face in state.covers.items() if face.face_id not in erased and p not in gone}


def _student_linked(state: ReplayState, event: Event) -> None:
    if event.payload["person_id"] in state.persons:
        state.student_matcher.link(event.payload["person_id"], event.payload["student"])
        state.change(event)


def _roster_imported(state: ReplayState, _event: Event) -> None:
    state.student_matcher.add_import(state.persons)


def _student_removed(_state: ReplayState, _event: Event) -> None:
    """Nothing: the rows are gone from the imports themselves."""


def _label_faces(state: ReplayState, event: Event, method: str) -> None:
    """A label overrules what was recorded of the face and this person before."""
    person_id = event.payload["person_id"]
    if person_id not in state.persons:
        return
    current = state.canonical_id(person_id)
    for face in event.payload["faces"]:
        face_id = face["face_id"]
        state.labels[face_id] = FaceLabel(person_id, face["asset_id"], tuple(face["box"]), event.id, method)
        state.removed_labels.pop(face_id, None)
        if face_id in state.rejected:
            others = {p: m for p, m in state.rejected[face_id].items() if state.canonical_id(p) != current}
            state.rejected[face_id] = others


def _faces_labelled(state: ReplayState, event: Event) -> None:
    _label_faces(state, event, event.payload.get("how", ""))


def _faces_confirmed(state: ReplayState, event: Event) -> None:
    _label_faces(state, event, "confirmed")


def _faces_rejected(state: ReplayState, event: Event) -> None:
    person_id = event.payload["person_id"]
    for face in _face_refs(event):
        rejection = FaceLabel(person_id, face.asset_id, face.box, event.id)
        state.rejected.setdefault(face.face_id, {})[person_id] = rejection
        label = state.labels.get(face.face_id)
        if label is not None and state.canonical_id(label.person_id) == state.canonical_id(person_id):
            _remove_label(state, face, event)


def _faces_taken_off(state: ReplayState, event: Event) -> None:
    for face in _face_refs(event):
        _remove_label(state, face, event)


def _remove_label(state: ReplayState, face: FaceRef, event: Event) -> None:
    state.labels.pop(face.face_id, None)
    state.removed_labels[face.face_id] = FaceLabel("", face.asset_id, face.box, event.id)


def _must_linked(state: ReplayState, event: Event) -> None:
    state.links += [FaceLink(a, b, True, event.id) for a, b in pairwise(_face_refs(event))]


def _cannot_linked(state: ReplayState, event: Event) -> None:
    state.links += [FaceLink(a, b, False, event.id) for a, b in combinations(_face_refs(event), 2)]


def _cluster_split(state: ReplayState, event: Event) -> None:
    """The faces of a group are linked; one face of each group keeps the groups apart."""
    groups = [[FaceRef.of(face) for face in group] for group in event.payload["groups"]]
    state.links += [FaceLink(a[0], b[0], False, event.id) for a, b in combinations(groups, 2)]
    for group in groups:
        state.links += [FaceLink(a, b, True, event.id) for a, b in pairwise(group)]


def _face_drawn(state: ReplayState, event: Event) -> None:
    for face in _face_refs(event):
        state.drawn[face.face_id] = face


def _photo_marked(state: ReplayState, event: Event) -> None:
    state.photo_marks[event.payload["asset_id"]] = event.payload["mark"]


def _photo_unmarked(state: ReplayState, event: Event) -> None:
    state.photo_marks.pop(event.payload["asset_id"], None)


def _photos_followed(state: ReplayState, event: Event) -> None:
    """A photo is the same shot as another one; of a photo and itself: its pixels were reoriented.

    The latter happens when somebody corrects which way is up.
    """
    for pair in event.payload["photos"]:
        transform: Transform = tuple(pair.get("transform", IDENTITY))
        if pair["from"] == pair["to"]:
            _reorient_photo(state, pair["from"], transform)
        else:
            state.same_shots.append(SameShot(pair["from"], pair["to"], transform))


def _reorient_photo(state: ReplayState, photo: str, turn: Transform) -> None:
    """Move all faces of a photo that were recorded so far to their new places."""

    def moved(face: Located) -> Located:
        return replace(face, box=transform_box(face.box, turn)) if face.asset_id == photo else face

    for labels in (state.labels, state.removed_labels):
        labels.update((face_id, moved(label)) for face_id, label in list(labels.items()) if label.asset_id == photo)
    for faces in (state.drawn, state.erased_faces, state.covers):
        faces.update((face_id, moved(face)) for face_id, face in list(faces.items()) if face.asset_id == photo)
    for rejections in state.rejected.values():
        rejections.update((person, moved(label)) for person, label in list(rejections.items()))
    state.links = [replace(link, a=moved(link.a), b=moved(link.b)) for link in state.links]
    state.same_shots = [reorient_pair(pair, photo, turn) for pair in state.same_shots]


def _session_described(state: ReplayState, event: Event) -> None:
    session = PhotoSession.of(event.payload)
    if event.kind == "session_created" or session.id in state.sessions:
        state.sessions[session.id] = session
        state.session_events[session.id] = event.id


def _session_deleted(state: ReplayState, event: Event) -> None:
    state.sessions.pop(event.payload["session_id"], None)
    state.session_events.pop(event.payload["session_id"], None)


def _attendance_corrected(state: ReplayState, event: Event) -> None:
    key = event.payload["session_id"], event.payload["person_id"]
    state.attendance.pop(key, None)  # the latest is the last
    state.attendance[key] = event.payload["present"]


REDUCERS: dict[str, Callable[[ReplayState, Event], None]] = {
    "person_created": _person_created,
    "person_renamed": _person_renamed,
    "person_merged": _person_merged,
    "person_hidden": _person_hidden,
    "person_shown": _person_shown,
    "person_kind_set": _person_kind_set,
    "siblings_declared": _siblings_declared,
    "birth_date_set": _birth_date_set,
    "consent_given": _consent_given,
    "consent_withdrawn": _consent_withdrawn,
    "person_erased": _person_erased,
    "faces_labelled": _faces_labelled,
    "faces_confirmed": _faces_confirmed,
    "faces_rejected": _faces_rejected,
    "faces_taken_off": _faces_taken_off,
    "must_linked": _must_linked,
    "cannot_linked": _cannot_linked,
    "cluster_split": _cluster_split,
    "photo_marked": _photo_marked,
    "photo_unmarked": _photo_unmarked,
    "photos_followed": _photos_followed,
    "face_drawn": _face_drawn,
    "portrait_given": _portrait_given,
    "cover_chosen": _cover_chosen,
    "roster_imported": _roster_imported,
    "student_linked": _student_linked,
    "roster_struck": _student_removed,
    "session_created": _session_described,
    "session_changed": _session_described,
    "session_deleted": _session_deleted,
    "attendance_corrected": _attendance_corrected,
}
"""Kind of event -> its reducer. Events of other kinds, as those of a later version, are skipped."""
