"""Students and their faces: grouped by person or cluster, the best faces first, and arranged in the rows of a photo."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import polars as pl

from classface_assets.albums.names import (
    album_folder_name,
    index_letter,
    sort_key,
    student_slug,
    unique_name,
    unknown_student_name,
)
from classface_assets.core.faces.photo_rows import arrange_rows
from classface_assets.core.geometry import Box
from classface_assets.core.schemas import NOISE_PREFIX


@dataclass(frozen=True)
class Face:
    """One face in a photo.

    Attributes:
        face_id: Its id.
        student: The key of the person or cluster that it belongs to; None for a single face.
        asset_id: The id of the photo.
        school_year: The school year of the photo.
        box: x, y, w, h in pixels of the photo.
        quality: Its quality score, 0 to 1.
        chip: Its chip as JPEG bytes, where they were read.
        chosen: Whether somebody chose it as the cover of its person.
        cropped: Whether it may be shown as a picture of its own, because no covered face is next to it.
    """

    face_id: str
    student: str | None
    asset_id: str
    school_year: str
    box: Box
    quality: float
    chip: bytes | None = field(default=None, repr=False)
    cropped: bool = True
    chosen: bool = False


# Compared by identity: comparing by value would compare every face each time a student is a key.
@dataclass(frozen=True, eq=False)
class Student:
    """A named person (`known`) or an unknown cluster, with all its faces."""

    key: str
    name: str
    known: bool
    cluster_id: str
    faces: tuple[Face, ...]

    @cached_property
    def slug(self) -> str:
        """The name of its page, without the ending."""
        return student_slug(self.key, self.name)

    @cached_property
    def best_faces(self) -> list[Face]:
        """The chosen one, then the best first; equal ones in the order of their ids: every run chooses the same."""
        return sorted(self.faces, key=lambda face: (not face.chosen, -face.quality, face.face_id))

    @cached_property
    def photos_by_year(self) -> Counter[str]:
        """School year → number of its photos."""
        return Counter(year for year, _ in self.photo_keys)

    @cached_property
    def photo_keys(self) -> set[tuple[str, str]]:
        """(school year, asset id) of its photos."""
        return {(face.school_year, face.asset_id) for face in self.faces}


def faces_from_frame(frame: pl.DataFrame) -> list[Face]:
    """The rows of an APPEARANCES frame as faces; its columns `chip`, `cropped` and `chosen` are optional."""
    return [
        Face(
            face_id=row["face_id"],
            student=_student_key(row),
            asset_id=row["asset_id"],
            school_year=row["school_year"],
            box=(row["bbox_x"], row["bbox_y"], row["bbox_w"], row["bbox_h"]),
            quality=row["quality_score"] or 0.0,
            chip=row.get("chip"),
            cropped=row.get("cropped", True),
            chosen=row.get("chosen", False),
        )
        for row in frame.iter_rows(named=True)
    ]


def group_students(frame: pl.DataFrame, faces: Iterable[Face]) -> dict[str, Student]:
    """Group faces into students.

    Args:
        frame: The APPEARANCES, for the names.
        faces: The faces to group.

    Returns:
        Key → student: named ones first, by name; then the unknown ones, those with most photos first.
    """
    faces_of: defaultdict[str, list[Face]] = defaultdict(list)
    for face in faces:
        if face.student is not None:
            faces_of[face.student].append(face)
    rows = frame.select("person_id", "person_name", "cluster_id").unique().sort(pl.all())
    names = {key: row for row in rows.iter_rows(named=True) if (key := _student_key(row)) is not None}
    students = [
        Student(
            key=key,
            name=names[key]["person_name"] or unknown_student_name(names[key]["cluster_id"]),
            known=bool(names[key]["person_name"]),
            cluster_id=names[key]["cluster_id"],
            faces=tuple(own),
        )
        for key, own in faces_of.items()
    ]
    students.sort(key=lambda s: (not s.known, 0 if s.known else -len(s.photo_keys), sort_key(s.name), s.key))
    return {student.key: student for student in students}


def assign_folder_names(students: Iterable[Student]) -> dict[str, str]:
    """Student key → folder name, for the students of a year; two whose names are equal on disk get two folders."""
    taken = {"index.html"}
    ordered = sorted(students, key=lambda student: (not student.known, student.name, student.key))
    return {student.key: unique_name(album_folder_name(student.name), taken) for student in ordered}


def first_of_letters(students: Iterable[Student]) -> dict[str, str]:
    """Student key → the first letter of the name, for the first student of each letter, in their order."""
    first: dict[str, str] = {}
    for student in students:
        letter = index_letter(student.name)
        if letter not in first.values():
            first[student.key] = letter
    return first


def arrange_in_rows(faces: Sequence[Face]) -> list[list[Face]]:
    """The faces of a photo in the rows that the people form, back row first, each from left to right."""
    return [[faces[at] for at in row] for row in arrange_rows([face.box for face in faces]).rows]


def _student_key(row: dict[str, Any]) -> str | None:
    if row["person_id"] is not None:
        return f"person_{row['person_id']}"
    cluster_id: str | None = row["cluster_id"]
    return None if cluster_id is None or cluster_id.startswith(NOISE_PREFIX) else cluster_id
