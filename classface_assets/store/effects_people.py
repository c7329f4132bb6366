"""What the events about people do to the decisions."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date

from classface_assets.store.decisions import LabelledFace, Person
from classface_assets.store.events import Event
from classface_assets.store.refusals import purposes_in
from classface_assets.store.state import State


def person_created(state: State, event: Event) -> None:
    name = event.payload["name"]
    person = Person(event.payload["person_id"], name, event.at, event.at, display_name=name)
    state.persons[person.id] = person
    state.enrolling.name(person.id, person.name, "", state.persons)


def person_renamed(state: State, event: Event) -> None:
    person = state.persons.get(event.payload["person_id"])
    if person is not None:
        state.change(event, name=event.payload["name"], display_name=event.payload["name"])
        state.enrolling.name(person.id, event.payload["name"], person.name, state.persons)


def student_linked(state: State, event: Event) -> None:
    if event.payload["person_id"] in state.persons:
        state.enrolling.link(event.payload["person_id"], event.payload["student"])
        state.change(event)


def person_merged(state: State, event: Event) -> None:
    """A merge that others, undone and redone in another order, have made a circle of has no effect."""
    into = event.payload["into_id"]
    if into in state.persons and state.became(into) != event.payload["person_id"]:
        state.change(event, status="merged", merged_into_id=into)
        state.merged.append(event.payload["person_id"])


def shown(status: str) -> Callable[[State, Event], None]:
    def said(state: State, event: Event) -> None:
        person = state.persons.get(event.payload["person_id"])
        if person is not None and person.merged_into_id is None:
            state.change(event, status=status)

    return said


def consent_given(state: State, event: Event) -> None:
    """It ends the refusals of all who are that person now; once a merge is undone, only those of whom it was said."""
    person_id = event.payload["person_id"]
    state.enrolling.consents.give(person_id, state.group(person_id), purposes_in(event.payload))
    state.change(event)


def consent_withdrawn(state: State, event: Event) -> None:
    """It is said of all who were that person then, and stays so where a merge was undone later."""
    group = state.group(event.payload["person_id"], state.merged_then(event.id))
    state.enrolling.consents.withdraw(group, purposes_in(event.payload), event.id)
    state.change(event)


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


def roster_imported(state: State, _event: Event) -> None:
    state.enrolling.take_in(state.persons)
