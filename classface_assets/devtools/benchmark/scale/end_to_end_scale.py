"""One process of `make bench-faces`: from the embeddings in Parquet to the assignments in Parquet, by the clock.

    …end_to_end_scale make FOLDER FACES      writes the archive but for its newest hundredth
    …end_to_end_scale add FOLDER FACES       writes that too
    …end_to_end_scale assign FOLDER          the road; a graph that is there is added to
    …end_to_end_scale hdbscan FOLDER         hdbscan's own fit on the same vectors

The last line printed is JSON.
"""

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl

from classface_assets.core.face_constraints import FaceConstraints
from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.schemas import ASSIGNMENTS
from classface_assets.devtools.benchmark.scale.synthetic_faces import DETECTOR, PACK, make_people, write_archive
from classface_assets.identity.clustering.incremental import CLUSTER_STATE_SCHEMA as STANDING
from classface_assets.identity.clustering.incremental import ClusterState
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
    """Seconds of each stage by the clock, seconds of the cores, and the most memory until its end, by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.cores: dict[str, float] = {}
        self.peaks: dict[str, float] = {}
        self.last, self.worked = time.perf_counter(), time.process_time()

    def lap(self, stage: str) -> None:
        now, worked = time.perf_counter(), time.process_time()
        self.seconds[stage], self.last = now - self.last, now
        self.cores[stage], self.worked = worked - self.worked, worked
        self.peaks[stage] = peak_gb()


def write_faces(folder: Path, faces: int, new: bool) -> dict[str, Any]:
    people = make_people(faces + round(faces * NEW_SHARE), SEED)
    truth = folder / "truth.parquet"
    written = write_archive(layout_of(folder), people, slice(faces, None) if new else slice(0, faces), SEED)
    write_parquet(pl.concat([read_parquet(truth), written]) if new else written, truth)
    return {"faces": len(written)}


def run_assignment(folder: Path) -> dict[str, Any]:
    """The same steps as those of the assets `knn_graph` and `cluster_assignments`, without Dagster."""
    layout, settings, clock = layout_of(folder), settings_for(PACK), StageTimer()
    facts = load_catalog(layout, DETECTOR, PACK)
    ids = facts.faces["face_id"]
    clock.lap("read")
    kept = read_parquet_or_empty(layout.table("knn_graph"), pl.Schema({}))
    before = from_cached_frame(kept, ids, facts.vectors, NEIGHBOURS, settings.min_edge_similarity)
    del kept
    made = update_graph(ids, facts.vectors, NEIGHBOURS, settings.min_edge_similarity, before)
    write_parquet(to_cached_frame(made.graph, facts.vectors, settings.min_edge_similarity), layout.table("knn_graph"))
    del before
    clock.lap("graph")
    graph = KnnGraph.from_frame(read_parquet(layout.table("knn_graph")))
    faces = EmbeddedFaces(facts.faces, facts.vectors, graph)
    previous = read_parquet_or_empty(layout.table("cluster_assignments"), ASSIGNMENTS)
    kept_measure = FittedSimilarity.from_frame(
        read_parquet_or_empty(layout.table("face_space"), FITTED_SIMILARITY_SCHEMA)
    )
    measured = load_or_fit_similarity(faces, settings, kept_measure)
    if measured is not kept_measure:
        write_parquet(measured.to_frame(), layout.table("face_space"))
    clock.lap("measure")
    standing = ClusterState.from_frame(read_parquet_or_empty(layout.table("face_groups"), STANDING))
    before_this = PreviousRun(assignments=previous, similarity=measured, cluster_state=standing)
    found = assign_identities(faces, FaceConstraints(), settings, before_this)
    rows = found.rows
    if found.cluster_state is not None:
        write_parquet(found.cluster_state.to_frame(), layout.table("face_groups"))
    write_parquet(rows, layout.table("cluster_assignments"))
    clock.lap("assign")
    told = {
        "peak_gb": peak_gb(),
        "cpu": sum(clock.cores.values()),
        "faces": len(ids),
        **{name: getattr(clock, name) for name in ("seconds", "cores", "peaks")},
    }
    truth = rows.join(read_parquet(folder / "truth.parquet"), on="face_id", maintain_order="left")
    score = bcubed(truth["person"].to_list(), truth["cluster_id"].to_list())
    edges = float((made.graph.neighbours >= 0).mean() * NEIGHBOURS)
    return told | {
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
    """What most would do: HDBSCAN on the vectors themselves."""
    from hdbscan import HDBSCAN

    vectors, clock = load_catalog(layout_of(folder), DETECTOR, PACK).vectors, StageTimer()
    HDBSCAN(min_cluster_size=2).fit(vectors)
    clock.lap("fit")
    return {"seconds": clock.seconds, "peak_gb": peak_gb(), "cpu": time.process_time()}


def layout_of(folder: Path) -> ArchiveLayout:
    return ArchiveLayout(folder / "photos", folder / "data")


def peak_gb() -> float:
    """The most memory that this process had at once, in 10⁹ bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9


def main(what: str, folder: str, faces: str = "0") -> None:
    work = {
        "make": lambda: write_faces(Path(folder), int(faces), new=False),
        "add": lambda: write_faces(Path(folder), int(faces), new=True),
        "assign": lambda: run_assignment(Path(folder)),
        "hdbscan": lambda: run_hdbscan(Path(folder)),
    }
    print(json.dumps(work[what]()))


if __name__ == "__main__":
    main(*sys.argv[1:])
