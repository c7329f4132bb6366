"""Decisions carried over to the faces of today: by face id, or by place when another detector drew the box.

Decisions are recorded under the face ids of their time. A new detector, or another file of the same photo, gives faces
other ids; each recorded face is matched with the face of today that lies where it lay.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, product

import polars as pl

from classface_assets.core.faces.face_constraints import FaceConstraints
from classface_assets.core.geometry import SAME_FACE_IOU, box_iou, box_iou_expr
from classface_assets.store.decisions.links import PairConstraint, bridge_missing_faces, person_node, resolve_conflicts
from classface_assets.store.decisions.roster import enrolled_years
from classface_assets.store.model.decisions import Decisions, FaceLabel
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.store.model.person_kinds import PersonKind
from classface_assets.store.model.same_shots import SameShots, Transform, transform_box

LocatedFace = FaceLabel | FaceRef
"""What says where a face lies."""
Matches = dict[str, tuple[tuple[str, float], ...]]
"""Face of the ledger -> (face of today, IoU of the boxes, or 2 for the same id) of each of its faces of today."""
_SAME_ID = 2.0
_SIDES = "xywh"


def constraints_for(decisions: Decisions, faces: pl.DataFrame) -> FaceConstraints:
    """The decisions as constraints on these faces.

    A face of the ledger is the face of the same id, else the one at its place, also in other photos of the same shot
    (`locate_faces`). Where several faces of the ledger are one face of today, as when two detectors drew it, the newest
    decision counts.

    Args:
        decisions: The decisions in force.
        faces: The faces of today (face_id, asset_id, bbox_x, bbox_y, bbox_w, bbox_h).
    """
    matches = locate_faces(_located_faces(decisions), faces, decisions.same_shots)
    erased = frozenset(face for f in decisions.erased_faces for face, _ in matches.get(f, ()))
    labels, rejections = _latest_labels(decisions, matches, erased)
    no_face = {person.id for person in decisions.persons.values() if person.kind == PersonKind.NOT_A_FACE}
    not_faces = frozenset(face for face, person in labels.items() if person in no_face)
    confirmed = {face: person for face, person in labels.items() if person not in no_face}
    pairs = [*rejections, *_pair_constraints(decisions, matches, erased | not_faces)]
    pairs.sort(key=lambda pair: pair.event_id)
    missing = {f for link in decisions.links for f in (link.a.face_id, link.b.face_id) if f not in matches}
    pairs = bridge_missing_faces(resolve_conflicts(confirmed, pairs)[0], missing)
    people = {person_node(person): person for person in decisions.persons}
    return FaceConstraints(
        confirmed=confirmed,
        rejected=frozenset((p.a, people[p.b]) for p in pairs if p.b in people and p.a not in not_faces),
        must_link=tuple((p.a, p.b) for p in pairs if p.same),
        cannot_link=tuple((p.a, p.b) for p in pairs if not p.same and p.b not in people),
        collages=frozenset(decisions.photo_marks),
        siblings=decisions.siblings,
        not_faces=not_faces,
        erased_faces=erased,
        enrolled=enrolled_years(decisions),
    )


def confirmed_faces(decisions: Decisions, faces: pl.DataFrame) -> dict[str, str]:
    """Face id -> person id of every face of `faces` (face_id, asset_id, bbox_*) that somebody labelled."""
    return dict(constraints_for(decisions, faces).confirmed)


def rekey_to_faces(decisions: Decisions, faces: Sequence[FaceRef]) -> Decisions:
    """The decisions with labels, rejections and erased faces under the ids of these faces.

    This holds also for what was recorded of the same face in another photo of its shot.
    """
    if not decisions.same_shots.neighbours:
        return decisions
    rows = [(face.face_id, face.asset_id, *face.box) for face in faces]
    boxes = [f"bbox_{side}" for side in _SIDES]
    schema = {"face_id": pl.String, "asset_id": pl.String} | dict.fromkeys(boxes, pl.Float64)
    table = pl.DataFrame(rows, schema=schema, orient="row")
    matches = locate_faces(_located_faces(decisions), table, decisions.same_shots)
    erased = frozenset(face for f in decisions.erased_faces for face, _ in matches.get(f, ()))
    owners, rejections = _latest_labels(decisions, matches, erased)
    here = {face.face_id: face for face in faces}
    labels = {f: label for f, label in decisions.labels.items() if f not in here}
    labels |= {f: FaceLabel(person, here[f].asset_id, here[f].box) for f, person in owners.items()}
    people = {person_node(person): person for person in decisions.persons}
    rejected = {(r.a, people[r.b]): FaceLabel(people[r.b], here[r.a].asset_id, here[r.a].box) for r in rejections}
    return replace(
        decisions,
        labels=labels,
        rejected=decisions.rejected | rejected,
        erased_faces=decisions.erased_faces | {f: here[f] for f in erased},
    )


def lost_labels(decisions: Decisions, faces: pl.DataFrame) -> dict[str, FaceLabel]:
    """The labelled faces that are in none of today's photos: their files are gone, or changed past recognition.

    Their labels stay in the ledger, and hold again when the photo comes back.
    """
    matches = locate_faces(decisions.labels, faces, decisions.same_shots)
    nobody = {
        person.id for person in decisions.persons.values() if person.kind == PersonKind.NOT_A_FACE or person.erased
    }
    return {f: label for f, label in decisions.labels.items() if f not in matches and label.person_id not in nobody}


def locate_faces(recorded: Mapping[str, LocatedFace], faces: pl.DataFrame, shots: SameShots) -> Matches:
    """The faces of today that each recorded face is: in its photo, and in each other one of its shot.

    Args:
        recorded: Face of the ledger -> where it lies.
        faces: The faces of today (face_id, asset_id, bbox_*).
        shots: Which photos show one shot.

    Returns:
        The matches; faces without any are left out.
    """
    found: Matches = {f: (match,) for f, match in match_faces_by_iou(recorded, faces).items()}
    if not shots.neighbours or faces.is_empty():
        return found
    projected = dict(_project_to_other_photos(recorded, faces, shots))
    matches = match_faces_by_iou({face.face_id: face for face in projected.values()}, faces)
    for (f, _), face in projected.items():
        if face.face_id in matches:
            found[f] = (*found.get(f, ()), matches[face.face_id])
    return found


def chosen_covers(decisions: Decisions, faces: pl.DataFrame, persons: Sequence[str] | None = None) -> dict[str, str]:
    """The face of today that was chosen as each person's cover and is still theirs.

    Args:
        decisions: The decisions in force.
        faces: The faces of today (face_id, asset_id, person_id, bbox_x, bbox_y, bbox_w, bbox_h).
        persons: Ids of the persons that are asked about; None for all.

    Returns:
        Person id → face id. People for whom no face was chosen are left out, and those who are not that face any more.
    """
    ids = decisions.covers.keys() if persons is None else decisions.covers.keys() & set(persons)
    covers = {person: decisions.covers[person] for person in sorted(ids)}
    if not covers:
        return {}
    theirs = faces.filter(pl.col("person_id").is_in(list(covers)))
    matches = locate_faces({face.face_id: face for face in covers.values()}, theirs, decisions.same_shots)
    owner = dict(theirs.select("face_id", "person_id").iter_rows())
    located = ((person, face) for person, cover in covers.items() for face, _ in matches.get(cover.face_id, ())[:1])
    return {person: face for person, face in located if owner[face] == person}


def match_faces_by_iou(recorded: Mapping[str, LocatedFace], faces: pl.DataFrame) -> dict[str, tuple[str, float]]:
    """Face of the ledger -> (face of today, IoU of the boxes, or 2 for the same id).

    Greedy matching, best IoU first, of at least `SAME_FACE_IOU`. Each face of today goes to one face of the ledger, and
    to others that overlap that one: one detector draws no two such boxes, so they are the same face under another.
    Faces without a match are left out.
    """
    if faces.is_empty() or not recorded:
        return {}
    present = set(faces["face_id"].filter(faces["face_id"].is_in(list(recorded))).to_list())
    matches = {f: (f, _SAME_ID) for f in recorded if f in present}
    if len(matches) == len(recorded):
        return matches
    first_box = {f: recorded[f].box for f in matches}
    unmatched = {f: face for f, face in recorded.items() if f not in present}
    for old, new, iou in _iou_pairs(unmatched, faces):
        box = unmatched[old].box
        if old not in matches and box_iou(box, first_box.setdefault(new, box)) >= SAME_FACE_IOU:
            matches[old] = (new, iou)
    return matches


def _project_to_other_photos(
    recorded: Mapping[str, LocatedFace], faces: pl.DataFrame, shots: SameShots
) -> Iterator[tuple[tuple[str, str], FaceRef]]:
    """(Face of the ledger, other photo of its shot) and where the face lies in that one.

    Only photos that have faces count, and not the photo in which the face itself is today: there are all faces of an
    archive that an older version made.
    """
    present = set(faces["asset_id"].unique())
    here = faces.filter(pl.col("face_id").is_in(list(recorded))).select("face_id", "asset_id")
    own_photo = dict(here.iter_rows())
    known: dict[str, dict[str, Transform]] = {}
    for f, face in recorded.items():
        if face.asset_id not in known:
            known[face.asset_id] = {p: t for p, t in shots.others(face.asset_id).items() if p in present}
        for photo, transform in known[face.asset_id].items():
            if photo != own_photo.get(f):
                yield (f, photo), FaceRef(f"{f} {photo}", photo, transform_box(face.box, transform))


def _iou_pairs(recorded: Mapping[str, LocatedFace], faces: pl.DataFrame) -> list[tuple[str, str, float]]:
    """(face of the ledger, face of today, IoU) of one photo each, best first."""
    rows = [(f, face.asset_id, *face.box) for f, face in recorded.items()]
    schema = {"old": pl.String, "asset_id": pl.String} | dict.fromkeys(_SIDES, pl.Float64)
    old = pl.DataFrame(rows, schema=schema, orient="row")
    columns = [f"bbox_{side}" for side in _SIDES]
    pairs = old.join(faces.select("asset_id", "face_id", *columns), on="asset_id")
    pairs = pairs.with_columns(box_iou_expr(_SIDES, columns).alias("iou"))
    best = pairs.filter(pl.col("iou") >= SAME_FACE_IOU).sort("iou", "old", "face_id", descending=[True, False, False])
    return best.select("old", "face_id", "iou").rows()


def _located_faces(decisions: Decisions) -> dict[str, LocatedFace]:
    """Where every face lies that any decision is about."""
    located: dict[str, LocatedFace] = {**decisions.removed_labels, **decisions.labels, **decisions.erased_faces}
    for (f, _), rejection in decisions.rejected.items():
        located.setdefault(f, rejection)
    for link in decisions.links:
        located.setdefault(link.a.face_id, link.a)
        located.setdefault(link.b.face_id, link.b)
    return located


def _latest_labels(
    decisions: Decisions, matches: Matches, erased: frozenset[str]
) -> tuple[dict[str, str], list[PairConstraint]]:
    """The person of each face by the newest decision about it, and the rejections that no newer label overrules."""
    last: dict[str, tuple[int, float, str]] = {}
    for f, label in chain(decisions.removed_labels.items(), decisions.labels.items()):
        for face, iou in matches.get(f, ()):
            entry = (label.event_id, iou, label.person_id)
            if face not in erased and (face not in last or last[face] < entry):
                last[face] = entry
    rejections = []
    for (f, person), rejection in decisions.rejected.items():
        for face in (face for face, _ in matches.get(f, ()) if face not in erased):
            labelled_by, _, owner = last.get(face, (-1, 0.0, ""))
            is_newer = labelled_by < rejection.event_id
            if owner == person and is_newer:
                last[face] = (rejection.event_id, 0.0, "")
            if owner != person or is_newer:
                rejections.append(PairConstraint(face, person_node(person), False, rejection.event_id))
    return {face: person for face, (_, _, person) in last.items() if person}, rejections


def _pair_constraints(decisions: Decisions, matches: Matches, left_out: frozenset[str]) -> list[PairConstraint]:
    """The links between faces of today; a face that is not there today keeps its id of the ledger."""
    pairs = []
    for link in decisions.links:
        first, second = ([face for face, _ in matches.get(f, ())] or [f] for f in (link.a.face_id, link.b.face_id))
        for a, b in product(first, second):
            if a != b and not {a, b} & left_out:
                pairs.append(PairConstraint(a, b, link.same, link.event_id))
    return pairs
