"""Runs and names at the same time: real processes that name while a run goes, and runs of one archive in turns."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from classface_assets.cli.__main__ import cli
from classface_assets.core.layout import ArchiveLayout
from classface_assets.orchestration.archive_lock import ArchiveLockedError, archive_lock
from classface_assets.services.erasure import erase_person
from classface_assets.services.queries import find_faces
from classface_assets.store.artifacts.assignment_tables import read_table_inputs
from classface_assets_tests.conftest import World
from classface_assets_tests.support.helpers import kill_at_output, python

pytestmark = pytest.mark.slow

NAMING = """
import json, sys, time
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.store.ledger.ledger import Ledger
ledger, groups = Ledger(sys.argv[1]), json.load(open(sys.argv[2]))
print("ready", flush=True)
sys.stdin.readline()
for number, group in enumerate(groups * 100):
    ledger.label(f"Person {number % len(groups)}", [FaceRef.of(face) for face in group])
    time.sleep(0.3)
"""
HOLDING = """
import sys, time
from pathlib import Path
from classface_assets.core.layout import ArchiveLayout
from classface_assets.orchestration.archive_lock import archive_lock
with archive_lock(ArchiveLayout(Path(sys.argv[1]), Path(sys.argv[2])), "classface run", print):
    print("it has the lock", flush=True)
    time.sleep(600)
"""


def clusters(world: World, count: int) -> list[str]:
    sql = f"SELECT cluster_id FROM clusters WHERE cluster_id LIKE 'unknown%' ORDER BY size DESC, 1 LIMIT {count}"
    return world.query(sql)["cluster_id"].to_list()


def names(world: World) -> dict[str, str]:
    """Face id → the published name."""
    rows = world.query("SELECT f.id, p.name FROM face_instances f JOIN persons p ON p.id = f.person_id")
    return dict(rows.iter_rows())


def test_naming_every_third_of_a_second_while_a_run_goes_fails_nothing_and_loses_no_name(world: World) -> None:
    groups = [find_faces(world.layout.database, cluster) for cluster in clusters(world, 8)]
    file = world.folder / "groups.json"
    file.write_text(json.dumps([[face.payload() for face in group] for group in groups]))
    naming = subprocess.Popen(
        [sys.executable, "-c", NAMING, world.layout.ledger_url, str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert naming.stdin and naming.stdout and naming.stdout.readline() == "ready\n"
    try:
        naming.stdin.write("go\n")
        naming.stdin.flush()
        assert world.run() == []
        assert naming.poll() is None, "it named until the end"
    finally:
        naming.kill()
        naming.communicate()
    noted, last = read_table_inputs(world.layout.table("identities")), world.archive.open_ledger().last()
    assert noted and last and 0 < noted.until < last[0]
    assert world.number("identities", "decisions_for_the_next_run") > 0
    assert world.run() == []
    expected = {face.face_id: f"Person {number}" for number, group in enumerate(groups) for face in group}
    assert expected.items() <= names(world).items()


@pytest.fixture
def alone(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """An archive whose Dagster records are its own, for commands in processes of their own."""
    for name in ("CLASSFACE_LEDGER", "CLASSFACE_PACK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DAGSTER_HOME", str(world.layout.dagster_home))
    return world


def classface(world: World, *words: str) -> "subprocess.Popen[str]":
    places = ["--photos", str(world.layout.photos), "--data", str(world.layout.data)]
    command = [sys.executable, "-m", "classface_assets.cli", *words, *places]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(file: Path) -> None:
    end = time.monotonic() + 120
    while not file.exists():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_two_runs_at_once_take_turns_and_publish_what_was_named_between(alone: World) -> None:
    faces = find_faces(alone.layout.database, clusters(alone, 1)[0])
    first = classface(alone, "run")
    wait_for(alone.layout.local / "run.json")
    second, third = classface(alone, "run"), classface(alone, "run", "--no-wait")
    alone.archive.open_ledger().label("Ada", faces)
    ended = {process: process.communicate() for process in (third, first, second)}
    assert (first.returncode, second.returncode, third.returncode) == (0, 0, 1), ended
    waiting = f"(process {first.pid}); waiting until it is done."
    assert waiting in ended[second][1] and "Another `classface run` of this archive goes on since " in ended[second][1]
    assert f"(process {first.pid}); try again when it is done." in ended[third][1]
    assert {names(alone).get(face.face_id) for face in faces} == {"Ada"}
    assert not (alone.layout.local / "run.json").exists()


IDENTIFYING = """
import sys
from classface_assets.orchestration.instance import prepare_instance
from classface_assets.orchestration.configured_resources import resolve_archive, resolve_models
from classface_assets.defs.runner.console import stderr_console
from classface_assets.defs.runner.pipeline import PipelineRunner
archive = resolve_archive(sys.argv[1], sys.argv[2])
instance, _ = prepare_instance(archive.layout)
with instance:
    runner = PipelineRunner(instance, archive, resolve_models("builtin"), stderr_console())
    print("ready", flush=True)
    sys.exit(sum(len(runner.run_job("identify")) for _ in range(2)))
