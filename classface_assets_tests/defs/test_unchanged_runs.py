"""What a run passes over: school years, students and albums of which nothing could come out differently."""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from PIL import Image

from classface_assets.core import failpoints
from classface_assets.core.errors import StorageError
from classface_assets.defs.ingest.year_changes import YearChanges
from classface_assets.defs.runner.school_years import select_years
from classface_assets.defs.runner.steps import IngestOptions
from classface_assets.defs.sensors.decisions import decisions, is_quiet
from classface_assets.defs.sensors.photo_folders import photo_folders
from classface_assets.defs.unchanged import ChangeDetector
from classface_assets.orchestration.resources import Models
from classface_assets.orchestration.school_year_runs.partitions import register_school_years
from classface_assets.orchestration.school_year_runs.years import ranges_of, years_phrase
from classface_assets.services.queries import find_faces
from classface_assets.store.catalog.school_year import SchoolYearStore, year_images
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.vision.models.pack_info import BUILTIN_DETECTOR
from classface_assets_tests.conftest import World

pytestmark = pytest.mark.slow

YEARS = ("2016-2017", "2017-2018", "2018-2019", "2019-2020")


@pytest.fixture
def settled(world: World) -> World:
    """A copy of the finished archive that was run where it lies now, so that Dagster knows of it."""
    assert world.run() == []
    return world


def run(world: World) -> tuple[Counter[str], list[str]]:
    """Run everything; how often Dagster recorded a run of what (`ingest_year 2016-2017`), and what was reported."""
    before, messages = {run.run_id for run in world.instance.get_runs()}, []
    assert world.chain.run(select_years(world.layout, None), messages.append) == []
    runs = [run for run in world.instance.get_runs() if run.run_id not in before]
    return Counter(f"{run.job_name} {years_phrase(run.tags)}".strip() for run in runs), messages


def test_of_a_run_with_nothing_new_dagster_records_nothing_and_a_label_runs_only_what_it_touches(
    settled: World,
) -> None:
    steps = len(settled.instance.get_run_records())
    assert run(settled) == (Counter(), ["Nothing is new in 4 school years."])
    assert len(settled.instance.get_run_records()) == steps
    rows = settled.query(
        "SELECT f.cluster_id, list(DISTINCT a.school_year) AS years FROM face_instances f JOIN image_assets a "
        "USING (asset_id) WHERE f.cluster_id LIKE 'unknown_cluster_%' GROUP BY 1 ORDER BY len(years), 1"
    )
    cluster, years = rows.row(0)
    settled.archive.open_ledger().label("Kim", find_faces(settled.layout.database, cluster))
    ranges = [" to ".join(dict.fromkeys((some[0], some[-1]))) for some in ranges_of(settled.instance, years)]
    albums = [f"year_album {some}" for some in ranges[:-1]]
    assert run(settled)[0] == Counter(["identify", *albums, f"all_albums {ranges[-1]}", "evaluate"])
    (settled.layout.albums / "years" / YEARS[0] / "index.html").unlink()
    assert run(settled)[0] == Counter([f"all_albums {YEARS[0]}"])
    (settled.layout.albums / "years" / YEARS[0] / "index.html").unlink()
    (settled.layout.photos / YEARS[2] / "notes.txt").write_text("not a photo")
    recorded, messages = run(settled)
    albums = [f"year_album {YEARS[2]}", f"all_albums {YEARS[0]}"]  # first that of the year with a new file
    assert recorded == Counter([f"ingest_year {YEARS[2]}", "identify", *albums, "evaluate"])
    assert "Nothing is new in 3 of 4 school years." in messages
    assert run(settled)[0] == Counter()
    photo = min((settled.layout.photos / YEARS[1]).rglob("*.jpg"))
    with Image.open(photo) as image:
        image.convert("RGB").rotate(3).save(photo.with_name("one more.jpg"))
    assert ChangeDetector(settled.archive, Models(pack="builtin"), settled.instance).new_photos(YEARS) == 1
    steps = Counter([f"ingest_year {YEARS[1]}", "identify", f"year_album {YEARS[1]}", "school_site", "evaluate"])
    recorded = run(settled)[0]
    assert recorded & steps == steps
    assert "one more.jpg" in (settled.layout.albums / "years" / YEARS[1] / "index.html").read_text(encoding="utf-8")
    assert run(settled)[0] == Counter()


