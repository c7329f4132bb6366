"""Sentences on what a user's action did, and which events of the ledger belong to one action."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from classface_assets.core.languages import gettext, marked
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.store.decisions.history import event_sentences
from classface_assets.store.model.events import Event, people_of_event, undone_event_ids

SAME_ACTION_INTERVAL = timedelta(seconds=2)
MAX_EVENTS_PER_ACTION = 5
_UNDONE, _DONE_AGAIN = marked("Undone:"), marked("Done again:")
# Kinds of events that one click appends together: undoing only one of the two would leave half an action.
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
    """One sentence on these events; that a person was created is left out where their faces are mentioned."""
    return event_describer(view)(ids)


def event_describer(view: ArchiveView) -> Callable[[Sequence[int]], str]:
    """`describe_events` for many actions of one view."""
    texts = dict(zip((e.id for e in view.events), event_sentences(view.events, short=True), strict=True))
    by_id = {event.id: event for event in view.events}

    def describe(ids: Sequence[int]) -> str:
        parts = sorted((_resolve_undo(by_id[n], by_id) for n in ids if n in by_id), key=lambda part: part[1].id)
        if len(parts) > 1:
            parts = [(p, e) for p, e in parts if e.kind not in ("person_created", "person_kind_set")] or parts
        sentences = [texts[event.id] for _, event in parts]
        if len({prefix for prefix, _ in parts}) == 1:
            prefix, first = parts[0]
            joined = "; ".join(sentences)
            return f"{gettext(prefix)} {joined}" if prefix else _capitalize(joined, first)
        prefixes = [f"{gettext(prefix)} " if prefix else "" for prefix, _ in parts]
        return "; ".join(prefix + sentence for prefix, sentence in zip(prefixes, sentences, strict=True))

    return describe


def last_action(events: Sequence[Event], actor: str) -> list[int]:
    """The ids of the events of an actor's last action that is in force, newest first; empty where there is none."""
    undone = undone_event_ids(events)
    own = [e for e in events if e.actor == actor and e.kind != "undone" and e.id not in undone]
    return [event.id for event in group_actions(own[-1:-MAX_EVENTS_PER_ACTION:-1], {})[0]] if own else []


def group_actions(events: Sequence[Event], by_id: Mapping[int, Event]) -> list[list[Event]]:
    """Group events by action.

    Args:
        events: The events, newest first.
        by_id: All events that undos may refer to.
    """
    actions: list[list[Event]] = []
    for event in events:
        if actions and _same_action(event, actions[-1][-1], by_id):
            actions[-1].append(event)
        else:
            actions.append([event])
    return actions


def independently_undoable(events: Sequence[Event], ids: Sequence[int]) -> list[int]:
    """Those of the events that can be undone together, newest first.

    The creation of a person is left out where other events refer to the person.
    """
    undone = undone_event_ids(events)
    chosen = set(ids) - undone or set(ids)
    others = [e for e in events if e.id not in chosen and e.id not in undone]
    referred = {person for e in others for person in people_of_event(e)}
    needed = {e.id for e in events if e.kind == "person_created" and people_of_event(e) & referred}
    newest_first = sorted(chosen, reverse=True)
    return [event_id for event_id in newest_first if event_id not in needed] or newest_first


def is_undone(action: Sequence[Event], undone: set[int]) -> bool:
    """Whether nothing of an action is in force, except perhaps that the person exists."""
    ids = [event.id for event in action if event.kind != "person_created"] or [event.id for event in action]
    return undone.issuperset(ids)


def _same_action(first: Event, second: Event, by_id: Mapping[int, Event]) -> bool:
    """Whether two successive events come from one click."""
    if first.actor != second.actor or second.at - first.at > SAME_ACTION_INTERVAL:
        return False
    if first.kind == second.kind == "undone":  # an action is undone in reverse order
        return _same_action(by_id[second.payload["event_id"]], by_id[first.payload["event_id"]], by_id)
    same = people_of_event(first) == people_of_event(second) or first.kind == "face_drawn"
    return same and (first.kind, second.kind) in _COMBINED_KINDS


def _capitalize(text: str, first: Event) -> str:
    """Begin with a capital, except where the text begins with a name, which stays as it is."""
    return text[:1].upper() + text[1:] if first.kind in _KINDS_WITHOUT_LEADING_NAME else text


def _resolve_undo(event: Event, by_id: Mapping[int, Event]) -> tuple[str, Event]:
    """The event that an undo, or the undo of an undo, refers to, and what to write before its sentence."""
    prefix = ""
    while event.kind == "undone":
        prefix = _DONE_AGAIN if prefix == _UNDONE else _UNDONE
        event = by_id[event.payload["event_id"]]
    return prefix, event
