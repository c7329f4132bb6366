"""Runs as they are seen and repeated: progress told while they last, and nothing done twice."""

import time

import dagster as dg
import pytest

from classface_assets.progress import Meter, Progress, dagster_events, log_lines
from classface_assets_tests.conftest import World


def test_progress_is_told_in_photos_a_second_faces_errors_and_time_left() -> None:
    told: list[str] = []
    with Progress((log_lines(told.append, every_s=0),)).task("2019-2020: finding faces", 1200) as advance:
        time.sleep(0.2)
        advance(300, faces=700, errors=1)
        advance(900, faces=900)
    label, first = told[0].split(": ", 1)[0], told[0]
    assert label == "2019-2020" and "300 of 1,200" in first and "700 faces, 1 error" in first
    assert " photos a second" in first and first.endswith(" s left")
    assert "1,200 photos in 0 s" in told[-1] and "1,600 faces" in told[-1]


def test_time_is_told_as_people_say_it() -> None:
    meter = Meter("x", total=10_000, done=100, started=time.monotonic() - 100)
    assert meter.sentence.endswith("1.0 photos a second, 0 errors, 2 h 45 min left")
    assert Meter("x", 600, done=300, started=time.monotonic() - 300).sentence.endswith(" 5 min left")


def test_progress_is_an_event_of_the_asset_while_the_step_is_at_work(finished: World) -> None:
    for year, photos in (("2016-2017", 10), ("2019-2020", 10)):
        asset = dg.AssetRecordsFilter(asset_key=dg.AssetKey("detections"), asset_partitions=[year])
        (observed,) = finished.instance.fetch_observations(asset, limit=10).records
        (made,) = finished.instance.fetch_materializations(asset, limit=10).records
        assert observed.storage_id < made.storage_id
        assert observed.asset_observation is not None and made.asset_materialization is not None
        said = observed.asset_observation.metadata["progress"].value
        assert isinstance(said, str) and f"{year}: finding faces: {photos} photos in" in said
        final = {name: value.value for name, value in made.asset_materialization.metadata.items()}
        assert final["photos_done"] == photos and final["faces_found"] == final["dagster/row_count"]
        assert final["photos_a_second"] == pytest.approx(photos / final["seconds"], rel=0.2)


def test_an_observation_comes_every_half_minute_not_for_every_photo() -> None:
    @dg.asset
    def photos_of_a_year() -> None:
        with Progress((dagster_events(every_s=0.3),)).task("a year", 40) as advance:
            for _ in range(40):
                time.sleep(0.02)
                advance(1)

    with dg.DagsterInstance.ephemeral() as instance:
        assert dg.materialize([photos_of_a_year], instance=instance).success
        records = instance.fetch_observations(dg.AssetKey("photos_of_a_year"), limit=50).records
    assert 2 <= len(records) <= 5
