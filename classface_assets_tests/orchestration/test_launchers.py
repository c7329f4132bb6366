"""Where runs are processes: launchers in dagster.yaml, and whose runs are taken for dead."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from click.testing import CliRunner, Result
from dagster._core.events import EngineEventData
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._core.utils import make_new_run_id

from classface_assets.cli.__main__ import cli
from classface_assets.core.layout import ArchiveLayout
from classface_assets.orchestration.instance import fail_dead_runs, open_instance
from classface_assets.orchestration.records.database import RunSettings, write_settings
from classface_assets.orchestration.records.launchers import settings
from classface_assets.orchestration.records.launchers.own_runs import health_of_own
from classface_assets.orchestration.records.launchers.settings import Launcher, LauncherError, LauncherSettings
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.orchestration.settings.archive_names import HOST_TAG, host_tags
from classface_assets.review.runs.manager import RunManager

K8S = ("--launcher", "k8s", "--image", "faces:1", "--service-account", "dagster", "--config-map", "instance")


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ArchiveLayout:
    for name in [name for name in os.environ if name.startswith(("CLASSFACE_", "AWS_", "PG"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DAGSTER_HOME", "")
    (tmp_path / "photos" / "2019-2020").mkdir(parents=True)
    return ArchiveLayout(tmp_path / "photos", tmp_path / "data")


@pytest.fixture
def instance(layout: ArchiveLayout) -> Iterator[dg.DagsterInstance]:
    with open_instance(layout) as opened:
        yield opened


def config(layout: ArchiveLayout, *options: str) -> Result:
    places = ["--photos", str(layout.photos), "--data", str(layout.data)]
    return CliRunner().invoke(cli, ["dagster-config", *places, *options])


def written(layout: ArchiveLayout) -> dict[str, Any]:
    return dict(yaml.safe_load((layout.dagster_home / "dagster.yaml").read_text()))


def launcher_of(layout: ArchiveLayout) -> str:
    """The class that Dagster itself makes of the settings."""
    with open_instance(layout) as opened:
        return f"{type(opened.run_launcher).__module__}.{type(opened.run_launcher).__name__}"


@pytest.mark.slow
def test_runs_are_launched_by_docker_ray_and_this_machine_again(
    layout: ArchiveLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLASSFACE_LEDGER", "postgresql://ledger")
    monkeypatch.setenv("CLASSFACE_TOKEN", "secret")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9000")
    monkeypatch.setenv("PGPASSWORD", "secret")
    done = config(layout, "--launcher", "docker", "--image", "faces:1", "--network", "school", "--max-runs", "6")
    assert done.exit_code == 0, done.output
    content = written(layout)
    given = content["run_launcher"]["config"]
    assert given["image"] == "faces:1" and given["network"] == "school"
    forwarded = ["AWS_ENDPOINT_URL", "CLASSFACE_LEDGER", "PGPASSWORD"]
    assert given["env_vars"] == forwarded, "names, and no token of the review server"
    assert content["run_monitoring"]["enabled"] and content["concurrency"]["pools"]["default_limit"] == 1
    assert content["concurrency"]["runs"]["max_concurrent_runs"] == 6 and "retention" in content
    assert launcher_of(layout).endswith("launchers.docker.DockerRunLauncher")

    assert config(layout, "--launcher", "docker").exit_code == 0, "what was given stays"
    assert written(layout)["run_launcher"]["config"]["image"] == "faces:1"
    assert config(layout, "--launcher", "ray", "--ray-address", "http://127.0.0.1:8265").exit_code == 0
    assert launcher_of(layout).endswith("launchers.ray.RayRunLauncher")
    assert config(layout, "--launcher", "default").exit_code == 0
    assert "run_launcher" not in written(layout) and launcher_of(layout).endswith("DefaultRunLauncher")


@pytest.mark.slow
def test_runs_are_launched_by_kubernetes(
    layout: ArchiveLayout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = config(layout, *K8S)
    assert done.exit_code == 0, done.output
    # Outside of a cluster its client needs a file that says where one is; nothing is asked of it here.
    cluster = {"name": "none", "cluster": {"server": "http://127.0.0.1:1"}}
    context = {"name": "none", "context": {"cluster": "none", "user": "none"}}
    kube = {"clusters": [cluster], "contexts": [context], "users": [{"name": "none", "user": {}}]}
    (tmp_path / "kube").write_text(yaml.safe_dump({"apiVersion": "v1", "current-context": "none", **kube}))
    content = written(layout)
    content["run_launcher"]["config"] |= {"load_incluster_config": False, "kubeconfig_file": str(tmp_path / "kube")}
    (layout.dagster_home / "dagster.yaml").write_text(yaml.safe_dump(content))
    assert launcher_of(layout).endswith("launchers.k8s.K8sRunLauncher")


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (["--launcher", "docker"], 1, "The launcher docker needs --image."),
        (["--launcher", "k8s"], 1, "needs --image and --service-account and --config-map."),
        (["--launcher", "ray"], 1, "The launcher ray needs --ray-address."),
        (["--image", "faces:1"], 2, "Name the launcher"),
    ],
)
def test_what_a_launcher_lacks_is_one_sentence_and_nothing_is_written(
    layout: ArchiveLayout, options: list[str], code: int, sentence: str
) -> None:
    config(layout, "--max-runs", "3")
    before = (layout.dagster_home / "dagster.yaml").read_text()
    done = config(layout, *options)
    assert done.exit_code == code and sentence in f"{done.output}{done.exception}"
    assert (layout.dagster_home / "dagster.yaml").read_text() == before


def test_a_launcher_without_its_extra_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "find_spec", lambda _: None)
    with pytest.raises(LauncherError, match=r"needs the extra `docker`: pip install 'classface_assets\[docker\]'"):
        LauncherSettings(Launcher.DOCKER, image="faces:1").section([], {})


def test_an_archive_can_be_limited_to_so_many_runs(tmp_path: Path) -> None:
    write_settings(tmp_path, None, RunSettings(most=8, most_an_archive=2))
    write_settings(tmp_path, None, RunSettings(most_an_archive=3))
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        queue = instance.get_concurrency_config().run_queue_config
    assert queue is not None and queue.max_concurrent_runs == 8
    limit = {"key": "classface/archive", "value": {"applyLimitPerUniqueValue": True}, "limit": 3}
    assert queue.tag_concurrency_limits == [limit]


def dead_process() -> str:
    """The number of a process that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return str(ended.pid)


