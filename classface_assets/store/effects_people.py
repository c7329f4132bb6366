"""What the events about people do to the decisions."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date

from classface_assets.store.decisions import LabelledFace, Person
from classface_assets.store.events import Event
from classface_assets.store.state import State


def person_created(state: State, event: Event) -> None:
    person = Person(event.payload["person_id"], event.payload["name"], event.at, event.at)
    state.persons[person.id] = person


def person_merged(state: State, event: Event) -> None:
    """A merge that others, undone and redone in another order, have made a circle of has no effect."""
    into = event.payload["into_id"]
    if into in state.persons and state.became(into) != event.payload["person_id"]:
        state.change(event, status="merged", merged_into_id=into)


def shown(status: str) -> Callable[[State, Event], None]:
    def said(state: State, event: Event) -> None:
        person = state.persons.get(event.payload["person_id"])
        if person is not None and person.merged_into_id is None:
            state.change(event, status=status)

    return said


def consent(given: bool) -> Callable[[State, Event], None]:
    def said(state: State, event: Event) -> None:
        state.consents[event.payload["person_id"]] = (event.id, given)
        state.change(event)

    return said


def birth_date_set(state: State, event: Event) -> None:
    said = event.payload["birth_date"]
    state.change(event, birth_date=date.fromisoformat(said) if said else None)


def person_erased(state: State, event: Event) -> None:
    """Their faces are barred, and nothing that was said of these stands."""
    gone = {p for p in state.persons if state.became(p) == state.became(event.payload["person_id"])}
    for person_id in gone:
        person = state.persons[person_id]
        status = person.status if person.merged_into_id else "hidden"
        state.persons[person_id] = replace(person, erased=True, status=status, updated_at=event.at)
    barred = {face.face_id: face for face in map(LabelledFace.of, event.payload["faces"])}
    state.barred |= barred
    for face_id in barred:
        state.taken_off.pop(face_id, None)
        state.rejected.pop(face_id, None)
        state.drawn.pop(face_id, None)
    state.links = [link for link in state.links if not {link.a.face_id, link.b.face_id} & barred.keys()]
    state.marks = {f: m for f, m in state.marks.items() if f not in barred and m.person_id not in gone}


def siblings_declared(state: State, event: Event) -> None:
    state.siblings.append(event.payload["person_ids"])


def portrait_given(state: State, event: Event) -> None:
    """In place of the one before."""
    state.portraits[event.payload["person_id"]] = event.payload["portrait"]


def roster_imported(state: State, event: Event) -> None:
    state.rosters.append(event)
