"""A replay that goes on where it stopped, for a ledger that is replayed again after every decision."""

from collections.abc import Sequence

from classface_assets.store.decisions.reducers import REDUCERS
from classface_assets.store.decisions.replay import replay_state
from classface_assets.store.decisions.state import ReplayState, finalize
from classface_assets.store.model.decisions import Decisions
from classface_assets.store.model.events import Event, undone_event_ids

_CHANGE_THE_PAST = ("undone", "roster_imported")
"""Kinds of events that change what earlier ones did: all events are replayed again."""


class GrowingReplay:
    """The state after the events of the last call; not for several threads at once.

    Events are compared by what is in them. Where these are not the events of the last call with others behind them, as
    after names were removed, or of another ledger, all are replayed: the result is always that of `replay`.
    """

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self._events: list[Event] = []
        self._undone: set[int] = set()
        self._state = ReplayState()
        self._decisions: Decisions | None = None

    def decisions(self, events: Sequence[Event]) -> Decisions:
        """The decisions in force after these events, oldest first; later calls do not change them."""
        self.state(events)
        if self._decisions is None:
            self._decisions = finalize(self._state)
        return self._decisions

    def state(self, events: Sequence[Event]) -> ReplayState:
        """The state after these events, oldest first; it holds until the next call."""
        events = list(events)
        known = len(self._events)
        if known and events[:known] == self._events and self._is_growth(events[known:]):
            self._reduce(events[known:])
        else:
            self._forget()
            self._state, self._undone = replay_state(events), undone_event_ids(events)
        self._events = events
        return self._state

    def _is_growth(self, new: Sequence[Event]) -> bool:
        return all(event.kind not in _CHANGE_THE_PAST and event.id not in self._undone for event in new)

    def _reduce(self, new: Sequence[Event]) -> None:
        if not new:
            return
        state, undone = self._state, self._undone
        self._forget()  # a payload that no reducer can read leaves half of a state
        for event in new:
            if event.kind in REDUCERS:
                REDUCERS[event.kind](state, event)
        self._state, self._undone = state, undone
