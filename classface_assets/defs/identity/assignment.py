"""What the two assets that assign faces share: gathering what people said, and the numbers of the last run."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from classface_assets.core.errors import UserError
from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.schemas import ASSIGNMENTS
from classface_assets.identity.clustering.cluster_ids import highest_cluster_number
from classface_assets.identity.clustering.incremental import CLUSTER_STATE_SCHEMA as STANDING
from classface_assets.identity.clustering.incremental import ClusterState
from classface_assets.identity.evaluation.summary import violated_labels
from classface_assets.identity.graph.knn_graph import KnnGraph
from classface_assets.identity.inputs_from_frames import EmbeddedFaces, load_or_fit_similarity
from classface_assets.identity.pipeline import PreviousRun, assign_identities
from classface_assets.identity.settings import AssignmentSettings
from classface_assets.identity.similarity.model import FITTED_SIMILARITY_SCHEMA, FittedSimilarity
from classface_assets.store.artifacts.cluster_memory import previous_cluster_ids
from classface_assets.store.catalog.faces import FaceCatalog
from classface_assets.store.decisions.history import split_cluster_names
from classface_assets.store.decisions.reconciliation import constraints_for
from classface_assets.store.decisions.replay import replay
from classface_assets.store.files.parquet import read_parquet_or_empty, write_parquet
from classface_assets.store.model.decisions import Decisions
from classface_assets.store.model.events import Event

_CLUSTER_NUMBERS = pl.Schema({"highest": pl.Int64})


class PublishingRefusedError(UserError):
    """What is to be published would move a face that a person labelled."""


def assign_all_faces(
    layout: ArchiveLayout,
    events: Sequence[Event],
    facts: FaceCatalog,
    vectors: np.ndarray,
    graph: KnnGraph,
    settings: AssignmentSettings,
    portraits: Mapping[str, np.ndarray],
    whose: str = "",
    all_anew: bool = False,
) -> pl.DataFrame:
    """ASSIGNMENTS of all faces by these vectors and by what people said in `events`; the greatest cluster number ever
    given is kept. `portraits`: the vectors of those that people were enrolled with.

    So is what was measured to compare faces by, until the archive changes by a fifth (`identity.measured`), and the
    groups of the unknown, which few new faces join until a tenth is new (`identity.standing`) or `all_anew` is asked
    for. Without these tables, which have `whose` in their names, it is done anew.
    """
    if not facts.faces.height:
        return pl.DataFrame(schema=ASSIGNMENTS)
    previous = previous_cluster_ids(layout)
    kept = layout.table(f"face_groups{whose}")
    found = assign_identities(
        EmbeddedFaces(_faces_with_photo(facts), vectors, graph),
        replace(constraints_for(replay(events), facts.faces), portraits=portraits),
        settings,
        PreviousRun(
            assignments=previous,
            highest_cluster=_highest_cluster_number(layout),
            split_names=split_cluster_names(events),
            similarity=_cached_similarity(layout, f"face_space{whose}", facts, vectors, graph, settings),
            cluster_state=None if all_anew else ClusterState.from_frame(read_parquet_or_empty(kept, STANDING)),
        ),
    )
    if found.cluster_state is not None:
        write_parquet(found.cluster_state.to_frame(), kept)
    rows = found.rows
    highest = max(
        _highest_cluster_number(layout),
        highest_cluster_number(previous["cluster_id"]),
        highest_cluster_number(rows["cluster_id"]),
    )
    write_parquet(pl.DataFrame({"highest": [highest]}, schema=_CLUSTER_NUMBERS), layout.table("cluster_numbers"))
    return rows


def is_fully_clustered(layout: ArchiveLayout) -> bool:
    """Whether no unknown face was placed among groups that stood since all were last grouped."""
    return not read_parquet_or_empty(layout.table("face_groups"), STANDING)["added"].any()


def require_labels_preserved(
    layout: ArchiveLayout, decisions: Decisions, facts: FaceCatalog, rows: pl.DataFrame, of_these_facts: bool
) -> None:
    """Raises PublishingRefusedError when a face would not have the name that somebody had given it by `decisions`.

    The next run then assigns all faces anew, rather than to find that the table is of what it should be.
    """
    torn = labels_not_preserved(rows, decisions, facts.faces, of_these_facts)
    if torn:
        layout.fingerprint_file("cluster_assignments").unlink(missing_ok=True)
        raise PublishingRefusedError(
            f"Nothing was published: {len(torn):,} labelled faces would lose their name (the first is {torn[0]}); "
            "what was published before stays, and so does every name. `classface cluster-dual --all-anew` groups all "
            "faces anew and publishes them."
        )


def labels_not_preserved(
    rows: pl.DataFrame, decisions: Decisions, faces: pl.DataFrame, of_these_faces: bool
) -> list[str]:
    """The labelled faces that `rows` does not give to whom somebody named, sorted. Where it was not made of just these
    faces, those that it lacks came since and have no place yet."""
    if not faces.height:
        return []
    confirmed = constraints_for(decisions, faces).confirmed
    there = set(rows["face_id"])
    return violated_labels(rows, {f: p for f, p in confirmed.items() if of_these_faces or f in there})


def _faces_with_photo(facts: FaceCatalog) -> pl.DataFrame:
    """FACES with the path and the time of their photos."""
    photos = facts.images.filter(pl.col("status") == "ok").unique("asset_id", keep="first", maintain_order=True)
    photos = photos.select("asset_id", "path", "taken_at")
    wanted = facts.faces.select("face_id", "asset_id", "school_year", "year", "quality_score")
    return wanted.join(photos, on="asset_id", how="left", maintain_order="left")


def _cached_similarity(
    layout: ArchiveLayout,
    space: str,
    facts: FaceCatalog,
    vectors: np.ndarray,
    graph: KnnGraph,
    settings: AssignmentSettings,
) -> FittedSimilarity:
    """How the faces are compared: as before, or as they were measured now, and then that is kept."""
    kept = FittedSimilarity.from_frame(read_parquet_or_empty(layout.table(space), FITTED_SIMILARITY_SCHEMA))
    now = load_or_fit_similarity(EmbeddedFaces(facts.faces, vectors, graph), settings, kept)
    if now is not kept:
        write_parquet(now.to_frame(), layout.table(space))
    return now


def _highest_cluster_number(layout: ArchiveLayout) -> int:
    kept = read_parquet_or_empty(layout.table("cluster_numbers"), _CLUSTER_NUMBERS)["highest"].max()
    return kept if isinstance(kept, int) else 0
