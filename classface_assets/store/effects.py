"""What each kind of event does to the decisions."""

from collections.abc import Callable

from classface_assets.store import effects_faces as faces
from classface_assets.store import effects_people as people
from classface_assets.store.effects_photos import photos_followed
from classface_assets.store.events import Event
from classface_assets.store.state import State

EFFECTS: dict[str, Callable[[State, Event], None]] = {
    "person_created": people.person_created,
    "person_renamed": people.person_renamed,
    "person_merged": people.person_merged,
    "person_hidden": people.shown("hidden"),
    "person_shown": people.shown("active"),
    "person_kind_set": lambda state, event: state.change(event, kind=event.payload["value"]),
    "siblings_declared": people.siblings_declared,
    "birth_date_set": people.birth_date_set,
    "consent_given": people.consent_given,
    "consent_withdrawn": people.consent_withdrawn,
    "person_erased": people.person_erased,
    "faces_labelled": faces.faces_labelled,
    "faces_confirmed": faces.faces_confirmed,
    "faces_rejected": faces.faces_rejected,
    "faces_taken_off": faces.faces_taken_off,
    "must_linked": faces.linked(True),
    "cannot_linked": faces.linked(False),
    "cluster_split": faces.cluster_split,
    "photo_marked": faces.photo_marked,
    "photo_unmarked": faces.photo_unmarked,
    "photos_followed": photos_followed,
    "face_drawn": faces.face_drawn,
    "portrait_given": people.portrait_given,
    "roster_imported": people.roster_imported,
    "student_linked": people.student_linked,
    "roster_struck": lambda _state, _event: None,  # the rows are gone from the imports themselves
}
