"""The pure replay of the ledger's events into the decisions that are in force."""

from collections.abc import Iterable

from classface_assets.store.decisions.reducers import REDUCERS
from classface_assets.store.decisions.state import ReplayState, finalize
from classface_assets.store.model.decisions import Decisions
from classface_assets.store.model.events import Event, undone_event_ids

REMEMBERED = 3
"""Replays that are remembered: of all events, and of those of a few kinds, which steps of a run replay in turns."""


class _LastReplays:
    """The events of the last replays and their decisions: the steps of a run replay the same events one after another.

    Events are compared by what is in them, so those from which names were removed are replayed again.
    """

    def __init__(self) -> None:
        self._known: tuple[tuple[list[Event], Decisions], ...] = ()

    def decisions(self, events: list[Event]) -> Decisions:
        before = self._known
        known = next((one for one in before if one[0] == events), None)
        if known is None:
            known = events, finalize(replay_state(events))
        others = (one for one in before if one is not known)
        self._known = (known, *others)[:REMEMBERED]
        return known[1]


_last = _LastReplays()


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
