"""The asset `cluster_assignments`: each face's person, unknown cluster, or neither."""

import dagster as dg

from classface_assets.core.failpoints import Failpoint, reached
from classface_assets.core.schemas import ASSIGNMENTS
from classface_assets.defs.asset_factory import PUBLISH_POOL, archive_asset
from classface_assets.defs.automation import when_all_years_are_ready
from classface_assets.defs.identity.assignment import (
    AssignmentTask,
    assign_all_faces,
    is_fully_clustered,
    similarity_metadata,
)
from classface_assets.defs.identity.config import AssignmentConfig
from classface_assets.defs.identity.face_tables import face_tables
from classface_assets.defs.identity.knn_graph import knn_graph
from classface_assets.defs.identity.only import keep_others
from classface_assets.defs.memoized import Output, archive_state, compute_unless_cached, input_fingerprint
from classface_assets.defs.metadata import CLUSTERS, assignment_metadata, faces_contact_sheet, materialize_result
from classface_assets.identity.graph.knn_graph import KnnGraph
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.services.photos.portraits import load_portrait_vectors
from classface_assets.store.artifacts.assignment_tables import TableInputs, events_until, write_assignments
from classface_assets.store.artifacts.memoization import file_signature
from classface_assets.store.artifacts.thresholds import calibration_file
from classface_assets.store.decisions.replay import replay
from classface_assets.store.files.parquet import read_parquet, read_parquet_or_empty


@archive_asset(
    deps=[knn_graph, face_tables],
    group_name="identity",
    kinds={"hdbscan", "scipy", "parquet"},
    pool=PUBLISH_POOL,
    automate=when_all_years_are_ready,
    columns=ASSIGNMENTS,
    code_version="1",
)
def cluster_assignments(config: AssignmentConfig, archive: Archive, models: Models) -> dg.MaterializeResult:
    """Who each face is: first the people who were named, by their labelled faces, then clusters of unknown faces.

    Two faces of one photo are never together, a labelled face never moves, and an unknown cluster keeps its number from
    run to run. Every row has a score and the reason for the assignment. Labels given during the run count at the
    next one.
    """
    layout = archive.layout
    table, graph = layout.table("cluster_assignments"), layout.table("knn_graph")
    # Without the cluster numbers of the last run, which are handed on: with all else the same they stay the same.
    state = TableInputs(*archive_state(archive, models))
    inputs = (
        state.state,
        file_signature(graph),
        config.fingerprint_inputs(layout),
        file_signature(calibration_file(layout)),
    )
    return compute_unless_cached(
        input_fingerprint(layout, "cluster_assignments", inputs),
        lambda: _assign(config, archive, models, state),
        reuse=not config.all_anew or is_fully_clustered(layout),
        tables=[table],
    )


def _assign(config: AssignmentConfig, archive: Archive, models: Models, state: TableInputs) -> Output:
    layout, pack, catalog = archive.layout, models.describe(archive.layout), archive.sound_catalog(models)
    table = layout.table("cluster_assignments")
    events = events_until(archive.open_ledger().events(), state.until)
    portraits, lost = load_portrait_vectors(archive, models, replay(events))
    task = AssignmentTask(layout, catalog, events, config.settings(pack, layout), portraits, recluster=config.all_anew)
    rows = assign_all_faces(task, catalog.vectors, KnnGraph.from_frame(read_parquet(layout.table("knn_graph"))))
    if config.restricts():
        rows = keep_others(
            rows, read_parquet_or_empty(layout.table("identities"), ASSIGNMENTS), catalog, events, config
        )
    write_assignments(rows, table, state)
    reached(Failpoint.CLUSTERS_WRITTEN)
    result = materialize_result(
        rows.height,
        **assignment_metadata(rows),
        **similarity_metadata(layout),
        people_known_by_a_portrait=len(portraits),
        portraits_lost=lost,
        **faces_contact_sheet(layout, pack.detector_version, catalog.faces, rows, CLUSTERS),
    )
    return Output(result, [table])
