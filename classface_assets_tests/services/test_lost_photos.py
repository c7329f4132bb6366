"""A photos folder that lost its photos, told from one that was cleared up; and numbers that come back with faces."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest

from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.schemas import ASSIGNMENTS, IMAGES
from classface_assets.defs.runner.school_years import select_years
from classface_assets.defs.runner.steps import IngestOptions
from classface_assets.services.photos.lost_photos import LostPhotosError, refuse_lost_photos
from classface_assets.store.artifacts.cluster_memory import previous_cluster_ids, remember_cluster_ids
from classface_assets.store.catalog.school_year import image_parts
from classface_assets.store.erasure.derived import erase_derived
from classface_assets.store.files.parquet import read_parquet_or_empty, write_parquet
from classface_assets_tests.conftest import World

YEAR, OTHER = "2018-2019", "2019-2020"


def photos(layout: ArchiveLayout, year: str, count: int) -> list[Path]:
    """Photos of a year that the last run saw, each of a size of its own."""
    files = [layout.photos / year / f"{year} {number}.jpg" for number in range(count)]
    for number, file in enumerate(files, start=1):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(bytes(number))
    rows = [
        {"asset_id": file.name, "school_year": year, "path": f"{year}/{file.name}", "size": number, "status": "ok"}
        for number, file in enumerate(files, start=1)
    ]
    image_parts(layout, year).append(pl.DataFrame([{**dict.fromkeys(IMAGES), **row} for row in rows], schema=IMAGES))
    return files


def delete(files: Sequence[Path]) -> None:
    for file in files:
        file.unlink()


@pytest.mark.parametrize(
    ("known", "gone", "lost"),
    [(40, 20, False), (40, 21, True), (12, 9, False), (12, 12, True), (3, 2, False), (3, 3, True)],
)
def test_more_than_half_of_the_photos_gone_at_once_or_all_of_a_few_are_lost(
    layout: ArchiveLayout, known: int, gone: int, lost: bool
) -> None:
    files = photos(layout, YEAR, known)
    (layout.photos / YEAR / "stray.txt").write_text("left behind by the drive")
    delete(files[:gone])
    if not lost:
        refuse_lost_photos(layout)
        return
    with pytest.raises(LostPhotosError) as error:
        refuse_lost_photos(layout)
    message = str(error.value)
    assert f"{gone} of {known} known photos are gone from {layout.photos} ({YEAR} {gone} of {known}); " in message
    assert (
        "nothing was removed" in message
        and "Connect the drive" in message
        and "`classface run --photos-are-gone`" in message
    )


def test_photos_that_were_moved_renamed_with_their_folder_or_edited_in_place_are_not_lost(
    layout: ArchiveLayout,
) -> None:
    first, second = photos(layout, YEAR, 20), photos(layout, OTHER, 20)
    (layout.photos / YEAR).rename(layout.photos / "Class of the Sun")
    for file in second:
        file.write_bytes(b"edited, and of another size")
    refuse_lost_photos(layout)
    inner = layout.photos / "Class of the Sun" / "moved" / "deeper"
    inner.mkdir(parents=True)
    for file in (layout.photos / "Class of the Sun").glob("*.jpg"):
        file.rename(inner / file.name)
    refuse_lost_photos(layout)
    assert len(first) == 20
    shutil.rmtree(inner)
    refuse_lost_photos(layout)  # half of all
    second[0].unlink()
    with pytest.raises(LostPhotosError, match=rf"21 of 40 known photos .*{YEAR} 20 of 20, {OTHER} 1 of 20"):
        refuse_lost_photos(layout)


@pytest.mark.parametrize(("gone", "lost"), [(20, False), (21, True)])
def test_of_school_years_that_are_unchanged_no_file_is_listed_unless_the_others_lost_most_photos(
    layout: ArchiveLayout, gone: int, lost: bool
) -> None:
    photos(layout, YEAR, 19)
    delete(photos(layout, OTHER, 21)[:gone])
    (layout.photos / OTHER / "stray.txt").write_text("left behind by the drive")
    if lost:
        with pytest.raises(LostPhotosError, match=rf"21 of 40 .*{OTHER} 21 of 21"):
            refuse_lost_photos(layout, unchanged={YEAR})
        return
    shutil.rmtree(layout.photos / YEAR)  # nobody looks, so it counts as it was listed
    refuse_lost_photos(layout, unchanged={YEAR})
    with pytest.raises(LostPhotosError):
        refuse_lost_photos(layout)


def test_many_folders_that_lost_photos_are_reported_as_the_first_and_a_count(layout: ArchiveLayout) -> None:
    for first in range(1990, 1998):
        delete(photos(layout, f"{first}-{first + 1}", 3))
    (layout.photos / "1990-1991" / "stray.txt").write_text("")
    with pytest.raises(LostPhotosError, match=r"24 of 24 .*1990-1991 3 of 3, .* and 3 more folders\)"):
        refuse_lost_photos(layout)


def test_a_year_alone_that_was_emptied_is_no_lost_drive_and_a_year_that_is_whole_is_run(layout: ArchiveLayout) -> None:
    """As Dagster runs them one by one."""
    whole, emptied = photos(layout, YEAR, 40), photos(layout, OTHER, 12)
    nothing = pl.DataFrame(schema={"path": pl.String, "size": pl.Int64})
    delete(emptied)
    refuse_lost_photos(layout, OTHER, nothing)
    delete(whole[:20])
    left = [(f"{YEAR}/{file.name}", file.stat().st_size) for file in whole[20:]]
    refuse_lost_photos(layout, YEAR, pl.DataFrame(left, schema=nothing.schema, orient="row"))
    with pytest.raises(LostPhotosError):
        refuse_lost_photos(layout, OTHER, nothing)


def test_what_was_no_photo_is_not_missed(layout: ArchiveLayout) -> None:
    image_parts(layout, YEAR).append(
        pl.DataFrame(
            [
                {**dict.fromkeys(IMAGES), "path": f"{YEAR}/{n}.txt", "size": 1, "status": "not a photo"}
                for n in range(30)
            ],
            schema=IMAGES,
        )
    )
    (layout.photos / YEAR).mkdir(parents=True)
    refuse_lost_photos(layout)


def numbers(world: World) -> dict[str, str]:
    """Face → its cluster of unknown faces."""
    rows = world.query("SELECT id, cluster_id FROM face_instances WHERE cluster_id LIKE 'unknown_cluster_%'")
    return dict(rows.iter_rows())


def test_a_drive_that_is_away_removes_nothing_until_it_is_meant_and_numbers_come_back_with_it(world: World) -> None:
    years = select_years(world.layout, None)
    assert world.run() == []
    away, here = world.folder / "the drive", world.layout.photos
    before, pages = numbers(world), sorted(world.layout.albums.rglob("*"))
    here.rename(away)
    (here / "2016-2017").mkdir(parents=True)
    (here / "2016-2017" / "stray.txt").write_text("not a photo")
    runs = world.instance.get_runs_count()
    with pytest.raises(LostPhotosError, match=r"(\d+) of \1 known photos are gone"):
        world.run()
    assert world.instance.get_runs_count() == runs, "no step was begun"
    (stopped,) = world.chain.run_job("ingest_year", "2016-2017")  # as Dagster's UI or a sensor would run it
    assert "known photos are gone" in stopped.reason
    assert sorted(world.layout.albums.rglob("*")) == pages and numbers(world) == before

    assert world.chain.run(years, lambda _: None, IngestOptions(photos_are_gone=True)) == []
    assert numbers(world) == {} and not list(world.layout.albums.rglob("*.jpg"))
    shutil.rmtree(here)
    away.rename(here)
    assert world.run() == []
    assert numbers(world) == before


def assignments(**clusters: str) -> pl.DataFrame:
    rows = [
        {**dict.fromkeys(ASSIGNMENTS), "face_id": face, "cluster_id": cluster} for face, cluster in clusters.items()
    ]
    return pl.DataFrame(rows, schema=ASSIGNMENTS)


def publish(layout: ArchiveLayout, rows: pl.DataFrame) -> dict[str, str]:
    """As `identities` does; the numbers that the next run goes by."""
    file = layout.table("identities")
    remember_cluster_ids(layout, read_parquet_or_empty(file, ASSIGNMENTS), rows)
    write_parquet(rows, file)
    return dict(previous_cluster_ids(layout).iter_rows())


def test_the_cluster_number_of_a_missing_face_is_stored_until_it_is_back_or_erased(
    layout: ArchiveLayout,
) -> None:
    one, two = "unknown_cluster_1", "unknown_cluster_2"
    assert publish(layout, assignments(a=one, b=one, c=two, d="person_ada", e="unknown_noise_e")).keys() == set("abcde")
    assert publish(layout, assignments(a=one)) == {"a": one, "b": one, "c": two}
    assert publish(layout, assignments(a=one)) == {"a": one, "b": one, "c": two}
    assert publish(layout, assignments(a=one, c="person_ada")) == {"a": one, "b": one, "c": "person_ada"}
    assert publish(layout, assignments(a=one)) == {"a": one, "b": one}, "who was named meanwhile has no number"
    removed = list(erase_derived(layout, {"b"}, set(), new=False))
    assert ("table cluster_memory", 1) in [(one.where, one.count) for one in removed]
    assert dict(previous_cluster_ids(layout).iter_rows()) == {"a": one}


def test_a_run_that_is_killed_before_it_publishes_forgets_no_number(layout: ArchiveLayout) -> None:
    one = "unknown_cluster_1"
    publish(layout, assignments(a=one, b=one))
    publish(layout, assignments(a=one))
    remember_cluster_ids(layout, assignments(a=one), assignments(a=one, b=one))  # b is back, and the process is killed
    assert dict(previous_cluster_ids(layout).iter_rows()) == {"a": one, "b": one}
