"""The command line: what it says, what it refuses in one sentence, and how it frees what a killed run holds."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from classface_assets.cli.__main__ import main
from classface_assets.core.layout import ArchiveLayout
from classface_assets.defs.sensors.upkeep import is_launched_here
from classface_assets.orchestration.instance import fail_dead_runs, open_instance
from classface_assets.store.files.duckdb import publish_database

pytestmark = pytest.mark.slow

COMMANDS = [
    *([], ["run"], ["label"], ["rename"], ["undo"], ["history"], ["people"], ["stats"], ["release"]),
    *(
        ["years"],
        ["years", "sync"],
        ["years", "list"],
        ["years", "set"],
        ["years", "unset"],
        ["prune"],
        ["find-orphans"],
    ),
    *(["merge"], ["hide"], ["confirm"], ["reject"], ["take-off"], ["not-a-face"], ["link"], ["unlink"], ["siblings"]),
    *(["collage"], ["consent"], ["kind"], ["birth-date"], ["ledger"], ["ledger", "export"], ["ledger", "import"]),
    *(["cluster-dual"], ["assign"], ["reassign"], ["centroids"], ["split"], ["changes"]),
    *(["review"], ["forget"]),
]


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ArchiveLayout:
    for name in ("CLASSFACE_PHOTOS", "CLASSFACE_DATA", "CLASSFACE_LEDGER", "CLASSFACE_PACK"):
        monkeypatch.delenv(name, raising=False)
    # open_instance sets it for the process; what is set here is put back after the test.
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "data" / "dagster_home"))
    for year in ("2018-19", "2019-20"):
        (tmp_path / "photos" / year).mkdir(parents=True)
    return ArchiveLayout(tmp_path / "photos", tmp_path / "data")


def words(layout: ArchiveLayout, *arguments: str) -> list[str]:
    """A command line; what `classface` is told after the command itself, and the places of this archive."""
    return [*arguments, "--photos", str(layout.photos), "--data", str(layout.data)]


def classface(layout: ArchiveLayout, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """The command, run by its entry point in this process, which saves the seconds that imports take."""
    output, errors, code = io.StringIO(), io.StringIO(), 0
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(errors),
    ):
        patch.setattr(sys, "argv", ["classface", *words(layout, *arguments)])
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
    return subprocess.CompletedProcess(arguments, code, output.getvalue(), errors.getvalue())


def in_a_process(layout: ArchiveLayout, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "classface_assets.cli", *words(layout, *arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)


def output_of(layout: ArchiveLayout, *arguments: str) -> str:
    outcome = classface(layout, *arguments)
    assert outcome.returncode == 0, outcome.stderr
    return outcome.stdout


def refused(layout: ArchiveLayout, *arguments: str) -> str:
    """The one sentence with which a command ends; neither a traceback nor any other output."""
    # `run` loads the whole pipeline: in a process of its own, as a user starts it.
    outcome = (in_a_process if arguments[0] == "run" else classface)(layout, *arguments)
    assert outcome.returncode == 1 and outcome.stdout == "", outcome
    assert outcome.stderr.startswith("classface: ") and outcome.stderr.count("\n") == 1, outcome.stderr
    return outcome.stderr.removeprefix("classface: ").strip()


def test_the_help_of_every_command_is_instant() -> None:
    code = """
import json, sys, time
from classface_assets.cli.__main__ import cli
for command in json.loads(sys.argv[1]):
    cli([*command, "--help"], standalone_mode=False)
