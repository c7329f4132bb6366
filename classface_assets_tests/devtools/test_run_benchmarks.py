"""The benchmarks of Dagster's runs and sensor print what they measured."""

from pathlib import Path

import pytest
from rich.console import Console

from classface_assets.core.errors import UserError
from classface_assets.devtools.benchmark.review.made_up_school import compose_school
from classface_assets.devtools.benchmark.runs import folder_sensor, one_more_photo, years_at_once
from classface_assets.devtools.sample.compose import SampleArchive
from classface_assets.services.photos.new_photos import NewPhotoCounter
from classface_assets.store.catalog.school_year import SchoolYearStore, list_school_years, year_images
from classface_assets.vision.models.pack_info import BUILTIN_PACK
from classface_assets_tests.conftest import World

pytestmark = pytest.mark.slow


@pytest.fixture
def console() -> Console:
    """One that records what it prints."""
    return Console(record=True, width=160, quiet=False)


def test_years_in_one_run_are_recorded_with_fewer_events_than_years_in_a_run_each(
    tmp_path: Path, console: Console
) -> None:
    apart, together = years_at_once.bench(tmp_path, 3, console)
    assert (apart.runs, together.runs) == (3, 1) and apart.events > together.events
    assert f"{apart.events:,}" in console.export_text()
    with pytest.raises(UserError, match="at least one"):
        years_at_once.bench(tmp_path, 0, console)


def test_of_a_tick_is_printed_how_long_it_took_and_what_it_asked_for(
    tmp_path: Path, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("classface_assets.defs.sensors.photo_folders.QUIET_S", 0.0)
    ticks = folder_sensor.bench(tmp_path, 7, 3, console)
    assert [tick.runs for tick in ticks] == [1, 0, 0, 1, 0] and all(tick.seconds > 0 for tick in ticks)
    assert "7 files in 3 school years" in console.export_text()
    with pytest.raises(UserError, match="COUNT=1000"):
        folder_sensor.bench(tmp_path / "none", 2, 3, console)


def test_of_a_run_every_step_to_its_albums_is_printed_with_its_time(finished: World, console: Console) -> None:
    parts = one_more_photo.recorded_parts(finished.instance, started=0.0)
    steps = [part.step for part in parts]
    assert {"images", "embeddings", "identities", "albums"} <= set(steps) and all(part.seconds >= 0 for part in parts)
    assert steps.index("images") < steps.index("identities") < steps.index("albums")
    one_more_photo.print_parts(console, "one more photo in 5", 60.0, parts)
    printed = console.export_text()
    assert "one more photo in 5" in printed and "to its album" in printed and "60.0" in printed


def test_the_photos_of_a_made_up_school_with_pictures_are_known_as_they_are(
    tmp_path: Path, sample: SampleArchive
) -> None:
    picture = min(sample.photos.rglob("*.jpg"))
    layout = compose_school(tmp_path, 20, picture, most_in_a_photo=2).layout
    assert NewPhotoCounter(layout).count() == 0
    store = SchoolYearStore(layout, BUILTIN_PACK.detector_version, list_school_years(layout)[0])
    assert set(store.chips(store.detections()["face_id"].to_list()).values()) == {picture.read_bytes()}
    photo = year_images(layout, list_school_years(layout)[0]).row(0, named=True)
    assert photo["size"] == picture.stat().st_size == (tmp_path / "photos" / photo["path"]).stat().st_size
