"""Decisions carried onto the faces of today: by face id, or by place when another detector drew the box.

Which face of today a face of the ledger is: by its id, or by its place when another detector drew the box.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, product

import numpy as np
import polars as pl

from classface_assets.core.geometry import SAME_FACE_IOU, box_iou, box_iou_expr
from classface_assets.store.decisions.links import PairConstraint, bridge_missing_faces, person_node, resolve_conflicts
from classface_assets.store.decisions.roster import enrolled_years
from classface_assets.store.model.decisions import Decisions, FaceLabel
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.store.model.same_shots import SameShots, Transform, transform_box

LocatedFace = FaceLabel | FaceRef  # what says where a face lies


def locate_faces(
    places: Mapping[str, LocatedFace], faces: pl.DataFrame, shots: SameShots
) -> dict[str, tuple[tuple[str, float], ...]]:
    """Face of the ledger → its faces of today, as `homes` finds them: in its photo, and in each other one of its shot.

    Those without any are left out.
    """
    found: dict[str, tuple[tuple[str, float], ...]] = {
        f: (home,) for f, home in match_faces_by_iou(places, faces).items()
    }
    if not shots.neighbours or faces.is_empty():
        return found
    others = dict(_project_to_other_photos(places, faces, shots))
    at = match_faces_by_iou({place.face_id: place for place in others.values()}, faces)
    for (face, _), place in others.items():
        if place.face_id in at:
            found[face] = (*found.get(face, ()), at[place.face_id])
    return found


def _project_to_other_photos(
    places: Mapping[str, LocatedFace], faces: pl.DataFrame, shots: SameShots
) -> Iterator[tuple[tuple[str, str], FaceRef]]:
    """(Face of the ledger, photo that is there) and where the face lies in it; but for the photo in which the face
    itself is today: so are all faces of an archive that an older version made."""
    there = set(faces["asset_id"].unique())
    here = faces.filter(pl.col("face_id").is_in(list(places))).select("face_id", "asset_id")
    itself = dict(here.iter_rows())
    known: dict[str, dict[str, Transform]] = {}
    for face, place in places.items():
        if place.asset_id not in known:
            known[place.asset_id] = {p: t for p, t in shots.others(place.asset_id).items() if p in there}
        for photo, transform in known[place.asset_id].items():
            if photo != itself.get(face):
                yield (face, photo), FaceRef(f"{face} {photo}", photo, transform_box(place.box, transform))


def match_faces_by_iou(places: Mapping[str, LocatedFace], faces: pl.DataFrame) -> dict[str, tuple[str, float]]:
    """Face of the ledger → (face of today, overlap of the boxes, 2 for the same id); those without any left out.

    Best overlaps first, each face of today goes to one face of the ledger, and to others that overlap that one: one
    detector draws no two such boxes, so they are the same face under another. Overlaps are at least 0.4.
    """
    if faces.is_empty() or not places:
        return {}
    present = set(faces["face_id"].filter(faces["face_id"].is_in(list(places))).to_list())
    home = {f: (f, 2.0) for f in places if f in present}
    if len(home) == len(places):
        return home
    taken = {f: places[f].box for f in home}
    homeless = {f: place for f, place in places.items() if f not in present}
    for old, new, shared in _iou_pairs(homeless, faces):
        if old not in home and box_iou(homeless[old].box, taken.setdefault(new, homeless[old].box)) >= SAME_FACE_IOU:
            home[old] = (new, shared)
    return home


def _iou_pairs(places: Mapping[str, LocatedFace], faces: pl.DataFrame) -> list[tuple[str, str, float]]:
    """(face of the ledger, face of today, intersection over union) of one photo, best first."""
    rows = [(f, place.asset_id, *place.box) for f, place in places.items()]
    schema = {"old": pl.String, "asset_id": pl.String} | dict.fromkeys("xywh", pl.Float64)
    old = pl.DataFrame(rows, schema=schema, orient="row")
    boxes = [f"bbox_{side}" for side in "xywh"]
    pairs = old.join(faces.select("asset_id", "face_id", *boxes), on="asset_id")
    pairs = pairs.with_columns(box_iou_expr("xywh", boxes).alias("shared")).filter(pl.col("shared") >= SAME_FACE_IOU)
    best = pairs.sort("shared", "old", "face_id", descending=[True, False, False])
    return best.select("old", "face_id", "shared").rows()


@dataclass(frozen=True)
class FaceConstraints:
    """What people said, as constraints on the faces of today; merged persons are those they became.

    `confirmed`: face → its person, of every face that somebody labelled or confirmed. `rejected`: (face, person) who it
    is not. `must`, `cannot`: pairs of faces of one person, of two people; they contradict neither each other nor
    `confirmed`. `collages`: photos (asset ids) that may show a person twice. `siblings`: person → those who look like
    them. `not_faces`: faces that are none, and in no other field. `barred`: faces of people who were erased, which may
    not be embedded, and are in no other field. `enrolled`: person → the school years in which a roster has them.
    `portraits`: person → the vector (d,) of the portrait that they were enrolled with, where the caller has them.
    """

    confirmed: dict[str, str] = field(default_factory=dict)
    rejected: frozenset[tuple[str, str]] = frozenset()
    must_link: tuple[tuple[str, str], ...] = ()
    cannot_link: tuple[tuple[str, str], ...] = ()
    collages: frozenset[str] = frozenset()
    siblings: Mapping[str, frozenset[str]] = field(default_factory=dict)
    not_faces: frozenset[str] = frozenset()
    erased_faces: frozenset[str] = frozenset()
    enrolled: Mapping[str, frozenset[str]] = field(default_factory=dict)
    portraits: Mapping[str, np.ndarray] = field(default_factory=dict)


def constraints_for(decisions: Decisions, faces: pl.DataFrame) -> FaceConstraints:
    """The decisions carried over to `faces` (face_id, asset_id, bbox_*).

    A face of the ledger is the face of the same id, else the one at its place, also in other photos of the same shot
    (`locate`). Where several faces of the ledger are one face of today, as when two detectors drew it, the later word
    on it counts.
    """
    home = locate_faces(_located_faces(decisions), faces, decisions.same_shots)
    barred = frozenset(face for f in decisions.erased_faces for face, _ in home.get(f, ()))
    confirmed, rejections = _latest_labels(decisions, home, barred)
    nothing = {person.id for person in decisions.persons.values() if person.kind == "not a face"}
    not_faces = frozenset(face for face, person in confirmed.items() if person in nothing)
    confirmed = {face: person for face, person in confirmed.items() if person not in nothing}
    words = sorted(
        [*rejections, *_pair_constraints(decisions, home, barred | not_faces)], key=lambda word: word.event_id
    )
    gone = {f for link in decisions.links for f in (link.a.face_id, link.b.face_id) if f not in home}
    kept = bridge_missing_faces(resolve_conflicts(confirmed, words)[0], gone)
    people = {person_node(person): person for person in decisions.persons}
    return FaceConstraints(
        confirmed=confirmed,
        rejected=frozenset((w.a, people[w.b]) for w in kept if w.b in people and w.a not in not_faces),
        must_link=tuple((w.a, w.b) for w in kept if w.same),
        cannot_link=tuple((w.a, w.b) for w in kept if not w.same and w.b not in people),
        collages=frozenset(decisions.photo_marks),
        siblings=decisions.siblings,
        not_faces=not_faces,
        erased_faces=barred,
        enrolled=enrolled_years(decisions),
    )


def confirmed_faces(decisions: Decisions, faces: pl.DataFrame) -> dict[str, str]:
    """Face id → person id for every face of `faces` (face_id, asset_id, bbox_*) that a person has labelled."""
    return constraints_for(decisions, faces).confirmed


def rekey_to_faces(decisions: Decisions, faces: Sequence[FaceRef]) -> Decisions:
    """The decisions with marks, rejections and erased faces under the ids of these faces, also where they were said of
    the same face in another photo of its shot."""
    if not decisions.same_shots.neighbours:
        return decisions
    rows = [(face.face_id, face.asset_id, *face.box) for face in faces]
    boxes = [f"bbox_{side}" for side in "xywh"]
    schema = {"face_id": pl.String, "asset_id": pl.String} | dict.fromkeys(boxes, pl.Float64)
    home = locate_faces(
        _located_faces(decisions), pl.DataFrame(rows, schema=schema, orient="row"), decisions.same_shots
    )
    barred = frozenset(face for f in decisions.erased_faces for face, _ in home.get(f, ()))
    owners, rejections = _latest_labels(decisions, home, barred)
    here = {face.face_id: face for face in faces}
    marks = {f: mark for f, mark in decisions.labels.items() if f not in here}
    marks |= {f: FaceLabel(person, here[f].asset_id, here[f].box) for f, person in owners.items()}
    people = {person_node(person): person for person in decisions.persons}
    rejected = {(w.a, people[w.b]): FaceLabel(people[w.b], here[w.a].asset_id, here[w.a].box) for w in rejections}
    return replace(
        decisions,
        labels=marks,
        rejected=decisions.rejected | rejected,
        erased_faces=decisions.erased_faces | {f: here[f] for f in barred},
    )


def lost_labels(decisions: Decisions, faces: pl.DataFrame) -> dict[str, FaceLabel]:
    """The labelled faces that are in none of today's photos: their files are gone, or changed past recognition.

    What was said of them stays in the ledger and holds again when the photo comes back.
    """
    home = locate_faces(decisions.labels, faces, decisions.same_shots)
    nothing = {person.id for person in decisions.persons.values() if person.kind == "not a face" or person.erased}
    return {f: mark for f, mark in decisions.labels.items() if f not in home and mark.person_id not in nothing}


def _located_faces(decisions: Decisions) -> dict[str, LocatedFace]:
    """Where every face lies that anything was said of."""
    places: dict[str, LocatedFace] = {**decisions.removed_labels, **decisions.labels, **decisions.erased_faces}
    for (f, _), mark in decisions.rejected.items():
        places.setdefault(f, mark)
    for link in decisions.links:
        places.setdefault(link.a.face_id, link.a)
        places.setdefault(link.b.face_id, link.b)
    return places


def _latest_labels(
    decisions: Decisions, home: Mapping[str, tuple[tuple[str, float], ...]], barred: frozenset[str]
) -> tuple[dict[str, str], list[PairConstraint]]:
    """Whose each face is by the last word on it, and the rejections that no later label overrules."""
    last: dict[str, tuple[int, float, str]] = {}
    for f, mark in chain(decisions.removed_labels.items(), decisions.labels.items()):
        for face, shared in home.get(f, ()):
            word = (mark.event_id, shared, mark.person_id)
            if face not in barred and (face not in last or last[face] < word):
                last[face] = word
    rejections = []
    for (f, person), mark in decisions.rejected.items():
        for face in (face for face, _ in home.get(f, ()) if face not in barred):
            said_at, _, whose = last.get(face, (-1, 0.0, ""))
            if whose == person and said_at < mark.event_id:
                last[face] = (mark.event_id, 0.0, "")
            if whose != person or said_at < mark.event_id:
                rejections.append(PairConstraint(face, person_node(person), False, mark.event_id))
    return {face: person for face, (_, _, person) in last.items() if person}, rejections


def _pair_constraints(
    decisions: Decisions, home: Mapping[str, tuple[tuple[str, float], ...]], left_out: frozenset[str]
) -> list[PairConstraint]:
    """What was said of pairs of faces; one that is not there today keeps its id of the ledger."""
    words = []
    for link in decisions.links:
        first, second = ([face for face, _ in home.get(f, ())] or [f] for f in (link.a.face_id, link.b.face_id))
        for a, b in product(first, second):
            if a != b and not {a, b} & left_out:
                words.append(PairConstraint(a, b, link.same, link.event_id))
    return words
