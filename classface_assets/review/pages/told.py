"""Events of the ledger as sentences, and which of them are one act."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from classface_assets.review.view import View
from classface_assets.store.events import Event, undone_events
from classface_assets.store.writing import counted

AT_ONCE = timedelta(seconds=2)
MOST_IN_ACT = 5
# What the pages append together: undoing one of the two alone would leave half an act.
_TOGETHER = {
    ("person_created", "faces_labelled"),
    ("person_created", "person_kind_set"),
    ("person_kind_set", "faces_labelled"),
    ("faces_labelled", "faces_rejected"),
    ("faces_confirmed", "faces_rejected"),
    ("face_drawn", "faces_labelled"),
    ("face_drawn", "person_created"),
}
_SENTENCES = {
    "person_created": "{who} was added",
    "person_renamed": "somebody was renamed to {name}",
    "person_merged": "{who} was merged into {into}",
    "person_hidden": "{who} was hidden",
    "person_shown": "{who} is shown again",
    "person_kind_set": "{who} was marked as {value}",
    "person_erased": "{who} was erased",
    "siblings_declared": "{people} were declared siblings",
    "birth_date_set": "{who}'s birth date was set",
    "consent_given": "{who} gave consent",
    "consent_withdrawn": "{who} withdrew consent",
    "faces_labelled": "{faces} {are} {who}",
    "faces_confirmed": "{faces} confirmed as {who}",
    "faces_rejected": "{faces} {are} not {who}",
    "faces_taken_off": "the name was taken off {faces}",
    "must_linked": "{faces} belong together",
    "cannot_linked": "{faces} are different people",
    "cluster_split": "a group was split into {parts}",
    "photo_marked": "a photo was marked as {mark}",
    "photo_unmarked": "a photo's mark was taken off",
    "face_drawn": "a face was drawn",
    "undone": "event {event_id} was undone",
}


def names_of(view: View) -> dict[str, str]:
    """What each person is called, those too whose creation was undone; erased people have no name any more."""
    kinds = ("person_created", "person_renamed")
    names = {e.payload["person_id"]: e.payload["name"] for e in view.events if e.kind in kinds}
    return names | {p.id: "somebody erased" if p.erased else p.name for p in view.decisions.persons.values()}


def sentence(event: Event, names: Mapping[str, str]) -> str:
    """`12 faces are Ana`."""
    said, faces = event.payload, faces_in(event)
    people = [names.get(p, "somebody") for p in said.get("person_ids", ())]
    template = _SENTENCES.get(event.kind, event.kind.replace("_", " "))
    if event.kind == "faces_labelled" and names.get(said.get("person_id", "")) == "Not a face":
        template = "{faces} {are} no face" if len(faces) == 1 else "{faces} are no faces"
    return template.format_map(
        {
            "who": names.get(said.get("person_id", ""), "somebody"),
            "into": names.get(said.get("into_id", ""), "somebody"),
            "name": said.get("name", ""),
            "value": said.get("value", ""),
            "mark": said.get("mark", ""),
            "event_id": said.get("event_id", ""),
            "people": " and ".join(people),
            "faces": counted(len(faces), "face"),
            "are": "is" if len(faces) == 1 else "are",
            "parts": counted(len(said.get("groups", ())), "part"),
        }
    )


def told(view: View, ids: Sequence[int]) -> str:
    """What these events say together; that somebody was added goes without saying where their faces are told."""
    wanted = set(ids)
    by_id = {event.id: event for event in view.events}
    names = names_of(view)
    parts = [_whereto(event, by_id) for event in view.events if event.id in wanted]
    if len(parts) > 1:
        parts = [(p, e) for p, e in parts if e.kind not in ("person_created", "person_kind_set")] or parts
    parts.sort(key=lambda part: part[1].id)
    prefixes = [prefix for prefix, _ in parts]
    sentences = [sentence(event, names) for _, event in parts]
    if len(set(prefixes)) == 1:
        return capital(prefixes[0] + "; ".join(sentences))
    return capital("; ".join(p + s for p, s in zip(prefixes, sentences, strict=True)))


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def faces_in(event: Event) -> list[str]:
    """The ids of the faces that an event is about."""
    groups = event.payload.get("groups", [event.payload.get("faces", [])])
    return [face["face_id"] for group in groups for face in group]


def people_in(event: Event) -> set[str]:
    """The persons that an event names."""
    named = {event.payload.get("person_id"), event.payload.get("into_id"), *event.payload.get("person_ids", ())}
    return {person for person in named if person}


def last_act(events: Sequence[Event], actor: str) -> list[int]:
    """The events in force of what somebody did last, latest first; none when they did nothing."""
    undone = undone_events(events)
    mine = [e for e in events if e.actor == actor and e.kind != "undone" and e.id not in undone]
    return [event.id for event in acts(mine[-1:-MOST_IN_ACT:-1], {})[0]] if mine else []


def acts(events: Sequence[Event], by_id: Mapping[int, Event]) -> list[list[Event]]:
    """The events, latest first, with those together that are one act; `by_id`: what undos are about."""
    found: list[list[Event]] = []
    for event in events:
        if found and _one_act(event, found[-1][-1], by_id):
            found[-1].append(event)
        else:
            found.append([event])
    return found


def alone(events: Sequence[Event], ids: Sequence[int]) -> list[int]:
    """Those of the events that may be undone together: nobody is uncreated of whom others have said more since."""
    undone, own = undone_events(events), set(ids)
    others = [e for e in events if e.id not in own and e.id not in undone]
    busy = {person for e in others for person in people_in(e)}
    created = {e.id for e in events if e.kind == "person_created" and people_in(e) & busy}
    chosen = [number for number in sorted(own, reverse=True) if number not in created]
    return chosen or sorted(own, reverse=True)


def _one_act(first: Event, then: Event, by_id: Mapping[int, Event]) -> bool:
    if first.actor != then.actor or then.at - first.at > AT_ONCE:
        return False
    if first.kind == then.kind == "undone":  # the later was undone first
        return _one_act(by_id[then.payload["event_id"]], by_id[first.payload["event_id"]], by_id)
    same = people_in(first) == people_in(then) or first.kind == "face_drawn"
    return same and (first.kind, then.kind) in _TOGETHER


def _whereto(event: Event, by_id: Mapping[int, Event]) -> tuple[str, Event]:
    """An undo tells what it took back; the undo of an undo, what holds again."""
    prefix = ""
    while event.kind == "undone":
        prefix = "done again: " if prefix == "undone: " else "undone: "
        event = by_id[event.payload["event_id"]]
    return prefix, event
