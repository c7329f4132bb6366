"""Finished archives whose truth is known, as arrays: what ways of grouping faces are measured and tuned on.

People are split by name, the same in every archive, into those on whom settings are chosen (`dev`) and those on whom
they are shown (`test`).
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from classface_assets.core.errors import UserError
from classface_assets.identity.evaluation.ground_truth import GroundTruthError, match_to_ground_truth, validate_truth
from classface_assets.identity.evaluation.metrics import PrecisionRecall, bcubed
from classface_assets.identity.graph.build import build_graph
from classface_assets.identity.graph.knn_graph import KnnGraph
from classface_assets.identity.inputs import ClusteringInput
from classface_assets.identity.inputs_from_frames import EmbeddedFaces, unconstrained_input
from classface_assets.orchestration.resources import Models, resolve_archive
from classface_assets.store.catalog.faces import load_catalog

NEIGHBOURS = 30
PersonFilter = Callable[[str], bool]


def is_dev(person: str) -> bool:
    """Whether settings may be chosen by this person's faces."""
    return zlib.crc32(person.encode()) % 2 == 0


def is_test(person: str) -> bool:
    return not is_dev(person)


def is_anybody(_person: str) -> bool:
    return True


@dataclass(frozen=True)
class LabelledArchive:
    """Faces, vectors and their graph; `judged`: a row a labelled face (see `judged`), with `row`, its face or null."""

    faces: pl.DataFrame
    vectors: np.ndarray
    graph: KnnGraph
    material: ClusteringInput
    judged: pl.DataFrame

    def only(self, chosen: PersonFilter) -> "LabelledArchive":
        """The archive without the faces of the other people; those whom nobody labelled stay."""
        others = self.judged.filter(~pl.col("person").map_elements(chosen, pl.Boolean))["row"].drop_nulls()
        kept = np.setdiff1d(np.arange(self.faces.height), others.to_numpy())
        judged = self.judged.filter(pl.col("person").map_elements(chosen, pl.Boolean))
        return labelled_archive(self.faces[kept], self.vectors[kept], judged.drop("row"))

    def score(self, labels: np.ndarray, chosen: PersonFilter = is_anybody, ageing: bool = False) -> PrecisionRecall:
        """BCubed of the labelled faces of the chosen people; a face that was not found is a cluster of its own."""
        own = np.where(labels < 0, -1 - np.arange(len(labels)), labels)
        rows = self.judged.filter("ageing") if ageing else self.judged
        rows = rows.filter(pl.col("person").map_elements(chosen, pl.Boolean))
        lost = -2 - len(labels) - np.arange(rows.height)
        place = rows["row"].fill_null(-1).to_numpy().astype(np.int64)
        return bcubed(rows["person"].to_list(), np.where(place < 0, lost, own[place]).tolist())


def labelled_archive(faces: pl.DataFrame, vectors: np.ndarray, judged: pl.DataFrame) -> LabelledArchive:
    """faces: face_id, asset_id, school_year, year, quality_score; judged: the table of `judged`, with face_id."""
    graph = build_graph(faces["face_id"], vectors, NEIGHBOURS)
    material = unconstrained_input(EmbeddedFaces(faces, vectors, graph))
    rows = faces.select("face_id").with_row_index("row")
    placed = judged.join(rows, on="face_id", how="left", maintain_order="left")
    return LabelledArchive(faces, vectors, graph, material, placed)


def load_labelled_archive(data: Path, truth: Path, pack: str) -> LabelledArchive:
    """A finished data folder with the truth of its photos. Raises UserError."""
    archive, models = resolve_archive(data / "photos", data), Models(pack=pack)
    described = models.describe(archive.layout)
    facts = load_catalog(archive.layout, described.detector_version, described.key)
    if not facts.faces.height:
        raise UserError(f"{data} holds no faces of the model pack {described.name}; run the chain with it first.")
    placed = facts.faces.join(facts.images.select("asset_id", "path").unique("asset_id"), on="asset_id", how="left")
    found = placed.with_columns(cluster_id=pl.lit("unknown_noise"))
    try:
        known = validate_truth(pl.read_csv(truth, infer_schema=False), found["path"].to_list())
    except GroundTruthError as error:
        raise UserError(f"{truth} cannot be used: {error}.") from None
    return labelled_archive(facts.faces, facts.vectors, match_to_ground_truth(known, found))


def mean_score(scores: Sequence[PrecisionRecall]) -> PrecisionRecall:
    """The mean of each figure; F is the mean of the archives' Fs."""
    return PrecisionRecall(
        *(float(np.mean([getattr(s, name) for s in scores])) for name in ("precision", "recall", "f"))
    )


def score_cells(score: PrecisionRecall) -> tuple[str, str, str]:
    return f"{score.precision:.3f}", f"{score.recall:.3f}", f"{score.f:.3f}"


def markdown_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
