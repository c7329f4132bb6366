"""The asset `face_tables`: the DuckDB file's tables of facts.

Which photos look alike: what the hashes, the times and the faces of all years say together.
"""

from dataclasses import replace

import dagster as dg
import polars as pl

from classface_assets.core.schemas import ASSIGNMENTS
from classface_assets.defs.automation import WHEN_ALL_YEARS_ARE_READY
from classface_assets.defs.identity.followed_photos import follow_photos_if_changed
from classface_assets.defs.ingest.detections import detections
from classface_assets.defs.ingest.embeddings import embeddings
from classface_assets.defs.ingest.images import images
from classface_assets.defs.memoized import (
    archive_state,
    cached_result,
    database_fingerprint,
    input_fingerprint,
    record_result,
)
from classface_assets.defs.metadata import OWNERS, PUBLISH_POOL, markdown_table, materialize_result, value_counts
from classface_assets.identity.settings import settings_for
from classface_assets.orchestration.failures import report_user_errors
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.services.working_set import current_catalog
from classface_assets.store.catalog.faces import FaceCatalog
from classface_assets.store.files.duckdb import publish_database
from classface_assets.store.files.parquet import read_parquet_or_empty
from classface_assets.store.published.tables import build_tables
from classface_assets.vision.photos.near_duplicates import near_duplicate_groups


def add_near_duplicate_groups(facts: FaceCatalog, pack: str) -> FaceCatalog:
    """The facts with a column near_group in `images`: the first photo of a burst or of copies, null when alone."""
    # Half-way between one person and one picture: a face in a copy or in the next shot is far closer than in another.
    same_face = (1 + settings_for(pack).person_threshold) / 2
    good = facts.images.filter(pl.col("status") == "ok")
    owners = facts.faces["asset_id"] if facts.faces.height else pl.Series(dtype=pl.String)
    groups = near_duplicate_groups(good, owners, facts.vectors, same_face)
    return replace(facts, images=facts.images.join(groups, on="asset_id", how="left", maintain_order="left"))


@dg.asset(
    deps=[images, detections, embeddings],
    group_name="identity",
    kinds={"duckdb", "polars"},
    owners=OWNERS,
    pool=PUBLISH_POOL,
    automation_condition=WHEN_ALL_YEARS_ARE_READY,
)
@report_user_errors
def face_tables(archive: Archive, models: Models) -> dg.MaterializeResult:
    """The DuckDB file `classface.duckdb`: every file and every face of all school years, from the Parquet parts.

    It is built aside and renamed over the old one, so readers never wait and never see half. Names and clusters of the
    last run stay in it until `identities` has the new ones.
    """
    layout = archive.layout
    followed = follow_photos_if_changed(archive, models)
    state = archive_state(archive, models)
    stamp, database = (
        input_fingerprint(layout, "face_tables", state, str(layout.database)),
        database_fingerprint(layout, state),
    )
    if database.cached_metadata() is not None and (same := cached_result(stamp)):
        return same
    facts = add_near_duplicate_groups(current_catalog(archive, models), models.describe(layout).name)
    last = read_parquet_or_empty(layout.table("identities"), ASSIGNMENTS)
    publish_database(layout.database, build_tables(facts, last, archive.open_ledger().events()))
    database.record({}, [layout.database])
    told = materialize_result(
        facts.faces.height,
        files=facts.images.height,
        photos=facts.images.filter(pl.col("status") == "ok").height,
        photos_with_a_burst_counted_once=facts.images.filter(pl.col("status") == "ok")
        .select(pl.coalesce("near_group", "asset_id"))
        .n_unique(),
        files_by_status=markdown_table(value_counts(facts.images, "status")),
        faces_by_year=markdown_table(value_counts(facts.faces, "school_year").sort("school_year"), most=60)
        if facts.faces.height
        else "no faces yet",
        database=dg.MetadataValue.path(layout.database),
        **followed,
    )
    return record_result(stamp, told, [])
