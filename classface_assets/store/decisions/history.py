"""The ledger in plain words: one sentence an event, and the names of the parts of clusters that were split."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from classface_assets.store.model.decisions import NOT_A_FACE
from classface_assets.store.model.events import Event, undone_event_ids

ERASED_PERSON = "somebody who was erased"
_METHOD_PHRASES = {"cluster": " (as a cluster)", "import": " (by an import)"}
_TEMPLATES = {
    "person_created": "{who} is a person",
    "person_renamed": "{was} renamed to {who}",
    "person_merged": "{who} merged into {into}",
    "person_hidden": "{who} hidden",
    "person_shown": "{who} shown again",
    "person_kind_set": "{who} is {value}",
    "siblings_declared": "{people} are siblings",
    "birth_date_set": "{who} {born}",
    "consent_given": "consent given for {who}{purposes}",
    "consent_withdrawn": "consent withdrawn for {who}{purposes}",
    "student_linked": "{who} is {student} of the roster",
    "person_erased": "a person was erased, with {faces}",
    "faces_labelled": "{faces_are} {who}{method}",
    "faces_confirmed": "{faces_are} {who}, confirmed",
    "faces_rejected": "{faces_are} not {who}",
    "faces_taken_off": "name removed from {faces}",
    "must_linked": "{faces} are of one person",
    "cannot_linked": "{faces} are of different people",
    "cluster_split": "{cluster_id} split into {groups} people",
    "photo_marked": "the photo {asset_id} is a {mark}",
    "photo_unmarked": "the photo {asset_id} is no collage or mirror",
    "photos_followed": "{photos}",
    "face_drawn": "{faces} drawn by hand",
    "portrait_given": "{who} enrolled with a portrait",
    "roster_imported": "{students} on the roster {source}",
    "roster_struck": "a student was removed from every roster",
}


def history_lines(events: Sequence[Event]) -> Iterator[str]:
    """One line an event, oldest first: number, time, who, what."""
    undone = undone_event_ids(events)
    for event, sentence in zip(events, event_sentences(events), strict=True):
        mark = "  (undone)" if event.id in undone else ""
        yield f"{event.id:>6}  {event.at.astimezone():%Y-%m-%d %H:%M:%S}  {event.actor}  {sentence}{mark}"


def event_sentences(events: Sequence[Event], short: bool = False) -> Iterator[str]:
    """One sentence an event, with people called as they were then.

    Args:
        events: Events of a ledger, oldest first.
        short: Leave out how faces were labelled.

    Yields:
        Sentences without a full stop. The name of a person who is erased is in none of them.
    """
    undone = undone_event_ids(events)
    erased = {e.payload["person_id"] for e in events if e.kind == "person_erased" and e.id not in undone}
    names: dict[str, str] = dict.fromkeys(erased, ERASED_PERSON)
    sentences: dict[int, str] = {}
    for event in events:
        person_id, name = event.payload.get("person_id", ""), event.payload.get("name")
        if name is not None and person_id not in erased:
            was = names.get(person_id, "")
            sentences[event.id] = _sentence(event, {**names, person_id: name}, was, short)
            if event.id not in undone or not was:
                names[person_id] = name
        elif event.kind == "undone":
            undone_id = event.payload["event_id"]
            more = " with the names it gave" if event.payload.get("with") else ""
            sentences[event.id] = f"undid {undone_id} ({sentences.get(undone_id, 'which is not here')}){more}"
        else:
            sentences[event.id] = _sentence(event, names, "", short)
        yield sentences[event.id]


def faces_are(count: int) -> str:
    """`1 face is`, `2,000 faces are`."""
    return "1 face is" if count == 1 else f"{count:,} faces are"


def split_cluster_names(events: Iterable[Event]) -> dict[str, str]:
    """Face id -> `{cluster}_sub_{i}` for every face of a split in force; the later split counts.

    These are the ids of the parts until they have a name.
    """
    events = list(events)
    undone = undone_event_ids(events)
    splits = [event for event in events if event.kind == "cluster_split" and event.id not in undone]
    return {
        face["face_id"]: f"{event.payload['cluster_id']}_sub_{number}"
        for event in splits
        for number, group in enumerate(event.payload["groups"], start=1)
        for face in group
    }


def _sentence(event: Event, names: Mapping[str, str], was: str, short: bool) -> str:
    template = _TEMPLATES.get(event.kind)
    if template is None:
        return event.kind
    payload = dict(event.payload)
    count, students = len(payload.get("faces", ())), len(payload.get("entries", ()))
    who = names.get(payload.get("person_id", ""), "somebody")
    student = payload.get("student", "").partition(":")[2]
    words = {
        "who": "no face" if who == NOT_A_FACE and event.kind == "faces_labelled" else who,
        "was": was or "a person",
        "into": names.get(payload.get("into_id", ""), "somebody"),
        "people": " and ".join(names.get(p, "somebody") for p in payload.get("person_ids", ())),
        "faces_are": faces_are(count),
        "faces": "1 face" if count == 1 else f"{count:,} faces",
        "method": "" if short else _METHOD_PHRASES.get(payload.get("how", ""), ""),
        "born": f"was born on {payload['birth_date']}" if payload.get("birth_date") else "has no date of birth",
        "students": "1 student" if students == 1 else f"{students:,} students",
        "photos": _photos_phrase(payload.get("photos", ())),
        "purposes": f" ({', '.join(payload['purposes'])})" if "purposes" in payload else "",
        "student": "a student" if who == ERASED_PERSON else f"the student {student}",
        "groups": f"{len(payload.get('groups', ())):,}",
    }
    return template.format_map(defaultdict(lambda: "…", payload | words))


def _photos_phrase(pairs: Sequence[Mapping[str, str]]) -> str:
    reoriented = sum(pair["from"] == pair["to"] for pair in pairs)
    if pairs and reoriented == len(pairs):
        return "1 photo was turned" if reoriented == 1 else f"{reoriented:,} photos were turned"
    return "1 photo shows the same as another" if len(pairs) == 1 else f"{len(pairs):,} photos show the same as others"