assert not {"polars", "dagster", "numpy", "rich", "duckdb", "sqlalchemy"} & set(sys.modules)
assert time.process_time() < 1, time.process_time()
"""
    helped = subprocess.run(
        [sys.executable, "-c", code, json.dumps(COMMANDS)], capture_output=True, text=True, check=False
    )
    assert helped.returncode == 0, helped.stderr
    assert helped.stdout.count("Usage:") == len(COMMANDS)


def test_what_needs_a_first_run_asks_for_one(layout: ArchiveLayout) -> None:
    for arguments in (["stats"], ["label", "unknown_cluster_1", "Anna"]):
        sentence = refused(layout, *arguments)
        run = f"classface run --photos {layout.photos} --data {layout.data}"
        assert sentence.endswith(f"does not exist yet; run the pipeline first, for example with `{run}`.")


def test_a_mistake_ends_the_process_with_one_sentence_and_exit_code_1(layout: ArchiveLayout) -> None:
    outcome = in_a_process(layout, "stats")
    assert (outcome.returncode, outcome.stdout) == (1, "")
    assert outcome.stderr.startswith("classface: ") and outcome.stderr.count("\n") == 1


def test_a_missing_photos_folder_is_one_sentence(layout: ArchiveLayout, tmp_path: Path) -> None:
    nowhere = ArchiveLayout(tmp_path / "nowhere", layout.data)
    for arguments in (["run"], ["years", "sync"]):
        assert refused(nowhere, *arguments).startswith(f"The photos folder {tmp_path / 'nowhere'} cannot be read")


def test_a_data_folder_that_cannot_be_written_is_one_sentence(layout: ArchiveLayout, tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    sentence = refused(ArchiveLayout(layout.photos, tmp_path / "a file"), "release")
    assert sentence.startswith(f"The data folder {tmp_path / 'a file'} cannot be written")


def test_a_school_year_without_a_folder_is_one_sentence_that_lists_those_there(layout: ArchiveLayout) -> None:
    sentence = refused(layout, "run", "--years", "1900-1901")
    assert sentence == f"There is no folder for 1900-1901 in {layout.photos}; there are: 2018-2019, 2019-2020."


def test_years_lists_sets_and_unsets_before_any_run(layout: ArchiveLayout) -> None:
    (layout.photos / "Primary").mkdir()
    listed = output_of(layout, "years").splitlines()
    assert listed[0] == "2018-19\t2018-2019\tclear\tits name says 2018-19"
    assert output_of(layout, "years", "list").splitlines() == listed
    assert output_of(layout, "years", "set", "Primary", "2011-12").startswith(
        "Primary: 2011-2012. The next `classface run --photos"
    )
    assert "Primary\t2011-2012\tset by hand\tset by hand" in output_of(layout, "years")
    assert "is no school year" in refused(layout, "years", "set", "Primary", "soon")
    assert "There is no folder 'Elsewhere'" in refused(layout, "years", "set", "Elsewhere", "2011-12")
    assert output_of(layout, "years", "unset", "Primary").startswith("Primary: as its name says.")
    assert "No school year was set for 'Primary'" in refused(layout, "years", "unset", "Primary")
    assert output_of(layout, "years").splitlines() == listed


def test_years_sync_registers_every_school_year_once(layout: ArchiveLayout) -> None:
    assert output_of(layout, "years", "sync") == "2 school years, new: 2018-2019, 2019-2020\n"
    assert output_of(layout, "years", "sync") == "2 school years, new: none\n"
    with open_instance(layout) as instance:
        assert sorted(instance.get_dynamic_partitions("school_year")) == ["2018-2019", "2019-2020"]


@pytest.fixture
def published(layout: ArchiveLayout) -> ArchiveLayout:
    """Two photos with three faces, as a first run would have published them."""
    photo = {"school_year": "2018-2019", "status": "ok", "reason": ""}
    face = {"bbox_x": 1.0, "bbox_y": 2.0, "bbox_w": 30.0, "bbox_h": 40.0, "cluster_id": "unknown_cluster_1"}
    publish_database(
        layout.database,
        {
            "image_assets": pl.DataFrame([{**photo, "asset_id": a, "path": f"2018-19/{a}.jpg"} for a in ("p", "q")]),
            "face_instances": pl.DataFrame(
                [
                    {**face, "id": "f1", "asset_id": "p"},
                    {**face, "id": "f2", "asset_id": "q"},
                    {**face, "id": "f3", "asset_id": "q", "bbox_x": 90.0, "cluster_id": "unknown_noise_f3"},
                ]
            ),
            "clusters": pl.DataFrame({"cluster_id": ["unknown_cluster_1", "unknown_noise_f3"], "size": [2, 1]}),
        },
    )
    return layout


def test_people_are_named_renamed_and_taken_back(published: ArchiveLayout) -> None:
    name = "علی‌رضا <b>O'Brien</b>"
    assert output_of(published, "label", "unknown_cluster_1", name).startswith(f"2 faces are {name}.")
    assert output_of(published, "label", "f3", "Bella").startswith("1 face is Bella.")
    assert output_of(published, "rename", "bella", "Isabella") == "bella is now Isabella.\n"
    assert output_of(published, "undo") == "Undone: 5 Bella renamed to Isabella.\n"
    assert [line.split("\t")[0] for line in output_of(published, "people").splitlines()] == ["Bella", name]
    lines = output_of(published, "history").splitlines()
    assert len(lines) == 6
    assert f"2 faces are {name}" in lines[1] and "1 face is Bella" in lines[3]
    assert "renamed to Isabella  (undone)" in lines[4] and "undid 5" in lines[5]


def test_every_act_of_the_ledger_has_a_command_a_sentence_in_the_history_and_an_undo(published: ArchiveLayout) -> None:
    output_of(published, "label", "unknown_cluster_1", "Ana")
    output_of(published, "label", "f3", "Anna")
    acts = {
        ("merge", "Anna", "Ana"): "Anna merged into Ana",
        ("hide", "Ana"): "Ana hidden",
        ("hide", "Ana", "--off"): "Ana shown again",
        ("confirm", "Ana", "f1"): "1 face is Ana, confirmed",
        ("reject", "Ana", "f1"): "1 face is not Ana",
        ("take-off", "f2", "f1"): "name removed from 2 faces",
        ("link", "unknown_cluster_1"): "2 faces are of one person",
        ("unlink", "f1", "f3"): "2 faces are of different people",
        ("collage", "2018-19/q.jpg"): "the photo q is a collage",
        ("collage", "q", "--mirror"): "the photo q is a mirror",
        ("collage", "q", "--off"): "the photo q is no collage or mirror",
        ("consent", "Ana", "given"): "consent given for Ana",
        ("consent", "Ana", "withdrawn"): "consent withdrawn for Ana",
        ("kind", "Ana", "staff"): "Ana is staff",
        ("birth-date", "Ana", "2011-02-03"): "Ana was born on 2011-02-03",
        ("label", "f3", "Bella"): "1 face is Bella",
        ("siblings", "Ana", "Bella"): "Ana and Bella are siblings",
    }
    for act, sentence_text in acts.items():
        assert output_of(published, *act)
        assert output_of(published, "history").splitlines()[-1].endswith(f"  {sentence_text}")
    for act, sentence_text in reversed(acts.items()):
        assert output_of(published, "undo").endswith(f" {sentence_text}.\n")
        if act[0] == "label":
            output_of(published, "undo")
    assert output_of(published, "people").splitlines()[0].startswith("Ana\t") and "Anna" in output_of(
        published, "people"
    )


def test_a_ledger_is_written_to_a_file_and_read_into_another_archive(published: ArchiveLayout, tmp_path: Path) -> None:
    output_of(published, "label", "unknown_cluster_1", "Ana")
    output_of(published, "label", "f3", "Bella")
    file = tmp_path / "ledger.jsonl"
    assert classface(published, "ledger", "export", str(file)).stderr == "Exported: 4 decisions.\n"
    other = ArchiveLayout(published.photos, tmp_path / "other")
    assert output_of(other, "ledger", "import", str(file)) == "Imported: 4 decisions; 0 were there already.\n"
    assert output_of(other, "history") == output_of(published, "history")
    file.write_text(file.read_text().replace("Bella", "Carla") + "no event\n")
    outcome = classface(other, "ledger", "import", str(file))
    assert outcome.returncode == 1 and outcome.stderr.splitlines() == [
        "classface: 1 line is no event of a ledger, so nothing was imported:",
        "  line 5: it is not JSON (Expecting value)",
    ]
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]))
    assert refused(other, "ledger", "import", str(file)).startswith("Event 3 is not the same in the file and in this")


def test_what_cannot_be_decided_is_one_sentence(published: ArchiveLayout) -> None:
    assert refused(published, "label", "unknown_cluster_9", "Anna").startswith(
        "There is no cluster or face unknown_cluster_9; `classface stats --photos"
    )
    assert refused(published, "label", "f3", " ") == "A name is needed: an empty one was given."
    assert refused(published, "rename", "Nobody", "Anna").startswith("Nobody is called 'Nobody'")
    assert refused(published, "undo").startswith("There is nothing in the ledger to undo")
    assert output_of(published, "history") == "", "what was refused left nothing in the ledger"


def test_stats_count_files_faces_and_the_largest_unknown_clusters(published: ArchiveLayout) -> None:
    assert output_of(published, "stats").splitlines() == [
        "Files:    2 ok",
        "Faces:    3: 0 named, 2 in unknown clusters, 1 single",
        "Students: 0 named, 1 unknown",
        '     2 faces  name them: classface label unknown_cluster_1 "Name"',
    ]


def test_release_says_when_nothing_is_held(layout: ArchiveLayout) -> None:
    assert output_of(layout, "release") == "No killed run holds anything.\n"


SLEEPING_RUN = """
import sys, time
from pathlib import Path
import dagster as dg
from classface_assets.orchestration.instance import open_instance
from classface_assets.core.layout import ArchiveLayout

