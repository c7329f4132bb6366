"""The portraits that a roster names, among the archive's photos: whose face each of them shows.

What a person said of a face, taking back such a name too, is never overruled.

What importing a roster does with the portraits that it names: their faces get the students' names.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import polars as pl

from classface_assets.core.face_constraints import FaceConstraints
from classface_assets.orchestration.resources import Archive
from classface_assets.store.decisions.reconciliation import LocatedFace, constraints_for, match_faces_by_iou
from classface_assets.store.decisions.replay import replay
from classface_assets.store.decisions.roster import StudentIndex
from classface_assets.store.files.duckdb import query_database
from classface_assets.store.model.decisions import Decisions, Person
from classface_assets.store.model.events import Event, undone_event_ids
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets.store.roster.file import RosterFile

MIN_AREA_RATIO = 4.0
"""As many times the area of the next larger face, twice its width, is clearly the largest."""


class _PortraitRejectedError(Exception):
    """Why the row's portrait names no face."""


@dataclass(frozen=True)
class PortraitMatches:
    """`named`: names and their faces, new ones only. `known`: how many have their name already. `bad`: (line, why).
    `students`: face id → the key of the student whose portrait it is, who may have a name that others have too."""

    named: tuple[tuple[str, FaceRef], ...]
    known: int
    bad: tuple[tuple[int, str], ...]
    students: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PortraitMatcher:
    """An archive in which portraits are looked for.

    photos (asset_id, school_year, path, status, reason); faces (face_id, asset_id, bbox_*); `near`: the folder below
    the photos folder in which the roster lies, empty for any other place.
    """

    photos: pl.DataFrame
    faces: pl.DataFrame
    decisions: Decisions
    said: FaceConstraints
    taken_back: frozenset[str]
    near: str = ""

    @classmethod
    def of(cls, photos: pl.DataFrame, faces: pl.DataFrame, events: list[Event], near: str = "") -> "PortraitMatcher":
        decisions, undone = replay(events), undone_event_ids(events)
        again = {e.id for e in events if e.payload.get("roster") in undone}  # as their roster, which was taken in anew
        imports = [e for e in events if e.id in undone - again and e.payload.get("how") == "import"]
        back: dict[str, LocatedFace] = {f["face_id"]: FaceRef.of(f) for e in imports for f in e.payload["faces"]}
        back = {f: place for f, place in (back | decisions.removed_labels).items() if f not in decisions.labels}
        taken_back = frozenset(face for face, _ in match_faces_by_iou(back, faces).values())
        return cls(photos, faces, decisions, constraints_for(decisions, faces), taken_back, near)

    def match(self, rows: Iterable[tuple[int, RosterEntry]]) -> PortraitMatches:
        """The rows (line, student) that name a portrait."""
        named: dict[str, tuple[str, FaceRef]] = {}
        keys: dict[str, str] = {}
        bad, known = [], 0
        for line, entry in rows:
            for year, file in entry.portraits:
                try:
                    student = self._student(entry)
                    face = self._face(self._photo(year, file))
                    if keys.get(face.face_id, student.key) != student.key:
                        raise _PortraitRejectedError(f"{file} is the portrait of {named[face.face_id][0]} already")
                    if self._is_known(face.face_id, self._students.person(student), file):
                        known += 1
                    else:
                        named[face.face_id] = (entry.name, face)
                        keys[face.face_id] = student.key
                except _PortraitRejectedError as why:
                    bad.append((line, str(why)))
        return PortraitMatches(tuple(named.values()), known, tuple(bad), keys)

    def _student(self, entry: RosterEntry) -> RosterEntry:
        """The student of the rosters whom a row means. Raises _NotNamedError where id and name do not tell them."""
        found = self._students.students(entry)
        if len(found) != 1:
            raise _PortraitRejectedError(_student_count_message(len(found), entry.name))
        return found[0]

    @cached_property
    def _students(self) -> StudentIndex:
        return StudentIndex.of(self.decisions)

    @cached_property
    def _spelled(self) -> pl.DataFrame:
        """The photos with their paths as disks of any kind compare them: without case and Unicode's forms."""
        return self.photos.with_columns(
            pl.Series("spelled", [normalize_path(path) for path in self.photos["path"]], pl.String)
        )

    def _photo(self, year: str, file: str) -> str:
        """The asset id of the photo of that name, of that school year if it is told."""
        here = self._spelled.filter(pl.col("school_year") == year) if year else self._spelled
        found = here.filter(pl.concat_str(pl.lit("/"), pl.col("spelled")).str.ends_with(f"/{normalize_path(file)}"))
        exactly = found.filter(pl.concat_str(pl.lit("/"), pl.col("path")).str.ends_with(f"/{file}"))
        found = exactly if exactly.height else found
        beside = (
            found.filter(pl.col("spelled").str.starts_with(f"{normalize_path(self.near)}/")) if self.near else found
        )
        found = beside if beside.height else found
        if found.is_empty():
            raise _PortraitRejectedError(f"there is no photo {file} in {year or 'the archive'}")
        readable = found.filter(pl.col("status").is_in(["ok", "duplicate"]))
        if readable.is_empty():
            raise _PortraitRejectedError(f"the photo {found['path'][0]} cannot be read ({found['reason'][0]})")
        if readable["asset_id"].n_unique() > 1:
            told = f"{readable.height} photos are called {file}"
            raise _PortraitRejectedError(f"{told}; import the list from the folder in which its photos lie")
        return str(readable["asset_id"][0])

    def _face(self, photo: str) -> FaceRef:
        """The one face of a photo, or the clearly largest."""
        area = pl.col("bbox_w") * pl.col("bbox_h")
        faces = self.faces.filter(pl.col("asset_id") == photo).with_columns(area.alias("area"))
        rows = faces.sort("area", descending=True).select("face_id", "bbox_x", "bbox_y", "bbox_w", "bbox_h", "area")
        path = self.photos.filter(pl.col("asset_id") == photo)["path"][0]
        if rows.is_empty():
            raise _PortraitRejectedError(f"no face was found in {path}")
        if rows.height > 1 and rows["area"][0] < MIN_AREA_RATIO * rows["area"][1]:
            raise _PortraitRejectedError(f"{path} shows {rows.height} faces, none of them clearly the largest")
        face_id, x, y, w, h, _ = rows.row(0)
        return FaceRef(face_id, photo, (x, y, w, h))

    def _is_known(self, face: str, person: Person | None, file: str) -> bool:
        """Whether the face is that person's; a word against it is a reason not to say so."""
        now = self.said.confirmed.get(face)
        if now is not None and (person is None or person.id != now):
            raise _PortraitRejectedError(f"the face in {file} was said to be {self.decisions.persons[now].name}")
        if face in self.said.not_faces or face in self.said.erased_faces:
            raise _PortraitRejectedError(f"the face in {file} was said to be none, or not to be used")
        if person is not None and (face, person.id) in self.said.rejected:
            raise _PortraitRejectedError(f"the face in {file} was said not to be {person.name}")
        if now is None and face in self.taken_back:
            raise _PortraitRejectedError(f"the name was taken off the face in {file}")
        return now is not None


