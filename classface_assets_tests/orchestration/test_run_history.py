"""Pictures of faces in Dagster's records: prune removes the old ones, and Dagster still knows what was materialized."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from classface_assets.orchestration.instance import open_instance
from classface_assets.orchestration.records.run_history import UnknownRecordsError, require_known_records
from classface_assets.orchestration.school_year_runs.partitions import register_school_years
from classface_assets_tests.cli.test_cli import classface
from classface_assets_tests.conftest import World

YEAR, GONE = "2018-2019", "2019-2020"


@pytest.fixture
def recorded(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The archive with its records on the disk, as `classface` keeps them."""
    monkeypatch.setenv("DAGSTER_HOME", str(world.layout.dagster_home))
    with open_instance(world.layout) as instance:
        yield World(world.folder, instance)


def test_prune_takes_old_pictures_of_faces_out_of_the_records(recorded: World) -> None:
    layout, instance = recorded.layout, recorded.instance
    ingest(recorded)
    before, old = runs(instance), [picture(recorded, YEAR), picture(recorded, GONE)]
    assert len(before) == 2 and all(files_with(layout.local, one) for one in old)
    best = recorded.query(
        "SELECT a.path FROM face_instances f JOIN image_assets a USING (asset_id) "
        f"WHERE a.school_year = '{YEAR}' ORDER BY f.quality_score DESC LIMIT 1"
    ).item()
    (layout.photos / best).unlink()
    shutil.rmtree(layout.photos / GONE)
    ingest(recorded)
    now, made = picture(recorded, YEAR), instance.get_materialized_partitions(dg.AssetKey("detections"))
    assert now not in old, "a face of the deleted photo is shown no more"

    pruned = classface(layout, "prune", "--yes")
    assert pruned.returncode == 0 and "records of runs, with pictures" in pruned.stdout, pruned.stderr
    assert not before & runs(instance), "all that these materialized was materialized again, or is gone"
    assert [files_with(layout.local, one) for one in old] == [[], []]
    assert picture(recorded, YEAR) == now and files_with(layout.dagster_home, now)
    assert instance.get_materialized_partitions(dg.AssetKey("detections")) == made - {GONE}
    assert classface(layout, "prune", "--yes").stdout == "There is nothing that is not used.\n"


def ingest(world: World) -> None:
    register_school_years(world.instance, world.layout)
    for year in (YEAR, GONE):
        assert world.chain.run_job("ingest_year", year) == []


def runs(instance: dg.DagsterInstance) -> set[str]:
    return {run.run_id for run in instance.get_runs()}


def picture(world: World, year: str) -> str:
    """A piece of the last contact sheet of a year, as it is stored."""
    asset = dg.AssetRecordsFilter(dg.AssetKey("detections"), asset_partitions=[year])
    materialized = world.instance.fetch_materializations(asset, limit=1).records[0].asset_materialization
    assert materialized is not None
    sheet = str(materialized.metadata["best_faces"].value)
    return sheet[len(sheet) // 2 :][:200]


def files_with(folder: Path, text: str) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file() and text.encode() in file.read_bytes()]


def test_records_of_an_unknown_version_of_dagster_are_not_touched(tmp_path: Path) -> None:
    with pytest.raises(UnknownRecordsError, match=r"Dagster 1\.99\.0 keeps its records in a way"):
        require_known_records(tmp_path, "1.99.0")
    require_known_records(tmp_path, "1.13.27")
    (tmp_path / "history" / "runs").mkdir(parents=True)
    require_known_records(tmp_path, "1.99.0")