@dg.op(pool="inference")
def sleeps():
    print("holds the pool", flush=True)
    time.sleep(120)

@dg.job(executor_def=dg.in_process_executor)
def sleeping():
    sleeps()

layout = ArchiveLayout(Path(sys.argv[1]), Path(sys.argv[2]))
with open_instance(layout) as instance:
    sleeping.execute_in_process(instance=instance)
"""


@pytest.fixture
def sleeping_run(layout: ArchiveLayout) -> "Iterator[subprocess.Popen[str]]":
    """A process whose run holds a place in the pool `inference`."""
    command = [sys.executable, "-c", SLEEPING_RUN, str(layout.photos), str(layout.data)]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert run.stdout and run.stdout.readline() == "holds the pool\n"
        yield run
    finally:
        run.kill()
        run.communicate()


def places_held(instance: dg.DagsterInstance) -> int:
    return instance.event_log_storage.get_concurrency_info("inference").active_slot_count


def test_a_killed_run_is_freed_and_a_living_one_is_left_alone(
    layout: ArchiveLayout, sleeping_run: "subprocess.Popen[str]"
) -> None:
    with open_instance(layout) as instance:
        assert fail_dead_runs(instance) == [] and places_held(instance) == 1, "the run lives"
        (run,) = instance.get_runs()
        assert run.status == dg.DagsterRunStatus.STARTED
        os.kill(sleeping_run.pid, signal.SIGKILL)
        # Its parent, this test, has not waited for it: the process is a zombie now, as below a Dagster daemon.
        os.waitid(os.P_PID, sleeping_run.pid, os.WEXITED | os.WNOWAIT)
        # The sensor leaves it too: it may be a run of another machine, and only its user can know that it is dead.
        assert fail_dead_runs(instance, of_this_machine=is_launched_here) == [] and places_held(instance) == 1
        assert (
            in_a_process(layout, "release").stdout
            == f"Freed: sleeping  ({run.run_id[:8]})\nKilled runs that were freed: 1.\n"
        )
        (run,) = instance.get_runs()
        assert run.status == dg.DagsterRunStatus.FAILURE and places_held(instance) == 0
    assert output_of(layout, "release") == "No killed run holds anything.\n"
