"""Classes of the school's rosters as albums show them: who is in a class, who has no photo, and its class photos."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import polars as pl

from classface_assets.albums.cards import PhotoCard, PhotoKey
from classface_assets.albums.names import sort_key, student_slug
from classface_assets.albums.students import Student

CLASS_MEMBERS = pl.Schema(dict.fromkeys(("school_year", "class_name", "person_id", "name"), pl.String()))
SIBLINGS = pl.Schema({"person_id": pl.String(), "sibling_id": pl.String()})
MEMBERS_IN_CLASS_PHOTO = 3


@dataclass(frozen=True, eq=False)
class SchoolPeople:
    """What the school's rosters and people say of students who may be shown.

    Attributes:
        members: CLASS_MEMBERS, a row for each student and class; person_id is null for a student without a face.
        siblings: SIBLINGS, each pair in both directions.
    """

    members: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=CLASS_MEMBERS))
    siblings: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=SIBLINGS))


@dataclass(frozen=True, eq=False)
class SchoolClass:
    """A class in a school year.

    Attributes:
        year: The school year.
        name: As the roster has it, such as `3a`.
        students: Who is in it and in photos of any year, by name.
        absent: Names of those who are in no photo of the albums.
        pictures: Its class photos, by date.
    """

    year: str
    name: str
    students: list[Student]
    absent: list[str]
    pictures: list[PhotoCard]

    @cached_property
    def slug(self) -> str:
        """The name of its page, without the ending."""
        digest = hashlib.blake2b(f"{self.year}\n{self.name}".encode(), digest_size=5).hexdigest()
        return f"{student_slug('', f'{self.year} {self.name}').rsplit('-', 1)[0]}-{digest}"

    @property
    def size(self) -> int:
        """How many students are in it."""
        return len(self.students) + len(self.absent)


def group_classes(
    people: SchoolPeople, students: Mapping[str, Student], pictures: Mapping[PhotoKey, PhotoCard]
) -> list[SchoolClass]:
    """The classes by school year and name.

    Args:
        people: Who is in which class.
        students: Key → student of the albums.
        pictures: The photos of the albums.
    """
    members: defaultdict[tuple[str, str], dict[str, Student]] = defaultdict(dict)
    absent: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for year, name, person_id, student_name in people.members.iter_rows():
        student = students.get(f"person_{person_id}")
        if student is None:
            absent[year, name].append(student_name)
        else:
            members[year, name][student.key] = student
    photos = _class_photos(members, pictures.values())
    return [
        SchoolClass(
            year=year,
            name=name,
            students=sorted(members[year, name].values(), key=lambda student: sort_key(student.name)),
            absent=sorted(absent[year, name], key=sort_key),
            pictures=photos[year, name],
        )
        for year, name in sorted({*members, *absent}, key=lambda key: (key[0], sort_key(key[1])))
    ]


def classes_by_student(classes: Iterable[SchoolClass]) -> dict[str, dict[str, SchoolClass]]:
    """Student key → school year → class."""
    found: defaultdict[str, dict[str, SchoolClass]] = defaultdict(dict)
    for one in classes:
        for student in one.students:
            found[student.key][one.year] = one
    return dict(found)


def siblings_by_student(people: SchoolPeople, students: Mapping[str, Student]) -> dict[str, list[Student]]:
    """Student key → siblings who are in the albums too, by name."""
    found: defaultdict[str, list[Student]] = defaultdict(list)
    for person_id, sibling_id in people.siblings.iter_rows():
        student, sibling = students.get(f"person_{person_id}"), students.get(f"person_{sibling_id}")
        if student is not None and sibling is not None and sibling not in found[student.key]:
            found[student.key].append(sibling)
    return {key: sorted(own, key=lambda student: sort_key(student.name)) for key, own in found.items()}


def _class_photos(
    members: Mapping[tuple[str, str], Mapping[str, Student]], pictures: Iterable[PhotoCard]
) -> defaultdict[tuple[str, str], list[PhotoCard]]:
    """School year and class → its class photos.

    They are the group photos of the year in which at least half of those who are named, and three, are of the class.
    """
    classes: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for (year, name), students in members.items():
        for key in students:
            classes[year, key].append(name)
    found: defaultdict[tuple[str, str], list[PhotoCard]] = defaultdict(list)
    for picture in pictures:
        if picture.group:
            year = picture.key[0]
            named = [student for student in picture.students if student.known]
            own = Counter(name for student in named for name in classes.get((year, student.key), ()))
            for name, count in own.items():
                if count >= MEMBERS_IN_CLASS_PHOTO and 2 * count >= len(named):
                    found[year, name].append(picture)
    return found
