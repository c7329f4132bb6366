"""Dagster's records do not grow: old runs go with all that they left, and what was last materialized stays."""

import os
import sqlite3
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, TickData, TickStatus

from classface_assets.core.layout import ArchiveLayout
from classface_assets.defs.sensors.photo_folders import photo_folders
from classface_assets.defs.sensors.upkeep import old_records
from classface_assets.orchestration.failures import failure_reason
from classface_assets.orchestration.instance import open_instance
from classface_assets.orchestration.records.retention import STAMP_FILE, prune_records, prune_records_if_due
from classface_assets.orchestration.records.run_history import delete_all_run_records, folder_size, outdated_runs
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.orchestration.settings.archive_names import ArchiveNames

YEARS = ("2018-2019", "2019-2020")
PICTURE = "a picture of a face, " * 2_000
school_years = dg.DynamicPartitionsDefinition(name="school_year")


class Progress(dg.Config):
    fails: bool = False


@dg.asset(partitions_def=school_years, check_specs=[dg.AssetCheckSpec("whole", asset="faces")])
def faces(context: dg.AssetExecutionContext, config: Progress) -> dg.MaterializeResult:
    if config.fails:
        raise dg.Failure("The disk is full.")
    context.log.info("so many words")
    context.log_event(dg.AssetObservation("faces", partition=context.partition_key, metadata={"done": 3}))
    return dg.MaterializeResult(
        metadata={"picture": PICTURE + uuid.uuid4().hex},
        data_version=dg.DataVersion(uuid.uuid4().hex),
        check_results=[dg.AssetCheckResult(check_name="whole", passed=True, metadata={"why": "because"})],
    )


DEFINITIONS = dg.Definitions(assets=[faces], jobs=[dg.define_asset_job("ingest", [faces])])


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    layout = ArchiveLayout(tmp_path / "photos", tmp_path / "data")
    monkeypatch.setenv("DAGSTER_HOME", str(layout.dagster_home))
    return layout.dagster_home


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with open_instance(ArchiveLayout(home.parent / "photos", home.parent)) as opened:
        opened.add_dynamic_partitions("school_year", list(YEARS))
        yield opened


def run(instance: dg.DagsterInstance, year: str, *, fails: bool = False, tags: dict[str, str] | None = None) -> str:
    done = DEFINITIONS.resolve_job_def("ingest").execute_in_process(
        instance=instance,
        partition_key=year,
        raise_on_error=False,
        tags=tags,
        run_config={
            "ops": {"faces": {"config": {"fails": fails}}},
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        },
    )
    assert done.success != fails
    return done.run_id


def age(home: Path, days: float) -> None:
    """All that is recorded happened that many days earlier."""
    with closing(sqlite3.connect(home / "history" / "runs.db")) as con:
        con.execute(
            "UPDATE runs SET start_time = start_time - ?1, end_time = end_time - ?1, "
            "create_timestamp = datetime(create_timestamp, ?2), update_timestamp = datetime(update_timestamp, ?2)",
            (days * 86_400, f"-{days} days"),
        )
        con.execute("UPDATE bulk_actions SET timestamp = datetime(timestamp, ?)", (f"-{days} days",))
        con.commit()
    with closing(sqlite3.connect(home / "history" / "runs" / "index.db")) as con:
        con.execute("UPDATE event_logs SET timestamp = datetime(timestamp, ?)", (f"-{days} days",))
        con.execute(
            "UPDATE asset_check_executions SET create_timestamp = datetime(create_timestamp, ?)", (f"-{days} days",)
        )
        con.commit()
    moment = time.time() - days * 86_400
    for file in (home / "storage").rglob("*"):
        os.utime(file, (moment, moment))


def run_ids(instance: dg.DagsterInstance) -> set[str]:
    return set(instance.get_run_ids())


def last(instance: dg.DagsterInstance, year: str) -> dg.AssetMaterialization:
    asset = dg.AssetRecordsFilter(dg.AssetKey("faces"), asset_partitions=[year])
    found = instance.fetch_materializations(asset, limit=1).records[0].asset_materialization
    assert found is not None
    return found


