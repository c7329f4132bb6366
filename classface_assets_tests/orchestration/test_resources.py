"""The resources of the assets: how long the catalog stays in memory, and what comes from the environment."""

import gc
import weakref
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from classface_assets.orchestration.configured_resources import ENVIRONMENT, default_resources
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.store.catalog.faces import FaceCatalog
from classface_assets_tests.conftest import World

VARIABLES = (*ENVIRONMENT.values(), "CLASSFACE_REFUSED", "CLASSFACE_PACK")


def test_the_assets_of_a_run_read_one_catalog_and_its_memory_is_free_after_the_run(finished: World) -> None:
    seen: list[weakref.ref[FaceCatalog]] = []

    @dg.asset
    def first(archive: Archive, models: Models) -> None:
        seen.append(weakref.ref(archive.catalog(models)))

    @dg.asset(deps=[first])
    def second(archive: Archive, models: Models) -> None:
        assert archive.catalog(models) is seen[-1]()

    resources = {"archive": finished.archive, "models": Models(pack="builtin")}
    with dg.DagsterInstance.ephemeral() as instance:
        for _ in range(2):
            assert dg.materialize([first, second], resources=resources, instance=instance).success
            gc.collect()
    assert [one() for one in seen] == [None, None]


def test_the_catalog_is_read_again_when_a_part_came(world: World) -> None:
    archive, models = world.archive, Models(pack="builtin")
    before = archive.catalog(models)
    assert archive.catalog(models) is before
    part = next((world.layout.data / "parts" / "embeddings").rglob("part-*.parquet"))
    part.rename(part.with_name("part-another.parquet"))
    after = archive.catalog(models)
    assert after is not before and after.faces.equals(before.faces)


@dg.op
def read_resources(archive: Archive, models: Models) -> dict[str, Any]:
    return {**archive.model_dump(), "pack": models.pack}


@dg.job
def reading() -> None:
    read_resources()


def test_what_the_environment_configures_is_read_when_a_run_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLASSFACE_DATA", str(tmp_path / "first"))
    monkeypatch.setenv("CLASSFACE_PACK", "builtin")
    monkeypatch.setenv("CLASSFACE_REFUSED", "blur")
    monkeypatch.setenv("CLASSFACE_RETENTION_DAYS", "7")
    resources = default_resources()
    monkeypatch.setenv("CLASSFACE_DATA", str(tmp_path / "second"))
    definitions = dg.Definitions(jobs=[reading], resources=resources)
    with dg.DagsterInstance.ephemeral() as instance:
        outcome = definitions.resolve_job_def("reading").execute_in_process(instance=instance)
    found = outcome.output_for_node("read_resources")
    assert found["data"] == str(tmp_path / "second") and found["photos"] == str(tmp_path / "first" / "photos")
    assert (found["pack"], found["refused"], found["year_start"]) == ("builtin", "blur", "09-01")
    assert (found["retention_days"], found["most_new_years"]) == (7, 200)


def test_a_password_in_the_ledgers_url_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLASSFACE_LEDGER", "postgresql://me:secret@server/ledger")
    archive = default_resources()["archive"]
    assert "secret" not in str(dg.Definitions(resources={"archive": archive}).resources) + repr(archive)
