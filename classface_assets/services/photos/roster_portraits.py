"""Portraits named by a roster: the photo of each is looked up, and its face gets the student's name.

A decision that somebody took about a face, removing such a name too, is never overruled.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import polars as pl

from classface_assets.core.faces.face_constraints import FaceConstraints
from classface_assets.core.faces.photo_reasons import reason_sentence
from classface_assets.core.languages import gettext, ngettext
from classface_assets.core.schemas import READABLE
from classface_assets.orchestration.resources import Archive
from classface_assets.store.decisions.reconciliation import LocatedFace, constraints_for, match_faces_by_iou
from classface_assets.store.decisions.replay import replay
from classface_assets.store.decisions.roster import StudentIndex
from classface_assets.store.model.decisions import Decisions, Person
from classface_assets.store.model.events import Event, undone_event_ids
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets.store.published.queries import face_boxes, files
from classface_assets.store.roster.file import RosterFile

MIN_AREA_RATIO = 4.0
"""A face with at least this many times the area of the next larger one, twice its width, is clearly the largest."""


class _PortraitRejectedError(Exception):
    """The reason why the portrait of a row labels no face."""


@dataclass(frozen=True)
class PortraitMatches:
    """What the portraits of a roster come to.

    Attributes:
        named: (name, face) of each face that gets a name.
        known: How many faces have their name already.
        rejected: (line, reason) of each portrait that labels no face.
        students: Face id → the key of the student whose portrait it is; other students may have the same name.
    """

    named: tuple[tuple[str, FaceRef], ...]
    known: int
    rejected: tuple[tuple[int, str], ...]
    students: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PortraitMatcher:
    """Looks up portraits in an archive.

    Attributes:
        photos: asset_id, school_year, path, status, reason of every file.
        faces: face_id, asset_id, bbox_x, bbox_y, bbox_w, bbox_h of every face.
        decisions: The replayed decisions of the ledger.
        constraints: What these decisions come to on the faces.
        unlabelled: Faces whose name was removed, or whose import was undone.
        near: The folder below the photos folder in which the roster lies; empty for any other place.
    """

    photos: pl.DataFrame
    faces: pl.DataFrame
    decisions: Decisions
    constraints: FaceConstraints
    unlabelled: frozenset[str]
    near: str = ""

    @classmethod
    def of(cls, photos: pl.DataFrame, faces: pl.DataFrame, events: list[Event], near: str = "") -> "PortraitMatcher":
        """The matcher for the decisions of these events."""
        decisions, undone = replay(events), undone_event_ids(events)
        reimported = {e.id for e in events if e.payload.get("roster") in undone}  # with their roster, imported again
        imports = [e for e in events if e.id in undone - reimported and e.payload.get("how") == "import"]
        removed: dict[str, LocatedFace] = {f["face_id"]: FaceRef.of(f) for e in imports for f in e.payload["faces"]}
        removed = {f: at for f, at in (removed | decisions.removed_labels).items() if f not in decisions.labels}
        unlabelled = frozenset(face for face, _ in match_faces_by_iou(removed, faces).values())
        return cls(photos, faces, decisions, constraints_for(decisions, faces), unlabelled, near)

    def match(self, rows: Iterable[tuple[int, RosterEntry]]) -> PortraitMatches:
        """Match the portraits of these rows of a roster, each with its line number."""
        named: dict[str, tuple[str, FaceRef]] = {}
        keys: dict[str, str] = {}
        rejected, known = [], 0
        for line, entry in rows:
            for year, file in entry.portraits:
                try:
                    student = self._student(entry)
                    face = self._face(self._photo(year, file))
                    if keys.get(face.face_id, student.key) != student.key:
                        raise _PortraitRejectedError(
                            gettext(
                                "%(file)s is the portrait of %(name)s already", file=file, name=named[face.face_id][0]
                            )
                        )
                    if self._is_known(face.face_id, self._students.person(student), file):
                        known += 1
                    else:
                        named[face.face_id] = (entry.name, face)
                        keys[face.face_id] = student.key
                except _PortraitRejectedError as reason:
                    rejected.append((line, str(reason)))
        return PortraitMatches(tuple(named.values()), known, tuple(rejected), keys)

    def _student(self, entry: RosterEntry) -> RosterEntry:
        """The student of the rosters that a row means; rejected where id and name do not identify one."""
        found = self._students.students(entry)
        if len(found) != 1:
            raise _PortraitRejectedError(_student_count_message(len(found), entry.name))
        return found[0]

    @cached_property
    def _students(self) -> StudentIndex:
        return StudentIndex.of(self.decisions)

    @cached_property
    def _normalized(self) -> pl.DataFrame:
        """The photos with a column `normalized`: their paths as `normalize_path` gives them."""
        paths = [normalize_path(path) for path in self.photos["path"]]
        return self.photos.with_columns(pl.Series("normalized", paths, pl.String))

    def _photo(self, year: str, file: str) -> str:
        """The asset id of the photo of that name, in that school year if one is given."""
        here = self._normalized.filter(pl.col("school_year") == year) if year else self._normalized
        found = here.filter(pl.concat_str(pl.lit("/"), pl.col("normalized")).str.ends_with(f"/{normalize_path(file)}"))
        exact = found.filter(pl.concat_str(pl.lit("/"), pl.col("path")).str.ends_with(f"/{file}"))
        found = exact if exact.height else found
        if self.near:
            beside = found.filter(pl.col("normalized").str.starts_with(f"{normalize_path(self.near)}/"))
            found = beside if beside.height else found
        if found.is_empty():
            raise _PortraitRejectedError(
                gettext("there is no photo %(file)s in %(year)s", file=file, year=year)
                if year
                else gettext("there is no photo %(file)s in the archive", file=file)
            )
        readable = found.filter(pl.col("status").is_in(READABLE))
        if readable.is_empty():
            raise _PortraitRejectedError(
                gettext(
                    "the photo %(path)s cannot be read (%(reason)s)",
                    path=found["path"][0],
                    reason=reason_sentence(found["reason"][0]),
                )
            )
        if readable["asset_id"].n_unique() > 1:
            raise _PortraitRejectedError(
                ngettext(
                    "%(num)s photo is called %(file)s; import the list from the folder in which its photos lie",
                    "%(num)s photos are called %(file)s; import the list from the folder in which its photos lie",
                    readable.height,
                    file=file,
                )
            )
        return str(readable["asset_id"][0])

    def _face(self, photo: str) -> FaceRef:
        """The one face of a photo, or the clearly largest."""
        area = pl.col("bbox_w") * pl.col("bbox_h")
        faces = self.faces.filter(pl.col("asset_id") == photo).with_columns(area.alias("area"))
        rows = faces.sort("area", descending=True).select("face_id", "bbox_x", "bbox_y", "bbox_w", "bbox_h", "area")
        path = self.photos.filter(pl.col("asset_id") == photo)["path"][0]
        if rows.is_empty():
            raise _PortraitRejectedError(gettext("no face was found in %(path)s", path=path))
        if rows.height > 1 and rows["area"][0] < MIN_AREA_RATIO * rows["area"][1]:
            raise _PortraitRejectedError(
                gettext(
                    "%(path)s shows %(number)s faces, none of them clearly the largest", path=path, number=rows.height
                )
            )
        face_id, x, y, w, h, _ = rows.row(0)
        return FaceRef(face_id, photo, (x, y, w, h))

    def _is_known(self, face: str, person: Person | None, file: str) -> bool:
        """Whether the face is labelled as that person already; rejected where a decision contradicts the roster."""
        labelled_as = self.constraints.confirmed.get(face)
        if labelled_as is not None and (person is None or person.id != labelled_as):
            raise _PortraitRejectedError(
                gettext(
                    "the face in %(file)s was labelled as %(name)s",
                    file=file,
                    name=self.decisions.persons[labelled_as].name,
                )
            )
        if face in self.constraints.not_faces or face in self.constraints.erased_faces:
            raise _PortraitRejectedError(
                gettext("the face in %(file)s was marked as no face, or as not to be used", file=file)
            )
        if person is not None and (face, person.id) in self.constraints.rejected:
            raise _PortraitRejectedError(
                gettext("the face in %(file)s was marked as not %(name)s", file=file, name=person.name)
            )
        if labelled_as is None and face in self.unlabelled:
            raise _PortraitRejectedError(gettext("the name was taken off the face in %(file)s", file=file))
        return labelled_as is not None


def normalize_path(path: str) -> str:
    """A path without case, Unicode form and kind of slash: the same for one file on any disk and in any list."""
    parts = (part for part in path.replace("\\", "/").split("/") if part not in ("", "."))
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", "/".join(parts)).casefold())


def _student_count_message(students: int, name: str) -> str:
    if not students:
        return gettext("%(name)s is on no roster any more", name=name)
    return ngettext("%(num)s student is called %(name)s", "%(num)s students are called %(name)s", students, name=name)


def label_portraits(archive: Archive, roster: RosterFile, file: Path, roster_event: int | None) -> PortraitMatches:
    """Label the faces of the portraits that a roster names with the students' names.

    Args:
        archive: The archive with the photos.
        roster: What was read from the roster.
        file: The roster; photos in its folder are preferred.
        roster_event: The event of the ledger that imported the roster's rows.

    Raises:
        DatabaseError: Nothing is published yet.
    """
    layout, ledger = archive.layout, archive.open_ledger()
    folder, photos = file.absolute().parent, layout.photos
    inside = isinstance(photos, Path) and folder != photos and folder.is_relative_to(photos)
    near = folder.relative_to(str(photos)).as_posix() if inside else ""
    matcher = PortraitMatcher.of(files(layout.database), face_boxes(layout.database), ledger.events(), near)
    matches = matcher.match(zip(roster.lines, roster.entries, strict=True))
    if matches.named:
        ledger.label_imported(matches.named, roster_event, matches.students)
    return matches