def count(home: Path, table: str, database: str = "history/runs/index.db") -> int:
    with closing(sqlite3.connect(home / database)) as con:
        return int(con.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def shards(home: Path) -> set[str]:
    return {file.stem for file in (home / "history" / "runs").glob("*.db")} - {"index", ".db"}


def test_old_runs_go_with_all_their_files_and_the_last_materialization_of_each_year_stays(
    instance: dg.DagsterInstance, home: Path
) -> None:
    for _ in range(4):
        for year in YEARS:
            run(instance, year)
    before = {year: last(instance, year) for year in YEARS}
    versions = instance.get_latest_materialization_events([dg.AssetKey("faces")])
    age(home, 100)
    newest = run(instance, YEARS[1])
    size = folder_size(home)
    removed = prune_records(instance, home, 90)
    assert removed.runs == 8 and removed.size == size - folder_size(home) > 800_000
    assert run_ids(instance) == shards(home) == {path.name for path in (home / "storage").iterdir()} == {newest}
    assert last(instance, YEARS[0]) == before[YEARS[0]]
    assert instance.get_materialized_partitions(dg.AssetKey("faces")) == set(YEARS)
    (record,) = instance.get_asset_records([dg.AssetKey("faces")])
    assert record.asset_entry.last_materialization is not None and versions[dg.AssetKey("faces")] is not None
    check = dg.AssetCheckKey(dg.AssetKey("faces"), "whole")
    (summary,) = instance.event_log_storage.get_asset_check_summary_records([check]).values()
    assert summary.last_check_execution_record is not None
    assert count(home, "asset_check_executions") == 1
    observations = instance.fetch_observations(
        dg.AssetRecordsFilter(dg.AssetKey("faces"), asset_partitions=[YEARS[0]]), limit=9
    )
    assert len(observations.records) == 1
    materializations = instance.fetch_materializations(dg.AssetKey("faces"), limit=9).records
    assert len(materializations) == 2, "one for each year"
    assert count(home, "asset_event_tags") == 2, "the data version of each"
    assert prune_records(instance, home, 90).runs == 0, "nothing is left to do"


def test_what_is_younger_or_goes_on_or_failed_last_stays(instance: dg.DagsterInstance, home: Path) -> None:
    instance.add_backfill(backfill("goes on", BulkActionStatus.REQUESTED))
    instance.add_backfill(backfill("is done", BulkActionStatus.COMPLETED_SUCCESS))
    gone = {run(instance, YEARS[0]), run(instance, YEARS[0], fails=True), run(instance, YEARS[0])}
    gone.add(run(instance, YEARS[0], tags={"dagster/backfill": "is done"}))
    of_backfill = run(instance, YEARS[0], tags={"dagster/backfill": "goes on"})
    failed = run(instance, YEARS[1], fails=True)
    job = DEFINITIONS.resolve_job_def("ingest")
    under_way = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED).run_id
    age(home, 100)
    young = run(instance, YEARS[0])
    age(home, 50)
    newest = run(instance, YEARS[0])
    assert prune_records(instance, home, 90).runs == len(gone)
    assert run_ids(instance) == {of_backfill, failed, under_way, young, newest}
    assert instance.get_backfill("goes on") is not None and instance.get_backfill("is done") is None
    (failure,) = instance.all_logs(failed, of_type=dg.DagsterEventType.STEP_FAILURE)
    reason = failure_reason(failure.get_dagster_event().event_specific_data)
    assert reason == "The disk is full.", "it is still to be read"


def backfill(name: str, status: BulkActionStatus) -> PartitionBackfill:
    return PartitionBackfill(
        backfill_id=name,
        status=status,
        from_failure=False,
        tags={},
        backfill_timestamp=time.time(),
        asset_selection=[dg.AssetKey("faces")],
    )


