"""The asset `face_tables`: the DuckDB file's tables of facts."""

import dagster as dg
import polars as pl

from classface_assets.assets.common import OWNERS, PUBLISH_POOL, counted, result, table
from classface_assets.assets.current_facts import current_facts
from classface_assets.assets.detections import detections
from classface_assets.assets.embeddings import embeddings
from classface_assets.assets.followed import followed_photos
from classface_assets.assets.images import images
from classface_assets.assets.near_duplicates import with_near_groups
from classface_assets.assets.stamped import archive_state, database_stamp, stamp_of, stamped, unchanged
from classface_assets.automation.conditions import WHEN_ALL_YEARS_ARE_READY
from classface_assets.failures import says_it_in_a_sentence
from classface_assets.resources import Archive, Models
from classface_assets.store.database import publish
from classface_assets.store.schemas import ASSIGNMENTS
from classface_assets.store.snapshot import snapshot
from classface_assets.store.tables import read_or_empty


@dg.asset(
    deps=[images, detections, embeddings],
    group_name="identity",
    kinds={"duckdb", "polars"},
    owners=OWNERS,
    pool=PUBLISH_POOL,
    automation_condition=WHEN_ALL_YEARS_ARE_READY,
)
@says_it_in_a_sentence
def face_tables(archive: Archive, models: Models) -> dg.MaterializeResult:
    """The DuckDB file `classface.duckdb`: every file and every face of all school years, from the Parquet parts.

    It is built aside and renamed over the old one, so readers never wait and never see half. Names and clusters of the
    last run stay in it until `identities` has the new ones.
    """
    layout = archive.layout
    followed = followed_photos(archive, models)
    state = archive_state(archive, models)
    stamp, database = stamp_of(layout, "face_tables", state, str(layout.database)), database_stamp(layout, state)
    if database.told() is not None and (same := unchanged(stamp)):
        return same
    facts = with_near_groups(current_facts(archive, models), models.describe(layout).name)
    last = read_or_empty(layout.table("identities"), ASSIGNMENTS)
    publish(layout.database, snapshot(facts, last, archive.open_ledger().events()))
    database.put({}, [layout.database])
    told = result(
        facts.faces.height,
        files=facts.images.height,
        photos=facts.images.filter(pl.col("status") == "ok").height,
        photos_with_a_burst_counted_once=facts.images.filter(pl.col("status") == "ok")
        .select(pl.coalesce("near_group", "asset_id"))
        .n_unique(),
        files_by_status=table(counted(facts.images, "status")),
        faces_by_year=table(counted(facts.faces, "school_year").sort("school_year"), most=60)
        if facts.faces.height
        else "no faces yet",
        database=dg.MetadataValue.path(layout.database),
        **followed,
    )
    return stamped(stamp, told, [])
