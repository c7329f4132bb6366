"""Several school years in one run: one that fails stops no other, and is the only one that is done again."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.automation_tick_evaluation_context import build_run_requests_with_backfill_policies
from dagster._core.definitions.events import AssetKeyPartitionKey
from dagster._core.definitions.partitions.context import partition_loading_context
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value

from classface_assets.defs.automation import YEAR_ASSETS
from classface_assets.defs.ingest.year_changes import YearChanges
from classface_assets.orchestration.resources import Models
from classface_assets.orchestration.school_year_runs.partitions import school_year_partitions
from classface_assets.orchestration.school_year_runs.years import range_tags, ranges_of
from classface_assets_tests.conftest import World

pytestmark = pytest.mark.slow

YEARS = ("2016-2017", "2017-2018", "2018-2019")
GOOD, LATE = (YEARS[0], YEARS[2]), YEARS[1]


@pytest.fixture(scope="module")
def started(finished: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, list[str]]]:
    """Three school years of one photo each, of which one had no folder yet when they were run; why they failed."""
    folder = tmp_path_factory.mktemp("range")
    for year in GOOD:
        _add_photo(finished, folder, year)
    with dg.DagsterInstance.ephemeral() as instance:
        world = World(folder, instance)
        instance.add_dynamic_partitions("school_year", list(YEARS))
        failures = world.chain.run_job("ingest_year", list(YEARS))
        yield world, [f"{one.year}: {one.reason}" for one in failures]


def _add_photo(finished: World, folder: Path, year: str) -> None:
    photo = sorted((finished.layout.photos / year).rglob("*.jpg"))[0]
    target = folder / "photos" / year / photo.name
    target.parent.mkdir(parents=True)
    shutil.copyfile(photo, target)


def test_a_year_that_fails_stops_no_other_and_is_run_alone_the_next_time(
    finished: World, started: tuple[World, list[str]]
) -> None:
    world, failures = started
    assert len(failures) == 1 and failures[0].startswith(f"{LATE}: There is no folder for the school year {LATE}")
    (run,) = world.instance.get_runs()
    assert run.status == dg.DagsterRunStatus.FAILURE
    for asset in YEAR_ASSETS:
        assert world.instance.get_materialized_partitions(dg.AssetKey(asset)) == set(GOOD), asset
        assert _failed(world.instance, asset) == {LATE}, asset
    changes = YearChanges(world.archive, Models(pack=world.pack))
    assert [year for year in GOOD if changes.is_unchanged(year)] == list(GOOD)
    _add_photo(finished, world.folder, LATE)
    assert world.run() == []
    ingested = [run.tags for run in world.instance.get_runs() if run.job_name == "ingest_year"]
    assert len(ingested) == 2 and ingested[0]["dagster/partition"] == LATE, "the newest is of that year alone"
    assert not any(_failed(world.instance, asset) for asset in YEAR_ASSETS)
    assert world.instance.get_materialized_partitions(dg.AssetKey("albums")) == set(YEARS)


def test_each_year_of_a_range_has_its_own_version_numbers_and_inputs(started: tuple[World, list[str]]) -> None:
    world, _ = started
    versions = {}
    for asset, count in (
        ("images", "new_files"),
        ("detections", "photos_searched_now"),
        ("embeddings", "embedded_now"),
    ):
        for year in GOOD:
            query = dg.AssetRecordsFilter(dg.AssetKey(asset), asset_partitions=[year])
            (record,) = world.instance.fetch_materializations(query, limit=1).records
            event = record.asset_materialization
            assert event is not None and event.tags is not None
            assert event.metadata[count].value is not None and event.metadata["dagster/row_count"].value
            versions[asset, year] = event.tags["dagster/data_version"]
            if asset == "detections":
                pointer = int(event.tags["dagster/input_event_pointer/images"])
                (source,) = world.instance.fetch_materializations(
                    dg.AssetRecordsFilter(dg.AssetKey("images"), asset_partitions=[year]), limit=1
                ).records
                assert source.storage_id == pointer
    assert len(set(versions.values())) == len(versions)


def test_where_a_model_runs_is_logged_once_for_all_years_of_a_range(started: tuple[World, list[str]]) -> None:
    instance = started[0].instance
    lines = [entry.user_message for entry in instance.all_logs(instance.get_runs()[-1].run_id)]
    for what in (" searches photos on: ", " runs on: "):
        assert len([line for line in lines if what in line]) == 1, "each line is an event that Dagster stores"
    assert len([line for line in lines if f"{GOOD[1]}: done" in line]) == 3


def test_a_backfill_of_years_is_one_run_for_those_that_follow_one_another(started: tuple[World, list[str]]) -> None:
    world, _ = started
    definitions = world.chain.definitions
    graph, keys = definitions.resolve_asset_graph(), [dg.AssetKey(asset) for asset in YEAR_ASSETS]

    def requested(years: Sequence[str]) -> list[dg.RunRequest]:
        """As Dagster's daemon asks for the runs of a backfill."""
        wanted = [AssetKeyPartitionKey(key, year) for key in keys for year in years]
        with partition_loading_context(dynamic_partitions_store=world.instance):
            return list(build_run_requests_with_backfill_policies(wanted, graph, world.instance))

    assert len(requested(GOOD)) == 2
    (request,) = requested(YEARS)
    assert {name: request.tags[name] for name in range_tags(YEARS)} == range_tags(YEARS)
    outcome = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=world.instance, asset_selection=keys, tags=dict(request.tags), raise_on_error=False
    )
    made = {(event.asset_key, event.partition) for event in outcome.get_asset_materialization_events()}
    assert made >= {(key, year) for key in keys for year in GOOD}
    for years in (YEARS, GOOD, YEARS[1:]):
        assert [one for some in ranges_of(world.instance, years) for one in some] == list(years)
    assert ranges_of(world.instance, list(GOOD)) == [[year] for year in GOOD]


def _failed(instance: dg.DagsterInstance, asset: str) -> set[str]:
    """The school years that Dagster's page shows as failed."""
    value = get_and_update_asset_status_cache_value(instance, dg.AssetKey(asset), school_year_partitions)
    assert value is not None
    subset = value.deserialize_failed_partition_subsets(school_year_partitions)
    return set(subset.get_partition_keys())
