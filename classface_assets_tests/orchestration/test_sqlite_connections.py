"""What of Dagster's SQLite files stays open in a process, and that nothing recorded is lost by it."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest

from classface_assets.core.layout import ArchiveLayout
from classface_assets.orchestration.instance import open_instance
from classface_assets.orchestration.records.sqlite.connections import HeldConnections, held_files
from classface_assets.orchestration.records.sqlite.damaged_records import require_sound_records, set_records_aside

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="nothing is held open on Windows")


@pytest.fixture
def instance(layout: ArchiveLayout, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("DAGSTER_HOME", "")  # `open_instance` sets it, for this test alone
    with open_instance(layout) as opened:
        yield opened


@dg.asset
def numbers() -> None:
    """Nothing."""


def wal_files(home: Path) -> set[str]:
    return {file.name for file in home.rglob("*.db-wal")}


def database(file: Path) -> Path:
    """A new one, with a write-ahead log."""
    with closing(sqlite3.connect(file)) as con:
        con.execute("PRAGMA journal_mode = WAL")
        con.execute("CREATE TABLE numbers (n)")
    return file


def run_process(layout: ArchiveLayout, code: str) -> subprocess.CompletedProcess[str]:
    """A process that opens Dagster's records of an archive and does something with the instance."""
    opened = (
        "import os\nfrom pathlib import Path\nfrom classface_assets.core.layout import ArchiveLayout\n"
        "from classface_assets.orchestration.instance import open_instance\n"
        f"open_instance(ArchiveLayout(Path({str(layout.photos)!r}), Path({str(layout.data)!r})))."
    )
    return subprocess.run([sys.executable, "-c", opened + code], check=False, capture_output=True, text=True)


def test_the_logs_of_dagsters_files_stay_while_a_process_records_events(
    instance: dg.DagsterInstance, layout: ArchiveLayout
) -> None:
    assert dg.materialize([numbers], instance=instance).success
    assert {"runs.db-wal", "index.db-wal"} <= wal_files(layout.dagster_home)
    assert {Path(file).name for file in held_files()} >= {"runs.db", "index.db"}


def test_the_ledger_is_not_held_open_and_waits_for_the_disk_as_before(layout: ArchiveLayout) -> None:
    layout.data.mkdir()
    code = (
        "get_runs()\n"
        "from classface_assets.orchestration.records.sqlite.connections import held_files\n"
        "from classface_assets.store.ledger.database import open_engine\n"
        f"with open_engine('sqlite:///{layout.data}/ledger.sqlite', writing=True).connect() as con:\n"
        "    print(con.exec_driver_sql('PRAGMA synchronous').scalar(), *(Path(file).name for file in held_files()))"
    )
    ended = run_process(layout, code)
    assert (ended.stderr, ended.stdout.split()[0]) == ("", "2")  # FULL
    assert set(ended.stdout.split()[1:]) == {"runs.db", "index.db", "schedules.db"}


def test_what_a_killed_process_recorded_is_there(layout: ArchiveLayout) -> None:
    killed = run_process(layout, "add_dynamic_partitions('school_year', ['2001-2002']); os.kill(os.getpid(), 9)")
    assert killed.returncode == -9
    require_sound_records(layout.dagster_home)
    with dg.DagsterInstance.from_config(str(layout.dagster_home)) as found:
        assert found.get_dynamic_partitions("school_year") == ["2001-2002"]


def test_a_process_that_ends_leaves_no_log_behind(layout: ArchiveLayout) -> None:
    assert run_process(layout, "get_runs()").returncode == 0
    assert (layout.dagster_home / "history" / "runs.db").exists()
    assert wal_files(layout.dagster_home) == set()


def test_records_set_aside_and_new_ones_do_not_disturb_each_other(
    instance: dg.DagsterInstance, layout: ArchiveLayout
) -> None:
    instance.add_dynamic_partitions("school_year", ["2001-2002"])
    aside = set_records_aside(layout)
    assert aside is not None
    with open_instance(layout) as new:
        new.add_dynamic_partitions("school_year", ["2005-2006"])
        new.add_dynamic_partitions("school_year", ["2006-2007"])
        assert new.get_dynamic_partitions("school_year") == ["2005-2006", "2006-2007"]
    require_sound_records(layout.dagster_home)
    with closing(sqlite3.connect(aside / "history" / "runs" / "index.db")) as con:
        assert con.execute("SELECT partition FROM dynamic_partitions").fetchall() == [("2001-2002",)]


def test_the_check_of_the_records_takes_no_lock_off_them(
    instance: dg.DagsterInstance, layout: ArchiveLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance.add_dynamic_partitions("school_year", ["2001-2002"])
    for most in (1 << 30, 1):  # with its structure, and without
        monkeypatch.setattr("classface_assets.orchestration.records.sqlite.damaged_records.MOST_BYTES_CHECKED", most)
        require_sound_records(layout.dagster_home)
    # Without the locks another process would take itself for the last one, and delete the log.
    index = layout.dagster_home / "history" / "runs" / "index.db"
    code = (
        f"import sqlite3; con = sqlite3.connect({str(index)!r}); con.execute('SELECT 1 FROM event_logs'); con.close()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert "index.db-wal" in wal_files(layout.dagster_home)


def test_only_the_last_few_files_are_held(tmp_path: Path) -> None:
    held = HeldConnections(most=2)
    files = [str(database(tmp_path / f"{name}.db")) for name in "abc"]
    for file in [*files[:2], files[0], files[2]]:
        held.hold(file)
    assert held.files() == [files[0], files[2]]
    held.close()
    assert held.files() == [] and wal_files(tmp_path) == set()


def test_a_file_that_was_replaced_is_held_anew(tmp_path: Path) -> None:
    held, file = HeldConnections(), database(tmp_path / "a.db")
    held.hold(str(file))
    file.replace(tmp_path / "old.db")
    for name in ("a.db-wal", "a.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    database(file)
    held.hold(str(file))
    with closing(sqlite3.connect(file)) as con, con:
        con.execute("INSERT INTO numbers VALUES (1)")
    assert wal_files(tmp_path) == {"a.db-wal"}
    held.close()
    with closing(sqlite3.connect(file)) as con:
        assert con.execute("SELECT n FROM numbers").fetchall() == [(1,)]


def test_what_is_deleted_meanwhile_is_no_error(tmp_path: Path) -> None:
    held, file = HeldConnections(), database(tmp_path / "a.db")
    held.hold(str(file))
    file.unlink()
    with pytest.raises(FileNotFoundError):
        held.hold(str(file))
    held.close()
