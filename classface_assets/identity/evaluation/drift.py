"""What is measured of a publication and of an evaluation, so that the next one can be compared with it."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from classface_assets.identity.evaluation.summary import summarize_assignments

PUBLICATIONS = pl.Schema(
    {
        "published_at": pl.Datetime("us"),
        "assignments": pl.String(),
        "faces": pl.Int64(),
        "named_faces": pl.Int64(),
        "named_share": pl.Float64(),
        "quality": pl.Float64(),
        "strangers_similarity": pl.Float64(),
        "model": pl.String(),
    }
)
ACCURACY = pl.Schema(
    {
        "measured_at": pl.Datetime("us"),
        "measured_with": pl.String(),
        "faces": pl.Int64(),
        "precision": pl.Float64(),
        "recall": pl.Float64(),
        "f": pl.Float64(),
        "naming_accuracy": pl.Float64(),
        "naming_precision": pl.Float64(),
        "model": pl.String(),
    }
)
MAX_PHOTOS = 2_000
STRANGERS_QUANTILE = 0.99


@dataclass(frozen=True)
class PublicationSummary:
    """A publication in a few numbers; None where there is nothing to measure.

    Attributes:
        faces: Number of faces.
        named_faces: Number of faces with a name.
        quality: Median quality of the faces.
        strangers_similarity: See `strangers_similarity`.
    """

    faces: int
    named_faces: int
    quality: float | None
    strangers_similarity: float | None

    @property
    def named_share(self) -> float:
        """Share of the faces with a name, 0 to 1."""
        return self.named_faces / self.faces if self.faces else 0.0


def summarize_publication(faces: pl.DataFrame, vectors: np.ndarray, assignments: pl.DataFrame) -> PublicationSummary:
    """Summarize what is published.

    Args:
        faces: asset_id and quality_score, one row a face.
        vectors: Unit vectors, float32 (n, d), row by row with the faces.
        assignments: ASSIGNMENTS.
    """
    summary = summarize_assignments(assignments)
    quality = faces["quality_score"].median() if faces.height else None
    return PublicationSummary(
        faces=summary.faces,
        named_faces=summary.assigned,
        quality=quality if isinstance(quality, float) else None,
        strangers_similarity=strangers_similarity(faces, vectors),
    )


def strangers_similarity(faces: pl.DataFrame, vectors: np.ndarray) -> float | None:
    """How similar people are who are not the same: the 99th percentile of the faces that are in one photo.

    Two faces of one photo are two people, but in collages. Where this rises, thresholds that were fitted before let
    strangers through.

    Args:
        faces: asset_id, one row a face.
        vectors: Unit vectors, float32 (n, d), row by row with the faces.

    Returns:
        A cosine, of MAX_PHOTOS photos at most; None where no photo has two faces.
    """
    if not faces.height:
        return None
    groups = faces.select("asset_id").with_row_index("row").group_by("asset_id").agg("row")
    crowds = groups.filter(pl.col("row").list.len() > 1).sort("asset_id")
    step = max(1, crowds.height // MAX_PHOTOS)
    found = []
    for rows in crowds["row"][::step].head(MAX_PHOTOS):
        near = vectors[rows.to_numpy()]
        found.append((near @ near.T)[np.triu_indices(len(near), 1)])
    return float(np.quantile(np.concatenate(found), STRANGERS_QUANTILE)) if found else None
