"""Photos and data at a URL: a real S3 server on loopback, real requests, the whole chain."""

import shutil
import subprocess
import sys
import time
from pathlib import Path, PurePosixPath

import dagster as dg
import pytest
from s3fs import S3FileSystem
from upath import UPath

from classface_assets.albums.names import album_file_name
from classface_assets.albums.publication import PublishResult, publish
from classface_assets.core.atomic_files import write_file
from classface_assets.core.locations import list_files_recursive, remove_file
from classface_assets.defs.runner.partial_runs import repair_and_rerun
from classface_assets.devtools.sample.compose import SampleArchive
from classface_assets.orchestration.configured_resources import resolve_models
from classface_assets.services.maintenance import find_inconsistencies, find_unused_data
from classface_assets.store.maintenance.pruning import prune
from classface_assets_tests.support.remote import CAMERA, YEARS, Remote, broken_links, copy_sample, number_of, stored

pytestmark = pytest.mark.slow


def test_photos_and_data_at_a_url_go_the_whole_way(bucket: UPath, sample: SampleArchive, tmp_path: Path) -> None:
    photos, data = bucket / "The school's photos", bucket / "data #1"
    copy_sample(sample, photos, YEARS)
    with dg.DagsterInstance.ephemeral() as instance:
        world = Remote(tmp_path, instance, photos_at=str(photos), data_at=str(data))
        assert world.run() == []
        files = world.query("SELECT path, status FROM image_assets")
        assert set(files["path"]) == {str(e.path)[len(str(photos)) + 1 :] for e in list_files_recursive(photos)}
        assert world.query("SELECT count(*) FROM face_instances").item() > 8
        assert broken_links(data / "albums", tmp_path / "fetched") == []
        fetched = sorted((tmp_path / "fetched" / "years" / YEARS[0]).rglob(f"*{album_file_name(CAMERA)}"))
        assert len(fetched) > 1 and fetched[0].read_bytes() in {f.read_bytes() for f in sample.photos.rglob("*.jpg")}
        assert {p.name for p in (tmp_path / "local").iterdir()} <= LOCAL
        page = S3FileSystem().info(str(data / "albums" / "index.html"))
        assert page["ContentType"] == "text/html"

        before, runs = stored(data), instance.get_runs_count()
        assert world.run() == [], "with nothing new"
        assert stored(data) == before and instance.get_runs_count() == runs

        gone = world.query("SELECT asset_id, path FROM image_assets WHERE path LIKE '2016%portrait%' ORDER BY path")
        asset_id, path = gone.row(0)
        remove_file(photos / path)
        added = next(f for f in sorted((sample.photos / "2017-2018").rglob("portrait*.jpg")))
        (photos / "2018-2019" / added.name).write_bytes(added.read_bytes())
        assert world.run() == []
        assert number_of(world, "images", "new_files") == number_of(world, "detections", "photos_searched_now") == 1
        assert world.query(f"SELECT * FROM image_assets WHERE asset_id = '{asset_id}'").is_empty()
        names = {PurePosixPath(name).name for name in stored(data / "albums")}
        assert added.name in names and PurePosixPath(path).name not in names
        assert not any(name.startswith(asset_id) for name in names)
        assert broken_links(data / "albums", tmp_path / "fetched again") == []

        left = find_unused_data(world.archive, [resolve_models("builtin")])
        assert {"faces of deleted photos", "vectors of faces no longer there"} <= {one.kind for one in left}
        prune(world.layout, left)
        assert find_unused_data(world.archive, [resolve_models("builtin")]) == []
        assert find_inconsistencies(world.archive, resolve_models("builtin")).found == ()
        damaged = next(e.path for e in list_files_recursive(data) if "embeddings" in str(e.path))
        write_file(damaged, lambda out: out.write(b"no longer a table"))
        broken = find_inconsistencies(world.archive, resolve_models("builtin")).found
        assert broken and repair_and_rerun(world.chain, broken, lambda _: None) == []
        assert find_inconsistencies(world.archive, resolve_models("builtin")).found == ()


LOCAL = {
    *("classface.duckdb", "ledger.sqlite", "albums", "albums.copied.json"),
    *("models", "cache", "packs", "stamps", "dagster_home", "ledger_backups", "shared.json", "shared.lock"),
}


def test_local_photos_with_data_at_a_url_need_no_albums_and_no_database_here(
    bucket: UPath, sample: SampleArchive, tmp_path: Path
) -> None:
    copy_sample(sample, tmp_path / "photos", YEARS[:1])
    data = bucket / "data"
    with dg.DagsterInstance.ephemeral() as instance:
        world = Remote(tmp_path, instance, photos_at=str(tmp_path / "photos"), data_at=str(data))
        assert world.run() == []
        assert world.number("images", "new_files", YEARS[0]) == 5
        assert broken_links(data / "albums", tmp_path / "fetched") == []
        before = stored(data)
        shutil.rmtree(tmp_path / "local" / "albums")
        (tmp_path / "local" / "classface.duckdb").unlink()
        runs = instance.get_runs_count()
        assert world.run() == []
        assert instance.get_runs_count() == runs and (tmp_path / "local" / "classface.duckdb").exists()
        assert stored(data) == before
        page = data / "albums" / "years" / YEARS[0] / "index.html"
        remove_file(page)
        assert world.run() == []
        assert world.number("albums", "files_uploaded", YEARS[0]) == 1, "the others are known by their digest"
        assert stored(data)[str(page)] == before[str(page)]


MIRROR = """
import sys
from pathlib import Path
from classface_assets.core.locations import parse_location
from classface_assets.albums.publication import publish
print("begins", flush=True)
publish(Path(sys.argv[1]), parse_location(sys.argv[2]))
"""


def test_albums_are_copied_pages_last_and_a_killed_copy_goes_on_where_it_was(bucket: UPath, tmp_path: Path) -> None:
    albums, target = tmp_path / "albums", bucket / "albums"
    pictures = [f"years/2019/Ana #1/{number}.jpg" for number in range(240)]
    pages = ["index.html", "coverage.html", "years/2019/index.html", "students/ana.html"]
    for name in [*pictures, *pages, "years/.2019.building/half.jpg"]:
        (albums / name).parent.mkdir(parents=True, exist_ok=True)
        (albums / name).write_bytes(name.encode() * 50)
    victim = subprocess.Popen([sys.executable, "-c", MIRROR, str(albums), str(target)], stdout=subprocess.PIPE)
    assert victim.stdout and victim.stdout.readline() == b"begins\n"
    while len(copied := stored(target)) < 20:
        assert victim.poll() is None
        time.sleep(0.01)
    victim.kill()
    victim.communicate()
    copied = stored(target)
    assert 20 <= len(copied) < 240 and not any(name.endswith(".html") for name in copied)

    assert publish(albums, target) == PublishResult(len(pictures + pages) - len(copied), 0)
    assert {name.removeprefix(f"{target}/") for name in stored(target)} == {*pictures, *pages}
    assert publish(albums, target) == publish(albums, target, thorough=True) == PublishResult(0, 0)

    (albums / pictures[0]).unlink()
    (albums / pictures[1]).write_bytes(pictures[2].encode() * 50)  # as large as before
    (albums / pages[0]).write_bytes((albums / pages[0]).read_bytes())  # made again, the same
    assert publish(albums, target, ["years/2019"]) == PublishResult(1, 1)
    assert publish(albums, target) == PublishResult(0, 0)
    remove_file(target / pictures[3])
    assert publish(albums, target) == PublishResult(0, 0), "by the note alone"
    assert publish(albums, target, thorough=True) == PublishResult(1, 0)
