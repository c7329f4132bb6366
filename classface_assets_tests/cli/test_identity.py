"""Grouping and naming from the command line: what it prints, what it keeps, and what it refuses in one sentence."""

import contextlib
import io
import json
import sys
from pathlib import Path

import polars as pl
import pytest

from classface_assets.cli.__main__ import main
from classface_assets.defs.identity.assignment import AssignmentTask, PublishingRefusedError, require_labels_preserved
from classface_assets.devtools.demo import label_clusters
from classface_assets.devtools.sample.compose import SampleArchive
from classface_assets.identity.settings import settings_for
from classface_assets.orchestration.instance import open_instance
from classface_assets.orchestration.resources import Models
from classface_assets.store.files.parquet import read_parquet
from classface_assets_tests.conftest import World


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("CLASSFACE_PHOTOS", "CLASSFACE_DATA", "CLASSFACE_LEDGER", "CLASSFACE_PACK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "elsewhere"))


def classface(world: World, *arguments: str) -> tuple[int, str, str]:
    """Exit code, output and errors of a command on this archive."""
    output, errors, code = io.StringIO(), io.StringIO(), 0
    places = ["--photos", str(world.layout.photos), "--data", str(world.layout.data)]
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(errors),
    ):
        patch.setattr(sys, "argv", ["classface", *arguments, *places])
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
    return code, output.getvalue(), errors.getvalue()


def output_of(world: World, *arguments: str) -> str:
    code, output, errors = classface(world, *arguments)
    assert code == 0, errors
    return output


def refused(world: World, *arguments: str) -> str:
    code, output, errors = classface(world, *arguments)
    assert code == 1 and output == "" and errors.count("\n") == 1, (code, output, errors)
    return errors.removeprefix("classface: ").strip()


def largest_clusters(world: World) -> list[tuple[str, int]]:
    sql = (
        "SELECT cluster_id, size FROM clusters WHERE cluster_id LIKE 'unknown_cluster_%' ORDER BY size DESC, cluster_id"
    )
    return world.query(sql).rows()


def test_commands_that_need_something_first_say_what(world: World) -> None:
    for command in (["assign"], ["reassign"], ["centroids"]):
        assert refused(world, *command).startswith("Nobody is named yet; name a cluster first")
    assert refused(world, "split", "unknown_cluster_9999").startswith(
        "There is no cluster or face unknown_cluster_9999"
    )
    cluster, _ = largest_clusters(world)[0]
    output_of(world, "label", cluster, "Ana")
    assert "There is no trained model that beat the plain vectors" in refused(world, "reassign", "--use-trained-model")
    assert "cannot be split into two groups of 500" in refused(
        world, "split", largest_clusters(world)[1][0], "--min-cluster-size", "500"
    )


def test_train_prints_every_epoch_and_its_test_and_progress_is_measured(world: World, sample: SampleArchive) -> None:
    assert refused(world, "train").startswith("Nobody is named yet")
    label_clusters(world.archive, pl.read_csv(sample.truth, infer_schema=False))
    report = json.loads(output_of(world, "train", "--json", "--epochs", "2", "--min-faces-per-person", "2"))
    assert report["status"] == "trained" and report["architecture"] == "residual"
    assert [epoch["epoch"] for epoch in report["epochs"]] == [0, 1, 2]
    assert report["test_on_strangers"]["people"] == report["people"] >= 5
    again = output_of(world, "train-matching", "--epochs", "2", "--min-faces-per-person", "2")
    assert "separation of people held out" in again and report["reason"] in again
    skipped = json.loads(output_of(world, "train", "--json", "--quality-threshold", "1"))
    assert skipped["status"] == "skipped" and "label more faces" in skipped["reason"] and not skipped["epochs"]
    picture = world.folder / "progress.png"
    progress = output_of(world, "evaluate", "--progress", "--picture", str(picture))
    assert "people_labelled" in progress and " now " in progress and picture.read_bytes().startswith(b"\x89PNG")


def test_cluster_dual_prints_the_summary_and_the_ui_shows_its_run(world: World) -> None:
    cluster, size = largest_clusters(world)[0]
    output_of(world, "label", cluster, "Ana")
    printed = output_of(world, "cluster-dual", "--max-clusters", "3")
    faces = world.query("SELECT count(*) AS n, count(person_id) AS named FROM face_instances").row(0)
    assert f"Faces processed:      {faces[0]}" in printed
    assert f"assigned to people: {faces[1]} ({faces[1] / faces[0]:.1%})" in printed and faces[1] >= size
    assert "people matched:     1" in printed and "clusters found:     3" in printed
    assert len(largest_clusters(world)) == 3
    with open_instance(world.layout) as instance:
        (record,) = instance.get_run_records()
        assert record.dagster_run.job_name == "identify" and record.dagster_run.is_success
        assert record.dagster_run.run_config["ops"]["cluster_assignments"]["config"]["max_clusters"] == 3
    moved = output_of(world, "changes")
    assert f"{size}  an unknown cluster -> a person" in moved
    assert f"{cluster} -> Ana  labelled" in moved
    assert "Ana\t" in output_of(world, "centroids")
    assert "assigned to people" in output_of(world, "assign", "--method", "knn", "-k", "3")
    assert "assigned to people" in output_of(world, "reassign", "--person-threshold", "0.99")


def test_a_split_holds_in_every_later_run_and_is_undone_by_undo(world: World) -> None:
    """With dlib's vectors: by SFace's no threshold makes one cluster of the sample's children.

    Groups of two: how many faces the pieces have differs from processor to processor.
    """
    assert World(world.folder, world.instance, "dlib").run() == []
    pack = ["--pack", "dlib"]
    loose = ["cluster-dual", "--cluster-threshold", "0.8", *pack]  # so loose that children run into one another
    output_of(world, *loose)
    everybody, size = largest_clusters(world)[0]
    assert size > 8
    pieces = output_of(world, "split", everybody, "--min-cluster-size", "2", *pack).splitlines()[:-1]
    names = [line.split(":")[0] for line in pieces]
    assert names[:2] == [f"{everybody}_sub_1", f"{everybody}_sub_2"]
    assert set(names) <= {name for name, _ in largest_clusters(world)}
    output_of(world, *loose)
    assert set(names) <= {name for name, _ in largest_clusters(world)}
    output_of(world, "undo")
    output_of(world, *loose)
    assert largest_clusters(world)[0][1] == size


def test_publishing_is_refused_before_a_labelled_face_moves(world: World) -> None:
    cluster, _ = largest_clusters(world)[0]
    output_of(world, "label", cluster, "Ana")
    catalog, events = world.archive.catalog(Models(pack="builtin")), world.archive.open_ledger().events()
    task = AssignmentTask(world.layout, catalog, events, settings_for("builtin"), portraits={})
    rows = read_parquet(world.layout.table("identities"))  # of before Ana was named
    with pytest.raises(PublishingRefusedError, match=r"Nothing was published: .* labelled faces would lose their name"):
        require_labels_preserved(task, rows, is_of_catalog=True)


def test_cluster_numbers_ever_given_are_remembered(world: World) -> None:
    highest = max(int(name.split("_")[2]) for name, _ in largest_clusters(world))
    numbers = read_parquet(world.layout.table("cluster_numbers"))
    assert numbers.equals(pl.DataFrame({"highest": [highest]})), json.dumps(numbers.to_dicts())
