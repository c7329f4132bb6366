"""By which word of the ledger a person may not be shown: said by hand, on a roster, or because they are hidden."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from classface_assets.core.names import normalize_name
from classface_assets.store.consent.photos import is_withheld
from classface_assets.store.model.decisions import Decisions, Person
from classface_assets.store.model.events import Event, undone_event_ids
from classface_assets.store.model.purposes import ALL_PURPOSES, Purpose
from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets.store.model.student_ids import normalize_student_id


def refusal_events(events: Sequence[Event], decisions: Decisions, purpose: Purpose) -> dict[str, Event | None]:
    """Person → the last event in force that says so, of everybody who may not be shown and was neither merged nor
    erased; None where what an event says was taken out of the ledger."""
    undone = undone_event_ids(events)
    told = [event for event in events if event.id not in undone]
    called = _persons_by_name(told, decisions)
    refused: dict[str, Event] = {}
    hidden: dict[str, Event] = {}
    for event in told:
        refused |= dict.fromkeys(_refused_in(event, called, decisions, purpose), event)
        if event.kind == "person_hidden":
            hidden[decisions.canonical_id(event.payload["person_id"])] = event
    return {
        p: (hidden if person.status == "hidden" and p not in refused else refused).get(p)
        for p, person in decisions.persons.items()
        if is_withheld(person, purpose) and person.merged_into_id is None and not person.erased
    }


def unclear_answer_in(event: Event, person: Person) -> str:
    """The answer on that roster that could not be understood, where it is the one that counts for the person."""
    answers = {row.consent_in_doubt for row in _rows(event)}
    return person.consent_in_doubt if person.consent_in_doubt in answers else ""


def _persons_by_name(events: Sequence[Event], decisions: Decisions) -> dict[str, set[str]]:
    """Folded name → the persons who are, or were, called so, or whom a roster calls so; merged ones are whom they
    became."""
    called: defaultdict[str, set[str]] = defaultdict(set)
    for event in events:
        if event.kind in ("person_created", "person_renamed") and event.payload.get("name"):
            called[normalize_name(event.payload["name"])].add(decisions.canonical_id(event.payload["person_id"]))
    for entry in decisions.roster:
        if entry.key in decisions.students:
            called[normalize_name(entry.name)].add(decisions.students[entry.key])
    return called


def _may_be_same_person(row: RosterEntry, person: Person) -> bool:
    """Whether a row of that name may be about the person: no id says that it is about somebody else."""
    mine, theirs = normalize_student_id(person.student_id), normalize_student_id(row.student_id)
    return not mine or not theirs or mine == theirs


def _refused_in(event: Event, called: dict[str, set[str]], decisions: Decisions, purpose: Purpose) -> Iterator[str]:
    if event.kind == "consent_withdrawn":
        if {purpose.value, ALL_PURPOSES} & set(event.payload.get("purposes") or [ALL_PURPOSES]):
            yield decisions.canonical_id(event.payload["person_id"])
    elif event.kind == "roster_imported":
        for row in _rows(event):
            if row.consents.get(purpose, row.consent) is False or row.consent_in_doubt:
                yield from (
                    p
                    for p in called.get(normalize_name(row.name), ())
                    if _may_be_same_person(row, decisions.persons[p])
                )


def _rows(event: Event) -> list[RosterEntry]:
    return [RosterEntry.of(entry) for entry in event.payload.get("entries", ())]