def started(instance: dg.DagsterInstance, tags: dict[str, str]) -> str:
    """A run that has start, whose process is no more."""
    run = instance.add_run(
        dg.DagsterRun(job_name="identify", run_id=make_new_run_id(), tags=tags, status=dg.DagsterRunStatus.NOT_STARTED)
    )
    instance.report_engine_event("began", run, EngineEventData({"pid": dg.MetadataValue.text(dead_process())}))
    start = dg.DagsterEvent(event_type_value="PIPELINE_START", job_name="identify")
    instance.report_dagster_event(start, run.run_id)
    return run.run_id


def test_runs_of_other_machines_are_not_taken_for_dead_by_numbers_of_processes_of_this_one(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert host_tags(instance) == {}, "records in files are of one machine"
    own, other = started(instance, {HOST_TAG: socket.gethostname()}), started(instance, {HOST_TAG: "another"})
    unknown = started(instance, {})
    monkeypatch.setattr(instance.event_log_storage, "postgres_url", "postgresql://shared", raising=False)
    assert host_tags(instance) == {HOST_TAG: socket.gethostname()}
    assert [run.run_id for run in fail_dead_runs(instance)] == [own]
    monkeypatch.undo()
    assert {run.run_id for run in fail_dead_runs(instance)} == {other, unknown}


def test_a_review_server_that_starts_ends_the_runs_that_were_killed_with_the_one_before(
    layout: ArchiveLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = RunManager(Archive(photos=str(layout.photos), data=str(layout.data)), Models(pack="builtin"))
    own, _other = (started(manager.instance, {HOST_TAG: host}) for host in (socket.gethostname(), "another"))
    started(manager.instance, {})
    monkeypatch.setattr(manager.instance.event_log_storage, "postgres_url", "postgresql://shared", raising=False)
    manager.warm_up()
    ended = manager.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
    assert [run.run_id for run in ended] == [own], "the others may be of another machine or container"


def test_monitoring_leaves_runs_alone_that_the_launcher_did_not_start() -> None:
    alone = dg.DagsterRun(job_name="identify", run_id=make_new_run_id())
    health = health_of_own(alone, lambda _: CheckRunHealthResult(WorkerStatus.NOT_FOUND))
    assert health.status == WorkerStatus.RUNNING
