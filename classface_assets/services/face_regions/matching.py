"""Names in photos brought together with faces: which become labels, which are known, and which contradict somebody.

What a person decided here always counts. A name that contradicts it is listed, never applied.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from enum import StrEnum

import polars as pl

from classface_assets.core.errors import InvalidNameError
from classface_assets.core.geometry import Box
from classface_assets.core.languages import gettext
from classface_assets.core.names import clean_name, normalize_name
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.services.face_regions.metadata.frames import place_regions
from classface_assets.services.face_regions.metadata.model import PhotoFrame, RegionSet
from classface_assets.services.photos.manual_faces import drawn_face
from classface_assets.store.decisions.reconciliation import LocatedFace, match_faces_by_iou
from classface_assets.store.model.events import undone_event_ids
from classface_assets.store.model.face_ref import FaceRef

MIN_DOUBTFUL = 2
"""Regions of a picture that was cropped since count where so many, and all of them, lie on faces all the same."""


class Outcome(StrEnum):
    """What becomes of a name in a photo."""

    LABEL = "label"
    """Its face gets the name."""
    NEW_FACE = "new face"
    """No face was found there: it becomes one that somebody drew, with the name."""
    KNOWN = "known"
    """The face has the name here already."""
    CONTRADICTION = "contradiction"
    """Somebody decided otherwise here, or two programs contradict each other."""
    LEFT_OUT = "left out"
    """It has no face and cannot become one, or several people have the name."""


@dataclass(frozen=True)
class FoundName:
    """A name at a place in a photo, and what becomes of it.

    Attributes:
        path: The photo, below the photos folder.
        name: As the program has it.
        program: Which one.
        file: The file that states it.
        face: The face that it lies on, or the one that it may become; None where there is neither.
        outcome: What becomes of it.
        reason: Why, where it becomes no label; or what was done about its frame.
    """

    path: str
    name: str
    program: str
    file: str
    face: FaceRef | None
    outcome: Outcome = Outcome.LABEL
    reason: str = ""


@dataclass(frozen=True)
class FaceMatcher:
    """The faces of an archive and what was decided about them, by photo.

    Attributes:
        view: The archive as it is now.
        faces: Asset id -> every face, with those that are none, were erased, or were drawn and not embedded yet.
        labels: Face id -> the person who somebody decided it is.
        unlabelled: Faces from which somebody took a name.
        people: (asset id, person id) -> the face that somebody decided is theirs.
    """

    view: ArchiveView
    faces: Mapping[str, tuple[FaceRef, ...]]
    labels: Mapping[str, str]
    unlabelled: Set[str]
    people: Mapping[tuple[str, str], str] = field(default_factory=dict)

    @classmethod
    def of(cls, view: ArchiveView) -> "FaceMatcher":
        """The matcher of an archive."""
        decisions, faces = view.decisions, defaultdict[str, list[FaceRef]](list)
        columns = view.published.select("face_id", "asset_id", "bbox_x", "bbox_y", "bbox_w", "bbox_h")
        known = set(view.published["face_id"])
        for face, photo, x, y, w, h in columns.iter_rows():
            faces[photo].append(FaceRef(face, photo, (x, y, w, h)))
        taken = set(match_faces_by_iou(decisions.drawn, view.published)) | known
        for face_id, drawn in (*decisions.drawn.items(), *decisions.erased_faces.items()):
            if face_id not in taken:
                faces[drawn.asset_id].append(replace(drawn, face_id=face_id))
        drawn_labels = {f: decisions.labels[f].person_id for f in decisions.drawn if f in decisions.labels}
        labels = {**drawn_labels, **view.constraints.confirmed}
        photo_of = {face.face_id: photo for photo, some in faces.items() for face in some}
        people = {(photo_of[f], person): f for f, person in labels.items() if f in photo_of}
        found = {photo: tuple(some) for photo, some in faces.items()}
        return cls(view, found, labels, _unlabelled(view), people)

    def match(self, path: str, asset_id: str, frame: PhotoFrame, sets: Sequence[RegionSet]) -> list[FoundName]:
        """The names in one photo, each with its face, and what becomes of it.

        Args:
            path: The photo's path.
            asset_id: Its id.
            frame: Its frame.
            sets: What programs state about it.
        """
        faces = self.faces.get(asset_id, ())
        found = [name for one in sets for name in _placed_names(path, asset_id, frame, one, faces)]
        decided = [self._decide(one) for one in _each_once(found)]
        return list(self._without_contradictions(decided, asset_id))

    def person_named(self, name: str) -> str | None:
        """The id of the person of that name; None where nobody has it, or a student who is no person yet.

        Raises:
            InvalidNameError: It cannot be a name; or several people may be meant.
        """
        decisions = self.view.decisions
        people = {decisions.canonical_id(person.id) for person in decisions.people_named(clean_name(name))}
        students = decisions.unlinked_students_named(name)
        if len(people) + len(students) > 1:
            raise InvalidNameError(gettext("several people have this name here"))
        return next(iter(people), None)

    def _decide(self, found: FoundName) -> FoundName:
        if found.face is None or found.outcome == Outcome.LEFT_OUT:
            return found
        face, constraints, persons = found.face.face_id, self.view.constraints, self.view.decisions.persons
        if face in constraints.erased_faces or face in self.view.decisions.erased_faces:
            return replace(found, outcome=Outcome.LEFT_OUT, reason=gettext("it is a face that may not be used"))
        if face in constraints.not_faces:
            return _contradicts(found, gettext("it was marked here as no face"))
        try:
            person = self.person_named(found.name)
        except InvalidNameError as error:
            return replace(found, outcome=Outcome.LEFT_OUT, reason=str(error))
        labelled = self.labels.get(face)
        if labelled is not None:
            if labelled == person:
                return replace(found, outcome=Outcome.KNOWN, reason="")
            shown = (
                persons[labelled].display_name or persons[labelled].name
                if labelled in persons
                else gettext("somebody else")
            )
            return _contradicts(found, gettext("the face was named %(name)s here", name=shown))
        if person is not None and (face, person) in constraints.rejected:
            return _contradicts(found, gettext("somebody decided here that it is not them"))
        if face in self.unlabelled:
            return _contradicts(found, gettext("somebody took the name off this face here"))
        other = self.people.get((found.face.asset_id, person or ""))
        if other is not None and found.face.asset_id not in constraints.collages:
            return _contradicts(found, gettext("another face in this photo has this name here"))
        return found

    def _without_contradictions(self, names: list[FoundName], asset_id: str) -> Iterator[FoundName]:
        """The names of a photo, those contradicted that are on one face or that one person has on several faces."""
        new = [one for one in names if one.outcome in (Outcome.LABEL, Outcome.NEW_FACE) and one.face is not None]
        by_face, by_name = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
        for one in new:
            assert one.face is not None
            by_face[one.face.face_id].add(normalize_name(one.name))
            by_name[normalize_name(one.name)].add(one.face.face_id)
        for one in names:
            if one not in new or one.face is None:
                yield one
            elif len(by_face[one.face.face_id]) > 1:
                yield _contradicts(one, gettext("programs give this face different names"))
            elif len(by_name[normalize_name(one.name)]) > 1 and asset_id not in self.view.constraints.collages:
                yield _contradicts(one, gettext("two faces in this photo have this name"))
            else:
                yield one


def _placed_names(
    path: str, asset_id: str, frame: PhotoFrame, regions: RegionSet, faces: Sequence[FaceRef]
) -> Iterator[FoundName]:
    placed = place_regions(regions, frame, [face.box for face in faces])
    if placed.doubtful and (len(placed.faces) < MIN_DOUBTFUL or None in placed.faces):
        placed = replace(placed, faces=(None,) * len(placed.faces))  # one that lies on a face may do so by chance
    for region, box, at in zip(regions.regions, placed.boxes, placed.faces, strict=True):
        found = FoundName(path, region.name, regions.program, regions.file, None, reason=placed.note)
        if at is not None:
            yield replace(found, face=faces[at])
        elif placed.doubtful:
            yield replace(found, outcome=Outcome.LEFT_OUT)
        else:
            yield _new_face(found, asset_id, frame, box)


def _new_face(found: FoundName, asset_id: str, frame: PhotoFrame, box: Box) -> FoundName:
    face = drawn_face(asset_id, frame.turned, box)
    if face is None:
        return replace(
            found, outcome=Outcome.LEFT_OUT, reason=gettext("it is too small for a face, or lies outside the photo")
        )
    return replace(found, face=face, outcome=Outcome.NEW_FACE)


def _each_once(names: Iterable[FoundName]) -> list[FoundName]:
    """The names without those that another set has on the same face, or as good as at the same place."""
    first: dict[tuple[str, str], FoundName] = {}
    for one in names:
        where = one.face.face_id if one.face is not None else f"{one.file} {one.reason}"
        first.setdefault((normalize_name(one.name), where), one)
    labelled = {normalize_name(one.name) for one in first.values() if one.outcome == Outcome.LABEL}
    return [
        one
        for one in first.values()
        if one.outcome not in (Outcome.NEW_FACE, Outcome.LEFT_OUT) or normalize_name(one.name) not in labelled
    ]


def _contradicts(found: FoundName, reason: str) -> FoundName:
    return replace(found, outcome=Outcome.CONTRADICTION, reason=reason)


def _unlabelled(view: ArchiveView) -> frozenset[str]:
    """Faces whose name was taken off, or whose import was undone, and that have none since."""
    decisions, undone = view.decisions, undone_event_ids(view.events)
    imports = [e for e in view.events if e.id in undone and e.payload.get("how") == "import"]
    taken: dict[str, LocatedFace] = {f["face_id"]: FaceRef.of(f) for e in imports for f in e.payload["faces"]}
    located = {f: at for f, at in (taken | decisions.removed_labels).items() if f not in decisions.labels}
    photos = {at.asset_id for at in located.values()}
    matched = match_faces_by_iou(located, view.published.filter(pl.col("asset_id").is_in(list(photos))))
    return frozenset({face for face, _ in matched.values()} | located.keys())
