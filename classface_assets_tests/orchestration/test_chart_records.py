"""Dagster's records in the database that its Helm chart describes in parts."""

from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
import yaml

from classface_assets.orchestration.records.database import records_database, vacuum_records
from classface_assets_tests.support.password_server import password_server

PASSWORD = "a:word/with @ signs"


def write_as_the_chart_does(home: Path, port: int) -> None:
    """Three storages in one database, whose password is in an environment variable."""
    parts = {
        "username": "classface",
        "password": {"env": "DAGSTER_PG_PASSWORD"},
        "hostname": "127.0.0.1",
        "db_name": "dagster",
        "port": port,
        "params": {},
    }
    storages = {
        "run_storage": ("dagster_postgres.run_storage", "PostgresRunStorage"),
        "event_log_storage": ("dagster_postgres.event_log", "PostgresEventLogStorage"),
        "schedule_storage": ("dagster_postgres.schedule_storage", "PostgresScheduleStorage"),
    }
    settings = {
        name: {"module": module, "class": kind, "config": {"postgres_db": parts}}
        for name, (module, kind) in storages.items()
    }
    (home / "dagster.yaml").write_text(yaml.safe_dump(settings | {"telemetry": {"enabled": False}}))


@pytest.mark.slow
def test_records_of_dagsters_chart_are_found_and_rewritten_after_an_erasure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("dagster_postgres", reason="the extra `postgres` is not installed")
    monkeypatch.setenv("DAGSTER_PG_PASSWORD", PASSWORD)
    with password_server("classface", PASSWORD, ("dagster",)) as port:
        write_as_the_chart_does(tmp_path, port)
        with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
            assert instance.get_runs_count() == 0
        found = records_database(tmp_path)
        assert found is not None and found.shown == f"postgresql://classface:***@127.0.0.1:{port}/dagster"
        engine = sa.create_engine(found.url, poolclass=sa.NullPool)
        files = "SELECT pg_relation_filenode('runs'), pg_relation_filenode('event_logs')"
        with engine.connect() as con:
            before = con.exec_driver_sql(files).one()
        vacuum_records(found.url)
        with engine.connect() as con:
            after = con.exec_driver_sql(files).one()
        assert not set(before) & set(after)


def test_settings_without_postgresql_have_no_database(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text(
        "run_storage: {module: dagster.core.storage.runs, class: SqliteRunStorage}\n"
    )
    assert records_database(tmp_path) is None
    url = {"run_storage": {"config": {"postgres_url": "postgresql+psycopg2://me@host/dagster"}}}
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(url))
    found = records_database(tmp_path)
    assert found is not None and found.shown == "postgresql://me@host/dagster"
