"""Students and their faces: grouped by person or cluster, the best faces first, and arranged in the rows of a photo."""

import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import polars as pl

from classface_assets.albums.names import album_folder_name, sort_key, student_slug, unique_name, unknown_student_name
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
        """Best first; equal ones in the order of their ids, so that every run chooses the same."""
        return sorted(self.faces, key=lambda face: (-face.quality, face.face_id))

    @cached_property
    def photo_keys(self) -> set[tuple[str, str]]:
        """(school year, asset id) of its photos."""
        return {(face.school_year, face.asset_id) for face in self.faces}


def faces_from_frame(frame: pl.DataFrame) -> list[Face]:
    """The rows of an APPEARANCES frame as faces; its columns `chip` and `cropped` are optional."""
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


def arrange_in_rows(faces: Sequence[Face]) -> list[list[Face]]:
    """Arrange the faces of a photo in the rows that the people form.

    A face whose center is lower than the mean of its row by 0.7 median face heights or more starts the next row.

    Returns:
        The rows, back row first, each from left to right as seen in the photo.
    """
    rows: list[list[Face]] = []
    if not faces:
        return rows
    height = statistics.median(face.box[3] for face in faces)
    for face in sorted(faces, key=_center_y):
        if rows and _center_y(face) - statistics.fmean(map(_center_y, rows[-1])) < 0.7 * height:
            rows[-1].append(face)
        else:
            rows.append([face])
    return [sorted(row, key=lambda face: face.box[0]) for row in rows]


def row_names(count: int) -> list[str]:
    """The names of `count` rows in a caption, from back to front; a single row has the name ""."""
    if count < 2:
        return [""] * count
    return ["Back row", *(f"Row {number}" for number in range(2, count)), "Front row"]


def _center_y(face: Face) -> float:
    return face.box[1] + face.box[3] / 2


def _student_key(row: dict[str, Any]) -> str | None:
    if row["person_id"] is not None:
        return f"person_{row['person_id']}"
    cluster_id: str | None = row["cluster_id"]
    return None if cluster_id is None or cluster_id.startswith(NOISE_PREFIX) else cluster_id
