"""The asset `cluster_assignments`: each face's person, unknown cluster, or neither."""

from dataclasses import fields

import dagster as dg
from pydantic import Field

from classface_assets.core.layout import ArchiveLayout
from classface_assets.defs.automation import WHEN_ALL_YEARS_ARE_READY
from classface_assets.defs.identity.assignment import assign_all_faces, is_fully_clustered
from classface_assets.defs.identity.config import ClusteringConfig, MatchingConfig
from classface_assets.defs.identity.face_tables import face_tables
from classface_assets.defs.identity.knn_graph import knn_graph
from classface_assets.defs.memoized import archive_state, cached_result, input_fingerprint, record_result
from classface_assets.defs.metadata import (
    OWNERS,
    PUBLISH_POOL,
    assignment_metadata,
    cluster_contact_sheet,
    materialize_result,
)
from classface_assets.identity.graph.knn_graph import KnnGraph
from classface_assets.identity.settings import STORED_NAMES, AssignmentSettings, settings_for, with_values
from classface_assets.orchestration.failures import report_user_errors
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.services.working_set import current_catalog, load_portrait_vectors
from classface_assets.store.artifacts.assignment_tables import TableInputs, events_until, write_assignments
from classface_assets.store.artifacts.memoization import file_signature
from classface_assets.store.artifacts.thresholds import calibration_file, load_thresholds
from classface_assets.store.decisions.replay import replay
from classface_assets.store.files.parquet import read_parquet
from classface_assets.vision.models.pack_info import PackInfo


class AssignmentConfig(ClusteringConfig, MatchingConfig):
    """When a face is a known person, and when two unknown faces are one. Empty: what was measured for the pack."""

    all_anew: bool = Field(
        default=False,
        description="Group all unknown faces anew (`temporal`). Otherwise new faces join the groups that stand, and "
        "these are not split, until a tenth of the faces is new.",
    )

    def made_of(self) -> dict[str, object]:
        """What a run's outcome depends on."""
        return self.model_dump(exclude={"all_anew"})

    def settings(self, pack: PackInfo, layout: ArchiveLayout) -> AssignmentSettings:
        """The pack's measured settings; before them those fitted to the archive, before all what is given here."""
        known = {STORED_NAMES.get(field.name, field.name) for field in fields(AssignmentSettings)}
        given = {name: value for name, value in self.model_dump(include=known).items() if value is not None}
        fitted = load_thresholds(layout, pack.key, self.method)
        return with_values(settings_for(pack.name, self.method), {**fitted, **given})


@dg.asset(
    deps=[knn_graph, face_tables],
    group_name="identity",
    kinds={"hdbscan", "scipy", "parquet"},
    owners=OWNERS,
    pool=PUBLISH_POOL,
    automation_condition=WHEN_ALL_YEARS_ARE_READY,
)
@report_user_errors
def cluster_assignments(config: AssignmentConfig, archive: Archive, models: Models) -> dg.MaterializeResult:
    """Who each face is: first the people that were named, by their labelled faces, then clusters of the unknown.

    Two faces of one photo are never together, a labelled face never moves, and an unknown cluster keeps its number from
    run to run. Every row says how sure it is and why. What people say meanwhile counts at the next run.
    """
    layout, pack = archive.layout, models.describe(archive.layout)
    output, graph = layout.table("cluster_assignments"), layout.table("knn_graph")
    # Not of the last run's numbers, which it only hands on: with all else the same they come out the same.
    state = TableInputs(*archive_state(archive, models))
    inputs = state.state, file_signature(graph), config.made_of(), file_signature(calibration_file(layout))
    stamp = input_fingerprint(layout, "cluster_assignments", inputs)
    if (same := cached_result(stamp)) and (is_fully_clustered(layout) or not config.all_anew):
        return same
    facts, events = current_catalog(archive, models), events_until(archive.open_ledger().events(), state.until)
    portraits, lost = load_portrait_vectors(archive, models, replay(events))
    edges, settings = KnnGraph.from_frame(read_parquet(graph)), config.settings(pack, layout)
    rows = assign_all_faces(layout, events, facts, facts.vectors, edges, settings, portraits, all_anew=config.all_anew)
    write_assignments(rows, output, state)
    told = materialize_result(
        rows.height,
        **assignment_metadata(rows),
        people_known_by_a_portrait=len(portraits),
        portraits_lost=lost,
        **cluster_contact_sheet(layout, pack, facts.faces, rows),
    )
    return record_result(stamp, told, [output])
