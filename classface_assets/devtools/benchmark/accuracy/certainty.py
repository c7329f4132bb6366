"""How often faces are right that are said to be right with some probability, nobody being named."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import polars as pl

from classface_assets.devtools.benchmark.accuracy.ground_truth import LabelledArchive
from classface_assets.devtools.benchmark.accuracy.recognition import assign_archive
from classface_assets.identity.settings import AssignmentSettings

BOUNDS = (0.0, 0.5, 0.8, 0.95, 0.99, 1.0)
"""The probabilities between which faces are counted together."""


def certainty_rows(archives: Sequence[LabelledArchive], settings: AssignmentSettings) -> list[list[str]]:
    """Table rows: range of probabilities, faces, their mean probability, and the share of them that is right.

    A face is right where it is of the person that most labelled faces of its cluster are of.

    Args:
        archives: The archives.
        settings: How faces are assigned.
    """
    faces = pl.concat([_clustered_faces(archive, settings) for archive in archives])
    rows = []
    for low, high in pairwise(BOUNDS):
        part = faces.filter(pl.col("probability").is_between(low, high, closed="left" if high < 1 else "both"))
        if part.height:
            mean, right = (float(np.mean(part[name].to_numpy())) for name in ("probability", "right"))
            rows.append([f"{low:g} to {high:g}", f"{part.height:,}", f"{mean:.3f}", f"{right:.3f}"])
    return rows


def _clustered_faces(archive: LabelledArchive, settings: AssignmentSettings) -> pl.DataFrame:
    """Columns probability and right, one row for each labelled face that has a probability."""
    assigned = assign_archive(archive, {}, settings).select("face_id", "cluster_id", "assignment_probability")
    faces = archive.judged.drop_nulls("face_id").join(assigned, on="face_id").drop_nulls("assignment_probability")
    most = faces.group_by("cluster_id").agg(pl.col("person").mode().sort().first().alias("most"))
    return faces.join(most, on="cluster_id").select(
        pl.col("assignment_probability").cast(pl.Float64).alias("probability"),
        (pl.col("person") == pl.col("most")).alias("right"),
    )
