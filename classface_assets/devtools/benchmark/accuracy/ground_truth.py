"""Finished archives with ground truth, as arrays: what clustering methods are measured and tuned on.

People are split by name, the same in every archive, into those on whom settings are tuned (`dev`) and those on whom the
results are reported (`test`).
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from classface_assets.core.errors import UserError
from classface_assets.identity.evaluation.ground_truth import match_to_ground_truth
from classface_assets.identity.evaluation.metrics import PrecisionRecall, bcubed
from classface_assets.identity.graph.build import build_graph
from classface_assets.identity.graph.knn_graph import KnnGraph
from classface_assets.identity.inputs import ClusteringInput
from classface_assets.identity.inputs_from_frames import unconstrained_input
from classface_assets.orchestration.configured_resources import resolve_archive
from classface_assets.orchestration.resources import Models
from classface_assets.services.identity.evaluation import read_ground_truth
from classface_assets.store.catalog.faces import load_catalog

NEIGHBOURS = 30
PersonFilter = Callable[[str], bool]


def is_dev(person: str) -> bool:
    """Whether settings may be tuned on this person's faces."""
    return zlib.crc32(person.encode()) % 2 == 0


def is_test(person: str) -> bool:
    """Whether results may be reported on this person's faces."""
    return not is_dev(person)


def is_anybody(_person: str) -> bool:
    """The filter that every person passes."""
    return True


@dataclass(frozen=True)
class LabelledArchive:
    """An archive with ground truth.

    Attributes:
        faces: One row per face.
        vectors: (n, d) float32 of unit length, row by row with `faces`.
        graph: The nearest neighbours of these faces.
        material: The clustering input of these faces, with nobody labelled.
        judged: One row a labelled face (GROUND_TRUTH_SCHEMA), with `row`, its row in `faces`, null if not detected.
    """

    faces: pl.DataFrame
    vectors: np.ndarray
    graph: KnnGraph
    material: ClusteringInput
    judged: pl.DataFrame

    def only(self, selected: PersonFilter) -> "LabelledArchive":
        """The archive without the faces of the other people; faces that nobody labelled stay."""
        is_selected = pl.col("person").map_elements(selected, pl.Boolean)
        others = self.judged.filter(~is_selected)["row"].drop_nulls()
        rows = np.setdiff1d(np.arange(self.faces.height), others.to_numpy())
        return build_labelled_archive(self.faces[rows], self.vectors[rows], self.judged.filter(is_selected).drop("row"))

    def score(self, labels: np.ndarray, selected: PersonFilter = is_anybody, ageing: bool = False) -> PrecisionRecall:
        """BCubed of the labelled faces of the selected people; a face that was not detected is a cluster of its own.

        Args:
            labels: (n,) the cluster of each face, negative for none.
            selected: Whose faces count.
            ageing: Only faces of people whose age is known.
        """
        clusters = np.where(labels < 0, -1 - np.arange(len(labels)), labels)
        rows = self.judged.filter("ageing") if ageing else self.judged
        rows = rows.filter(pl.col("person").map_elements(selected, pl.Boolean))
        not_detected = -2 - len(labels) - np.arange(rows.height)
        row = rows["row"].fill_null(-1).to_numpy().astype(np.int64)
        return bcubed(rows["person"].to_list(), np.where(row < 0, not_detected, clusters[row]).tolist())


def build_labelled_archive(faces: pl.DataFrame, vectors: np.ndarray, judged: pl.DataFrame) -> LabelledArchive:
    """Add the graph, the clustering input and the row numbers.

    Args:
        faces: face_id, asset_id, school_year, year, quality_score.
        vectors: (n, d) float32 of unit length, row by row with `faces`.
        judged: GROUND_TRUTH_SCHEMA, one row a labelled face.
    """
    graph = build_graph(faces["face_id"], vectors, NEIGHBOURS)
    rows = faces.select("face_id").with_row_index("row")
    return LabelledArchive(
        faces,
        vectors,
        graph,
        material=unconstrained_input(faces, vectors, graph),
        judged=judged.join(rows, on="face_id", how="left", maintain_order="left"),
    )


def load_labelled_archive(data: Path, truth: Path, pack: str) -> LabelledArchive:
    """Read a finished data folder and the ground truth of its photos.

    Raises:
        UserError: It has no faces of that model pack.
        GroundTruthError: The file cannot be used.
    """
    archive, models = resolve_archive(data / "photos", data), Models(pack=pack)
    described = models.describe(archive.layout)
    catalog = load_catalog(archive.layout, described.detector_version, described.key)
    if not catalog.faces.height:
        raise UserError(f"{data} holds no faces of the model pack {described.name}; run the pipeline with it first.")
    paths = catalog.images.select("asset_id", "path").unique("asset_id")
    found = catalog.faces.join(paths, on="asset_id", how="left").with_columns(cluster_id=pl.lit("unknown_noise"))
    judged = match_to_ground_truth(read_ground_truth(truth, found["path"].to_list()), found)
    return build_labelled_archive(catalog.faces, catalog.vectors, judged)


def mean_score(scores: Sequence[PrecisionRecall]) -> PrecisionRecall:
    """The mean of each score; F is the mean of the archives' Fs."""
    return PrecisionRecall(
        *(float(np.mean([getattr(s, name) for s in scores])) for name in ("precision", "recall", "f"))
    )


def score_cells(score: PrecisionRecall) -> tuple[str, str, str]:
    """Precision, recall and F as cells of a table."""
    return f"{score.precision:.3f}", f"{score.recall:.3f}", f"{score.f:.3f}"


def markdown_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
