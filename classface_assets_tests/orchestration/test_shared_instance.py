"""How a Dagster of many archives asks its records: with fewer statements, and as Dagster itself records them."""

import gc
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
import yaml
from click.testing import CliRunner
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.instance.ref import InstanceRef
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, SensorInstigatorData
from dagster._core.storage.schedules import SqlScheduleStorage
from dagster._core.storage.schedules.migration import SCHEDULE_JOBS_SELECTOR_ID
from dagster._core.storage.schedules.schema import SecondaryIndexMigrationTable
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from classface_assets.cli.__main__ import cli
from classface_assets.devtools.benchmark.dagster_ui.archives import WORKSPACE
from classface_assets.devtools.benchmark.dagster_ui.web_server import workspace_ui
from classface_assets.orchestration.records.database import default_settings, parse_database, write_settings
from classface_assets.orchestration.records.shared.instance import SharedInstance
from classface_assets.orchestration.records.shared.known_states import SECONDS
from classface_assets.orchestration.records.shared.known_tables import KnownTables
from classface_assets.orchestration.settings.workspace_file import TOGETHER

LINES = """instance_class:
  module: classface_assets.orchestration.records.shared.instance
  class: SharedInstance
"""
"""As they are in the homes of people, so neither name may ever change."""
START = """mutation ($sensor: SensorSelector!) {
  startSensor(sensorSelector: $sensor) { ... on Sensor { sensorState { status } } } }"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Of a Dagster with an instance of ours."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "dagster.yaml").write_text(yaml.safe_dump(default_settings()) + LINES)
    return tmp_path / "home"


@pytest.fixture
def ours(home: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert type(instance) is SharedInstance
        yield instance


@contextmanager
def plain(home: Path, **settings: object) -> Iterator[dg.DagsterInstance]:
    """Dagster's own instance on the same records."""
    (home / "plain.yaml").write_text(yaml.safe_dump({**default_settings(), **settings}))
    with dg.DagsterInstance.from_config(str(home), "plain.yaml") as instance:
        assert type(instance) is dg.DagsterInstance
        yield instance


def state(sensor: str, archive: str = "north") -> InstigatorState:
    """Of a sensor that is on."""
    location = ManagedGrpcPythonEnvCodeLocationOrigin(LoadableTargetOrigin(module_name="ours"), "archives")
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, archive), sensor)
    return InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING, SensorInstigatorData())


@contextmanager
def statements() -> Iterator[list[str]]:
    """What is executed of any database meanwhile."""
    executed: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_others: object) -> None:
        executed.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        yield executed
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)


def storage(instance: dg.DagsterInstance) -> SqlScheduleStorage:
    found = instance.schedule_storage
    assert isinstance(found, SqlScheduleStorage)
    return found


def count_statements(instance: dg.DagsterInstance) -> int:
    """How many ask for the states of an archive's sensors, the second time, but for those of a driver itself."""
    instance.all_instigator_state("origin", "selector", InstigatorType.SENSOR)
    with statements() as executed:
        instance.all_instigator_state("origin", "selector", InstigatorType.SENSOR)
    return len(executed)


def test_the_states_of_an_archives_sensors_are_one_statement(ours: dg.DagsterInstance, home: Path) -> None:
    with plain(home) as theirs:
        assert count_statements(ours) == 1 < count_statements(theirs)


def states_of(instance: dg.DagsterInstance, archives: Sequence[str]) -> list[list[tuple[str, InstigatorStatus]]]:
    """The states of the sensors of these archives, asked about one after another as the page does."""
    selected = [state("any", archive) for archive in archives]
    return [
        [
            (found.name, found.status)
            for found in instance.all_instigator_state(
                one.repository_origin_id, one.repository_selector_id, InstigatorType.SENSOR
            )
        ]
        for one in selected
    ]


def test_the_states_of_many_archives_asked_about_one_after_another_are_two_statements(
    ours: dg.DagsterInstance, home: Path
) -> None:
    archives = [f"school_{number}" for number in range(20)]
    for number, archive in enumerate(archives):
        for sensor in range(number % 3):
            ours.add_instigator_state(state(f"sensor_{sensor}", archive))
    assert storage(ours).has_built_index(SCHEDULE_JOBS_SELECTOR_ID)
    with statements() as executed:
        found = states_of(ours, archives)
    assert len(executed) == 2
    with plain(home) as theirs:
        assert found == states_of(theirs, archives)
    assert [len(one) for one in found] == [number % 3 for number in range(20)]


