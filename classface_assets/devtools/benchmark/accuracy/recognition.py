"""How well known people are named: half of the people of an archive are labelled in two of their years."""

from hashlib import blake2b

import polars as pl

from classface_assets.core.face_constraints import FaceConstraints
from classface_assets.devtools.benchmark.accuracy.ground_truth import LabelledArchive, PersonFilter
from classface_assets.identity.evaluation.report import IdentificationMetrics, identification_metrics
from classface_assets.identity.inputs_from_frames import EmbeddedFaces
from classface_assets.identity.pipeline import assign_identities
from classface_assets.identity.settings import AssignmentSettings


def measure_recognition(
    archive: LabelledArchive, settings: AssignmentSettings, each: int, chosen: PersonFilter
) -> IdentificationMetrics:
    """Labels at most `each` faces in each of two years of half of the people, assigns, and asks for their other faces.

    Only the chosen people are scored. People, years and faces are drawn by a digest of their names.
    """
    known = archive.judged.filter(pl.col("person").map_elements(_is_labelled_person, pl.Boolean))
    drawn = known.drop_nulls("face_id").with_columns(
        draw=pl.col("face_id").map_elements(_stable_hash, pl.Int64),
        year_draw=pl.concat_str("person", "school_year").map_elements(_stable_hash, pl.Int64),
    )
    labels = drawn.filter(
        pl.col("year_draw").rank("dense").over("person") <= 2,
        pl.col("draw").rank("ordinal").over("person", "school_year") <= each,
    )
    confirmed: dict[str, str] = dict(labels.select("face_id", "person").iter_rows())
    rows = assign_archive(archive, confirmed, settings).select("face_id", "person_id")
    told = archive.judged.join(rows, on="face_id", how="left", maintain_order="left").with_columns(
        labelled=pl.col("face_id").is_in(list(confirmed)).fill_null(False)
    )
    told = told.filter(~pl.col("labelled"), pl.col("person").map_elements(chosen, pl.Boolean))
    queried = pl.col("person").is_in(list(set(confirmed.values())))
    found = identification_metrics(told.with_columns(named=pl.col("person_id"), queried=queried))
    return found or IdentificationMetrics(0, 1.0, 1.0)


def assign_archive(archive: LabelledArchive, confirmed: dict[str, str], settings: AssignmentSettings) -> pl.DataFrame:
    """The assignments of an archive's faces, with these labels and nothing else said."""
    faces = EmbeddedFaces(archive.faces, archive.vectors, archive.graph)
    return assign_identities(faces, FaceConstraints(confirmed), settings).rows


def _is_labelled_person(person: str) -> bool:
    return _stable_hash(person) % 2 == 0


def _stable_hash(name: str) -> int:
    return int.from_bytes(blake2b(name.encode(), digest_size=4).digest())
