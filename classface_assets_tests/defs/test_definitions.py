"""The definitions as Dagster's UI shows them: columns, data versions, and checks with their severity."""

from pathlib import Path

import dagster as dg
import pytest

from classface_assets.core.schemas import ASSIGNMENTS, DETECTIONS, IMAGES
from classface_assets.definitions import defs
from classface_assets_tests.conftest import World
from classface_assets_tests.support.helpers import ASSETS

DOCS = Path(__file__).parents[2] / "classface_assets" / "docs" / "engineers" / "dagster.md"
YEAR = "2016-2017"


def version(world: World, asset: str, year: str | None = None) -> str:
    """The data version of an asset's last materialization."""
    records = world.instance.fetch_materializations(
        dg.AssetRecordsFilter(dg.AssetKey(asset), asset_partitions=[year] if year else None), limit=1
    ).records
    materialized = records[0].asset_materialization
    assert materialized is not None and materialized.tags is not None
    return materialized.tags["dagster/data_version"]


def test_tables_have_their_columns() -> None:
    graph = defs().resolve_asset_graph()
    tables = {"images": IMAGES, "detections": DETECTIONS, "cluster_assignments": ASSIGNMENTS, "identities": ASSIGNMENTS}
    for asset, schema in tables.items():
        columns = graph.get(dg.AssetKey(asset)).metadata["dagster/column_schema"].columns
        assert set(schema) <= {column.name for column in columns}, asset


def test_a_data_version_changes_with_the_data_only(world: World) -> None:
    assert world.run() == []
    assets = [(asset, YEAR if asset in ("images", "detections", "embeddings", "albums") else None) for asset in ASSETS]
    before = {asset: version(world, asset, year) for asset, year in assets}
    for job, year in (("ingest_year", YEAR), ("identify", None), ("year_album", YEAR), ("school_site", None)):
        assert world.chain.run_job(job, year) == []
    assert {asset: version(world, asset, year) for asset, year in assets} == before
    photo = next(iter(sorted((world.layout.photos / YEAR).rglob("*.jpg"))))
    photo.unlink()
    assert world.run() == []
    changed = {asset for asset, year in assets if version(world, asset, year) != before[asset]}
    assert changed >= {"images", "face_tables", "knn_graph", "cluster_assignments", "identities", "albums"}


@pytest.mark.parametrize("name", sorted(key.name for key in defs().resolve_asset_graph().asset_check_keys))
def test_every_check_is_documented(name: str) -> None:
    assert f"`{name}`" in DOCS.read_text()
