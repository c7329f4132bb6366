"""Whether a photo may be shown for a purpose: the strictest of the consents of the people in it.

A face that was matched automatically with somebody who refused counts like a labelled one. Hidden people and erased
faces count as if they had refused. People who were not asked are shown; a report counts them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import polars as pl

from classface_assets.core.schemas import PHOTO_CONSENT
from classface_assets.store.decisions.reconciliation import match_faces_by_iou
from classface_assets.store.model.decisions import Decisions, FaceLabel, Person
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.store.model.person_kinds import PersonKind, PersonStatus
from classface_assets.store.model.purposes import Purpose

CONSENT_FACES = pl.Schema(
    {"face_id": pl.String(), "asset_id": pl.String(), "person_id": pl.String()}
    | dict.fromkeys(["bbox_x", "bbox_y", "bbox_w", "bbox_h"], pl.Float32())
)


class PhotoVerdict(StrEnum):
    """Whether a photo may be shown for a purpose."""

    SAFE = "safe"
    """Everybody in the photo is known and may be shown."""
    REVIEW = "review"
    """It has unknown faces, so a person must check it."""
    WITHHELD = "withheld"
    """Somebody in it may not be shown."""


@dataclass(frozen=True)
class Refusals:
    """Who may not be shown.

    Attributes:
        people: Purpose → ids of the persons who refused it, with those who were merged into them.
        labels: Face id → label, of the faces that were labelled as one of them.
        erased_faces: Face id → face, of the people who were erased.
    """

    people: Mapping[Purpose, frozenset[str]] = field(default_factory=dict)
    labels: Mapping[str, FaceLabel] = field(default_factory=dict)
    erased_faces: Mapping[str, FaceRef] = field(default_factory=dict)

    def of(self, purpose: Purpose) -> frozenset[str]:
        """The ids of the persons who may not be shown for a purpose."""
        return self.people.get(purpose, frozenset())


def is_withheld(person: Person, purpose: Purpose) -> bool:
    """Whether the person refused the purpose or is hidden; the person that collects what is no face never is."""
    is_refused = purpose in person.refused or person.status == PersonStatus.HIDDEN
    return person.kind != PersonKind.NOT_A_FACE and is_refused


def collect_refusals(decisions: Decisions) -> Refusals:
    """Everybody who may not be shown according to the decisions."""
    persons = decisions.persons
    refusing = {p for p, person in persons.items() if person.refused or person.status == PersonStatus.HIDDEN}
    refusing |= {p for p in persons if decisions.canonical_id(p) in refusing}
    people = {
        purpose: frozenset(
            p
            for p in refusing
            if is_withheld(persons[p], purpose) or is_withheld(persons[decisions.canonical_id(p)], purpose)
        )
        for purpose in Purpose
    }
    anybody = frozenset[str]().union(*people.values())
    labels = {face: label for face, label in decisions.labels.items() if label.person_id in anybody}
    return Refusals(people, labels, decisions.erased_faces)


def withheld_faces(faces: pl.DataFrame, refusals: Refusals, purpose: Purpose) -> pl.DataFrame:
    """The faces of everybody who may not be shown.

    These are the faces that were labelled or matched as theirs, labels where no detector finds a face today, and the
    faces of erased people.

    Args:
        faces: CONSENT_FACES, every face of the photos in question; person_id is null where unknown.
        refusals: Who may not be shown.
        purpose: What the photos are to be shown for.

    Returns:
        CONSENT_FACES; person_id is null for erased people.
    """
    people = refusals.of(purpose)
    rows = [pl.DataFrame(schema=CONSENT_FACES)]
    if faces.width:
        rows.append(
            faces.filter(pl.col("person_id").is_in(list(people))).select(CONSENT_FACES.names()).cast(CONSENT_FACES)
        )
    labels = {face: label for face, label in refusals.labels.items() if label.person_id in people}
    rows.append(pl.DataFrame(list(_boxes_of_lost_labels(labels, faces)), schema=CONSENT_FACES, orient="row"))
    erased = [(face_id, face.asset_id, None, *face.box) for face_id, face in refusals.erased_faces.items()]
    rows.append(pl.DataFrame(erased, schema=CONSENT_FACES, orient="row"))
    return pl.concat(rows).unique(["face_id", "person_id"], keep="first", maintain_order=True)


def photo_verdicts(
    photos: pl.Series, faces: pl.DataFrame, refusals: Refusals, purposes: Iterable[Purpose] = tuple(Purpose)
) -> pl.DataFrame:
    """The verdict on each photo for each purpose.

    Args:
        photos: Asset ids.
        faces: CONSENT_FACES, every face of these photos; person_id is null where unknown.
        refusals: Who may not be shown.
        purposes: At least one of them.

    Returns:
        PHOTO_CONSENT.
    """
    ids = pl.DataFrame({"asset_id": photos}, schema={"asset_id": pl.String}).unique(maintain_order=True)
    unknown = faces.filter(pl.col("person_id").is_null()) if faces.width else pl.DataFrame(schema=CONSENT_FACES)
    ids = ids.join(unknown.group_by("asset_id").agg(pl.len().alias("unknown_faces")), on="asset_id", how="left")
    return pl.concat([_verdicts(ids, faces, refusals, purpose) for purpose in purposes])


def _verdicts(ids: pl.DataFrame, faces: pl.DataFrame, refusals: Refusals, purpose: Purpose) -> pl.DataFrame:
    refused = withheld_faces(faces, refusals, purpose)
    who = refused.group_by("asset_id").agg(pl.col("person_id").drop_nulls().unique().sort().alias("withheld_persons"))
    verdict = (
        pl.when(pl.col("withheld_persons").is_not_null())
        .then(pl.lit(PhotoVerdict.WITHHELD.value))
        .when(pl.col("unknown_faces") > 0)
        .then(pl.lit(PhotoVerdict.REVIEW.value))
        .otherwise(pl.lit(PhotoVerdict.SAFE.value))
    )
    rows = ids.join(who, on="asset_id", how="left").with_columns(
        pl.lit(purpose.value).alias("purpose"),
        verdict.alias("verdict"),
        pl.col("withheld_persons").fill_null([]),
        pl.col("unknown_faces").fill_null(0),
    )
    return rows.select(PHOTO_CONSENT.names()).cast(PHOTO_CONSENT)


def _boxes_of_lost_labels(labels: Mapping[str, FaceLabel], faces: pl.DataFrame) -> Iterator[tuple[object, ...]]:
    """Rows of CONSENT_FACES for labels, except those that a face of another detector took over: its owner counts."""
    matched = match_faces_by_iou(labels, faces) if faces.width else {}
    for face, label in labels.items():
        if matched.get(face, (face, 0.0))[0] == face:
            yield face, label.asset_id, label.person_id, *label.box
