"""The one `dg.Definitions`: every asset, check, job, sensor, schedule and resource."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from classface_assets.defs import checks
from classface_assets.defs.albums import album_site, albums
from classface_assets.defs.automation import automation_sensor
from classface_assets.defs.identity.cluster_assignments import cluster_assignments
from classface_assets.defs.identity.evaluation import evaluation
from classface_assets.defs.identity.face_tables import face_tables
from classface_assets.defs.identity.identities import identities
from classface_assets.defs.identity.knn_graph import knn_graph
from classface_assets.defs.identity.projection_head import projection_head
from classface_assets.defs.ingest.detections import detections
from classface_assets.defs.ingest.embeddings import embeddings
from classface_assets.defs.ingest.images import images
from classface_assets.defs.jobs import JOBS, nightly
from classface_assets.defs.sensors import decisions, failed_runs, killed_runs, photo_folders

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
        asset_checks=checks.ASSET_CHECKS,
        jobs=JOBS,
        sensors=[photo_folders, decisions, automation_sensor, failed_runs, killed_runs],
        schedules=[nightly],
        resources=resources,
        executor=dg.in_process_executor,
    )