def test_a_sensor_that_is_switched_is_so_in_the_next_answer(ours: dg.DagsterInstance) -> None:
    north, south = (ours.add_instigator_state(state("sensor", archive)) for archive in ("north", "south"))
    archives, on = ["north", "south"], [("sensor", InstigatorStatus.RUNNING)]
    assert states_of(ours, archives) == [on, on]
    ours.update_instigator_state(north.with_status(InstigatorStatus.STOPPED))
    assert states_of(ours, archives) == [[("sensor", InstigatorStatus.STOPPED)], on]
    ours.delete_instigator_state(south.instigator_origin_id, south.selector_id)
    assert states_of(ours, archives) == [[("sensor", InstigatorStatus.STOPPED)], []]
    ours.add_instigator_state(state("another", "south"))
    assert states_of(ours, ["south", "north", "south"])[-1] == [("another", InstigatorStatus.RUNNING)]
    storage(ours).wipe()
    assert states_of(ours, archives) == [[], []]


def test_a_sensor_that_another_process_switched_is_so_after_a_second(ours: dg.DagsterInstance, home: Path) -> None:
    archives, on = ["north", "south"], [("sensor", InstigatorStatus.RUNNING)]
    stored = [ours.add_instigator_state(state("sensor", archive)) for archive in archives]
    assert states_of(ours, archives) == [on, on]
    with plain(home) as theirs:
        for one in stored:
            theirs.update_instigator_state(one.with_status(InstigatorStatus.STOPPED))
    time.sleep(SECONDS * 1.1)
    assert states_of(ours, archives) == [[("sensor", InstigatorStatus.STOPPED)]] * 2


def test_questions_about_all_archives_are_answered_by_the_database(ours: dg.DagsterInstance, home: Path) -> None:
    stored = [ours.add_instigator_state(state("sensor", archive)) for archive in ("north", "south")]
    states_of(ours, ["north", "south"])
    with plain(home) as theirs:
        theirs.update_instigator_state(stored[0].with_status(InstigatorStatus.STOPPED))
    assert {found.status for found in ours.all_instigator_state(instigator_type=InstigatorType.SENSOR)} == {
        InstigatorStatus.STOPPED,
        InstigatorStatus.RUNNING,
    }


def test_dagster_itself_reads_what_is_recorded_so_and_the_other_way_round(ours: dg.DagsterInstance, home: Path) -> None:
    with plain(home) as theirs:
        for number, (writer, reader) in enumerate([(ours, theirs), (theirs, ours)]):
            run = dg.DagsterRun(job_name=f"job_{number}")
            writer.add_run(run)
            found = reader.get_run_by_id(run.run_id)
            assert found is not None and found.job_name == run.job_name
            stored = writer.add_instigator_state(state(f"sensor_{number}"))
            writer.update_instigator_state(stored.with_status(InstigatorStatus.STOPPED))
            read = reader.get_instigator_state(stored.instigator_origin_id, stored.selector_id)
            assert read is not None and read.status == InstigatorStatus.STOPPED
            writer.add_dynamic_partitions("school_year", [f"200{number}"])
            assert f"200{number}" in reader.get_dynamic_partitions("school_year")
        assert len(ours.all_instigator_state()) == len(theirs.all_instigator_state()) == 2


def test_dagsters_web_server_looks_for_garbage_more_rarely_than_other_processes(
    ours: dg.DagsterInstance, home: Path
) -> None:
    before = gc.get_threshold()
    try:
        gc.set_threshold(700, 10, 10)
        with plain(home) as theirs:
            theirs.optimize_for_webserver(15_000, 3_600, 20)
        assert gc.get_threshold()[0] == 700
        ours.optimize_for_webserver(15_000, 3_600, 20)
        assert gc.get_threshold()[0] > 50_000
    finally:
        gc.set_threshold(*before)


def test_an_error_takes_back_what_was_written_before_it(ours: dg.DagsterInstance) -> None:
    ours.add_instigator_state(state("sensor"))
    with pytest.raises(ValueError, match="no"), storage(ours).connect() as connection:
        connection.exec_driver_sql("DELETE FROM instigators")
        raise ValueError("no")
    assert len(ours.all_instigator_state()) == 1


