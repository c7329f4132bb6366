"""The ledger in plain words: one sentence an event, for the command line and the page.

What the pieces of clusters that a person split are called until they have a name.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from classface_assets.store.model.decisions import NOT_A_FACE
from classface_assets.store.model.events import Event, undone_event_ids

ERASED_PERSON = "somebody who was erased"


def history_lines(events: Sequence[Event]) -> Iterator[str]:
    """One line an event, oldest first: number, time, who, what."""
    undone = undone_event_ids(events)
    for event, told in zip(events, event_sentences(events), strict=True):
        mark = "  (undone)" if event.id in undone else ""
        yield f"{event.id:>6}  {event.at.astimezone():%Y-%m-%d %H:%M:%S}  {event.actor}  {told}{mark}"


def event_sentences(events: Sequence[Event], short: bool = False) -> Iterator[str]:
    """What each event says, people called as they were then; the name of a person who is erased is not told.

    `short` leaves out in which way faces were labelled.
    """
    undone = undone_event_ids(events)
    erased = {e.payload["person_id"] for e in events if e.kind == "person_erased" and e.id not in undone}
    names: dict[str, str] = dict.fromkeys(erased, ERASED_PERSON)
    told: dict[int, str] = {}
    for event in events:
        person_id, name = event.payload.get("person_id", ""), event.payload.get("name")
        if name is not None and person_id not in erased:
            was = names.get(person_id, "")
            told[event.id] = _sentence(event, {**names, person_id: name}, was, short)
            if event.id not in undone or not was:
                names[person_id] = name
        elif event.kind == "undone":
            what = event.payload["event_id"]
            more = " with the names it gave" if event.payload.get("with") else ""
            told[event.id] = f"undid {what} ({told.get(what, 'which is not here')}){more}"
        else:
            told[event.id] = _sentence(event, names, "", short)
        yield told[event.id]


def faces_are(count: int) -> str:
    return "1 face is" if count == 1 else f"{count:,} faces are"


def _sentence(event: Event, names: Mapping[str, str], was: str, short: bool) -> str:
    told = _TEMPLATES.get(event.kind)
    if told is None:
        return event.kind
    said = dict(event.payload)
    count = len(said.get("faces", ()))
    who = names.get(said.get("person_id", ""), "somebody")
    words = {
        "who": "no face" if who == NOT_A_FACE and event.kind == "faces_labelled" else who,
        "was": was or "a person",
        "into": names.get(said.get("into_id", ""), "somebody"),
        "people": " and ".join(names.get(p, "somebody") for p in said.get("person_ids", ())),
        "faces_are": faces_are(count),
        "faces": "1 face" if count == 1 else f"{count:,} faces",
        "how": "" if short else _METHOD_PHRASES.get(said.get("how", ""), ""),
        "born": f"was born on {said['birth_date']}" if said.get("birth_date") else "has no date of birth",
        "students": "1 student" if len(said.get("entries", ())) == 1 else f"{len(said.get('entries', ())):,} students",
        "photos": _photos_phrase(said.get("photos", ())),
        "purposes": f" ({', '.join(said['purposes'])})" if "purposes" in said else "",
        "student": "a student" if who == ERASED_PERSON else f"the student {said.get('student', '').partition(':')[2]}",
        "groups": f"{len(said.get('groups', ())):,}",
    }
    return told.format_map(defaultdict(lambda: "…", said | words))


def _photos_phrase(pairs: Sequence[Mapping[str, str]]) -> str:
    turned = sum(pair["from"] == pair["to"] for pair in pairs)
    if pairs and turned == len(pairs):
        return "1 photo was turned" if turned == 1 else f"{turned:,} photos were turned"
    return "1 photo shows the same as another" if len(pairs) == 1 else f"{len(pairs):,} photos show the same as others"


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
    "person_erased": "a person was erased, {faces} barred",
    "faces_labelled": "{faces_are} {who}{how}",
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
    "roster_struck": "a student was taken out of every roster",
}


def split_cluster_names(events: Iterable[Event]) -> dict[str, str]:
    """Face id -> `{cluster}_sub_{i}` for every face of a split in force; the later split counts."""
    events = list(events)
    undone = undone_event_ids(events)
    splits = [event for event in events if event.kind == "cluster_split" and event.id not in undone]
    return {
        face["face_id"]: f"{event.payload['cluster_id']}_sub_{number}"
        for event in splits
        for number, group in enumerate(event.payload["groups"], start=1)
        for face in group
    }
