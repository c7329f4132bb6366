"""What acts on the ledger say, and which of its events are one act."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.store.decisions.history import event_sentences
from classface_assets.store.model.events import Event, people_of_event, undone_event_ids

SAME_ACTION_INTERVAL = timedelta(seconds=2)
MAX_EVENTS_PER_ACTION = 5
# What the pages append together: undoing one of the two alone would leave half an act.
_COMBINED_KINDS = {
    ("person_created", "faces_labelled"),
    ("person_created", "person_kind_set"),
    ("person_created", "portrait_given"),
    ("person_kind_set", "faces_labelled"),
    ("faces_labelled", "faces_rejected"),
    ("faces_confirmed", "faces_rejected"),
    ("face_drawn", "faces_labelled"),
    ("face_drawn", "person_created"),
}

_KINDS_WITHOUT_LEADING_NAME = {
    *("faces_taken_off", "consent_given", "consent_withdrawn", "person_erased", "photo_marked", "photo_unmarked"),
    "roster_struck",
}


def describe_events(view: ArchiveView, ids: Sequence[int]) -> str:
    """What these events say together; that somebody was added goes without saying where their faces are told."""
    return event_describer(view)(ids)


def event_describer(view: ArchiveView) -> Callable[[Sequence[int]], str]:
    """`told` for many acts of one view."""
    texts = dict(zip((e.id for e in view.events), event_sentences(view.events, short=True), strict=True))
    by_id = {event.id: event for event in view.events}

    def tell(ids: Sequence[int]) -> str:
        parts = sorted((_resolve_undo(by_id[n], by_id) for n in ids if n in by_id), key=lambda part: part[1].id)
        if len(parts) > 1:
            parts = [(p, e) for p, e in parts if e.kind not in ("person_created", "person_kind_set")] or parts
        said = [texts[event.id] for _, event in parts]
        if len({prefix for prefix, _ in parts}) == 1:
            prefix, first = parts[0]
            return prefix + "; ".join(said) if prefix else _capitalize("; ".join(said), first)
        return "; ".join(prefix + text for (prefix, _), text in zip(parts, said, strict=True))

    return tell


def face_ids_in(event: Event) -> list[str]:
    """The ids of the faces that an event is about."""
    groups = event.payload.get("groups", [event.payload.get("faces", [])])
    return [face["face_id"] for group in groups for face in group]


def last_action(events: Sequence[Event], actor: str) -> list[int]:
    """The events in force of what somebody did last, latest first; none when they did nothing."""
    undone = undone_event_ids(events)
    mine = [e for e in events if e.actor == actor and e.kind != "undone" and e.id not in undone]
    return [event.id for event in group_actions(mine[-1:-MAX_EVENTS_PER_ACTION:-1], {})[0]] if mine else []


def group_actions(events: Sequence[Event], by_id: Mapping[int, Event]) -> list[list[Event]]:
    """The events, latest first, with those together that are one act; `by_id`: what undos are about."""
    found: list[list[Event]] = []
    for event in events:
        if found and _same_action(event, found[-1][-1], by_id):
            found[-1].append(event)
        else:
            found.append([event])
    return found


def independently_undoable(events: Sequence[Event], ids: Sequence[int]) -> list[int]:
    """Those of the events that may be undone together: nobody is uncreated of whom others have said more since."""
    undone = undone_event_ids(events)
    own = set(ids) - undone or set(ids)
    others = [e for e in events if e.id not in own and e.id not in undone]
    busy = {person for e in others for person in people_of_event(e)}
    created = {e.id for e in events if e.kind == "person_created" and people_of_event(e) & busy}
    chosen = [number for number in sorted(own, reverse=True) if number not in created]
    return chosen or sorted(own, reverse=True)


def is_undone(act: Sequence[Event], undone: set[int]) -> bool:
    """Whether nothing of an act is in force but, perhaps, that there is such a person."""
    said = [event.id for event in act if event.kind != "person_created"] or [event.id for event in act]
    return undone.issuperset(said)


def _same_action(first: Event, then: Event, by_id: Mapping[int, Event]) -> bool:
    if first.actor != then.actor or then.at - first.at > SAME_ACTION_INTERVAL:
        return False
    if first.kind == then.kind == "undone":  # the later was undone first
        return _same_action(by_id[then.payload["event_id"]], by_id[first.payload["event_id"]], by_id)
    same = people_of_event(first) == people_of_event(then) or first.kind == "face_drawn"
    return same and (first.kind, then.kind) in _COMBINED_KINDS


def _capitalize(text: str, first: Event) -> str:
    """With a capital, unless it begins with a name, which is as it is."""
    return text[:1].upper() + text[1:] if first.kind in _KINDS_WITHOUT_LEADING_NAME else text


def _resolve_undo(event: Event, by_id: Mapping[int, Event]) -> tuple[str, Event]:
    """An undo tells what it took back; the undo of an undo, what holds again."""
    prefix = ""
    while event.kind == "undone":
        prefix = "Done again: " if prefix == "Undone: " else "Undone: "
        event = by_id[event.payload["event_id"]]
    return prefix, event
