"""What keeps a Ray cluster from being used ends in a sentence, before any photo is searched."""

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from classface_assets.core.errors import UnreachableError, UserError
from classface_assets.core.layout import ArchiveLayout
from classface_assets.orchestration.batches.ray import connection
from classface_assets.orchestration.batches.ray.config import RayConfig
from classface_assets.orchestration.batches.ray.connection import RayUnusableError, connect
from classface_assets.orchestration.batches.ray.machines import on_this_machine, problem_of, report_of
from classface_assets.orchestration.batches.ray.settings import RaySettings, ray_settings
from classface_assets.orchestration.batches.ray.worker import Refused, Worker
from classface_assets.orchestration.batches.runner import InProcessRunner
from classface_assets.store.files.parquet import DamagedFileError


@pytest.fixture
def school(tmp_path: Path) -> ArchiveLayout:
    (tmp_path / "photos" / "2016-2017").mkdir(parents=True)
    return ArchiveLayout(tmp_path / "photos", tmp_path / "data")


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_a_cluster_that_does_not_answer_is_named_within_seconds() -> None:
    pytest.importorskip("ray")
    with pytest.raises(UnreachableError, match=r"The Ray cluster 127\.0\.0\.1:\d+ cannot be reached \(connection"):
        connect(RaySettings(f"127.0.0.1:{free_port()}"))


@pytest.mark.parametrize("address", ["10.0.0.4", "host:port", "ray://", ":6379", "host:99999"])
def test_what_is_no_address_is_refused(address: str) -> None:
    pytest.importorskip("ray")
    with pytest.raises(RayUnusableError, match="is no address of a Ray cluster; give host:port"):
        connect(RaySettings(address))


def test_without_the_extra_an_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "find_spec", lambda _: None)
    with pytest.raises(RayUnusableError, match=r"Ray is not installed: pip install 'classface_assets\[ray\]'"):
        connect(RaySettings("10.0.0.4:6379"))


@pytest.mark.parametrize("address", ["local", "127.0.0.1:6379"])
def test_ray_that_something_else_loaded_for_networks_is_refused_on_loopback(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    pytest.importorskip("ray")
    monkeypatch.delenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", raising=False)
    with pytest.raises(RayUnusableError, match="would not keep to this machine"):
        connection.import_ray(address)


def test_a_worker_that_is_like_this_machine_has_no_problem(school: ArchiveLayout) -> None:
    own = report_of(school, "builtin", "driver")
    assert problem_of(own, school, own) == ""
    worker = report_of(school, "builtin", "a")
    assert problem_of(worker, school, own) == ""
    assert not list(school.data.rglob(".ray*")), "nothing of the question is left"


def test_a_worker_with_another_version_is_named(school: ArchiveLayout) -> None:
    own = report_of(school, "builtin", "driver")
    worker = replace(report_of(school, "builtin", "a"), host="b12", code="other")
    assert problem_of(worker, school, own).startswith("The Ray worker b12 runs another version of classface")


def test_a_worker_without_the_pack_is_named(school: ArchiveLayout, tmp_path: Path) -> None:
    pack = tmp_path / "own pack"
    own, worker = report_of(school, "builtin", "driver"), report_of(school, str(pack), "a")
    sentence = problem_of(worker, school, own)
    assert "does not have the model pack of this machine (No model pack" in sentence and str(pack) in sentence


def test_a_worker_that_does_not_see_the_photos_is_named(school: ArchiveLayout, tmp_path: Path) -> None:
    own = report_of(school, "builtin", "driver")
    for elsewhere, why in ("not mounted", "there is nothing"), ("other photos", "1 folders there"):
        photos = tmp_path / elsewhere
        if elsewhere == "other photos":
            (photos / "1999-2000").mkdir(parents=True)
        worker = report_of(replace(school, photos=photos), "builtin", "a")
        sentence = problem_of(worker, school, own)
        assert f"does not see the photos of this machine in {school.photos} ({why}" in sentence


def test_a_worker_that_writes_to_another_folder_is_named(school: ArchiveLayout, tmp_path: Path) -> None:
    own = report_of(school, "builtin", "driver")
    worker = report_of(replace(school, data=tmp_path / "own data"), "builtin", "a")
    assert f"cannot write where this machine reads, in {school.data} (it is another folder" in problem_of(
        worker, school, own
    )
    (tmp_path / "a file").write_text("")
    worker = report_of(replace(school, data=tmp_path / "a file"), "builtin", "a")
    assert "cannot write where this machine reads" in problem_of(worker, school, own)


def test_a_worker_has_its_models_in_a_folder_of_its_own(
    school: ArchiveLayout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CLASSFACE_LOCAL", raising=False)
    assert on_this_machine(school) == school
    monkeypatch.setenv("CLASSFACE_LOCAL", str(tmp_path / "here"))
    assert on_this_machine(school).packs == tmp_path / "here" / "packs"


def test_run_config_counts_more_than_the_environment(monkeypatch: pytest.MonkeyPatch, school: ArchiveLayout) -> None:
    for name in ("ADDRESS", "ACTORS_MIN", "ACTORS_MAX", "CPUS_PER_ACTOR", "GPUS_PER_ACTOR"):
        monkeypatch.delenv(f"CLASSFACE_RAY_{name}", raising=False)
    assert RayConfig().ray is None and isinstance(RayConfig().runner(school, "builtin"), InProcessRunner)
    monkeypatch.setenv("CLASSFACE_RAY_ADDRESS", "head:6379")
    monkeypatch.setenv("CLASSFACE_RAY_GPUS_PER_ACTOR", "0.5")
    monkeypatch.setenv("CLASSFACE_RAY_ACTORS_MAX", "8")
    assert RayConfig().ray == RaySettings("head:6379", 1, 8, 1.0, 0.5)
    assert RayConfig(ray_address="auto", ray_actors_max=2).ray == RaySettings("auto", 1, 2, 1.0, 0.5)


@pytest.mark.parametrize("value", ["many", "-1", "1.5", "inf", "nan"])
def test_a_number_of_actors_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("CLASSFACE_RAY_ACTORS_MAX", value)
    with pytest.raises(UserError, match=f"CLASSFACE_RAY_ACTORS_MAX is '{value}'"):
        ray_settings({"ray_address": "auto"})


def test_fewer_actors_at_most_than_at_least_are_refused() -> None:
    with pytest.raises(UserError, match="At least 4 and at most 2 actors"):
        ray_settings({"ray_address": "auto", "ray_actors_min": 4, "ray_actors_max": 2})


class Failing:
    """A task whose error needs two arguments to be made again."""

    def process(self, *_: object) -> object:
        raise DamagedFileError(Path("part.parquet"), "it is cut off")


def test_the_sentence_of_a_worker_is_that_of_the_run() -> None:
    class Reference:
        def hex(self) -> str:
            return "ab"

    worker = Worker.__new__(Worker)
    worker._work = ("ab", Failing())
    refused = worker.process([Reference()], [1])
    assert isinstance(refused, Refused) and str(refused.error).startswith("part.parquet is damaged (it is cut off)")