def test_sensors_that_are_switched_on_run_nothing_that_a_run_has_done(settled: World) -> None:
    """A sensor that was never on, or was reset, has no memory of its own: all years and decisions are new to it."""
    first = tick(settled, photo_folders)
    assert first.run_requests == [] and "Nothing new in the 4 school years" in str(first.skip_reason)
    ledger = settled.archive.open_ledger()
    ledger.create_person("Kim")
    last = ledger.last()
    assert last is not None and run(settled)[0]["identify"] == 1
    quiet = datetime.fromisoformat(last[1]) + timedelta(hours=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("classface_assets.defs.sensors.decisions.is_quiet", lambda _last, _now: is_quiet(last[1], quiet))
        counted = tick(settled, decisions)
        assert counted.run_requests == [] and "count already" in str(counted.skip_reason)
        ledger.create_person("Lou")
        assert [request.job_name for request in tick(settled, decisions).run_requests or []] == ["identify"]
    (settled.layout.photos / YEARS[1] / "notes.txt").write_text("not a photo")
    requests = tick(settled, photo_folders, first.cursor).run_requests or []
    assert [request.partition_key for request in requests] == [YEARS[1]]
    assert settled.chain.run_job("ingest_year", YEARS[1]) == []
    assert unchanged(settled) == set(YEARS), "whoever started the run"


def tick(world: World, sensor: dg.SensorDefinition, cursor: str | None = None) -> dg.SensorResult:
    resources = {"archive": world.archive, "models": Models(pack="builtin")}
    with dg.build_sensor_context(instance=world.instance, cursor=cursor, resources=resources) as context:
        answer = sensor(context)
    assert isinstance(answer, dg.SensorResult)
    return answer


def test_a_year_is_run_again_when_anything_of_it_could_come_out_differently(settled: World) -> None:
    layout, year = settled.layout, YEARS[0]
    folder = layout.photos / year
    photo = next(iter(sorted(folder.rglob("*.jpg"))))
    store = SchoolYearStore(layout, BUILTIN_DETECTOR, year)
    sizes = store.active_settings()
    assert sizes is not None
    (part, *_) = store.detection_parts(sizes).files()
    assert isinstance(part, Path)
    whole, changed = part.read_bytes(), photo.stat().st_mtime_ns

    @contextmanager
    def with_a_new_file() -> Iterator[None]:
        (folder / "new.jpg").write_bytes(b"")
        yield
        (folder / "new.jpg").unlink()

    @contextmanager
    def with_a_photo_that_was_written_again() -> Iterator[None]:
        os.utime(photo, ns=(changed, changed + 1_000_000))
        yield
        os.utime(photo, ns=(changed, changed))

    @contextmanager
    def with_a_photo_gone() -> Iterator[None]:
        photo.rename(layout.photos.parent / "elsewhere.jpg")
        yield
        (layout.photos.parent / "elsewhere.jpg").rename(photo)

    @contextmanager
    def with_the_folder_gone() -> Iterator[None]:
        folder.rename(layout.photos.parent / "elsewhere")
        yield
        (layout.photos.parent / "elsewhere").rename(folder)

    @contextmanager
    def with_other_thresholds() -> Iterator[None]:
        store.set_active_settings("confidence-0.5 size-120")
        yield
        store.set_active_settings(sizes)

    @contextmanager
    def with_a_damaged_part() -> Iterator[None]:
        part.write_bytes(whole[:-100])
        yield
        part.write_bytes(whole)

    changes = (
        *(with_a_new_file, with_a_photo_that_was_written_again, with_a_photo_gone, with_the_folder_gone),
        *(with_other_thresholds, with_a_damaged_part),
    )
    for change in changes:
        assert unchanged(settled) == set(YEARS)
        with change():
            assert unchanged(settled) == set(YEARS) - {year}, change.__name__
        YearChanges(settled.archive, Models(pack="builtin")).record(year)


def test_what_somebody_draws_or_takes_back_in_a_photo_runs_its_year_and_no_other(settled: World) -> None:
    sql = "SELECT asset_id FROM image_assets WHERE school_year = '2017-2018' AND status = 'ok' ORDER BY path"
    ledger = settled.archive.open_ledger()
    ledger.draw_face(FaceRef("drawn", settled.query(sql)["asset_id"][0], (1.0, 1.0, 30.0, 30.0)))
    assert unchanged(settled) == set(YEARS) - {"2017-2018"}
    YearChanges(settled.archive, Models(pack="builtin")).record("2017-2018")
    assert unchanged(settled) == set(YEARS) - {"2017-2018"}, "not before the face was made"
    assert run(settled)[0]["ingest_year 2017-2018"] == 1
    assert unchanged(settled) == set(YEARS)
    ledger.undo()
    assert unchanged(settled) == set(YEARS) - {"2017-2018"}


def test_a_file_that_could_not_be_looked_at_is_tried_again_by_every_run(settled: World) -> None:
    lost = settled.layout.photos / YEARS[0] / "lost.jpg"
    lost.symlink_to(settled.folder / "nowhere.jpg")
    for _ in range(2):
        assert run(settled)[0][f"ingest_year {YEARS[0]}"] == 1
    lost.unlink()
    assert run(settled)[0][f"ingest_year {YEARS[0]}"] == 1
    assert unchanged(settled) == set(YEARS)


def test_a_year_that_failed_is_run_again(settled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    year, photos = YEARS[0], settled.layout.photos
    assert isinstance(photos, Path)
    original = next((photos / year).rglob("*.jpg"))
    Image.open(original).rotate(3).save(original.with_name("new.jpg"))
    monkeypatch.setenv(failpoints.VARIABLE, f"{failpoints.Failpoint.PART_APPENDED}=raise")
    for _ in range(2):
        monkeypatch.setattr(failpoints, "_reached", {})
        stopped = settled.run()
        assert {(stop.job, stop.year) for stop in stopped} >= {("ingest_year", year)}
        assert year not in unchanged(settled)
    monkeypatch.delenv(failpoints.VARIABLE)
    assert run(settled)[0][f"ingest_year {year}"] == 1
    assert unchanged(settled) == set(YEARS)


def test_assets_without_a_record_in_dagster_are_run(settled: World) -> None:
    """Its UI is to show what there is, also where its records were deleted."""
    models = Models(pack="builtin")
    assert ChangeDetector(settled.archive, models, settled.instance).students()
    with dg.DagsterInstance.ephemeral() as forgetful:
        now = ChangeDetector(settled.archive, models, forgetful)
        assert now.years(YEARS) == now.albums(YEARS) == set()
        assert not now.students() and not now.site()


def unchanged(world: World) -> set[str]:
    return ChangeDetector(world.archive, Models(pack="builtin"), world.instance).years(YEARS)


def test_a_run_may_search_some_of_the_photos_and_the_next_one_searches_the_others(
    finished: World, tmp_path: Path
) -> None:
    year = YEARS[0]
    photos = sorted((finished.layout.photos / year).rglob("*.jpg"))[:4]
    for photo in photos:
        copy = tmp_path / "photos" / photo.relative_to(finished.layout.photos)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(photo.read_bytes())
    with dg.DagsterInstance.ephemeral() as instance:
        world = World(tmp_path, instance)
        register_school_years(instance, world.layout)

        def searched(**detection: float) -> list[str]:
            options = IngestOptions(detection=detection)
            assert world.chain.run_job("ingest_year", year, options.ops()) == []
            faces = SchoolYearStore(world.layout, BUILTIN_DETECTOR, year).detections(["asset_id"])
            images = year_images(world.layout, year).join(faces, on="asset_id", how="semi")
            return sorted(Path(path).name for path in images["path"])

        names = [photo.name for photo in photos]
        assert searched(most_photos=1, skip_photos=1) == names[1:2]
        assert not YearChanges(world.archive, Models(pack=world.pack)).is_unchanged(year)
        assert searched(most_photos=1) == names[:2]
        assert searched() == names
        assert world.number("detections", "photos_searched_now", year) == 2
        assert searched(min_confidence=0.9) == names
        assert world.number("detections", "photos_searched_now", year) == len(names)


def test_an_evaluation_that_fails_holds_no_album_back_and_is_done_the_next_time(settled: World) -> None:
    cluster = settled.query(
        "SELECT mode(cluster_id) FROM face_instances WHERE cluster_id LIKE 'unknown_cluster_%'"
    ).item()
    settled.archive.open_ledger().label("Kim Doe", find_faces(settled.layout.database, cluster))

    def refuses(*_: object) -> None:
        raise StorageError("The disk is full.")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("classface_assets.defs.identity.evaluation.evaluate_archive", refuses)
        (failed,) = settled.run()
    assert (failed.job, failed.year, failed.reason) == ("evaluate", "all years", "The disk is full.")
    assert "Kim Doe" in (settled.layout.albums / "index.html").read_text()
    assert run(settled)[0] == Counter({"identify": 1, "evaluate": 1})
    assert run(settled)[0] == Counter()


def test_a_face_more_is_not_evaluated_again_and_a_decision_is(settled: World) -> None:
    portrait = settled.query(
        "SELECT path FROM image_assets JOIN face_instances f USING (asset_id) GROUP BY path HAVING count(f.id) = 1 "
        "ORDER BY path LIMIT 1"
    ).item()
    faces = settled.query("SELECT count(*) FROM face_instances").item()
    with Image.open(settled.layout.photos / portrait) as image:
        image.convert("RGB").rotate(3).save((settled.layout.photos / portrait).with_name("one more.jpg"))
    assert settled.run() == []
    assert settled.query("SELECT count(*) FROM face_instances").item() == faces + 1
    assert not is_evaluated(settled), f"one face of {faces:,} is new"
    settled.archive.open_ledger().create_person("Kim")
    assert settled.run() == []
    assert is_evaluated(settled)


def is_evaluated(world: World) -> bool:
    """Whether the last run measured, and did not take over what an earlier one had measured."""
    event = world.instance.get_latest_materialization_event(dg.AssetKey("evaluation"))
    assert event is not None and event.asset_materialization is not None
    return "unchanged" not in event.asset_materialization.metadata
