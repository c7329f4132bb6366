"""The asset `identities`: the final word on each face, published."""

import hashlib
from collections.abc import Mapping, Sequence

import dagster as dg
import numpy as np
import polars as pl
from pydantic import Field

from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.schemas import ASSIGNMENTS
from classface_assets.defs.automation import WHEN_ALL_YEARS_ARE_READY
from classface_assets.defs.identity.assignment import assign_all_faces, require_labels_preserved
from classface_assets.defs.identity.cluster_assignments import AssignmentConfig, cluster_assignments
from classface_assets.defs.identity.face_tables import add_near_duplicate_groups
from classface_assets.defs.identity.knn_graph import GraphConfig, previous_graph_frame
from classface_assets.defs.identity.projection_head import projection_head
from classface_assets.defs.memoized import (
    cached_result,
    database_fingerprint,
    input_fingerprint,
    record_result,
    state_of_clustering,
)
from classface_assets.defs.metadata import (
    OWNERS,
    PUBLISH_POOL,
    assignment_metadata,
    cluster_contact_sheet,
    markdown_table,
    materialize_result,
)
from classface_assets.identity.evaluation.summary import assignment_changes, change_counts
from classface_assets.identity.graph.build import update_graph
from classface_assets.identity.graph.knn_graph import from_cached_frame, to_cached_frame
from classface_assets.identity.projection.network import apply_head
from classface_assets.identity.projection.thresholds import transfer_thresholds
from classface_assets.identity.settings import AssignmentSettings, settings_key, stored_values, with_values
from classface_assets.orchestration.failures import report_user_errors
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.services.working_set import current_catalog, load_portrait_vectors
from classface_assets.store.artifacts.assignment_tables import (
    count_newer_decisions,
    events_until,
    is_made_from,
    write_assignments,
)
from classface_assets.store.artifacts.checkpoints import checkpoint_files, load_promoted_checkpoint
from classface_assets.store.artifacts.cluster_memory import remember_cluster_ids
from classface_assets.store.artifacts.memoization import content_digest, file_signature
from classface_assets.store.artifacts.thresholds import calibration_file
from classface_assets.store.catalog.faces import FaceCatalog
from classface_assets.store.decisions.replay import replay
from classface_assets.store.files.duckdb import publish_database
from classface_assets.store.files.parquet import read_parquet, read_parquet_or_empty, write_parquet
from classface_assets.store.model.events import Event
from classface_assets.store.published.tables import build_tables


class IdentityConfig(AssignmentConfig):
    """The same as for `cluster_assignments`, and whether the trained head is used."""

    use_head: bool = Field(default=True, description="Use the projection head's vectors where it was promoted.")


@dg.asset(
    deps=[cluster_assignments, projection_head],
    group_name="identity",
    kinds={"duckdb", "parquet"},
    owners=OWNERS,
    pool=PUBLISH_POOL,
    automation_condition=WHEN_ALL_YEARS_ARE_READY,
)
@report_user_errors
def identities(config: IdentityConfig, archive: Archive, models: Models) -> dg.MaterializeResult:
    """The final word on each face: the assignments, redone with the head's vectors where the head was promoted.

    Published to `classface.duckdb`, with the persons, their prototypes, the clusters, and all that people decided until
    the assignments were made. Of what they said since, only refusals and erasures count; the rest does at the next run.
    """
    layout, pack = archive.layout, models.describe(archive.layout)
    output, made = layout.table("identities"), layout.table("cluster_assignments")
    state = state_of_clustering(archive, models)
    made_of = (
        state.state,
        config.made_of(),
        file_signature(made),
        file_signature(calibration_file(layout)),
        [file_signature(file) for file in checkpoint_files(layout.head)],
    )
    stamp = input_fingerprint(layout, "identities", made_of, str(layout.database))
    if database_fingerprint(layout, state.state).cached_metadata() is not None and (same := cached_result(stamp)):
        return same
    facts, told = current_catalog(archive, models), archive.open_ledger().events()
    events = events_until(told, state.until)
    decisions = replay(events)
    rows = read_parquet(made)
    before = read_parquet_or_empty(output, ASSIGNMENTS)
    head = load_promoted_checkpoint(layout.head, pack.key) if config.use_head else None
    if head is not None and facts.faces.height:
        known = load_portrait_vectors(archive, models, decisions)[0]
        portraits = {p: apply_head(head, v[None])[0] for p, v in known.items()}
        rows = assign_with_head(head, facts, layout, events, config.settings(pack, layout), portraits, config.all_anew)
    require_labels_preserved(layout, decisions, facts, rows, head is not None or is_made_from(made, state.facts))
    moved = assignment_changes(before, rows)
    write_parquet(moved, layout.table("changes"))
    remember_cluster_ids(layout, before, rows)
    write_assignments(rows, output, state)
    tables = build_tables(add_near_duplicate_groups(facts, pack.name), rows, told, state.until)
    publish_database(layout.database, tables)
    database_fingerprint(layout, state.state).record({}, [layout.database])
    shown = materialize_result(
        rows.height,
        decisions_that_count_at_the_next_run=count_newer_decisions(told, state.until),
        head_used=head is not None,
        faces_moved_since_last_time=moved.filter(pl.col("from").is_not_null()).height,
        changes=markdown_table(change_counts(moved), most=20),
        changed_faces=markdown_table(moved.filter(pl.col("from").is_not_null()), most=20),
        persons=markdown_table(tables["persons"].select("name", "status", "updated_at"), most=20),
        database=dg.MetadataValue.path(layout.database),
        **assignment_metadata(rows),
        **cluster_contact_sheet(layout, pack, facts.faces, rows),
    )
    return record_result(stamp, shown, [output], faces_moved_since_last_time=0)


def assign_with_head(
    head: bytes,
    facts: FaceCatalog,
    layout: ArchiveLayout,
    events: Sequence[Event],
    settings: AssignmentSettings,
    portraits: Mapping[str, np.ndarray],
    all_anew: bool,
) -> pl.DataFrame:
    """The assignments in the head's space, with thresholds that are as strict there as the pack's are in its own."""
    vectors, ids = apply_head(head, facts.vectors), facts.faces["face_id"]
    strict = _transferred_thresholds(layout, head, settings, facts.vectors, vectors)
    kept, k = layout.table("knn_graph_of_head"), GraphConfig().neighbours
    before = from_cached_frame(previous_graph_frame(kept), ids, vectors, k, strict.min_edge_similarity)
    graph = update_graph(ids, vectors, k, strict.min_edge_similarity, before).graph
    write_parquet(to_cached_frame(graph, vectors, strict.min_edge_similarity), kept)
    return assign_all_faces(layout, events, facts, vectors, graph, strict, portraits, "_of_head", all_anew)


def _transferred_thresholds(
    layout: ArchiveLayout, head: bytes, settings: AssignmentSettings, before: np.ndarray, after: np.ndarray
) -> AssignmentSettings:
    """As they were kept for this head and these settings, or as they are measured now, and then they are kept: with
    others all faces would be compared anew."""
    file, made_of = (
        layout.table("thresholds_of_head"),
        content_digest(hashlib.blake2b(head).hexdigest(), settings_key(settings)),
    )
    kept = read_parquet_or_empty(file, pl.Schema({"made_of": pl.String()}))
    if kept["made_of"].to_list() == [made_of]:
        return with_values(settings, kept.drop("made_of").row(0, named=True))
    now = transfer_thresholds(settings, before, after)
    given = stored_values(settings)
    changed = {name: value for name, value in stored_values(now).items() if value != given[name]}
    write_parquet(pl.DataFrame({"made_of": made_of, **changed}), file)
    return now
