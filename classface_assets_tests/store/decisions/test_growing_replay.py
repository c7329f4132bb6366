"""A replay that goes on where it stopped comes to the same as one of all events, and reduces only the new ones."""

from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace

import pytest

from classface_assets.store.decisions import reducers
from classface_assets.store.decisions.growing_replay import GrowingReplay
from classface_assets.store.decisions.replay import replay
from classface_assets.store.model.decisions import Decisions
from classface_assets.store.model.events import Event
from classface_assets_tests.store.decisions.test_people_sequences import Sequence
from classface_assets_tests.support.helpers import event, face, label_event

FACES = [face("f", "a").payload(), face("g", "b").payload()]
SESSION: dict[str, object] = {"session_id": "s", "title": "Trip", "asset_ids": ["a"]}
ABOUT_PHOTOS: tuple[tuple[str, dict[str, object]], ...] = (
    ("photos_followed", {"photos": [{"from": "a", "to": "b"}]}),
    ("faces_rejected", {"person_id": "p0", "faces": FACES}),
    ("faces_taken_off", {"faces": FACES[:1]}),
    ("must_linked", {"faces": FACES}),
    ("cluster_split", {"cluster_id": "c", "groups": [[one] for one in FACES]}),
    ("photo_marked", {"asset_id": "a", "mark": "collage"}),
    ("photo_unmarked", {"asset_id": "a"}),
    ("face_drawn", {"faces": [face("drawn", "a").payload()]}),
    ("cover_chosen", {"person_id": "p0", "faces": FACES[:1]}),
    ("photos_followed", {"photos": [{"from": "a", "to": "a", "transform": [0, 1, 0, -1, 0, 900]}]}),
    ("session_created", SESSION),
    ("session_changed", {**SESSION, "title": "Camp"}),
    ("attendance_corrected", {"session_id": "s", "person_id": "p0", "present": True}),
    ("session_deleted", {"session_id": "s"}),
    ("student_linked", {"person_id": "p0", "student": "name:anna"}),
    ("portrait_given", {"person_id": "p0", "portrait": "face"}),
    ("person_erased", {"person_id": "p0", "faces": FACES[:1]}),
    ("a_kind_of_later", {}),
)


@pytest.fixture
def reduced(monkeypatch: pytest.MonkeyPatch) -> Counter[int]:
    """How often each event was reduced."""
    counts: Counter[int] = Counter()

    def counting(reducer: Callable[..., None]) -> Callable[..., None]:
        def reduce(state: object, one: Event) -> None:
            counts[one.id] += 1
            reducer(state, one)

        return reduce

    for kind, reducer in list(reducers.REDUCERS.items()):
        monkeypatch.setitem(reducers.REDUCERS, kind, counting(reducer))
    return counts


def same(one: Decisions, other: Decisions) -> bool:
    """Whether two states are equal, the order of people and labels too."""
    return one == other and list(one.persons) == list(other.persons) and list(one.labels) == list(other.labels)


@pytest.mark.parametrize("seed", range(12))
def test_after_whatever_people_do_it_comes_to_the_same_as_a_replay_of_all(seed: int) -> None:
    sequence, growing = Sequence(1000 + seed), GrowingReplay()
    earlier: list[tuple[Decisions, Decisions]] = []
    for number in range(60):
        sequence.step()
        if number % 4 == seed % 4:
            kind, payload = ABOUT_PHOTOS[sequence.random.randrange(len(ABOUT_PHOTOS))]
            person = sequence.person() or "nobody"
            payload = payload | {"person_id": person} if "person_id" in payload else payload
            sequence.events = [*sequence.events, event(len(sequence.events) + 1, kind, **payload)]
            sequence.now = replay(sequence.events)
        found = growing.decisions(sequence.events)
        assert same(found, replay(sequence.events)), [one.kind for one in sequence.events]
        earlier.append((found, deepcopy(found)))
    assert all(found == then for found, then in earlier), "a later event changed what was handed out before"


def test_each_event_is_reduced_once_while_the_ledger_grows(reduced: Counter[int]) -> None:
    events = [event(n, "person_created", person_id=f"p{n}", name=f"Person {n}") for n in range(1, 21)]
    growing = GrowingReplay()
    growing.decisions(events)
    for n in range(21, 41):
        events = [*events, label_event(n, f"p{n - 20}", face(f"f{n}"))]
        assert growing.decisions(events).labels[f"f{n}"].person_id == f"p{n - 20}"
    assert set(reduced.values()) == {1} and len(reduced) == 40


@pytest.mark.parametrize(
    "other",
    [
        lambda events: events[:-1],
        lambda events: events[:0],
        lambda events: [replace(events[0], payload={**events[0].payload, "name": "erased p"}), *events[1:]],
        lambda events: [*events, event(9, "undone", event_id=2)],
        lambda events: [event(1, "person_created", person_id="other", name="Other"), *events[2:]],
        lambda events: [*events, event(9, "roster_imported", source="x", digest="x", entries=[{"name": "Anna"}])],
    ],
    ids=["a shorter one", "an empty one", "a name removed", "an undo", "another ledger", "a roster"],
)
def test_what_is_no_growth_is_replayed_from_scratch(other: Callable[[list[Event]], list[Event]]) -> None:
    events = [
        event(1, "person_created", person_id="p", name="Anna"),
        label_event(2, "p", face("f")),
        event(3, "faces_taken_off", faces=[face("g").payload()]),
    ]
    growing = GrowingReplay()
    growing.decisions(events)
    changed = other(events)
    assert same(growing.decisions(changed), replay(changed))
    assert same(growing.decisions(events), replay(events))


def test_after_an_event_that_cannot_be_read_the_next_replay_begins_again() -> None:
    events = [event(1, "person_created", person_id="p", name="Anna")]
    growing = GrowingReplay()
    growing.decisions(events)
    damaged = event(3, "faces_labelled", person_id="p", faces=[face("g").payload(), {}])
    with pytest.raises(KeyError):
        growing.decisions([*events, label_event(2, "p", face("f")), damaged])
    assert same(growing.decisions(events), replay(events)) and not growing.decisions(events).labels
