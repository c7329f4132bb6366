"""The pure replay of the ledger's events into the decisions that are in force."""

from collections.abc import Iterable

from classface_assets.store.decisions.reducers import REDUCERS
from classface_assets.store.decisions.state import ReplayState, finalize
from classface_assets.store.model.decisions import Decisions
from classface_assets.store.model.events import Event, undone_event_ids


def replay(events: Iterable[Event], until: int | None = None) -> Decisions:
    """The decisions in force after these events.

    Args:
        events: Events of a ledger, oldest first. Those of kinds that this version does not know are skipped.
        until: The id of the last event that counts; None for all.
    """
    return finalize(replay_state(e for e in events if until is None or e.id <= until))


def replay_state(events: Iterable[Event]) -> ReplayState:
    """The state after these events, in which merged people are not resolved yet."""
    events = list(events)
    undone = undone_event_ids(events)
    state = ReplayState.of(events, undone)
    for event in events:
        if event.id not in undone and event.kind in REDUCERS:
            REDUCERS[event.kind](state, event)
    return state
