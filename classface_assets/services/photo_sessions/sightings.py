"""Who is seen in the photos of sessions: counted for many sessions at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.services.photo_sessions.membership import session_photos
from classface_assets.store.model.photo_session import PhotoSession

_COLUMNS = ("face_id", "asset_id", "person_id", "confirmed", "assignment_probability", "quality_score")
_PLACES = {"session": pl.String, "asset_id": pl.String}


@dataclass(frozen=True)
class Sighting:
    """The faces of a person at a session, surest first; `probability` is of the surest, where one was measured."""

    confirmed: bool
    probability: float | None
    faces: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class SessionFaces:
    """The faces in the photos of a session.

    Attributes:
        people: person_id, confirmed, sure, face_id (a list); the surest person first.
        unknown: face_id of those without a person, best first.
        photos: The number of photos with a face.
    """

    people: pl.DataFrame
    unknown: pl.DataFrame
    photos: int

    @cached_property
    def sightings(self) -> Mapping[str, Sighting]:
        """Person id -> how they were seen."""
        return {
            person: Sighting(confirmed, probability, tuple(ids))
            for person, confirmed, probability, ids in self.people.iter_rows()
        }


def faces_of_sessions(view: ArchiveView, sessions: Sequence[PhotoSession]) -> dict[str, SessionFaces]:
    """Session id -> the faces in its photos."""
    places = [session_photos(view, one).select(pl.lit(one.id).alias("session"), "asset_id") for one in sessions]
    photos = pl.concat(places) if places else pl.DataFrame(schema=_PLACES)
    faces = view.faces.select(_COLUMNS).join(photos, on="asset_id", how="inner")
    people, unknown = _by_session(_people(faces)), _by_session(_unknown(faces))
    counts = dict(faces.group_by("session").agg(pl.col("asset_id").n_unique()).iter_rows())
    nobody, nothing = _people(faces.clear()).drop("session"), _unknown(faces.clear()).drop("session")
    return {
        one.id: SessionFaces(people.get(one.id, nobody), unknown.get(one.id, nothing), counts.get(one.id, 0))
        for one in sessions
    }


def _people(faces: pl.DataFrame) -> pl.DataFrame:
    sure = pl.when("confirmed").then(1.0).otherwise("assignment_probability").alias("sure")
    rows = faces.drop_nulls("person_id").with_columns(sure)
    order = ["confirmed", "sure", "quality_score", "face_id"]
    rows = rows.sort(order, descending=[True, True, True, False], nulls_last=True)
    return rows.group_by("session", "person_id", maintain_order=True).agg(
        pl.col("confirmed").any(), pl.col("sure").max(), pl.col("face_id")
    )


def _unknown(faces: pl.DataFrame) -> pl.DataFrame:
    rows = faces.filter(pl.col("person_id").is_null())
    rows = rows.sort("quality_score", "face_id", descending=[True, False], nulls_last=True)
    return rows.select("session", "face_id")


def _by_session(rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
    parts = rows.partition_by("session", maintain_order=True, as_dict=True, include_key=False)
    return {str(session): part for (session,), part in parts.items()}