def test_no_number_of_an_event_is_given_twice(instance: dg.DagsterInstance, home: Path) -> None:
    """SQLite would give the number of a deleted last row again, and sensors would pass over the new event."""
    run(instance, YEARS[0])
    instance.report_runless_asset_event(dg.AssetMaterialization("faces", partition=YEARS[0]))
    seen = instance.fetch_materializations(dg.AssetKey("faces"), limit=1).records[0].storage_id
    run(instance, YEARS[1], fails=True)
    with closing(sqlite3.connect(home / "history" / "runs" / "index.db")) as con:
        highest = con.execute("SELECT max(id) FROM event_logs").fetchone()[0]
    age(home, 100)
    run_of_nothing = instance.create_run_for_job(DEFINITIONS.resolve_job_def("ingest"))
    assert prune_records(instance, home, 90).runs == 1 and run_of_nothing.run_id in run_ids(instance)
    instance.report_runless_asset_event(dg.AssetMaterialization("faces", partition=YEARS[0]))
    new = instance.fetch_materializations(dg.AssetKey("faces"), limit=1).records[0].storage_id
    assert new > highest > seen


def test_nor_when_all_runs_are_deleted_as_after_an_erasure(instance: dg.DagsterInstance, home: Path) -> None:
    run(instance, YEARS[0])
    with closing(sqlite3.connect(home / "history" / "runs" / "index.db")) as con:
        highest = con.execute("SELECT max(id) FROM event_logs").fetchone()[0]
    assert delete_all_run_records(instance, home) == 1 and shards(home) == set()
    assert count(home, "event_logs") == 1, "that a run has ended"
    instance.report_runless_asset_event(dg.AssetMaterialization("faces", partition=YEARS[0]))
    assert instance.fetch_materializations(dg.AssetKey("faces"), limit=1).records[0].storage_id > highest


def test_of_a_school_year_that_is_gone_prune_finds_the_last_picture_though_its_run_is_gone(
    instance: dg.DagsterInstance, home: Path
) -> None:
    first = run(instance, YEARS[0])
    age(home, 100)
    run(instance, YEARS[1])
    prune_records(instance, home, 90)
    assert first not in run_ids(instance) and outdated_runs(instance, set(YEARS)) == set()
    assert outdated_runs(instance, {YEARS[1]}) == {first}


DAYS, TICKS_A_DAY = (365, 2_880) if os.environ.get("CLASSFACE_TEST_YEAR") else (12, 96)
"""A tick every half minute for a year takes an hour and a half; a test takes one every quarter of an hour."""


def test_a_year_of_ticks_with_nothing_new_takes_no_more_room_than_three_days(
    instance: dg.DagsterInstance, home: Path
) -> None:
    """The real sensor's answer is stored as the daemon stores it, day by day; each is followed by the daily pruning."""
    (home.parent / "photos").mkdir()
    for first in range(2004, 2020):
        (home.parent / "photos" / f"{first}-{first + 1}").mkdir()
        (home.parent / "photos" / f"{first}-{first + 1}" / "a.jpg").write_bytes(b"a")
    resources = {
        "archive": Archive(photos=str(home.parent / "photos"), data=str(home.parent)),
        "models": Models(pack="builtin"),
    }
    with dg.build_sensor_context(instance=instance, resources=resources) as context:
        first_look = photo_folders(context)
    assert isinstance(first_look, dg.SensorResult)
    cursor = first_look.cursor
    with dg.build_sensor_context(instance=instance, cursor=cursor, resources=resources) as context:
        answer = photo_folders(context)
    assert isinstance(answer, dg.SkipReason) and "Nothing new in the 16 school years" in str(answer.skip_message)
    sensor = InstigatorState(origin("photo_folders"), InstigatorType.SENSOR, InstigatorStatus.RUNNING)
    instance.add_instigator_state(sensor)
    sizes = []
    for _ in range(DAYS):
        move_ticks(home, days=1)
        for number in range(TICKS_A_DAY):
            moment = time.time() - 86_400 * (1 - number / TICKS_A_DAY)
            instance.create_tick(
                TickData(
                    instigator_origin_id=sensor.instigator_origin_id,
                    instigator_name="photo_folders",
                    instigator_type=InstigatorType.SENSOR,
                    status=TickStatus.SKIPPED,
                    timestamp=moment,
                    skip_reason=answer.skip_message,
                    cursor=cursor,
                    selector_id=sensor.selector_id,
                )
            )
        prune_records(instance, home, 90)
        sizes.append(sum(file.stat().st_size for file in home.rglob("*.db")))
    assert count(home, "job_ticks", "schedules/schedules.db") <= TICKS_A_DAY + 1
    assert max(sizes[3:]) <= sizes[2], "the room of what was removed is used again"


