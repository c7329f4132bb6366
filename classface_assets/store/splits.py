"""What the pieces of clusters that a person split are called until they have a name."""

from collections.abc import Iterable

from classface_assets.store.events import Event, undone_events


def names_of_pieces(events: Iterable[Event]) -> dict[str, str]:
    """Face id -> `{cluster}_sub_{i}` for every face of a split in force; the later split counts."""
    events = list(events)
    undone = undone_events(events)
    splits = [event for event in events if event.kind == "cluster_split" and event.id not in undone]
    return {
        face["face_id"]: f"{event.payload['cluster_id']}_sub_{number}"
        for event in splits
        for number, group in enumerate(event.payload["groups"], start=1)
        for face in group
    }
