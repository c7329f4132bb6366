"""The pure replay of the ledger's events into the decisions that are in force."""

from collections.abc import Iterable

from classface_assets.store.decisions import Box, Decisions, FaceMark, Person, fold
from classface_assets.store.effects import EFFECTS
from classface_assets.store.events import Event, undone_events
from classface_assets.store.state import State, settled

__all__ = ["Box", "Decisions", "Event", "FaceMark", "Person", "fold", "replay", "undone_events"]


def replay(events: Iterable[Event], until: int | None = None) -> Decisions:
    """The decisions in force after the last event, or after the event of the id `until`.

    Raises nothing: events of kinds that this version does not know are passed over.
    """
    return settled(replayed(e for e in events if until is None or e.id <= until))


def replayed(events: Iterable[Event]) -> State:
    """The same before it is settled who became whom."""
    events = list(events)
    undone = undone_events(events)
    state = State.of(events, undone)
    for event in events:
        if event.id not in undone and event.kind in EFFECTS:
            EFFECTS[event.kind](state, event)
    return state
