"""The assets of the chain called one after the other, as a run calls them, without what Dagster does around them.

For tests of what hundreds of runs leave behind: each real asset, real files, a real ledger and database.
"""

import functools
import inspect
from collections.abc import Iterable

import dagster as dg

from classface_assets.defs.albums.albums import album_site, albums
from classface_assets.defs.identity.cluster_assignments import cluster_assignments
from classface_assets.defs.identity.face_tables import face_tables
from classface_assets.defs.identity.identities import identities
from classface_assets.defs.identity.knn_graph import knn_graph
from classface_assets.defs.identity.projection_head import projection_head
from classface_assets.defs.ingest.detections import detections
from classface_assets.defs.ingest.embeddings import embeddings
from classface_assets.defs.ingest.images import images
from classface_assets.defs.runner.school_years import select_years
from classface_assets.orchestration.progress import Progress
from classface_assets.orchestration.resources import Archive, Models

OF_A_YEAR = (images, detections, embeddings)
OF_ALL = (face_tables, knn_graph, cluster_assignments, projection_head, identities)


def run_assets(archive: Archive, models: Models, years: Iterable[str] | None = None) -> None:
    """Everything for these school years, or for all of them; raises what an asset raises."""
    for year in (some := list(years or select_years(archive.layout, None))):
        for asset in OF_A_YEAR:
            call(asset, archive, models, year)
    for asset in OF_ALL:
        call(asset, archive, models)
    for year in some:
        call(albums, archive, models, year)
    call(album_site, archive, models)


def call(asset: dg.AssetsDefinition, archive: Archive, models: Models, year: str | None = None) -> None:
    """One asset, with the settings that it has when nobody gives others."""
    function = asset.op.compute_fn.decorated_fn  # type: ignore[union-attr]
    given: dict[str, object] = {"archive": archive, "models": models, "progress": Progress(())}
    parameters = inspect.signature(function).parameters
    given["config"] = parameters["config"].annotation() if "config" in parameters else None
    if "context" in parameters:
        given["context"] = dg.build_asset_context(partition_key=year, instance=_instance())
    outcome = function(**{name: value for name, value in given.items() if name in parameters})
    if inspect.isgenerator(outcome):
        list(outcome)


@functools.cache
def _instance() -> dg.DagsterInstance:
    """One for all contexts: each of its own would make the tables of a database."""
    return dg.DagsterInstance.ephemeral()
