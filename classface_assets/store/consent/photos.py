"""Whether a photo may be shown for a purpose: the strictest of what holds for the people in it.

A face that was only guessed to be somebody who refused counts like a labelled one. Who is hidden is in no album either,
so they count as if they had refused; and so do the faces of people who were erased. Whom nobody asked is shown, as
before anybody asked: a report counts them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import polars as pl

from classface_assets.core.schemas import PHOTO_CONSENT
from classface_assets.store.decisions.reconciliation import match_faces_by_iou
from classface_assets.store.model.decisions import Decisions, FaceLabel, Person
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.store.model.purposes import Purpose

CONSENT_FACES = pl.Schema(
    {"face_id": pl.String(), "asset_id": pl.String(), "person_id": pl.String()}
    | dict.fromkeys(["bbox_x", "bbox_y", "bbox_w", "bbox_h"], pl.Float32())
)


class PhotoVerdict(StrEnum):
    """`safe`: everybody in the photo is known and may be shown. `review`: it has faces of nobody known, so a person has
    to look. `withheld`: somebody in it may not be shown."""

    SAFE = "safe"
    REVIEW = "review"
    WITHHELD = "withheld"


@dataclass(frozen=True)
class Refusals:
    """Who may not be shown, by purpose: the ids of persons, with those who were merged into them. `marks`: the faces
    that somebody labelled as one of them, and `barred`: those of people who were erased, both by face id."""

    people: Mapping[Purpose, frozenset[str]] = field(default_factory=dict)
    labels: Mapping[str, FaceLabel] = field(default_factory=dict)
    erased_faces: Mapping[str, FaceRef] = field(default_factory=dict)

    def of(self, purpose: Purpose) -> frozenset[str]:
        return self.people.get(purpose, frozenset())


def is_withheld(person: Person, purpose: Purpose) -> bool:
    """Whether the person refused the purpose, or is hidden; what was said to be no face is nobody."""
    return person.kind != "not a face" and (purpose in person.refused or person.status == "hidden")


def collect_refusals(decisions: Decisions) -> Refusals:
    """Who may not be shown by what people decided."""
    persons = decisions.persons
    people = {
        purpose: frozenset(
            p
            for p, person in persons.items()
            if is_withheld(person, purpose) or is_withheld(persons[decisions.canonical_id(p)], purpose)
        )
        for purpose in Purpose
    }
    anybody = frozenset[str]().union(*people.values())
    marks = {f: mark for f, mark in decisions.labels.items() if mark.person_id in anybody}
    return Refusals(people, marks, decisions.erased_faces)


def withheld_faces(faces: pl.DataFrame, refusals: Refusals, purpose: Purpose) -> pl.DataFrame:
    """FACES of everybody who may not be shown: those that were labelled or guessed as theirs, those that were labelled
    where no detector sees a face today, and those of erased people, which are nobody's (null).

    `faces`: FACES, every face of the photos in question, null where it is nobody known.
    """
    people = refusals.of(purpose)
    rows = [pl.DataFrame(schema=CONSENT_FACES)]
    if faces.width:
        rows.append(
            faces.filter(pl.col("person_id").is_in(list(people))).select(CONSENT_FACES.names()).cast(CONSENT_FACES)
        )
    marks = {f: mark for f, mark in refusals.labels.items() if mark.person_id in people}
    rows.append(pl.DataFrame(list(_boxes_of_lost_labels(marks, faces)), schema=CONSENT_FACES, orient="row"))
    barred = [(face_id, face.asset_id, None, *face.box) for face_id, face in refusals.erased_faces.items()]
    rows.append(pl.DataFrame(barred, schema=CONSENT_FACES, orient="row"))
    return pl.concat(rows).unique(["face_id", "person_id"], keep="first", maintain_order=True)


def photo_verdicts(photos: pl.Series, faces: pl.DataFrame, refusals: Refusals) -> pl.DataFrame:
    """PHOTO_CONSENT, a row for each purpose of each of `photos` (asset ids).

    `faces`: FACES, every face of these photos, null where it is nobody known.
    """
    ids = pl.DataFrame({"asset_id": photos}, schema={"asset_id": pl.String}).unique(maintain_order=True)
    unknown = faces.filter(pl.col("person_id").is_null()) if faces.width else pl.DataFrame(schema=CONSENT_FACES)
    ids = ids.join(unknown.group_by("asset_id").agg(pl.len().alias("unknown_faces")), on="asset_id", how="left")
    return pl.concat([_verdicts(ids, faces, refusals, purpose) for purpose in Purpose])


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


def _boxes_of_lost_labels(marks: Mapping[str, FaceLabel], faces: pl.DataFrame) -> Iterator[tuple[object, ...]]:
    """Rows of FACES, but not of a label that a face of another detector carries on: whose that one is now counts."""
    home = match_faces_by_iou(marks, faces) if faces.width else {}
    for face, mark in marks.items():
        if home.get(face, (face, 0.0))[0] == face:
            yield face, mark.asset_id, mark.person_id, *mark.box
