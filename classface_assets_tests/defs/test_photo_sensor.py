"""The sensor of the photos folder: cheap where nothing is new, patient while photos are copied, tags of its runs."""

import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from classface_assets.core.locations import FileEntry, Location
from classface_assets.defs.sensors.photo_folders import photo_folders
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.orchestration.school_year_runs.years import years_phrase
from classface_assets.orchestration.updates.record import UPDATE_TAG
from classface_assets.store.catalog import folder_watch
from classface_assets.store.catalog.folder_watch import FULL_LOOK_S, read_snapshot, snapshot_file, write_snapshot
from classface_assets_tests.support.helpers import requested_years

pytestmark = pytest.mark.slow

YEARS = [f"{first}-{first + 1}" for first in (*range(1700, 1899), *range(1900, 2001))]
FEW = ["1800-1801", "1850-1851", "1900-1901"]
QUIET = "classface_assets.defs.sensors.photo_folders.QUIET_S"


@pytest.fixture
def archive(tmp_path: Path, request: pytest.FixtureRequest) -> Archive:
    """School years of three photos, as they were a day ago."""
    for year in getattr(request, "param", FEW):
        (tmp_path / "photos" / year / "sports day").mkdir(parents=True)
        for number in range(3):
            (tmp_path / "photos" / year / "sports day" / f"{number}.jpg").touch()
    yesterday = time.time() - 86_400
    for folder, _, _ in os.walk(tmp_path / "photos"):
        os.utime(folder, (yesterday, yesterday))
    return Archive(photos=str(tmp_path / "photos"), data=str(tmp_path / "data"), most_new_years=0)


class Sensor:
    """The sensor, tick by tick; Dagster retains its cursor."""

    def __init__(self, archive: Archive, instance: dg.DagsterInstance) -> None:
        self.archive, self.instance, self.cursor = archive, instance, None

    def tick(self) -> tuple[list[str], str]:
        """The school years that are to be run, and why there are none."""
        answer = self.answer()
        if isinstance(answer, dg.SkipReason):
            return [], str(answer.skip_message)
        reason = answer.skip_reason
        return requested_years(answer), "" if reason is None else str(reason.skip_message)

    def answer(self) -> dg.SensorResult | dg.SkipReason:
        resources = {"archive": self.archive, "models": Models(pack="builtin")}
        with dg.build_sensor_context(instance=self.instance, cursor=self.cursor, resources=resources) as context:
            answer = photo_folders(context)
        assert isinstance(answer, dg.SensorResult | dg.SkipReason)
        self.cursor = getattr(answer, "cursor", None) or self.cursor
        return answer

    def requests(self) -> list[dg.RunRequest]:
        """The runs that a tick asks for."""
        answer = self.answer()
        assert isinstance(answer, dg.SensorResult)
        return list(answer.run_requests or [])

    def years(self) -> list[str]:
        """The school years that a tick asks for."""
        return self.tick()[0]


@pytest.fixture
def sensor(archive: Archive) -> Iterator[Sensor]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Sensor(archive, instance)


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> list[Location]:
    """The folders whose files are listed, as it happens."""
    seen: list[Location] = []
    original = folder_watch.list_files

    def counting(photos: Location, folders: Sequence[Location]) -> tuple[list[FileEntry], object]:
        seen.extend(folders)
        return original(photos, folders)

    monkeypatch.setattr(folder_watch, "list_files", counting)
    return seen


def event(archive: Archive, year: str) -> Path:
    return Path(archive.photos) / year / "sports day"


@pytest.mark.parametrize("archive", [YEARS], ids=["300 years"], indirect=True)
def test_of_three_hundred_years_only_those_whose_folders_changed_are_listed_and_a_tick_is_short(
    sensor: Sensor, archive: Archive, listed: list[Location]
) -> None:
    assert sensor.years() == YEARS
    listed.clear()
    began = time.process_time()
    requests, reason = sensor.tick()
    assert time.process_time() - began < 2, "in seconds of this process; it is some 0.02"
    assert requests == [] and "Nothing new in the 300 school years" in reason and listed == []
    (event(archive, "1850-1851") / "new.jpg").touch()
    assert sensor.years() == ["1850-1851"]
    assert set(listed) == {event(archive, "1850-1851").parent, event(archive, "1850-1851")}
    added = event(archive, "1900-1901").with_name("summer party")
    added.mkdir()
    (added / "1.jpg").touch()
    assert sensor.years() == ["1900-1901"], "a folder in a school year that was known"
    (Path(archive.photos) / "2001-2002").mkdir()
    (Path(archive.photos) / "2001-2002" / "1.jpg").touch()
    assert sensor.years() == ["2001-2002"]


