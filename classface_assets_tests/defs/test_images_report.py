"""What the asset `images` reports of the dates and the pages of a year's photos."""

from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
from PIL import Image

from classface_assets.albums.pages.coverage import unread_files
from classface_assets.defs.ingest.images import images
from classface_assets.orchestration.resources import Archive, LoggedProgress, Models
from classface_assets_tests.conftest import World, register


def test_the_listing_counts_doubted_dates_and_pages_that_were_not_searched(tmp_path: Path) -> None:
    year = tmp_path / "photos" / "1984-1985" / "1985-06-12 Sports Day"
    year.mkdir(parents=True)
    pages = [Image.fromarray(np.full((60, 80, 3), value, np.uint8)) for value in (10, 20, 30)]
    exif = Image.Exif()
    exif[0x0132] = "2024:03:01 10:00:00"
    pages[0].save(year / "scan.tif", save_all=True, append_images=pages[1:], exif=exif)
    pages[1].save(year.parent / "IMG_20240301_100000.png")
    pages[2].save(year.parent / "IMG_19850301_100000.png")
    archive = Archive(photos=str(tmp_path / "photos"), data=str(tmp_path / "data"))
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("school_year", ["1984-1985"])
        done = dg.materialize(
            [images],
            partition_key="1984-1985",
            instance=instance,
            resources={"archive": archive, "models": Models(pack="builtin"), "progress": LoggedProgress()},
        )
    metadata = {name: value.value for name, value in done.asset_materializations_for_node("images")[0].metadata.items()}
    assert (metadata["doubted_dates"], metadata["photos_with_pages_not_searched"]) == (2, 1)
    for row in (("file name", "1"), ("folder", "1"), ("school year", "1")):
        assert row in cells(metadata["dates"])
    scan = "1984-1985/1985-06-12 Sports Day/scan.tif"
    doubts = {row[0]: row[2:] for row in cells(metadata["dates_in_doubt"])}
    assert doubts[scan] == ("folder", "exif 2024-03-01 10:00:00")
    assert doubts["1984-1985/IMG_20240301_100000.png"] == ("school year", "file name 2024-03-01 10:00:00")
    reason = "2 of its 3 pages were not searched: save each as a file of its own"
    assert (scan, reason) in cells(metadata["pages_not_searched"])


def cells(markdown: object) -> list[tuple[str, ...]]:
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in str(markdown).splitlines()]


def test_the_coverage_page_lists_photos_of_which_pages_were_not_searched() -> None:
    reason = "2 of its 3 pages were not searched: save each as a file of its own"
    rows = [
        ("2018-2019", "a.tif", "ok", reason),
        ("2018-2019", "b.jpg", "ok", ""),
        ("2018-2019", "c.txt", "not a photo", "no"),
    ]
    photos = pl.DataFrame(rows, schema=["school_year", "path", "status", "reason"], orient="row")
    assert unread_files(photos, []) == [
        ("2018-2019", "a.tif", "partly searched", reason),
        ("2018-2019", "c.txt", "not a photo", "no"),
    ]


def test_a_pack_that_is_not_there_is_refused_in_one_sentence_before_a_photo_is_read(tmp_path: Path) -> None:
    (tmp_path / "photos" / "2001-2002").mkdir(parents=True)
    Image.new("RGB", (80, 60)).save(tmp_path / "photos" / "2001-2002" / "one.jpg")
    world = World(tmp_path, dg.DagsterInstance.ephemeral(), "facenet")
    with world.instance:
        job, year = world.chain.definitions.resolve_job_def("ingest_year"), register(world, "2001-2002")
        run = job.execute_in_process(instance=world.instance, partition_key=year, raise_on_error=False)
    assert not run.success and [e for e in run.all_events if e.is_step_materialization] == []
    (failed,) = (e for e in run.all_events if e.is_step_failure)
    error = failed.step_failure_data.error
    assert failed.step_key == "images" and error is not None
    assert "The weights of FaceNet come with no package: export them to" in error.message
    assert len(error.message.strip().splitlines()) == 1
