"""By which word of the ledger a person may not be shown: said by hand, on a roster, or because they are hidden."""

from collections import defaultdict
from collections.abc import Iterator, Sequence, Set

from classface_assets.store.consent import ALL, Purpose
from classface_assets.store.decisions import Decisions, fold
from classface_assets.store.events import Event, undone_events
from classface_assets.store.photo_consent import may_not_be_shown
from classface_assets.store.roster_entry import RosterEntry


def refused_by(events: Sequence[Event], decisions: Decisions, purpose: Purpose) -> dict[str, Event | None]:
    """Person → the last event in force that says so, of everybody who may not be shown and was neither merged nor
    erased; None where what an event says was taken out of the ledger."""
    undone = undone_events(events)
    told = [event for event in events if event.id not in undone]
    called = _names(told, decisions)
    refused: dict[str, Event] = {}
    hidden: dict[str, Event] = {}
    for event in told:
        refused |= dict.fromkeys(_refused_in(event, called, decisions, purpose), event)
        if event.kind == "person_hidden":
            hidden[decisions.became(event.payload["person_id"])] = event
    return {
        p: (hidden if person.status == "hidden" and p not in refused else refused).get(p)
        for p, person in decisions.persons.items()
        if may_not_be_shown(person, purpose) and person.merged_into_id is None and not person.erased
    }


def doubt_in(event: Event, names: Set[str]) -> str:
    """The answer on that roster that could not be understood, of the student of one of these folded names."""
    rows = (row for row in _rows(event) if fold(row.name) in names)
    return next((row.consent_in_doubt for row in rows if row.consent_in_doubt), "")


def _names(events: Sequence[Event], decisions: Decisions) -> dict[str, set[str]]:
    """Folded name → the persons who are, or were, called so; merged ones are whom they became."""
    called: defaultdict[str, set[str]] = defaultdict(set)
    for event in events:
        if event.kind in ("person_created", "person_renamed") and event.payload.get("name"):
            called[fold(event.payload["name"])].add(decisions.became(event.payload["person_id"]))
    return called


def _refused_in(event: Event, called: dict[str, set[str]], decisions: Decisions, purpose: Purpose) -> Iterator[str]:
    if event.kind == "consent_withdrawn":
        if {purpose.value, ALL} & set(event.payload.get("purposes") or [ALL]):
            yield decisions.became(event.payload["person_id"])
    elif event.kind == "roster_imported":
        for row in _rows(event):
            if row.consents.get(purpose, row.consent) is False or row.consent_in_doubt:
                yield from called.get(fold(row.name), ())


def _rows(event: Event) -> list[RosterEntry]:
    return [RosterEntry.of(entry) for entry in event.payload.get("entries", ())]