def test_a_photo_that_was_edited_in_its_place_is_noticed_by_the_full_look_of_the_hour(
    sensor: Sensor, archive: Archive
) -> None:
    sensor.tick()
    (event(archive, "1850-1851") / "1.jpg").write_bytes(b"edited")
    assert sensor.years() == [], "the time of its folder is the same"
    seen = read_snapshot(archive.layout)
    write_snapshot(archive.layout, replace(seen, full_look_at=seen.full_look_at - FULL_LOOK_S))
    assert sensor.years() == ["1850-1851"]
    assert sensor.years() == []


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"folders": 1, "unknown": 2}'], ids=str)
def test_a_cache_that_is_gone_or_damaged_only_costs_a_full_look(
    content: bytes, sensor: Sensor, archive: Archive
) -> None:
    sensor.tick()
    snapshot_file(archive.layout).write_bytes(content)
    (event(archive, "1850-1851") / "1.jpg").write_bytes(b"edited")
    assert sensor.years() == ["1850-1851"]


def test_a_cursor_that_was_reset_looks_at_everything(sensor: Sensor, archive: Archive) -> None:
    sensor.tick()
    (event(archive, "1850-1851") / "1.jpg").write_bytes(b"edited")
    sensor.cursor = None
    assert sensor.years() == FEW and sensor.years() == []


def test_a_school_year_waits_while_photos_are_copied_to_it_and_the_others_do_not(
    sensor: Sensor, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    sensor.tick()
    monkeypatch.setattr(QUIET, 5.0)
    away = Path(archive.photos) / "1800-1801"
    away.rename(away.parents[1] / "1800-1801")  # nothing is written there any more
    copied = event(archive, "1850-1851") / "copied.jpg"
    copied.touch()
    os.utime(copied, (1, 1))  # with the time of the original, as `cp -p` and rsync do
    assert sensor.years() == ["1800-1801"]
    requests, reason = sensor.tick()
    assert requests == [] and "Files of 1850-1851 are still being written" in reason and "for a minute" in reason
    time.sleep(2)
    with copied.open("ab") as growing:  # changes the time of no folder
        growing.write(b"more")
    time.sleep(3.2)
    assert sensor.years() == [], "the file has grown meanwhile"
    time.sleep(2)
    assert sensor.years() == ["1850-1851"]
    assert read_snapshot(archive.layout).waiting == {}


def test_a_school_year_in_which_something_is_written_all_the_time_is_run_after_an_hour(
    sensor: Sensor, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QUIET, 60.0)
    requests, reason = sensor.tick()
    assert requests == [] and "Files of 1800-1801, 1850-1851 and 1900-1901 are still being written" in reason
    seen = read_snapshot(archive.layout)
    assert list(seen.waiting) == FEW
    earlier = {year: since - 3600 for year, since in seen.waiting.items() if year == "1850-1851"}
    write_snapshot(archive.layout, replace(seen, waiting={**seen.waiting, **earlier}))
    assert sensor.years() == ["1850-1851"]


def test_the_runs_of_a_tick_belong_to_one_update_as_those_of_a_command_do(sensor: Sensor, archive: Archive) -> None:
    sensor.instance.add_dynamic_partitions("school_year", ["1800-1801", "1810-1811", "1850-1851"])
    tags = [request.tags for request in sensor.requests()]
    assert len({one[UPDATE_TAG] for one in tags}) == 1
    assert [years_phrase(one) for one in tags] == ["", "1850-1851 to 1900-1901"], "1810-1811 has no folder"
    layout = archive.layout
    assert {"classface/by": "photo_folders", "classface/pack": "builtin"}.items() <= tags[0].items()
    assert (tags[0]["classface/photos"], tags[0]["classface/data"]) == (str(layout.photos), str(layout.data))
    (event(archive, "1850-1851") / "new.jpg").touch()
    (later,) = sensor.requests()
    assert later.tags[UPDATE_TAG] != tags[0][UPDATE_TAG]


def test_the_cursor_of_an_earlier_version_goes_on(sensor: Sensor) -> None:
    sensor.tick()
    assert set(json.loads(sensor.cursor or "")) == set(FEW), "school year to fingerprint"
