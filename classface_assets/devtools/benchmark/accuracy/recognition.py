"""How well known people are identified: half of the people of an archive are labelled in two of their years."""

from hashlib import blake2b

import polars as pl

from classface_assets.core.faces.face_constraints import FaceConstraints
from classface_assets.devtools.benchmark.accuracy.ground_truth import LabelledArchive, PersonFilter
from classface_assets.identity.evaluation.report import IdentificationMetrics, identification_metrics
from classface_assets.identity.inputs_from_frames import EmbeddedFaces
from classface_assets.identity.pipeline import assign_identities
from classface_assets.identity.settings import AssignmentSettings


def measure_recognition(
    archive: LabelledArchive, settings: AssignmentSettings, faces_a_year: int, selected: PersonFilter
) -> IdentificationMetrics:
    """Label some faces of half of the people, assign, and score their other faces.

    People, their two years and the faces in these are drawn by a hash of their names.

    Args:
        archive: The archive with its ground truth.
        settings: How faces are assigned.
        faces_a_year: At most this many faces are labelled in each of the two years.
        selected: Whose faces are scored.
    """
    known = archive.judged.filter(pl.col("person").map_elements(_is_labelled_person, pl.Boolean))
    drawn = known.drop_nulls("face_id").with_columns(
        draw=pl.col("face_id").map_elements(_stable_hash, pl.Int64),
        year_draw=pl.concat_str("person", "school_year").map_elements(_stable_hash, pl.Int64),
    )
    labels = drawn.filter(
        pl.col("year_draw").rank("dense").over("person") <= 2,
        pl.col("draw").rank("ordinal").over("person", "school_year") <= faces_a_year,
    )
    confirmed: dict[str, str] = dict(labels.select("face_id", "person").iter_rows())
    assigned = assign_archive(archive, confirmed, settings).select("face_id", "person_id")
    judged = archive.judged.join(assigned, on="face_id", how="left", maintain_order="left").filter(
        ~pl.col("face_id").is_in(list(confirmed)).fill_null(False),
        pl.col("person").map_elements(selected, pl.Boolean),
    )
    is_known = pl.col("person").is_in(list(set(confirmed.values())))
    metrics = identification_metrics(judged.with_columns(named=pl.col("person_id"), queried=is_known))
    return metrics or IdentificationMetrics(0, 1.0, 1.0)


def assign_archive(archive: LabelledArchive, confirmed: dict[str, str], settings: AssignmentSettings) -> pl.DataFrame:
    """The assignments of an archive's faces with these labels (face id → person) and no other constraints."""
    faces = EmbeddedFaces(archive.faces, archive.vectors, archive.graph)
    return assign_identities(faces, FaceConstraints(confirmed), settings).rows


def _is_labelled_person(person: str) -> bool:
    return _stable_hash(person) % 2 == 0


def _stable_hash(name: str) -> int:
    return int.from_bytes(blake2b(name.encode(), digest_size=4).digest())
