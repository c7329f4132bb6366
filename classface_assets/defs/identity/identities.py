"""The asset `identities`: the final word on each face, published."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

import dagster as dg
import numpy as np
import polars as pl
from pydantic import Field

from classface_assets.core.layout import Layout
from classface_assets.core.schemas import ASSIGNMENTS
from classface_assets.defs.automation import WHEN_ALL_YEARS_ARE_READY
from classface_assets.defs.identity.assignment import assigned, refuse_to_move_labelled
from classface_assets.defs.identity.cluster_assignments import AssignmentConfig, cluster_assignments
from classface_assets.defs.identity.face_tables import with_near_groups
from classface_assets.defs.identity.knn_graph import GraphConfig, frame_before
from classface_assets.defs.identity.projection_head import projection_head
from classface_assets.defs.memoized import database_stamp, stamp_of, stamped, state_of_run, unchanged
from classface_assets.defs.metadata import OWNERS, PUBLISH_POOL, cluster_picture, result, summary, table
from classface_assets.identity.evaluation.summary import changes, kinds_of_changes
from classface_assets.identity.graph.build import make_graph
from classface_assets.identity.graph.knn_graph import of_kept, to_keep
from classface_assets.identity.projection.network import apply_head
from classface_assets.identity.projection.thresholds import equally_strict
from classface_assets.identity.settings import AssignmentSettings
from classface_assets.orchestration.failures import says_it_in_a_sentence
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.services.working_set import current_facts, known_portraits
from classface_assets.store.artifacts.assignment_tables import is_made_of, newer_words, until, write_assignments
from classface_assets.store.artifacts.checkpoints import head_files, promoted_head
from classface_assets.store.artifacts.cluster_memory import remember_numbers
from classface_assets.store.artifacts.memoization import digest, seen
from classface_assets.store.artifacts.thresholds import calibration_file
from classface_assets.store.catalog.faces import Facts
from classface_assets.store.decisions.replay import replay
from classface_assets.store.files.duckdb import publish
from classface_assets.store.files.parquet import read_or_empty, read_table, write_whole
from classface_assets.store.model.events import Event
from classface_assets.store.published.tables import snapshot


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
@says_it_in_a_sentence
def identities(config: IdentityConfig, archive: Archive, models: Models) -> dg.MaterializeResult:
    """The final word on each face: the assignments, redone with the head's vectors where the head was promoted.

    Published to `classface.duckdb`, with the persons, their prototypes, the clusters, and all that people decided until
    the assignments were made. Of what they said since, only refusals and erasures count; the rest does at the next run.
    """
    layout, pack = archive.layout, models.describe(archive.layout)
    output, made = layout.table("identities"), layout.table("cluster_assignments")
    state = state_of_run(archive, models)
    made_of = (
        state.state,
        config.made_of(),
        seen(made),
        seen(calibration_file(layout)),
        [seen(file) for file in head_files(layout.head)],
    )
    stamp = stamp_of(layout, "identities", made_of, str(layout.database))
    if database_stamp(layout, state.state).told() is not None and (same := unchanged(stamp)):
        return same
    facts, told = current_facts(archive, models), archive.open_ledger().events()
    events = until(told, state.until)
    decisions = replay(events)
    rows = read_table(made)
    before = read_or_empty(output, ASSIGNMENTS)
    head = promoted_head(layout.head, pack.key) if config.use_head else None
    if head is not None and facts.faces.height:
        known = known_portraits(archive, models, decisions)[0]
        portraits = {p: apply_head(head, v[None])[0] for p, v in known.items()}
        rows = with_head(head, facts, layout, events, config.settings(pack, layout), portraits, config.all_anew)
    refuse_to_move_labelled(layout, decisions, facts, rows, head is not None or is_made_of(made, state.facts))
    moved = changes(before, rows)
    write_whole(moved, layout.table("changes"))
    remember_numbers(layout, before, rows)
    write_assignments(rows, output, state)
    tables = snapshot(with_near_groups(facts, pack.name), rows, told, state.until)
    publish(layout.database, tables)
    database_stamp(layout, state.state).put({}, [layout.database])
    shown = result(
        rows.height,
        decisions_that_count_at_the_next_run=newer_words(told, state.until),
        head_used=head is not None,
        faces_moved_since_last_time=moved.filter(pl.col("from").is_not_null()).height,
        changes=table(kinds_of_changes(moved), most=20),
        changed_faces=table(moved.filter(pl.col("from").is_not_null()), most=20),
        persons=table(tables["persons"].select("name", "status", "updated_at"), most=20),
        database=dg.MetadataValue.path(layout.database),
        **summary(rows),
        **cluster_picture(layout, pack, facts.faces, rows),
    )
    return stamped(stamp, shown, [output], faces_moved_since_last_time=0)


def with_head(
    head: bytes,
    facts: Facts,
    layout: Layout,
    events: Sequence[Event],
    settings: AssignmentSettings,
    portraits: Mapping[str, np.ndarray],
    all_anew: bool,
) -> pl.DataFrame:
    """The assignments in the head's space, with thresholds that are as strict there as the pack's are in its own."""
    vectors, ids = apply_head(head, facts.vectors), facts.faces["face_id"]
    strict = _thresholds(layout, head, settings, facts.vectors, vectors)
    kept, k = layout.table("knn_graph_of_head"), GraphConfig().neighbours
    before = of_kept(frame_before(kept), ids, vectors, k, strict.least_edge)
    graph = make_graph(ids, vectors, k, strict.least_edge, before).graph
    write_whole(to_keep(graph, vectors, strict.least_edge), kept)
    return assigned(layout, events, facts, vectors, graph, strict, portraits, "_of_head", all_anew)


def _thresholds(
    layout: Layout, head: bytes, settings: AssignmentSettings, before: np.ndarray, after: np.ndarray
) -> AssignmentSettings:
    """As they were kept for this head and these settings, or as they are measured now, and then they are kept: with
    others all faces would be compared anew."""
    file, made_of = layout.table("thresholds_of_head"), digest(hashlib.blake2b(head).hexdigest(), repr(settings))
    kept = read_or_empty(file, pl.Schema({"made_of": pl.String()}))
    if kept["made_of"].to_list() == [made_of]:
        return replace(settings, **kept.drop("made_of").row(0, named=True))
    now = equally_strict(settings, before, after)
    changed = {name: value for name, value in asdict(now).items() if value != getattr(settings, name)}
    write_whole(pl.DataFrame({"made_of": made_of, **changed}), file)
    return now
