"""One process of `make bench-faces`: from the embeddings in Parquet to the assignments in Parquet, with timings.

`python -m classface_assets.devtools.benchmark.scale.end_to_end_scale` with one of:

    make FOLDER FACES [DIMENSIONS]    write an archive without its newest hundredth
    add FOLDER FACES [DIMENSIONS]     write the newest hundredth too
    assign FOLDER                     cluster and assign; an existing graph is updated
    hdbscan FOLDER                    hdbscan's own fit on the same vectors

DIMENSIONS is how many numbers a vector has, 512 unless given. The last line printed is JSON.
"""

import json
import resource
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from classface_assets.core.faces.face_constraints import FaceConstraints
from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.schemas import ASSIGNMENTS
from classface_assets.devtools.benchmark.scale.synthetic_faces import (
    DETECTOR,
    DIMENSIONS,
    PACK,
    make_people,
    write_archive,
)
from classface_assets.identity.clustering.incremental import CLUSTER_STATE_SCHEMA, ClusterState
from classface_assets.identity.evaluation.metrics import bcubed
from classface_assets.identity.graph.build import update_graph
from classface_assets.identity.graph.knn_graph import KnnGraph, from_cached_frame, to_cached_frame
from classface_assets.identity.inputs_from_frames import EmbeddedFaces, load_or_fit_similarity
from classface_assets.identity.pipeline import PreviousRun, assign_identities
from classface_assets.identity.settings import settings_for
from classface_assets.identity.similarity.model import FITTED_SIMILARITY_SCHEMA, FittedSimilarity
from classface_assets.store.catalog.faces import load_catalog
from classface_assets.store.files.parquet import read_parquet, read_parquet_or_empty, write_parquet

SEED, NEIGHBOURS, NEW_SHARE = 1, 30, 0.01


class StageTimer:
    """Wall seconds, CPU seconds of all cores, and the peak memory (GB) until its end, by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.cores: dict[str, float] = {}
        self.peaks: dict[str, float] = {}
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def lap(self, stage: str) -> None:
        """End a stage, which began with the one before."""
        wall, cpu = time.perf_counter(), time.process_time()
        self.seconds[stage], self._wall = wall - self._wall, wall
        self.cores[stage], self._cpu = cpu - self._cpu, cpu
        self.peaks[stage] = peak_gb()


def write_faces(folder: Path, faces: int, dimensions: int, new: bool) -> dict[str, Any]:
    """Write an archive of that many faces with vectors of so many numbers, or with `new` a hundredth more."""
    people = make_people(faces + round(faces * NEW_SHARE), SEED, dimensions=dimensions)
    truth = folder / "truth.parquet"
    written = write_archive(layout_of(folder), people, slice(faces, None) if new else slice(0, faces), SEED)
    write_parquet(pl.concat([read_parquet(truth), written]) if new else written, truth)
    return {"faces": len(written)}


def run_assignment(folder: Path) -> dict[str, Any]:
    """The same steps as those of the assets `knn_graph` and `cluster_assignments`, without Dagster."""
    layout, settings, timer = layout_of(folder), settings_for(PACK), StageTimer()
    facts = load_catalog(layout, DETECTOR, PACK)
    ids = facts.faces["face_id"]
    timer.lap("read")
    cached_graph = read_parquet_or_empty(layout.table("knn_graph"), pl.Schema({}))
    before = from_cached_frame(cached_graph, ids, facts.vectors, NEIGHBOURS, settings.min_edge_similarity)
    del cached_graph
    made = update_graph(ids, facts.vectors, NEIGHBOURS, settings.min_edge_similarity, before)
    write_parquet(to_cached_frame(made.graph, facts.vectors, settings.min_edge_similarity), layout.table("knn_graph"))
    edges = float((made.graph.neighbours >= 0).mean() * NEIGHBOURS)
    made = replace(made, graph=KnnGraph.empty([], NEIGHBOURS))  # the asset's own is gone when the next one starts
    del before
    timer.lap("graph")
    graph = KnnGraph.from_frame(read_parquet(layout.table("knn_graph")))
    faces = EmbeddedFaces(facts.faces, facts.vectors, graph)
    previous = read_parquet_or_empty(layout.table("cluster_assignments"), ASSIGNMENTS)
    cached_similarity = FittedSimilarity.from_frame(
        read_parquet_or_empty(layout.table("face_space"), FITTED_SIMILARITY_SCHEMA)
    )
    measured = load_or_fit_similarity(faces, settings, cached_similarity)
    if measured is not cached_similarity:
        write_parquet(measured.to_frame(), layout.table("face_space"))
    timer.lap("measure")
    state = ClusterState.from_frame(read_parquet_or_empty(layout.table("face_groups"), CLUSTER_STATE_SCHEMA))
    last = PreviousRun(assignments=previous, similarity=measured, cluster_state=state)
    found = assign_identities(faces, FaceConstraints(), settings, last)
    rows = found.rows
    if found.cluster_state is not None:
        write_parquet(found.cluster_state.to_frame(), layout.table("face_groups"))
    write_parquet(rows, layout.table("cluster_assignments"))
    timer.lap("assign")
    figures = {
        "peak_gb": peak_gb(),
        "cpu": sum(timer.cores.values()),
        "faces": len(ids),
        **{name: getattr(timer, name) for name in ("seconds", "cores", "peaks")},
    }
    truth = rows.join(read_parquet(folder / "truth.parquet"), on="face_id", maintain_order="left")
    score = bcubed(truth["person"].to_list(), truth["cluster_id"].to_list())
    return figures | {
        "way": made.method,
        "searched": made.searched,
        "recall": made.recall,
        "recall_at_k": made.recall_at_k,
        "edges": edges,
        "precision": score.precision,
        "bcubed": score.recall,
        "f": score.f,
    }


def run_hdbscan(folder: Path) -> dict[str, Any]:
    """The usual alternative: HDBSCAN on the vectors themselves."""
    from hdbscan import HDBSCAN

    vectors, timer = load_catalog(layout_of(folder), DETECTOR, PACK).vectors, StageTimer()
    HDBSCAN(min_cluster_size=2).fit(vectors)
    timer.lap("fit")
    return {"seconds": timer.seconds, "peak_gb": peak_gb(), "cpu": time.process_time()}


def layout_of(folder: Path) -> ArchiveLayout:
    """The layout of a synthetic archive."""
    return ArchiveLayout(folder / "photos", folder / "data")


def peak_gb() -> float:
    """The most memory that this process had at once, in 10⁹ bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9


def main(step: str, folder: str, faces: str = "0", dimensions: str = str(DIMENSIONS)) -> None:
    """Run one step and print its figures as JSON."""
    steps = {
        "make": lambda: write_faces(Path(folder), int(faces), int(dimensions), new=False),
        "add": lambda: write_faces(Path(folder), int(faces), int(dimensions), new=True),
        "assign": lambda: run_assignment(Path(folder)),
        "hdbscan": lambda: run_hdbscan(Path(folder)),
    }
    print(json.dumps(steps[step]()))


if __name__ == "__main__":
    main(*sys.argv[1:])
