"""A folder whose school year changes, because it is read better or was set by hand: names stay, nothing is searched."""

import unicodedata
from pathlib import Path

import polars as pl

from classface_assets.albums.pages.links import find_broken_links
from classface_assets.services.school_years import set_folder_year
from classface_assets.store.model.face_ref import FaceRef
from classface_assets_tests.conftest import World

FACES = "SELECT id, asset_id, cluster_id, bbox_x, bbox_y, bbox_w, bbox_h FROM face_instances ORDER BY id"
NAMES = "SELECT f.id, p.name FROM face_instances f JOIN persons p ON p.id = f.person_id WHERE p.name = 'Ana' ORDER BY 1"


def label_ana(world: World) -> list[str]:
    """Name the largest group; the ids of its faces."""
    faces = world.query(FACES).filter(pl.col("cluster_id").str.starts_with("unknown_cluster"))
    largest = faces["cluster_id"].value_counts().sort("count", "cluster_id", descending=[True, False])["cluster_id"][0]
    rows = faces.filter(pl.col("cluster_id") == largest)
    marks = [FaceRef(f, a, (x, y, w, h)) for f, a, _, x, y, w, h in rows.iter_rows()]
    world.archive.open_ledger().label("Ana", marks)
    return rows["id"].to_list()


def test_folders_that_come_to_other_school_years_keep_names_and_nothing_is_searched_again(world: World) -> None:
    photos = Path(str(world.layout.photos))
    years = sorted(folder.name for folder in photos.iterdir() if folder.is_dir())
    first, second = years[0], years[1]
    ana = label_ana(world)
    # As an archive looked before: one folder was read as another school year, and one was not dated at all.
    (photos / "Primary").mkdir()
    (photos / first).rename(photos / "Primary" / first)
    set_folder_year(world.layout, second, "1987-1988")
    assert world.run() == []
    now = sorted({first, "1987-1988", *years[2:]})
    assert world.query("SELECT DISTINCT school_year FROM image_assets ORDER BY 1")["school_year"].to_list() == now
    for year in (first, "1987-1988"):
        assert world.number("detections", "photos_searched_now", year) == 0
        assert world.number("embeddings", "embedded_now", year) == 0
    assert set(world.query(NAMES)["id"]) >= set(ana)
    albums = world.layout.albums
    assert sorted(folder.name for folder in (albums / "years").iterdir()) == now
    assert find_broken_links(albums) == []
    # Back again, in a folder without a year, then with its name in another form of Unicode.
    (photos / "Primary" / first).rename(photos / "Primary" / "Übergänge")
    (photos / "Primary").rename(photos / "Übergänge")
    assert world.run() == []
    assert world.number("detections", "photos_searched_now", "Übergänge") == 0
    (photos / "Übergänge").rename(photos / unicodedata.normalize("NFD", "Übergänge"))
    assert world.run() == []
    assert world.number("detections", "photos_searched_now", "Übergänge") == 0
    assert (albums / "years" / "Übergänge" / "index.html").exists()
    assert set(world.query(NAMES)["id"]) >= set(ana)
    assert find_broken_links(albums) == []


def test_no_photo_is_in_two_school_years_while_the_old_one_was_not_run_yet(world: World) -> None:
    photos = Path(str(world.layout.photos))
    folder = min(path.name for path in photos.iterdir() if path.is_dir())
    before = world.query("SELECT path FROM image_assets WHERE status = 'ok' ORDER BY ALL")
    set_folder_year(world.layout, folder, "1987-1988")
    assert world.run("1987-1988") == []
    assert world.query("SELECT path FROM image_assets WHERE status = 'ok' ORDER BY ALL").equals(before)
