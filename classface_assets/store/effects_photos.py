"""What a run's word on photos that show one shot does to the decisions."""

from dataclasses import replace
from typing import TypeVar

from classface_assets.store.decisions import FaceMark, LabelledFace
from classface_assets.store.events import Event
from classface_assets.store.same_shots import IDENTITY, SameShot, Transform, moved, turned
from classface_assets.store.state import State

P = TypeVar("P", FaceMark, LabelledFace)


def photos_followed(state: State, event: Event) -> None:
    """A photo is the same shot as another; of a photo and itself: from now on its pixels lie otherwise, as when
    somebody corrects which way is up."""
    for pair in event.payload["photos"]:
        transform: Transform = tuple(pair.get("transform", IDENTITY))
        if pair["from"] == pair["to"]:
            _turn(state, pair["from"], transform)
        else:
            state.same_shots.append(SameShot(pair["from"], pair["to"], transform))


def _turn(state: State, photo: str, turn: Transform) -> None:
    """All that was said of the photo's faces so far is said of their new places."""

    def placed(face: P) -> P:
        return replace(face, box=moved(face.box, turn)) if face.asset_id == photo else face

    for marks in (state.marks, state.taken_off):
        marks.update((face_id, placed(mark)) for face_id, mark in list(marks.items()) if mark.asset_id == photo)
    for faces in (state.drawn, state.barred):
        faces.update((face_id, placed(face)) for face_id, face in list(faces.items()) if face.asset_id == photo)
    for rejections in state.rejected.values():
        rejections.update((person, placed(mark)) for person, mark in list(rejections.items()))
    state.links = [replace(link, a=placed(link.a), b=placed(link.b)) for link in state.links]
    state.same_shots = [turned(pair, photo, turn) for pair in state.same_shots]