"""
"""As Dagster's own UI and daemon do it: without taking the lock."""


def test_a_run_beside_one_of_dagsters_own_fails_nothing_and_loses_no_name(alone: World) -> None:
    groups = [find_faces(alone.layout.database, cluster) for cluster in clusters(alone, 8)]
    dagsters = python(IDENTIFYING, alone.layout.photos, alone.layout.data)
    assert dagsters.stdout and dagsters.stdout.readline() == "ready\n"
    ours, ledger = classface(alone, "run"), alone.archive.open_ledger()
    number = 0
    while ours.poll() is None or dagsters.poll() is None:
        ledger.label(f"Person {number % len(groups)}", groups[number % len(groups)])
        number += 1
        time.sleep(0.3)
    ended = {process: process.communicate() for process in (ours, dagsters)}
    assert (ours.returncode, dagsters.returncode) == (0, 0), ended
    last = classface(alone, "run")
    assert last.communicate() and last.returncode == 0
    expected = {face.face_id: f"Person {n}" for n, group in enumerate(groups[:number]) for face in group}
    assert expected.items() <= names(alone).items()


@pytest.fixture
def held(layout: ArchiveLayout) -> Iterator["subprocess.Popen[str]"]:
    """A process that holds the lock of the archive."""
    process = python(HOLDING, layout.photos, layout.data)
    wait_for(layout.local / "run.json")
    yield process
    process.kill()
    process.communicate()


def test_the_lock_of_a_run_that_was_killed_is_free(layout: ArchiveLayout, held: "subprocess.Popen[str]") -> None:
    messages: list[str] = []
    with (
        pytest.raises(ArchiveLockedError, match=rf"goes on since \d\d:\d\d \(process {held.pid}\); try again"),
        archive_lock(layout, "classface run", messages.append, wait=False),
    ):
        pass
    kill_at_output(held, "it has the lock")
    with archive_lock(layout, "classface run", messages.append, wait=False):
        assert json.loads((layout.local / "run.json").read_text())["process"] == os.getpid()
    assert messages == []


def test_nobody_is_erased_while_a_run_goes(world: World) -> None:
    ledger = world.archive.open_ledger()
    ledger.label("Ada", find_faces(world.layout.database, clusters(world, 1)[0]))
    with (
        archive_lock(world.layout, "classface run", print),
        pytest.raises(ArchiveLockedError, match="Another `classface run` of this archive goes on since"),
    ):
        erase_person(world.archive, world.instance, "Ada")
    assert ledger.decisions().find_current_person("Ada") is not None
    assert not ledger.decisions().erased_faces


def test_every_command_that_runs_something_takes_its_turn(layout: ArchiveLayout, held: "subprocess.Popen[str]") -> None:
    """`prune` removes what a run may be about to use, so it does not wait but ends with a message."""
    from click.testing import CliRunner

    places = ["--photos", str(layout.photos), "--data", str(layout.data)]
    (layout.photos / "2018-2019").mkdir(parents=True)
    for words in (["run", "--no-wait"], ["prune", "--yes"]):
        ended = CliRunner().invoke(cli, [*words, *places])
        assert isinstance(ended.exception, ArchiveLockedError), ended.exception
        assert f"process {held.pid}" in str(ended.exception)
