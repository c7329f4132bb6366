"""The one `dg.Definitions`: every asset, check, job, sensor, schedule and resource."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from classface_assets import checks
from classface_assets.assets.album_site import album_site
from classface_assets.assets.albums import albums
from classface_assets.assets.cluster_assignments import cluster_assignments
from classface_assets.assets.detections import detections
from classface_assets.assets.embeddings import embeddings
from classface_assets.assets.evaluation import evaluation
from classface_assets.assets.face_tables import face_tables
from classface_assets.assets.identities import identities
from classface_assets.assets.images import images
from classface_assets.assets.knn_graph import knn_graph
from classface_assets.assets.projection_head import projection_head
from classface_assets.automation.conditions import automatic
from classface_assets.automation.endings import failed_runs, killed_runs
from classface_assets.automation.jobs import JOBS, nightly
from classface_assets.automation.watching import decisions, photo_folders
from classface_assets.resources import default_resources

ASSETS = [
    images,
    detections,
    embeddings,
    face_tables,
    knn_graph,
    cluster_assignments,
    projection_head,
    identities,
    evaluation,
    albums,
    album_site,
]


def definitions_with(resources: Mapping[str, Any]) -> dg.Definitions:
    """The definitions on given resources: archive, models and progress."""
    return dg.Definitions(
        assets=ASSETS,
        asset_checks=checks.ALL,
        jobs=JOBS,
        sensors=[photo_folders, decisions, automatic, failed_runs, killed_runs],
        schedules=[nightly],
        resources=resources,
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    return definitions_with(default_resources())
