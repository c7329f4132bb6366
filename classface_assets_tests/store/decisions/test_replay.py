"""The steps of a run replay the same events: once, and again as soon as anything in them is other than it was."""

from copy import deepcopy
from dataclasses import replace

from classface_assets.store.decisions.replay import replay
from classface_assets_tests.support.helpers import event, face, label_event


def test_the_same_events_are_replayed_once_and_others_again() -> None:
    events = [
        event(1, "person_created", person_id="p0", name="A"),
        label_event(2, "p0", face("f", "a")),
        label_event(3, "p0", face("g", "b")),
    ]
    first = replay(events)
    assert replay(deepcopy(events)) is first and replay(events, 3) is first
    assert set(replay(events, 2).labels) == {"f"}
    other = [*events[:2], replace(events[2], payload={**events[2].payload, "faces": []})]
    assert set(replay(other).labels) == {"f"} and set(replay(events).labels) == {"f", "g"}


def test_events_of_some_kinds_that_are_replayed_in_between_displace_no_others() -> None:
    events = [event(1, "person_created", person_id="p0", name="A"), label_event(2, "p0", face("f", "a"))]
    first = replay(events)
    replay(events[:1])
    replay([])
    assert replay(deepcopy(events)) is first
