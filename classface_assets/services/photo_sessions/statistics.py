"""What a selection of photos shows of each person: faces, photos, years, sessions, and how sure the matches are."""

import polars as pl

from classface_assets.core.names import normalize_name
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.services.photo_sessions.membership import session_photos
from classface_assets.store.model.person_kinds import PersonStatus


def assigned_faces(view: ArchiveView, faces: pl.DataFrame) -> pl.DataFrame:
    """Those of the faces that have a person who is not hidden."""
    hidden = [p.id for p in view.decisions.persons.values() if p.status == PersonStatus.HIDDEN]
    return faces.filter(pl.col("person_id").is_not_null(), ~pl.col("person_id").is_in(hidden))


def person_statistics(view: ArchiveView, faces: pl.DataFrame) -> pl.DataFrame:
    """A row for each person in these faces, those with most faces first.

    Args:
        view: The archive.
        faces: Rows of `view.faces`.

    Returns:
        person_id, person_name, faces, confirmed, photos, school_years, sessions, confidence and lowest_confidence (mean
        and least probability of the automatic matches, null where there are none).
    """
    rows = assigned_faces(view, faces)
    probability = pl.col("assignment_probability").filter(~pl.col("confirmed"))
    table = rows.group_by("person_id").agg(
        pl.col("person_name").first(),
        pl.len().alias("faces"),
        pl.col("confirmed").sum(),
        pl.col("asset_id").n_unique().alias("photos"),
        pl.col("school_year").unique().sort().alias("school_years"),
        probability.mean().cast(pl.Float64).alias("confidence"),
        probability.min().cast(pl.Float64).alias("lowest_confidence"),
    )
    sessions = [
        (one.id, photo) for one in view.decisions.sessions.values() for photo in session_photos(view, one)["asset_id"]
    ]
    places = pl.DataFrame(sessions, schema={"session": pl.String, "asset_id": pl.String}, orient="row")
    counts = rows.join(places, on="asset_id").group_by("person_id").agg(pl.col("session").n_unique().alias("sessions"))
    joined = table.join(counts, on="person_id", how="left").with_columns(pl.col("sessions").fill_null(0))
    folded = pl.col("person_name").map_elements(normalize_name, return_dtype=pl.String)
    return joined.sort(pl.col("faces"), folded, "person_id", descending=[True, False, False])
