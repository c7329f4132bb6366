"""Odd archives through the whole chain: every format and name, scans on their side, unreadable files, no face."""

import os
from pathlib import Path
from typing import Any

import dagster as dg
import pillow_heif
import pytest
import skimage.data
from PIL import Image

from classface_assets.albums.pages.links import find_broken_links
from classface_assets.defs.ingest.images import images
from classface_assets.orchestration.resources import Archive, LoggedProgress, Models
from classface_assets.store.catalog.school_year import image_parts, year_images
from classface_assets_tests.conftest import World, become_nobody

pytestmark = pytest.mark.slow


def test_every_format_and_every_odd_name_is_searched_or_has_a_reason_why_not(tmp_path: Path) -> None:
    pillow_heif.register_heif_opener()
    year, loose = tmp_path / "photos" / "Sommerfest #1 [50%] é", tmp_path / "photos"
    year.mkdir(parents=True)
    astronaut = Image.fromarray(skimage.data.astronaut())
    formats = ("jpg", "png", "tiff", "webp", "heic", "avif", "gif", "bmp")
    for turn, ending in enumerate(formats, start=1):
        astronaut.rotate(turn).save(year / f"a photo.{ending}")
    astronaut.save(loose / "loose one.jpg")
    (year / "list.txt").write_text("Ana, Ben")
    names = [b"line\nbreak.jpg", b"bad\xff.jpg", rb"bad\xff.jpg", b"n" * 251 + b".jpg"]
    for turn, name in enumerate(names, start=20):
        astronaut.rotate(turn).save(os.fsdecode(bytes(year) + b"/" + name))
    with dg.DagsterInstance.ephemeral() as instance:
        world = World(tmp_path, instance)
        assert world.run() == []
    rows = world.query(
        "SELECT a.path, a.status, a.reason, count(f.id) AS faces FROM image_assets a "
        "LEFT JOIN face_instances f USING (asset_id) GROUP BY ALL"
    )
    found = {path: (status, faces) for path, status, _, faces in rows.iter_rows()}
    assert found.pop("loose one.jpg") == ("ok", 1)
    assert {Path(path).name: what for path, what in found.items()} == {
        **{f"a photo.{ending}": ("ok", 1) for ending in formats},
        "list.txt": ("not a photo", 0),
        **dict.fromkeys(("line\nbreak.jpg", "bad\\xff.jpg", "bad\\x5cxff.jpg", "n" * 251 + ".jpg"), ("ok", 1)),
    }
    assert find_broken_links(world.layout.albums) == []
    assert (world.layout.albums / "years" / "unsorted" / "index.html").is_file()


def test_a_scan_on_its_side_is_turned_and_copies_count_once_all_the_way_to_the_album(tmp_path: Path) -> None:
    year = tmp_path / "photos" / "2001-02"
    year.mkdir(parents=True)
    astronaut = Image.fromarray(skimage.data.astronaut())
    astronaut.crop((100, 0, 400, 512)).rotate(90, expand=True).save(year / "scan.png")
    astronaut.save(year / "IMG_20020105_101530.jpg")
    astronaut.resize((300, 300)).save(year / "small.jpg", quality=60)
    Image.fromarray(skimage.data.chelsea()).save(year / "cat.jpg")
    with dg.DagsterInstance.ephemeral() as instance:
        world = World(tmp_path, instance)
        assert world.run() == []
    rows = {Path(r["path"]).name: r for r in world.query("SELECT * FROM image_assets").iter_rows(named=True)}
    assert {name: (r["rotation"], r["width"], r["height"]) for name, r in rows.items()} == {
        "scan.png": (90, 300, 512),
        "IMG_20020105_101530.jpg": (0, 512, 512),
        "small.jpg": (0, 300, 300),
        "cat.jpg": (0, 451, 300),
    }
    large = rows["IMG_20020105_101530.jpg"]["asset_id"]
    groups = {name: row["near_group"] for name, row in rows.items()}
    assert groups == {"IMG_20020105_101530.jpg": groups["small.jpg"], "small.jpg": groups["small.jpg"]} | {
        "scan.png": None, "cat.jpg": None,
    }  # fmt: skip
    assert groups["small.jpg"] in (large, rows["small.jpg"]["asset_id"])
    assert {name: (str(r["taken_at"]), r["taken_at_source"]) for name, r in rows.items()} == {
        "scan.png": ("2001-09-01 00:00:00", "school year"),
        "IMG_20020105_101530.jpg": ("2002-01-05 10:15:30", "file name"),
        "small.jpg": ("2001-09-01 00:00:00", "school year"),
        "cat.jpg": ("2001-09-01 00:00:00", "school year"),
    }
    (box,) = world.query(
        "SELECT bbox_x, bbox_y FROM face_instances JOIN image_assets USING (asset_id) WHERE rotation = 90"
    ).rows()
    assert 40 < box[0] < 150 and 40 < box[1] < 120
    (made,) = world.layout.albums.glob(f"thumbs/*/{rows['scan.png']['asset_id']}-*.jpg")
    with Image.open(made) as thumbnail:
        assert thumbnail.size == (300, 512)


