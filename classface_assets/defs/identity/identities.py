"""The asset `identities`: the final assignment of each face, published in the DuckDB file."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
from pydantic import Field

from classface_assets.core.failpoints import Failpoint, reached
from classface_assets.core.schemas import ASSIGNMENTS
from classface_assets.defs.asset_factory import PUBLISH_POOL, archive_asset
from classface_assets.defs.automation import when_all_years_are_ready
from classface_assets.defs.identity.assignment import (
    AssignmentTask,
    assign_all_faces,
    record_cluster_numbers,
    require_labels_preserved,
)
from classface_assets.defs.identity.changes import write_changes
from classface_assets.defs.identity.cluster_assignments import cluster_assignments
from classface_assets.defs.identity.config import AssignmentConfig
from classface_assets.defs.identity.face_tables import catalog_with_near_duplicates
from classface_assets.defs.identity.knn_graph import GraphConfig, previous_graph_frame
from classface_assets.defs.identity.only import keep_others
from classface_assets.defs.identity.projection_head import projection_head
from classface_assets.defs.identity.publications import record_publication
from classface_assets.defs.memoized import (
    Output,
    compute_unless_cached,
    database_fingerprint,
    input_fingerprint,
    state_of_clustering,
)
from classface_assets.defs.metadata import (
    CLUSTERS,
    MOVED_FACES,
    assignment_metadata,
    faces_contact_sheet,
    markdown_table,
    materialize_result,
)
from classface_assets.identity.evaluation.summary import change_counts
from classface_assets.identity.graph.build import update_graph
from classface_assets.identity.graph.knn_graph import from_cached_frame, to_cached_frame
from classface_assets.identity.projection.network import apply_head
from classface_assets.identity.projection.thresholds import transfer_thresholds
from classface_assets.identity.settings import (
    AssignmentSettings,
    SettingGroup,
    settings_key,
    stored_values,
    with_values,
)
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.services.photos.portraits import load_portrait_vectors
from classface_assets.store.artifacts.assignment_tables import (
    TableInputs,
    count_newer_decisions,
    events_until,
    is_made_from,
    write_assignments,
)
from classface_assets.store.artifacts.checkpoints import checkpoint_files, load_promoted_checkpoint
from classface_assets.store.artifacts.cluster_memory import previous_cluster_ids, remember_cluster_ids
from classface_assets.store.artifacts.memoization import content_digest, file_signature
from classface_assets.store.artifacts.thresholds import calibration_file
from classface_assets.store.decisions.replay import replay
from classface_assets.store.files.parquet import read_parquet, read_parquet_or_empty, write_parquet
from classface_assets.store.model.events import Event
from classface_assets.store.published.ledger_record import publish_with_record
from classface_assets.store.published.tables import build_tables


class IdentityConfig(AssignmentConfig):
    """The same as for `cluster_assignments`, and whether the trained head is used."""

    use_head: bool = Field(
        default=True,
        description=SettingGroup.WHOLE_RUN.describe("Use the projection head's vectors where it was promoted."),
    )


@archive_asset(
    deps=[cluster_assignments, projection_head],
    group_name="identity",
    kinds={"duckdb", "parquet"},
    publishes=True,
    pool=PUBLISH_POOL,
    automate=when_all_years_are_ready,
    columns=ASSIGNMENTS,
    code_version="1",
)
def identities(config: IdentityConfig, archive: Archive, models: Models) -> dg.MaterializeResult:
    """The final assignment of each face: as clustered, or by the vectors of the projection head if one was promoted.

    It is published to `classface.duckdb`, with the persons, their prototypes, the clusters, and all decisions until the
    faces were clustered. Of later decisions only refusals and erasures count; the others do at the next run.
    """
    layout = archive.layout
    clustered = layout.table("cluster_assignments")
    state = state_of_clustering(archive, models)
    inputs = (
        state.state,
        config.fingerprint_inputs(layout),
        file_signature(clustered),
        file_signature(calibration_file(layout)),
        [file_signature(file) for file in checkpoint_files(layout.head)],
    )
    return compute_unless_cached(
        input_fingerprint(layout, "identities", inputs, layout.database_name),
        lambda: _publish(config, archive, models, state),
        reuse=database_fingerprint(layout, state.state).cached_metadata() is not None,
        tables=[layout.table("identities")],
    )


def _publish(config: IdentityConfig, archive: Archive, models: Models, state: TableInputs) -> Output:
    layout, pack, catalog = archive.layout, models.describe(archive.layout), archive.sound_catalog(models)
    table, clustered = layout.table("identities"), layout.table("cluster_assignments")
    ledger = archive.open_ledger()
    record, events = ledger.record(), ledger.events()
    task = AssignmentTask(
        layout,
        catalog,
        events_until(events, state.until),
        config.settings(pack, layout),
        portraits={},
        recluster=config.all_anew,
    )
    rows, previous = read_parquet(clustered), read_parquet_or_empty(table, ASSIGNMENTS)
    head = load_promoted_checkpoint(layout.head, pack.key) if config.use_head else None
    if head is not None and catalog.faces.height:
        portraits = load_portrait_vectors(archive, models, replay(task.events))[0]
        rows = assign_with_head(replace(task, portraits=portraits, numbered=rows["cluster_id"]), head)
        rows = keep_others(rows, previous, catalog, task.events, config)
    require_labels_preserved(task, rows, head is not None or is_made_from(clustered, state.facts))
    numbered = previous_cluster_ids(layout)
    changes = write_changes(layout, previous, rows)
    reached(Failpoint.CHANGES_WRITTEN)
    remember_cluster_ids(layout, previous, rows)
    reached(Failpoint.MEMORY_WRITTEN)
    write_assignments(rows, table, state)
    reached(Failpoint.ASSIGNMENTS_WRITTEN)
    record_cluster_numbers(layout, numbered, rows)
    tables = build_tables(catalog_with_near_duplicates(archive, models), rows, events, state.until, pack.key)
    publish_with_record(layout, tables, record, archive.database_publisher)
    record_publication(layout, catalog, rows, pack.key)
    database_fingerprint(layout, state.state).record({}, [layout.database])
    reached(Failpoint.DATABASE_RECORDED)
    result = materialize_result(
        rows.height,
        head_used=head is not None,
        **_change_metadata(changes, events, state),
        persons=markdown_table(
            tables["persons"].select("name", "status", pl.col("updated_at").dt.truncate("1m")), most=20
        ),
        database=dg.MetadataValue.path(layout.database),
        **assignment_metadata(rows),
        **faces_contact_sheet(layout, pack.detector_version, catalog.faces, rows, CLUSTERS),
        **faces_contact_sheet(layout, pack.detector_version, catalog.faces, changes.drop_nulls("from"), MOVED_FACES),
    )
    return Output(result, [table], {"faces_moved_since_last_time": 0})


def _change_metadata(changes: pl.DataFrame, events: Sequence[Event], state: TableInputs) -> dict[str, Any]:
    """What is different from the last run, and how many decisions are still to count."""
    moved = changes.filter(pl.col("from").is_not_null())
    return {
        "decisions_for_the_next_run": count_newer_decisions(events, state.until),
        "faces_moved_since_last_time": moved.height,
        "changes": markdown_table(change_counts(changes), most=20),
        "changed_faces": markdown_table(moved, most=20),
    }


def assign_with_head(task: AssignmentTask, head: bytes) -> pl.DataFrame:
    """Assign all faces in the embedding space of a projection head.

    The thresholds are transferred, so that they are as strict there as the pack's own are in its space.

    Args:
        task: The faces, with settings and portraits of the pack's own space.
        head: Checkpoint of the head.

    Returns:
        ASSIGNMENTS.
    """
    layout, catalog = task.layout, task.catalog
    vectors, ids = apply_head(head, catalog.vectors), catalog.faces["face_id"]
    settings = _transferred_thresholds(task, head, vectors)
    graph_file, k = layout.table("knn_graph_of_head"), GraphConfig().neighbours
    cached = from_cached_frame(previous_graph_frame(graph_file), ids, vectors, k, settings.min_edge_similarity)
    graph = update_graph(ids, vectors, k, settings.min_edge_similarity, cached).graph
    write_parquet(to_cached_frame(graph, vectors, settings.min_edge_similarity), graph_file)
    portraits = {person: apply_head(head, vector[None])[0] for person, vector in task.portraits.items()}
    in_space = replace(task, settings=settings, portraits=portraits, suffix="_of_head")
    return assign_all_faces(in_space, vectors, graph)


def _transferred_thresholds(task: AssignmentTask, head: bytes, vectors: np.ndarray) -> AssignmentSettings:
    """The settings in the space of the head's vectors (n, d).

    They are stored for this head and these settings: measured again they would differ a little, and all faces would
    have to be compared again.
    """
    file = task.layout.table("thresholds_of_head")
    inputs = content_digest(hashlib.blake2b(head).hexdigest(), settings_key(task.settings))
    cached = read_parquet_or_empty(file, pl.Schema({"made_of": pl.String()}))
    if cached["made_of"].to_list() == [inputs]:
        return with_values(task.settings, cached.drop("made_of").row(0, named=True))
    settings = transfer_thresholds(task.settings, task.catalog.vectors, vectors)
    before = stored_values(task.settings)
    changed = {name: value for name, value in stored_values(settings).items() if value != before[name]}
    write_parquet(pl.DataFrame({"made_of": inputs, **changed}), file)
    return settings