def normalize_path(path: str) -> str:
    """A path by which the same file is found on a disk that keeps names as NFD, NFC or in another case, and as a
    photographer's list of Windows paths writes it."""
    parts = (part for part in path.replace("\\", "/").split("/") if part not in ("", "."))
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", "/".join(parts)).casefold())


def _student_count_message(students: int, name: str) -> str:
    return f"{students} students are called {name}" if students else f"{name} is on no roster any more"


_PHOTOS_SQL = "SELECT asset_id, school_year, path, status, reason FROM image_assets"
_FACES_SQL = "SELECT id AS face_id, asset_id, bbox_x, bbox_y, bbox_w, bbox_h FROM face_instances"


def label_portraits(archive: Archive, roster: RosterFile, file: Path, rows_of: int | None) -> PortraitMatches:
    """Name the faces of the portraits in `file`, whose rows the event `rows_of` imported.

    Raises DatabaseError before the first run.
    """
    layout, ledger = archive.layout, archive.open_ledger()
    folder, photos = file.absolute().parent, layout.photos
    inside = isinstance(photos, Path) and folder != photos and folder.is_relative_to(photos)
    near = folder.relative_to(str(photos)).as_posix() if inside else ""
    database = layout.database
    search = PortraitMatcher.of(
        query_database(database, _PHOTOS_SQL), query_database(database, _FACES_SQL), ledger.events(), near
    )
    found = search.match(zip(roster.lines, roster.entries, strict=True))
    if found.named:
        ledger.label_imported(found.named, rows_of, found.students)
    return found
