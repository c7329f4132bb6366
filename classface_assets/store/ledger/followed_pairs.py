"""The pairs of photos that show one shot (`photos_followed` events), by photo.

A check of a few photos reads the few pairs that concern them: an archive that an older version made has a pair for
each labelled photo.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from classface_assets.store.ledger.payloads import PhotosFollowed
from classface_assets.store.model.events import Event


@dataclass(frozen=True)
class FollowedPairs:
    """The pairs of a ledger.

    Attributes:
        pairs: (event, its payload for two photos), oldest first.
        of_photo: Asset id -> the numbers of its pairs.
    """

    pairs: Sequence[tuple[Event, Mapping[str, Any]]]
    of_photo: Mapping[str, Sequence[int]]

    @classmethod
    def of(cls, events: Collection[Event]) -> "FollowedPairs":
        """The pairs in these events, of any kinds."""
        kind = PhotosFollowed.kind
        pairs = [(event, pair) for event in events if event.kind == kind for pair in event.payload["photos"]]
        of_photo: dict[str, list[int]] = defaultdict(list)
        for number, (_, pair) in enumerate(pairs):
            of_photo[pair["from"]].append(number)
            of_photo[pair["to"]].append(number)
        return cls(pairs, of_photo)

    def around(self, photos: Collection[str]) -> tuple[set[str], list[Event]]:
        """These photos with all others of their shots, and the events reduced to the pairs of these photos."""
        found, queue, numbers = set(photos), list(photos), set[int]()
        while queue:
            mine = self.of_photo.get(queue.pop(), ())
            numbers.update(mine)
            new = {self.pairs[n][1][end] for n in mine for end in ("from", "to")} - found
            found |= new
            queue += new
        by_event: dict[int, list[int]] = defaultdict(list)
        for number in sorted(numbers):
            by_event[self.pairs[number][0].id].append(number)
        events = [
            replace(self.pairs[some[0]][0], payload={"photos": [self.pairs[n][1] for n in some]})
            for some in by_event.values()
        ]
        return found, events
