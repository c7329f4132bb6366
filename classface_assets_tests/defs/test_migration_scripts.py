"""Dagster's migration scripts are read once in a process that has the definitions, and its records as before."""

import subprocess
import sys
from pathlib import Path

CODE = """
import sqlite3, sys
import dagster as dg
from alembic.script import ScriptDirectory, base
from classface_assets.core.layout import ArchiveLayout
from classface_assets.defs.loading.migration_scripts import read_migration_scripts_once
from classface_assets.orchestration.instance import open_instance

loaded = []
load = base.util.load_python_file
base.util.load_python_file = lambda folder, name: loaded.append(name) or load(folder, name)

def opened():
    loaded.clear()
    with dg.DagsterInstance.get() as instance:
        assert instance.get_runs_count() == 0
    return len(loaded)

from pathlib import Path
data = Path(sys.argv[1])
open_instance(ArchiveLayout(data, data)).dispose()
before = opened()
read_migration_scripts_once()
read_migration_scripts_once()
first, again = opened(), opened()
print(before > 10, first == before, again)
for file in sorted((data / "dagster_home").rglob("*.db")):
    with sqlite3.connect(file) as records:
        print(file.name, *records.execute("SELECT version_num FROM alembic_version").fetchone())
"""


def run(code: str, data: Path) -> list[str]:
    done = subprocess.run([sys.executable, "-c", code, str(data)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()


def test_records_that_are_opened_again_read_no_migration_script_again(tmp_path: Path) -> None:
    counts, *versions = run(CODE, tmp_path / "before")
    assert counts == "True True 0"
    at_once = CODE.replace("open_instance(", "read_migration_scripts_once(); open_instance(", 1)
    counts, *same = run(at_once, tmp_path / "after")
    assert counts == "False True 0"
    assert same == versions and len(versions) >= 2, "records that are made then have the same version"
