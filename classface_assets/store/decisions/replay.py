"""The pure replay of the ledger's events into the decisions that are in force."""

from collections.abc import Iterable

from classface_assets.store.decisions.reducers import REDUCERS
from classface_assets.store.decisions.state import ReplayState, finalize
from classface_assets.store.model.decisions import Decisions
from classface_assets.store.model.events import Event, undone_event_ids


class _LastReplay:
    """The events of the last replay and their decisions: the steps of a run replay the same events one after the other.

    Events are compared by what is in them, so those from which names were removed are replayed again.
    """

    def __init__(self) -> None:
        self._known: tuple[list[Event], Decisions] | None = None

    def decisions(self, events: list[Event]) -> Decisions:
        known = self._known
        if known is None or known[0] != events:
            known = self._known = (events, finalize(replay_state(events)))
        return known[1]


_last = _LastReplay()


def replay(events: Iterable[Event], until: int | None = None) -> Decisions:
    """The decisions in force after these events.

    Args:
        events: Events of a ledger, oldest first. Those of kinds that this version does not know are skipped.
        until: The id of the last event that counts; None for all.
    """
    return _last.decisions([e for e in events if until is None or e.id <= until])


def replay_state(events: Iterable[Event]) -> ReplayState:
    """The state after these events, in which merged people are not resolved yet."""
    events = list(events)
    undone = undone_event_ids(events)
    state = ReplayState.of(events, undone)
    for event in events:
        if event.id not in undone and event.kind in REDUCERS:
            REDUCERS[event.kind](state, event)
    return state
