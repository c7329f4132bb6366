"""The asset `face_tables`: the DuckDB file with every file and face, also which photos are near duplicates."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import dagster as dg
import polars as pl

from classface_assets.core.faces.embedders import EmbedderKind
from classface_assets.core.schemas import ASSIGNMENTS, PhotoStatus
from classface_assets.defs.asset_factory import PUBLISH_POOL, archive_asset
from classface_assets.defs.automation import when_all_years_are_ready
from classface_assets.defs.identity.followed_photos import follow_photos_if_changed
from classface_assets.defs.ingest.detections import detections
from classface_assets.defs.ingest.embeddings import embeddings
from classface_assets.defs.ingest.images import images
from classface_assets.defs.memoized import (
    Output,
    archive_state,
    compute_unless_cached,
    database_fingerprint,
    input_fingerprint,
)
from classface_assets.defs.metadata import markdown_table, materialize_result, value_counts
from classface_assets.identity.settings import settings_for
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.store.catalog.faces import FaceCatalog
from classface_assets.store.files.parquet import read_parquet_or_empty
from classface_assets.store.published.ledger_record import publish_with_record
from classface_assets.store.published.tables import build_tables
from classface_assets.vision.photos.near_duplicates import near_duplicate_groups


@archive_asset(
    deps=[images, detections, embeddings],
    group_name="identity",
    kinds={"duckdb", "polars"},
    publishes=True,
    pool=PUBLISH_POOL,
    automate=when_all_years_are_ready,
    code_version="1",
)
def face_tables(archive: Archive, models: Models) -> dg.MaterializeResult:
    """The DuckDB file `classface.duckdb`: every file and every face of all school years, from the Parquet parts.

    It is written beside the old one and then renamed, so readers never wait and never see half of it. Names and
    clusters of the last run stay in it until `identities` has the new ones.
    """
    layout = archive.layout
    archive.back_up_ledger()
    followed = follow_photos_if_changed(archive, models)
    state = archive_state(archive, models)
    database = database_fingerprint(layout, state)

    def publish() -> Output:
        output = _publish(archive, models, followed)
        database.record({}, [layout.database])
        return output

    return compute_unless_cached(
        input_fingerprint(layout, "face_tables", state, layout.database_name),
        publish,
        reuse=database.cached_metadata() is not None,
    )


def _publish(archive: Archive, models: Models, followed: Mapping[str, Any]) -> Output:
    layout = archive.layout
    catalog = catalog_with_near_duplicates(archive, models)
    assignments = read_parquet_or_empty(layout.table("identities"), ASSIGNMENTS)
    ledger = archive.open_ledger()
    record = ledger.record()
    tables = build_tables(catalog, assignments, ledger.events(), model=models.describe(layout).key)
    publish_with_record(layout, tables, record, archive.database_publisher)
    photos = catalog.images.filter(pl.col("status") == PhotoStatus.OK)
    years = value_counts(catalog.faces, "school_year").sort("school_year") if catalog.faces.height else None
    result = materialize_result(
        catalog.faces.height,
        files=catalog.images.height,
        photos=photos.height,
        photos_with_a_burst_counted_once=photos.select(pl.coalesce("near_group", "asset_id")).n_unique(),
        files_by_status=markdown_table(value_counts(catalog.images, "status")),
        faces_by_year="no faces yet" if years is None else markdown_table(years, most=60),
        database=dg.MetadataValue.path(layout.database),
        **followed,
    )
    return Output(result)


def catalog_with_near_duplicates(archive: Archive, models: Models) -> FaceCatalog:
    """The catalog of all school years as `add_near_duplicate_groups` makes it, which is done once a run.

    Raises:
        FailedChecksError: A check that blocks has failed in a school year.
    """
    embedder = models.describe(archive.layout).embedder
    return archive.with_near_duplicates(
        archive.sound_catalog(models), lambda catalog: add_near_duplicate_groups(catalog, embedder)
    )


def add_near_duplicate_groups(catalog: FaceCatalog, embedder: EmbedderKind) -> FaceCatalog:
    """The catalog with a column near_group in `images`: the first photo of a burst or of copies, null when alone.

    Whether photos are near duplicates is decided by their hashes, their times and the faces in them.

    Args:
        catalog: The files and faces.
        embedder: The kind of embedder that made the catalog's vectors.
    """
    # Half-way between one person and one picture: a face in a copy or in the next shot is far closer than in another.
    same_face = (1 + settings_for(embedder).person_threshold) / 2
    photos = catalog.images.filter(pl.col("status") == PhotoStatus.OK)
    photo_of_face = catalog.faces["asset_id"] if catalog.faces.height else pl.Series(dtype=pl.String)
    groups = near_duplicate_groups(photos, photo_of_face, catalog.vectors, same_face)
    return replace(catalog, images=catalog.images.join(groups, on="asset_id", how="left", maintain_order="left"))