def test_a_migration_is_seen_as_soon_as_it_is_done(ours: dg.DagsterInstance, home: Path) -> None:
    with storage(ours).connect() as connection:
        connection.execute(SecondaryIndexMigrationTable.delete())
    with dg.DagsterInstance.from_config(str(home)) as opened:
        assert isinstance(storage(opened), KnownTables)
        assert not storage(opened).has_built_index(SCHEDULE_JOBS_SELECTOR_ID)
        storage(ours).mark_index_built(SCHEDULE_JOBS_SELECTOR_ID)
        assert storage(opened).has_built_index(SCHEDULE_JOBS_SELECTOR_ID)


def test_a_process_that_gets_the_instance_from_another_one_asks_in_the_same_way(ours: dg.DagsterInstance) -> None:
    with dg.DagsterInstance.from_ref(ours.get_ref()) as opened:
        assert type(opened) is SharedInstance and isinstance(storage(opened), KnownTables)


def test_the_database_of_the_records_is_changed_as_without_it(home: Path) -> None:
    write_settings(home, parse_database("postgresql://me@localhost/dagster"))
    data = InstanceRef.from_dir(str(home)).storage_data
    assert data is not None and data.class_name == "DagsterPostgresStorage"
    write_settings(home, None)
    with dg.DagsterInstance.from_config(str(home)) as back:
        assert isinstance(storage(back), KnownTables)


@pytest.mark.slow
def test_records_in_postgresql_are_asked_with_fewer_statements_and_are_the_same(
    home: Path, postgres_ledger: str
) -> None:
    database = parse_database(postgres_ledger)
    write_settings(home, database)
    url = {"postgres": {"postgres_url": database.url}}
    with (
        dg.DagsterInstance.from_config(str(home)) as ours,
        plain(home, storage=url) as theirs,
    ):
        assert isinstance(storage(ours), KnownTables)
        ours.optimize_for_webserver(15_000, 3_600, 20)
        for writer, reader, name in ((ours, theirs, "one"), (theirs, ours, "two")):
            stored = writer.add_instigator_state(state(name))
            assert reader.get_instigator_state(stored.instigator_origin_id, stored.selector_id) == stored
        counts = [count_statements(one) for one in (ours, theirs)]
    assert counts[0] == 1 < counts[1]


def add(folder: Path, name: str, *options: str) -> None:
    """Add an archive without a photo to a Dagster."""
    (folder / name / "photos").mkdir(parents=True)
    places = ["--photos", str(folder / name / "photos"), "--data", str(folder / name / "data")]
    arguments = ["workspace", "add", name, *places, "--file", str(folder / "workspace.yaml"), *options]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0, f"{done.output}{done.exception}"


def test_the_next_archive_added_together_brings_it_to_a_dagster_of_an_older_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")
    settings = tmp_path / "dagster_home" / "dagster.yaml"
    add(tmp_path, "north")
    old = settings.read_text() + "code_servers:  # ours\n  local_startup_timeout: 1200\n"
    settings.write_text(old)
    with dg.DagsterInstance.from_config(str(settings.parent)) as instance:
        assert type(instance) is dg.DagsterInstance
        instance.add_dynamic_partitions("ours", ["kept"])
    for name in ("south", "west"):
        add(tmp_path, name, "--together")
        assert settings.read_text() == old + LINES
    with dg.DagsterInstance.from_config(str(settings.parent)) as instance:
        assert type(instance) is SharedInstance and instance.get_dynamic_partitions("ours") == ["kept"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Dagster's own server calls functions that are deprecated
def test_the_page_has_the_same_answer_whichever_instance_reads_the_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster_home"))
    add(tmp_path, "north", "--together")
    with dg.DagsterInstance.get() as ours, workspace_ui(tmp_path / "workspace.yaml", ours) as ui:
        assert type(ours) is SharedInstance
        sensor = {"repositoryLocationName": TOGETHER, "repositoryName": "north", "sensorName": "photo_folders"}
        assert ui.ask(START, {"sensor": sensor})["startSensor"]["sensorState"]["status"] == "RUNNING"
        answer = ui.ask(WORKSPACE, {"name": TOGETHER})
        with plain(tmp_path / "dagster_home") as theirs:
            ui.workspace._instance = theirs
            assert ui.ask(WORKSPACE, {"name": TOGETHER}) == answer
        assert str(answer).count("'photo_folders'") == 1
