"""The pure replay of the ledger's events into the decisions that are in force.

What each kind of event does to the decisions.
"""

from collections.abc import Callable, Iterable

from classface_assets.store.decisions import reducers as faces
from classface_assets.store.decisions import reducers as people
from classface_assets.store.decisions.reducers import photos_followed
from classface_assets.store.decisions.state import ReplayState, finalize
from classface_assets.store.model.decisions import Decisions
from classface_assets.store.model.events import Event, undone_event_ids

REDUCERS: dict[str, Callable[[ReplayState, Event], None]] = {
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


def replay(events: Iterable[Event], until: int | None = None) -> Decisions:
    """The decisions in force after the last event, or after the event of the id `until`.

    Raises nothing: events of kinds that this version does not know are passed over.
    """
    return finalize(replay_state(e for e in events if until is None or e.id <= until))


def replay_state(events: Iterable[Event]) -> ReplayState:
    """The same before it is settled who became whom."""
    events = list(events)
    undone = undone_event_ids(events)
    state = ReplayState.of(events, undone)
    for event in events:
        if event.id not in undone and event.kind in REDUCERS:
            REDUCERS[event.kind](state, event)
    return state
