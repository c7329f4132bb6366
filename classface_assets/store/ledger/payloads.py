"""What the payload of each kind of event holds, so that a ledger from outside is looked at before it is believed."""

from collections.abc import Callable, Mapping
from datetime import date
from math import isfinite
from typing import Any

from classface_assets.store.model.decisions import PERSON_KINDS
from classface_assets.store.model.purposes import ALL_PURPOSES, Purpose


def payload_error(kind: str, payload: Mapping[str, Any]) -> str | None:
    """What is wrong with the payload of an event of this kind; None when nothing is, or the kind is not known here."""
    for name, is_sound in PAYLOAD_CHECKS.get(kind, {}).items():
        if name not in payload:
            return f"a {kind} event has no {name}"
        if not is_sound(payload[name]):
            return f"its {name} cannot be {str(payload[name])[:60]!r}"
    for name, is_sound in OPTIONAL_CHECKS.items():
        if name in payload and not is_sound(payload[name]):
            return f"its {name} cannot be {str(payload[name])[:60]!r}"
    return None


def _text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 255 and value.isprintable()


def _name(value: Any) -> bool:
    return (
        isinstance(value, str) and 0 < len(value) <= 255 and bool(value.strip()) and not _has_control_characters(value)
    )


def _has_control_characters(value: str) -> bool:
    return any(ord(c) < 32 or 0xD800 <= ord(c) < 0xE000 for c in value)


def _key(value: Any) -> bool:
    """Of a student: "id:" or "name:", what is folded in it may be longer than it was."""
    return isinstance(value, str) and 0 < len(value) <= 1000 and value.isprintable()


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _face(value: Any) -> bool:
    if not isinstance(value, dict) or not _text(value.get("face_id")) or not _text(value.get("asset_id")):
        return False
    box = value.get("box")
    return isinstance(box, list) and len(box) == 4 and all(map(_number, box))


def _pair_of_photos(value: Any) -> bool:
    """Two photos of one shot (`same_shots.SameShot`)."""
    if not isinstance(value, dict) or not _text(value.get("from")) or not _text(value.get("to")):
        return False
    transform = value.get("transform", [1, 0, 0, 0, 1, 0])
    sound = isinstance(transform, list) and len(transform) == 6 and all(map(_number, transform))
    return sound and transform[0] * transform[4] != transform[1] * transform[3]


def _list_of(is_sound: Callable[[Any], bool], least: int = 0) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and len(value) >= least and all(map(is_sound, value))


def _day(value: Any) -> bool:
    if value is None:
        return True
    try:
        return isinstance(value, str) and bool(date.fromisoformat(value))
    except ValueError:
        return False


def _one_of(*values: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and value in values


def _event_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _student(value: Any) -> bool:
    """A row of a roster (`RosterEntry.payload`)."""
    if not isinstance(value, dict) or not _name(value.get("name")):
        return False
    classes, portraits = value.get("classes", {}), value.get("portraits", [])
    return (
        _short_text(value.get("student_id", ""))
        and isinstance(classes, dict)
        and all(map(_short_text, (*classes, *classes.values())))
        and _list_of(_short_text)(value.get("siblings", []))
        and value.get("consent") in (None, True, False)
        and _consents(value.get("consents", {}))
        and _short_text(value.get("consent_in_doubt", ""))
        and _day(value.get("birth_date"))
        and isinstance(portraits, list)
        and all(isinstance(pair, list) and len(pair) == 2 and all(map(_short_text, pair)) for pair in portraits)
    )


def _consents(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() <= set(Purpose) and all(isinstance(v, bool) for v in value.values())


def _short_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 255 and not _has_control_characters(value)


_PERSON: dict[str, Callable[[Any], bool]] = {"person_id": _text}
_FACES: dict[str, Callable[[Any], bool]] = {"faces": _list_of(_face)}
PAYLOAD_CHECKS: dict[str, dict[str, Callable[[Any], bool]]] = {
    "person_created": _PERSON | {"name": _name},
    "person_renamed": _PERSON | {"name": _name},
    "person_merged": _PERSON | {"into_id": _text},
    "person_hidden": _PERSON,
    "person_shown": _PERSON,
    "person_kind_set": _PERSON | {"value": _one_of(*PERSON_KINDS)},
    "siblings_declared": {"person_ids": _list_of(_text, 2)},
    "birth_date_set": _PERSON | {"birth_date": _day},
    "consent_given": _PERSON,
    "consent_withdrawn": _PERSON,
    "person_erased": _PERSON | _FACES,
    "faces_labelled": _PERSON | _FACES,
    "faces_confirmed": _PERSON | _FACES,
    "faces_rejected": _PERSON | _FACES,
    "faces_taken_off": _FACES,
    "must_linked": _FACES,
    "cannot_linked": _FACES,
    "cluster_split": {"groups": _list_of(_list_of(_face, 1), 2)},
    "photo_marked": {"asset_id": _text, "mark": _one_of("collage", "mirror")},
    "photo_unmarked": {"asset_id": _text},
    "photos_followed": {"photos": _list_of(_pair_of_photos, 1)},
    "face_drawn": _FACES,
    "portrait_given": _PERSON | {"portrait": _text},
    "roster_imported": {"source": _text, "digest": _text, "entries": _list_of(_student)},
    "student_linked": _PERSON | {"student": _key},
    "roster_struck": {"imports": _event_id},
    "undone": {"event_id": _event_id},
}
OPTIONAL_CHECKS = {
    "roster": _event_id,
    "with": _list_of(_event_id),
    "purposes": _list_of(_one_of(ALL_PURPOSES, *Purpose), 1),
}
"""What any event may hold beside: the import that it belongs to, what an undo takes back with its event, and for which
purposes consent was given or withdrawn, if not for all."""
