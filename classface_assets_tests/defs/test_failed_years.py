"""A blocking check of one school year: nothing is made of all years together until the year is made anew."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from dagster._cli import cli as dagster_cli

from classface_assets.core.layout import ArchiveLayout
from classface_assets.defs.automation import GLOBAL_ASSETS, YEAR_ASSETS
from classface_assets.orchestration.failures import failure_reason
from classface_assets.orchestration.instance import open_instance
from classface_assets.orchestration.resources import Models
from classface_assets.orchestration.school_year_runs.years import range_tags
from classface_assets.store.catalog.school_year import SchoolYearStore
from classface_assets.store.files.parts import PartDataset
from classface_assets.store.maintenance.failed_checks import (
    FailedChecksError,
    failed_checks,
    record_checks,
    require_passed_checks,
)
from classface_assets_tests.conftest import World

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::dagster.SupersessionWarning")]

YEARS = ("2016-2017", "2017-2018")
BROKEN = YEARS[1]
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def vectors_of(world: World) -> PartDataset:
    info = Models(pack=world.pack).describe(world.layout)
    return SchoolYearStore(world.layout, info.detector_version, BROKEN).embedding_parts(info.key)


def spoil_a_vector(world: World) -> None:
    """A vector that is not a number, as a faulty graphics card returns."""
    parts = vectors_of(world)
    first = parts.read().head(1)
    vector = np.full(first["vector"].to_numpy().shape, np.nan, np.float32)
    parts.replace(first.with_columns(pl.Series("vector", vector, first.schema["vector"])))


def published(layout: ArchiveLayout) -> dict[str, str]:
    """Path → digest of what is made of all school years, and of the albums."""
    files = [Path(str(layout.table(name))) for name in ("knn_graph", "cluster_assignments", "identities")]
    files += [layout.database, *(file for file in Path(str(layout.albums)).rglob("*") if file.is_file())]
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def start(world: World, assets: tuple[str, ...], *years: str) -> set[str]:
    """A run as Dagster's page, a backfill or automation starts it; returns why steps failed."""
    outcome = world.chain.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        run_config=QUIET,
        instance=world.instance,
        asset_selection=[dg.AssetKey(asset) for asset in assets],
        tags=range_tags(years) if years else {},
        raise_on_error=False,
    )
    return {failure_reason(event.step_failure_data) for event in outcome.all_events if event.is_step_failure}


def by_dagsters_command(world: World) -> set[str]:
    """`dagster asset materialize`, which uses the archive and the records that the environment names."""
    home = world.layout.dagster_home
    home.mkdir(exist_ok=True)
    given = {"CLASSFACE_PHOTOS": str(world.layout.photos), "CLASSFACE_DATA": str(world.layout.data)}
    command = ["asset", "materialize", "-m", "classface_assets.definitions", "--select", "face_tables+"]
    result = CliRunner().invoke(dagster_cli, command, env={**given, "DAGSTER_HOME": str(home)})
    assert result.exit_code != 0
    with open_instance(world.layout) as instance:
        (run,) = instance.get_runs()
        events = [one.dagster_event for one in instance.all_logs(run.run_id, dg.DagsterEventType.STEP_FAILURE)]
    return {failure_reason(event.step_failure_data) for event in events if event is not None}


WAYS: dict[str, Callable[[World], set[str]]] = {
    "the page, all assets over all years": lambda world: start(world, GLOBAL_ASSETS),
    "the page, one asset": lambda world: start(world, ("cluster_assignments",)),
    "the job": lambda world: {one.reason for one in world.chain.run_job("identify")},
    "Dagster's command": by_dagsters_command,
}


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_published_of_a_broken_vector_however_the_run_is_started(world: World, way: str) -> None:
    spoil_a_vector(world)
    before = published(world.layout)
    reasons = WAYS[way](world)
    assert f"{BROKEN}: vectors_are_finite (embeddings)" in " ".join(reasons)
    assert published(world.layout) == before


def test_a_year_that_failed_its_check_is_made_anew_by_its_next_run_and_all_years_go_on(world: World) -> None:
    world.instance.add_dynamic_partitions("school_year", list(YEARS))
    sound = vectors_of(world).read().sort("face_id")
    spoil_a_vector(world)
    before = published(world.layout)
    for years in (YEARS, (BROKEN,)):  # of a range, and alone, where it is made anew
        reasons = start(world, YEAR_ASSETS, *years)
        assert bool(reasons) == (years == YEARS), reasons
        if reasons:
            assert [one.checks for one in failed_checks(world.layout)] == [("vectors_are_finite",)]
            (refused,) = start(world, GLOBAL_ASSETS)
            assert f"{BROKEN}: vectors_are_finite (embeddings)" in refused and published(world.layout) == before
    assert failed_checks(world.layout) == []
    again = vectors_of(world).read().sort("face_id")
    assert again["face_id"].equals(sound["face_id"])
    assert np.allclose(again["vector"].to_numpy(), sound["vector"].to_numpy(), atol=1e-3)
    assert start(world, GLOBAL_ASSETS) == set() and world.query("SELECT id FROM face_instances").height


def test_classface_run_makes_a_broken_vector_again_by_itself(world: World) -> None:
    spoil_a_vector(world)
    assert world.run() == []
    assert np.isfinite(vectors_of(world).read()["vector"].to_numpy()).all() and failed_checks(world.layout) == []
    assert world.query("SELECT id FROM face_instances").height


def test_a_face_in_two_photos_is_refused_and_both_photos_are_searched_again(world: World) -> None:
    info = Models(pack=world.pack).describe(world.layout)
    parts = SchoolYearStore(world.layout, info.detector_version, BROKEN).active_detection_parts()
    assert parts is not None
    rows = parts.read()
    face = rows.filter(pl.col("face_id").is_not_null()).head(1)
    other = rows.filter(pl.col("asset_id") != face["asset_id"][0])["asset_id"][0]
    parts.append(face.with_columns(pl.lit(other).alias("asset_id")))
    world.instance.add_dynamic_partitions("school_year", list(YEARS))
    (refused,) = start(world, GLOBAL_ASSETS)
    assert f"{BROKEN}: no_face_twice (detections)" in refused
    assert start(world, YEAR_ASSETS, BROKEN) == set() and failed_checks(world.layout) == []
    assert parts.read().sort("asset_id", "face_id")["face_id"].equals(rows.sort("asset_id", "face_id")["face_id"])


def test_a_check_that_passes_again_takes_its_record_away_and_no_other(layout: ArchiveLayout) -> None:
    record_checks(layout, "images", BROKEN, ["every_file_is_accounted_for"])
    record_checks(layout, "embeddings", BROKEN, ["one_vector_a_face", "vectors_are_finite"])
    record_checks(layout, "embeddings", YEARS[0], [])
    with pytest.raises(FailedChecksError, match=r": one_vector_a_face, vectors_are_finite \(embeddings\); 2017"):
        require_passed_checks(layout)
    record_checks(layout, "embeddings", BROKEN, [])
    assert [one.asset for one in failed_checks(layout)] == ["images"]
    record_checks(layout, "images", BROKEN, [])
    require_passed_checks(layout)
