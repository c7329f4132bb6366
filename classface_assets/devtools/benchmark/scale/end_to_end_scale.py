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

from classface_assets.core.face_constraints import Labels
from classface_assets.core.layout import Layout
from classface_assets.devtools.benchmark.scale.synthetic_faces import DETECTOR, PACK, make_people, write_archive
from classface_assets.identity.clustering.incremental import SCHEMA as STANDING
from classface_assets.identity.clustering.incremental import Standing
from classface_assets.identity.evaluation.metrics import bcubed
from classface_assets.identity.graph.build import make_graph
from classface_assets.identity.graph.knn_graph import Graph, of_kept, to_keep
from classface_assets.identity.inputs_from_frames import measured_of
from classface_assets.identity.pipeline import ASSIGNMENTS_SCHEMA, assign_upon
from classface_assets.identity.settings import settings_for
from classface_assets.identity.similarity.model import SCHEMA, Measured
from classface_assets.store.catalog.faces import gather
from classface_assets.store.files.parquet import read_or_empty, read_table, write_whole

SEED, NEIGHBOURS, NEW = 1, 30, 0.01


class Clock:
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


def make(folder: Path, faces: int, new: bool) -> dict[str, Any]:
    people = make_people(faces + round(faces * NEW), SEED)
    truth = folder / "truth.parquet"
    written = write_archive(layout_of(folder), people, slice(faces, None) if new else slice(0, faces), SEED)
    write_whole(pl.concat([read_table(truth), written]) if new else written, truth)
    return {"faces": len(written)}


def assign(folder: Path) -> dict[str, Any]:
    """The same steps as those of the assets `knn_graph` and `cluster_assignments`, without Dagster."""
    layout, settings, clock = layout_of(folder), settings_for(PACK), Clock()
    facts = gather(layout, DETECTOR, PACK)
    ids = facts.faces["face_id"]
    clock.lap("read")
    kept = read_or_empty(layout.table("knn_graph"), pl.Schema({}))
    before = of_kept(kept, ids, facts.vectors, NEIGHBOURS, settings.least_edge)
    del kept
    made = make_graph(ids, facts.vectors, NEIGHBOURS, settings.least_edge, before)
    write_whole(to_keep(made.graph, facts.vectors, settings.least_edge), layout.table("knn_graph"))
    del before
    clock.lap("graph")
    graph = Graph.of_frame(read_table(layout.table("knn_graph")))
    previous = read_or_empty(layout.table("cluster_assignments"), pl.Schema(ASSIGNMENTS_SCHEMA))
    kept_measure = Measured.of_frame(read_or_empty(layout.table("face_space"), SCHEMA))
    measured = measured_of(facts.faces, facts.vectors, graph, settings, kept_measure)
    if measured is not kept_measure:
        write_whole(measured.to_frame(), layout.table("face_space"))
    clock.lap("measure")
    standing = Standing.of_frame(read_or_empty(layout.table("face_groups"), STANDING))
    found = assign_upon(standing, facts.faces, facts.vectors, graph, Labels(), previous, settings, measured=measured)
    rows = found.rows
    if found.standing is not None:
        write_whole(found.standing.to_frame(), layout.table("face_groups"))
    write_whole(rows, layout.table("cluster_assignments"))
    clock.lap("assign")
    told = {
        "peak_gb": peak_gb(),
        "cpu": sum(clock.cores.values()),
        "faces": len(ids),
        **{name: getattr(clock, name) for name in ("seconds", "cores", "peaks")},
    }
    truth = rows.join(read_table(folder / "truth.parquet"), on="face_id", maintain_order="left")
    score = bcubed(truth["person"].to_list(), truth["cluster_id"].to_list())
    edges = float((made.graph.neighbours >= 0).mean() * NEIGHBOURS)
    return told | {
        "way": made.way,
        "searched": made.searched,
        "recall": made.recall,
        "recall_at_k": made.recall_at_k,
        "edges": edges,
        "precision": score.precision,
        "bcubed": score.recall,
        "f": score.f,
    }


def hdbscan(folder: Path) -> dict[str, Any]:
    """What most would do: HDBSCAN on the vectors themselves."""
    from hdbscan import HDBSCAN

    vectors, clock = gather(layout_of(folder), DETECTOR, PACK).vectors, Clock()
    HDBSCAN(min_cluster_size=2).fit(vectors)
    clock.lap("fit")
    return {"seconds": clock.seconds, "peak_gb": peak_gb(), "cpu": time.process_time()}


def layout_of(folder: Path) -> Layout:
    return Layout(folder / "photos", folder / "data")


def peak_gb() -> float:
    """The most memory that this process had at once, in 10⁹ bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9


def main(what: str, folder: str, faces: str = "0") -> None:
    work = {
        "make": lambda: make(Path(folder), int(faces), new=False),
        "add": lambda: make(Path(folder), int(faces), new=True),
        "assign": lambda: assign(Path(folder)),
        "hdbscan": lambda: hdbscan(Path(folder)),
    }
    print(json.dumps(work[what]()))


if __name__ == "__main__":
    main(*sys.argv[1:])