def test_what_could_not_be_opened_is_looked_at_again_and_read_as_soon_as_it_can_be(nobodys: Path) -> None:
    year = nobodys / "photos" / "Sommerfest"
    year.mkdir(parents=True)
    for place, name in enumerate(("open.jpg", "IMG_20020105_101530.jpg", "private.jpg")):
        Image.fromarray(skimage.data.astronaut()).rotate(place).save(year / name)
    (year / "notes.txt").write_text("Ana, Ben")
    (year / "private.jpg").chmod(0)
    (nobodys / "data").mkdir()
    (nobodys / "data").chmod(0o777)
    archive = Archive(photos=str(nobodys / "photos"), data=str(nobodys / "data"))

    def look() -> dict[str, Any]:
        result = dg.materialize(
            [images], partition_key="Sommerfest", instance=instance,
            resources={"archive": archive, "models": Models(pack="builtin"), "progress": LoggedProgress()},
        )  # fmt: skip
        checks = result.get_asset_check_evaluations()
        assert checks and all(check.passed for check in checks)
        return {
            name: value.value for name, value in result.asset_materializations_for_node("images")[0].metadata.items()
        }

    def parts() -> list[str]:
        return [str(part) for part in image_parts(archive.layout, "Sommerfest").files()]

    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("school_year", ["Sommerfest"])
        become_nobody()
        metadata, before = look(), parts()
        assert metadata["new_files"] == 4
        assert "| cannot be opened: permission denied | 1 |" in metadata["reasons"]
        assert "| .txt files are not searched for faces | 1 |" in metadata["reasons"]
        assert "| ok | 2 |" in metadata["statuses"] and "| file name | 1 |" in metadata["dates"]
        assert look()["new_files"] == 0 and parts() == before, "nothing is written as long as nothing changes"
        os.seteuid(os.getuid())
        (year / "private.jpg").chmod(0o644)
        become_nobody()
        metadata = look()
        assert metadata["new_files"] == 1 and "| ok | 3 |" in metadata["statuses"]
        assert look()["new_files"] == 0
    rows = year_images(archive.layout, "Sommerfest")
    assert rows.height == 4 and rows.filter(path="Sommerfest/private.jpg")["status"].to_list() == ["ok"]


def test_photos_without_any_face_have_albums(tmp_path: Path) -> None:
    (tmp_path / "photos" / "2001").mkdir(parents=True)
    Image.new("RGB", (300, 200), (90, 120, 90)).save(tmp_path / "photos" / "2001" / "wall.png")
    with dg.DagsterInstance.ephemeral() as instance:
        world = World(tmp_path, instance)
        assert world.run() == [] and world.run() == [], "also when there is nothing new"
    assert world.query("SELECT status FROM image_assets").rows() == [("ok",)]
    assert find_broken_links(world.layout.albums) == []
    assert "wall.png" in (world.layout.albums / "years" / "2001-2002" / "index.html").read_text()
