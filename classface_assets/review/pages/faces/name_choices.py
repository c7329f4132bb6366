"""Which names are offered for a face: first the students of the class that is in the photo, then everybody else."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

import polars as pl

from classface_assets.core.names import normalize_name, normalized_name
from classface_assets.review.pages.components.cards import cover_faces, nameable_people, search_people, search_roster
from classface_assets.review.pages.components.students import class_and_id
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.store.decisions.roster import entries_by_person

MIN_CLASSMATES = 2
"""So many named people of a class show which class is in a photo, where its folder does not."""


@dataclass(frozen=True)
class NameChoice:
    """A name that can be chosen: of a person, or of a student on the roster who is no person yet."""

    name: str
    person_id: str = ""
    faces: int = 0
    years: tuple[str, ...] = ()
    class_name: str = ""
    student_id: str = ""
    in_class: bool = False
    """Whether the student is in the class of the photo."""


def name_choices(view: ArchiveView, q: str, limit: int, asset_id: str = "") -> list[NameChoice]:
    """Names that contain `q`: of the photo's class, of other people, of other students of the roster, and last of those
    who are in the photo already.

    Args:
        view: The archive.
        q: What was typed; empty: only the photo's class.
        limit: The most names.
        asset_id: The photo; who is in it already is not offered from its class.
    """
    photo = view.photo(asset_id) if asset_id else None
    year = photo["school_year"] if photo else ""
    entries = entries_by_person(view.decisions)
    mates = _class_choices(view, photo, normalize_name(q)) if photo else []
    if not normalize_name(q):
        return mates[:limit]
    taken, there = {choice.name for choice in mates}, _people_in(view, asset_id)
    people = [
        NameChoice(name, person, count, tuple(years), *class_and_id(entries.get(person), year))
        for person, name, count, years in search_people(view, q, limit)
        .select("id", "name", "face_count", "school_years")
        .iter_rows()
        if name not in taken
    ]
    students = [
        NameChoice(name, "", 0, tuple(sorted(entry.classes)), *class_and_id(entry, year))
        for name, entry in search_roster(view, q, limit - len(mates) - len(people))
        if name not in taken
    ]
    others = [*people, *students]
    return [*mates, *sorted(others, key=lambda choice: choice.person_id in there)][:limit]


def choices_as_json(view: ArchiveView, choices: list[NameChoice]) -> list[dict[str, Any]]:
    """The choices as the name box reads them, each with the best face of the person."""
    faces = cover_faces(view, [choice.person_id for choice in choices if choice.person_id])
    return [asdict(choice) | {"face": faces.get(choice.person_id)} for choice in choices]


def photo_class(view: ArchiveView, photo: Mapping[str, Any]) -> str:
    """The class that a photo shows: the one that its folders name, else that of most named people in it; "" if neither.

    Args:
        view: The archive, with its rosters.
        photo: A row of `view.photos`.
    """
    year = photo["school_year"]
    classes = {entry.classes[year] for entry in view.decisions.roster if entry.classes.get(year)}
    by_name = {normalized_name(name): name for name in classes}
    for folder in reversed(PurePosixPath(photo["path"]).parts[:-1]):
        words = normalized_name(folder)
        named = by_name.get(words) or next((by_name[w] for w in reversed(words.split()) if w in by_name), None)
        if named:
            return named
    people = view.faces.filter(pl.col("asset_id") == photo["asset_id"])["person_id"].drop_nulls()
    entries = entries_by_person(view.decisions)
    counts = Counter(class_and_id(entries.get(person), year)[0] for person in people)
    counts.pop("", None)
    most = counts.most_common(1)
    return most[0][0] if most and most[0][1] >= MIN_CLASSMATES and 2 * most[0][1] > counts.total() else ""


def _class_choices(view: ArchiveView, photo: Mapping[str, Any], query: str) -> list[NameChoice]:
    """The students of the photo's class who are not in it yet and have a word that begins with the query, by name."""
    year, shown = photo["school_year"], photo_class(view, photo)
    if not shown:
        return []
    decisions = view.decisions
    there = _people_in(view, photo["asset_id"])
    counts = dict(nameable_people(view).select("id", "face_count").iter_rows())
    choices = []
    for entry in decisions.roster:
        person = decisions.students.get(entry.key, "")
        if entry.classes.get(year) != shown or person in there or (person and person not in counts):
            continue
        name = decisions.persons[person].display_name if person else decisions.student_names.get(entry.key, entry.name)
        if f" {query}" in f" {normalize_name(name)}" or (query and query == normalize_name(entry.student_id)):
            years = tuple(sorted(entry.classes))
            choices.append(NameChoice(name, person, counts.get(person, 0), years, shown, entry.student_id, True))
    return sorted(choices, key=lambda choice: normalize_name(choice.name))


def _people_in(view: ArchiveView, asset_id: str) -> set[str]:
    return set(view.faces.filter(pl.col("asset_id") == asset_id)["person_id"].drop_nulls())
