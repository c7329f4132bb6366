"""The ledger in plain words: one sentence an event, and the names of the parts of clusters that were split."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from classface_assets.core.languages import (
    format_names,
    format_number,
    gettext,
    marked,
    marked_plural,
    ngettext,
    translated,
)
from classface_assets.store.model.decisions import NOT_A_FACE
from classface_assets.store.model.events import Event, undone_event_ids

ERASED_PERSON = marked("somebody who was erased")
_METHOD_PHRASES = {
    "cluster": marked("(as a cluster)"),
    "import": marked("(by an import)"),
    "match": marked("(by their similarity)"),
}
_THERE = {
    True: marked("%(who)s was there at %(session)s"),
    False: marked("%(who)s was not there at %(session)s"),
    None: marked("%(who)s was there or not, as the photos show, at %(session)s"),
}
_TEMPLATES = {
    "person_created": marked("%(who)s is a person"),
    "person_renamed": marked("%(was)s renamed to %(who)s"),
    "person_merged": marked("%(who)s merged into %(into)s"),
    "person_hidden": marked("%(who)s hidden"),
    "person_shown": marked("%(who)s shown again"),
    "person_kind_set": marked("%(who)s is %(value)s"),
    "siblings_declared": marked("%(people)s are siblings"),
    "consent_given": marked("consent given for %(who)s%(purposes)s"),
    "consent_withdrawn": marked("consent withdrawn for %(who)s%(purposes)s"),
    "student_linked": marked("%(who)s is the student %(student)s of the roster"),
    "cluster_split": marked("%(cluster_id)s split into %(groups)s people"),
    "photo_marked": marked("the photo %(asset_id)s is a %(mark)s"),
    "photo_unmarked": marked("the photo %(asset_id)s is no collage or mirror"),
    "portrait_given": marked("%(who)s enrolled with a portrait"),
    "cover_chosen": marked("%(who)s has a chosen cover picture"),
    "roster_struck": marked("a student was removed from every roster"),
    "session_created": marked("the session %(title)s was added"),
    "session_changed": marked("the session %(title)s was changed"),
    "session_deleted": marked("the session %(session)s was deleted"),
}
_OF_FACES = {
    "person_erased": marked_plural("a person was erased, with %(num)s face", "a person was erased, with %(num)s faces"),
    "faces_labelled": marked_plural("%(num)s face is %(who)s%(method)s", "%(num)s faces are %(who)s%(method)s"),
    "faces_confirmed": marked_plural("%(num)s face is %(who)s, confirmed", "%(num)s faces are %(who)s, confirmed"),
    "faces_rejected": marked_plural("%(num)s face is not %(who)s", "%(num)s faces are not %(who)s"),
    "faces_taken_off": marked_plural("name removed from %(num)s face", "name removed from %(num)s faces"),
    "must_linked": marked_plural("%(num)s face is of one person", "%(num)s faces are of one person"),
    "cannot_linked": marked_plural("%(num)s face is of different people", "%(num)s faces are of different people"),
    "face_drawn": marked_plural("%(num)s face drawn by hand", "%(num)s faces drawn by hand"),
}
"""What happened to so many faces."""
_KIND_WORDS = {"person_kind_set": "value", "photo_marked": "mark"}
"""The words of a payload that are translated themselves."""


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
    names: dict[str, str] = dict.fromkeys(erased, gettext(ERASED_PERSON))
    titles = {e.payload["session_id"]: e.payload["title"] for e in events if "title" in e.payload}
    sentences: dict[int, str] = {}
    for event in events:
        person_id, name = event.payload.get("person_id", ""), event.payload.get("name")
        if name is not None and person_id not in erased:
            was = names.get(person_id, "")
            sentences[event.id] = _sentence(event, {**names, person_id: name}, was, short, titles)
            if event.id not in undone or not was:
                names[person_id] = name
        elif event.kind == "undone":
            undone_id = event.payload["event_id"]
            what = sentences.get(undone_id) or gettext("which is not here")
            sentences[event.id] = gettext("undid %(number)s (%(what)s)", number=undone_id, what=what)
            if event.payload.get("with"):
                sentences[event.id] += " " + gettext("with the names it gave")
        else:
            sentences[event.id] = _sentence(event, names, "", short, titles)
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


def _sentence(event: Event, names: Mapping[str, str], was: str, short: bool, titles: Mapping[str, str]) -> str:
    payload = dict(event.payload)
    somebody = gettext("somebody")
    who = names.get(payload.get("person_id", ""), somebody)
    words = {
        "num": format_number(len(payload.get("faces", ()))),
        "who": gettext("no face") if who == NOT_A_FACE and event.kind == "faces_labelled" else who,
        "was": was or gettext("a person"),
        "into": names.get(payload.get("into_id", ""), somebody),
        "people": format_names(names.get(p, somebody) for p in payload.get("person_ids", ())),
        "method": ""
        if short or payload.get("how") not in _METHOD_PHRASES
        else f" {gettext(_METHOD_PHRASES[payload['how']])}",
        "purposes": f" ({', '.join(payload['purposes'])})" if "purposes" in payload else "",
        "student": payload.get("student", "").partition(":")[2],
        "session": titles.get(payload.get("session_id", ""), gettext("a session")),
        "groups": format_number(len(payload.get("groups", ()))),
    }
    if event.kind in _KIND_WORDS:
        words[_KIND_WORDS[event.kind]] = gettext(payload[_KIND_WORDS[event.kind]])
    return _template(event, who) % defaultdict(lambda: "…", payload | words)


def _template(event: Event, who: str) -> str:
    """The sentence of a kind of event in the language in use, with placeholders for its words."""
    payload = event.payload
    if event.kind in _OF_FACES:
        return translated(*_OF_FACES[event.kind], len(payload.get("faces", ())))
    if event.kind == "attendance_corrected":
        return translated(_THERE[payload.get("present")])
    if event.kind == "birth_date_set":
        born = marked("%(who)s was born on %(birth_date)s")
        return translated(born if payload.get("birth_date") else marked("%(who)s has no date of birth"))
    if event.kind == "student_linked" and who == gettext(ERASED_PERSON):
        return translated("%(who)s is a student of the roster")
    if event.kind == "roster_imported":
        students = len(payload.get("entries", ()))
        return ngettext(
            "%(num)s student on the roster %(source)s",
            "%(num)s students on the roster %(source)s",
            students,
            source="%(source)s",
        )
    if event.kind == "photos_followed":
        return _photos_template(payload.get("photos", ()))
    return translated(_TEMPLATES[event.kind]) if event.kind in _TEMPLATES else event.kind


def _photos_template(pairs: Sequence[Mapping[str, str]]) -> str:
    reoriented = sum(pair["from"] == pair["to"] for pair in pairs)
    if pairs and reoriented == len(pairs):
        return ngettext("%(num)s photo was turned", "%(num)s photos were turned", reoriented)
    return ngettext("%(num)s photo shows the same as another", "%(num)s photos show the same as others", len(pairs))