def origin(name: str) -> RemoteInstigatorOrigin:
    code = RegisteredCodeLocationOrigin("classface")
    return RemoteInstigatorOrigin(RemoteRepositoryOrigin(code, "__repository__"), name)


def move_ticks(home: Path, days: int) -> None:
    """All ticks were that many days earlier."""
    with closing(sqlite3.connect(home / "schedules" / "schedules.db")) as con:
        con.execute("UPDATE job_ticks SET timestamp = datetime(timestamp, ?)", (f"-{days} days",))
        con.commit()


def test_it_happens_once_a_day_by_itself_and_never_where_it_is_switched_off(
    instance: dg.DagsterInstance, home: Path
) -> None:
    for _ in range(2):
        run(instance, YEARS[0])
    age(home, 100)
    run(instance, YEARS[0])
    assert prune_records_if_due(instance, home, 0) == "" and not (home / STAMP_FILE).exists()
    assert prune_records_if_due(instance, home, 200) == "" and len(run_ids(instance)) == 3
    assert prune_records_if_due(instance, home, 90) == "", "that was looked at a moment ago"
    os.utime(home / STAMP_FILE, (time.time() - 90_000,) * 2)
    archive = Archive(photos=str(home / "photos"), data=str(home.parent), retention_days=90)
    with dg.build_sensor_context(instance=instance, resources={"archive": archive}) as context:
        done = old_records(context)
    assert isinstance(done, dg.SkipReason)
    assert done.skip_message == "Dagster's records of 2 runs older than 90 days were removed."
    assert len(run_ids(instance)) == 1


def test_where_archives_share_a_dagster_the_records_of_all_are_not_looked_through_by_each(
    instance: dg.DagsterInstance, home: Path
) -> None:
    north, south, east = (ArchiveNames(name) for name in ("north", "south", "east"))
    gone = {names: [run(instance, YEARS[0], tags=names.tags) for _ in range(3)][:2] for names in (north, south)}
    age(home, 100)
    for names in (north, south):
        sentence = prune_records_if_due(instance, home, 90, names)
        assert sentence == "Dagster's records of 2 runs older than 90 days were removed."
        assert prune_records_if_due(instance, home, 90, names) == "", "that was done a moment ago"
        assert not (run_ids(instance) | runs_with_events(home) | shards(home)) & set(gone[names])
    left = run(instance, YEARS[0])
    run(instance, YEARS[0])
    age(home, 100)
    instance.run_storage.delete_run(left)
    assert prune_records_if_due(instance, home, 90, east) == ""
    assert left in runs_with_events(home), "of the same day, and it has removed no run"
    assert prune_records_if_due(instance, home, 30, ArchiveNames("west")) == ""
    assert left not in runs_with_events(home), "the first of those that retain records for 30 days"


def runs_with_events(home: Path) -> set[str]:
    """Those of which a materialization is recorded."""
    with closing(sqlite3.connect(home / "history" / "runs" / "index.db")) as con:
        rows = con.execute("SELECT run_id FROM event_logs WHERE dagster_event_type = 'ASSET_MATERIALIZATION'")
        return {run_id for (run_id,) in rows}


def test_records_that_cannot_be_read_stop_no_run(instance: dg.DagsterInstance, home: Path) -> None:
    run(instance, YEARS[0])
    for ending in ("", "-wal", "-shm"):
        (home / "history" / f"runs.db{ending}").unlink(missing_ok=True)
    (home / "history" / "runs.db").write_bytes(b"no database" * 1_000)
    sentence = prune_records_if_due(instance, home, 90)
    assert sentence.startswith("Dagster's old records could not be removed (") and "tried again tomorrow" in sentence
