"""The pairs of photos that show one shot (`photos_followed` events), by photo.

A check of a few photos looks at the few pairs that concern them: an archive that an older version made has a pair for
each labelled photo.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from classface_assets.store.model.events import Event

PHOTOS_FOLLOWED = "photos_followed"


@dataclass(frozen=True)
class FollowedPairs:
    """`pairs`: (the event, what it says of two photos), oldest first; `of_photo`: photo → their numbers."""

    pairs: Sequence[tuple[Event, Mapping[str, Any]]]
    of_photo: Mapping[str, Sequence[int]]

    @classmethod
    def of(cls, events: Collection[Event]) -> "FollowedPairs":
        pairs = [(event, pair) for event in events if event.kind == PHOTOS_FOLLOWED for pair in event.payload["photos"]]
        of_photo: dict[str, list[int]] = defaultdict(list)
        for number, (_, pair) in enumerate(pairs):
            of_photo[pair["from"]].append(number)
            of_photo[pair["to"]].append(number)
        return cls(pairs, of_photo)

    def around(self, photos: Collection[str]) -> tuple[set[str], list[Event]]:
        """These photos with all others of their shots, and the events with the pairs of these alone."""
        found, waiting, numbers = set(photos), list(photos), set[int]()
        while waiting:
            mine = self.of_photo.get(waiting.pop(), ())
            numbers.update(mine)
            new = {self.pairs[n][1][end] for n in mine for end in ("from", "to")} - found
            found |= new
            waiting += new
        by_event: dict[int, list[int]] = defaultdict(list)
        for number in sorted(numbers):
            by_event[self.pairs[number][0].id].append(number)
        events = [
            replace(self.pairs[some[0]][0], payload={"photos": [self.pairs[n][1] for n in some]})
            for some in by_event.values()
        ]
        return found, events
