"""The event of the ledger by which a person may not be shown: withdrawn by hand, refused on a roster, or hidden."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from classface_assets.core.names import normalize_name
from classface_assets.core.schemas import PersonStatus
from classface_assets.store.consent.photos import is_withheld
from classface_assets.store.model.decisions import Decisions, Person
from classface_assets.store.model.events import Event, undone_event_ids
from classface_assets.store.model.purposes import ALL_PURPOSES, Purpose
from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets.store.model.student_ids import normalize_student_id


def refusal_events(events: Sequence[Event], decisions: Decisions, purpose: Purpose) -> dict[str, Event | None]:
    """The event that is the reason why a person may not be shown.

    Args:
        events: The events of the whole ledger.
        decisions: What they come to.
        purpose: What the person may not be shown for.

    Returns:
        Person id → the last event in force, of everybody who may not be shown and was neither merged nor erased; None
        where the event's content was removed from the ledger.
    """
    undone = undone_event_ids(events)
    in_force = [event for event in events if event.id not in undone]
    by_name = _persons_by_name(in_force, decisions)
    refused: dict[str, Event] = {}
    hidden: dict[str, Event] = {}
    for event in in_force:
        refused |= dict.fromkeys(_refused_in(event, by_name, decisions, purpose), event)
        if event.kind == "person_hidden":
            hidden[decisions.canonical_id(event.payload["person_id"])] = event
    return {
        p: (hidden if person.status == PersonStatus.HIDDEN and p not in refused else refused).get(p)
        for p, person in decisions.persons.items()
        if is_withheld(person, purpose) and person.merged_into_id is None and not person.erased
    }


def unclear_answer_in(event: Event, person: Person) -> str:
    """The answer on that roster that could not be understood, where it is the one that counts for the person."""
    answers = {row.consent_in_doubt for row in _rows(event)}
    return person.consent_in_doubt if person.consent_in_doubt in answers else ""


def _persons_by_name(events: Sequence[Event], decisions: Decisions) -> dict[str, set[str]]:
    """Normalized name → the persons who have or had it, or have it on a roster; merged persons under their new id."""
    by_name: defaultdict[str, set[str]] = defaultdict(set)
    for event in events:
        if event.kind in ("person_created", "person_renamed") and event.payload.get("name"):
            by_name[normalize_name(event.payload["name"])].add(decisions.canonical_id(event.payload["person_id"]))
    for entry in decisions.roster:
        if entry.key in decisions.students:
            by_name[normalize_name(entry.name)].add(decisions.students[entry.key])
    return by_name


def _may_be_same_person(row: RosterEntry, person: Person) -> bool:
    """Whether a roster row of that name may be the person: no student id says that it is somebody else."""
    mine, theirs = normalize_student_id(person.student_id), normalize_student_id(row.student_id)
    return not mine or not theirs or mine == theirs


def _refused_in(event: Event, by_name: dict[str, set[str]], decisions: Decisions, purpose: Purpose) -> Iterator[str]:
    """The persons who refuse the purpose in one event."""
    if event.kind == "consent_withdrawn":
        if {purpose.value, ALL_PURPOSES} & set(event.payload.get("purposes") or [ALL_PURPOSES]):
            yield decisions.canonical_id(event.payload["person_id"])
    elif event.kind == "roster_imported":
        for row in _rows(event):
            if row.consents.get(purpose, row.consent) is False or row.consent_in_doubt:
                yield from (
                    p
                    for p in by_name.get(normalize_name(row.name), ())
                    if _may_be_same_person(row, decisions.persons[p])
                )


def _rows(event: Event) -> list[RosterEntry]:
    return [RosterEntry.of(entry) for entry in event.payload.get("entries", ())]
