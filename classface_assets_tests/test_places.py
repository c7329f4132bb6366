"""Photos and data at a URL: a real S3 server on loopback, real requests, the whole chain."""

import errno
import io
import logging
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import dagster as dg
import polars as pl
import pytest
from moto.server import ThreadedMotoServer
from s3fs import S3FileSystem
from upath import UPath

from classface_assets.automation.watching import photo_folders
from classface_assets.cli.main import main
from classface_assets.partitions import year_listing
from classface_assets.places import Place, entries, files_below, place, remove
from classface_assets.resources import Archive, archive_for, models_for
from classface_assets.running import chosen_years
from classface_assets.sample.compose import SampleArchive
from classface_assets.site.links import check_links
from classface_assets.site.mirror import Mirrored, mirror
from classface_assets.site.names import album_file_name
from classface_assets.storage_errors import StorageError, storage_error
from classface_assets.store.files import write_file
from classface_assets.store.layout import Layout
from classface_assets.store.parts import Parts
from classface_assets.store.prune import prune
from classface_assets.store.tables import DamagedFileError
from classface_assets.store.years import PhotosFolderError, fingerprint, year_folders
from classface_assets.upkeep import fix, orphans, unused
from classface_assets_tests.conftest import World

ODD_NAMES = ["a b.jpg", "é.jpg", "#1.jpg", "why?.jpg", "50%.jpg", "50%20.jpg", "[x]*.jpg", "a::b.jpg", "a&b=c+d.jpg"]
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "somebody",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """An S3 server on loopback, known to this process and its children by the usual variables."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # else a line a request, in every failure's report
    running = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    running.start()
    endpoint = "http://{}:{}".format(*running.get_host_and_port())
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": endpoint}.items():
            patch.setenv(name, value)
        S3FileSystem.clear_instance_cache()
        yield endpoint
    running.stop()
    S3FileSystem.clear_instance_cache()


@pytest.fixture
def bucket(server: str, request: pytest.FixtureRequest) -> UPath:
    """A new bucket."""
    found = place(f"s3://bucket-{abs(hash(request.node.name)):x}"[:50])
    assert isinstance(found, UPath)
    found.fs.mkdir(found.path.rstrip("/"))
    return found


# ---- names and listings


@pytest.mark.parametrize("text", ["photos", "~/photos", "/a/b", "file:///a/b%20c", "C:\\photos"])
def test_a_local_path_stays_a_path(text: str) -> None:
    found = place(text)
    assert type(found) is type(Path()) and found.is_absolute()
    assert place("file:///a/b%20c") == Path("/a/b c")


@pytest.mark.parametrize("text", ["nowhere://a/b", "s3://", "s4://bucket/photos"])
def test_a_url_that_cannot_be_one_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(StorageError, match=r"cannot be used.*\.$") as caught:
        place(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_key_is_written_listed_and_read_under_its_own_name(bucket: UPath, name: str) -> None:
    folder = bucket / "My photos #1" / "2019-2020"
    write_file(folder / name, lambda out: out.write(name.encode()))
    write_file(folder / "class 1" / name, lambda out: out.write(b"another"))
    (listed,) = (e for e in entries(folder) if not e.is_folder)
    assert (listed.path.name, listed.size, listed.path.read_bytes()) == (name, len(name.encode()), name.encode())
    assert abs(listed.mtime_ns / 1e9 - time.time()) < 60
    below = [str(e.path)[len(str(folder)) + 1 :] for e in files_below(folder)]
    assert sorted(below) == sorted([name, f"class 1/{name}"])
    assert (bucket / "My photos #1" / f"2019-2020/class 1/{name}").read_bytes() == b"another"


def test_school_years_at_a_url_are_found_with_one_listing_each(bucket: UPath, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = bucket / "photos"
    for name in ("2019-20/a/1.jpg", "2019-20/a/2.jpg", "2019-20/.hidden/3.jpg", "2019-20/Thumbs.db", "Feast/4.jpg"):
        (photos / name).write_bytes(name.encode())
    (photos / "loose.jpg").write_bytes(b"loose")
    folders = year_folders(Layout(photos, bucket / "data"))
    assert list(folders) == ["2019-2020", "Feast", "unsorted"]
    calls = []
    call = S3FileSystem._call_s3
    monkeypatch.setattr(S3FileSystem, "_call_s3", lambda *a, **k: (calls.append(a[1]), call(*a, **k))[1])
    listings = {year: year_listing(photos, places) for year, places in folders.items()}
    assert len(calls) <= 3, "one call a folder, none a file"
    assert {year: [e.path.name for e in files] for year, files in listings.items()} == {
        "2019-2020": ["1.jpg", "2.jpg"],
        "Feast": ["4.jpg"],
        "unsorted": ["loose.jpg"],
    }
    before = fingerprint(listings["2019-2020"])
    (photos / "2019-20" / "a" / "2.jpg").write_bytes(b"longer than it was")
    assert fingerprint(year_listing(photos, folders["2019-2020"])) != before


def test_the_sensor_runs_years_at_a_url_when_they_change(bucket: UPath) -> None:
    archive = Archive(photos=str(bucket / "photos"), data=str(bucket / "data"))

    def look(cursor: str | None = None) -> dg.SensorResult | dg.SkipReason:
        with dg.build_sensor_context(instance=instance, cursor=cursor, resources={"archive": archive}) as context:
            return photo_folders(context)

    with dg.DagsterInstance.ephemeral() as instance:
        assert "There is nothing in s3://" in str(look().skip_message)
        for name in ("2018/a.jpg", "2019/b.jpg"):
            (bucket / "photos" / name).write_bytes(b"photo")
        first = look()
        assert [request.partition_key for request in first.run_requests] == ["2018-2019", "2019-2020"]
        assert "Nothing new in the 2 school years" in str(look(first.cursor).skip_message)
        (bucket / "photos" / "2019" / "c.jpg").write_bytes(b"photo")
        assert [request.partition_key for request in look(first.cursor).run_requests] == ["2019-2020"]


# ---- parts


def rows(*ids: str, chip: bytes = b"") -> pl.DataFrame:
    return pl.DataFrame({"id": list(ids), "chip": [chip] * len(ids), "number": range(len(ids))})


def places_of_parts(bucket: UPath, tmp_path: Path) -> list[Place]:
    return [tmp_path / "parts", bucket / "data #1" / "parts"]


def test_parts_at_a_url_do_what_local_ones_do(bucket: UPath, tmp_path: Path) -> None:
    for folder in places_of_parts(bucket, tmp_path):
        parts = Parts(folder, ("id",))
        assert parts.read().is_empty() and parts.ids("id") == set() and list(parts.scan()) == []
        parts.append(rows("a", "b"))
        parts.append(rows("b", "c"))
        assert sorted(parts.read()["id"]) == ["a", "b", "c"] == sorted(pl.concat(parts.scan(["id"]))["id"])
        picked = parts.pick("id", ["a", "c", "x"], ["id", "chip"])
        assert picked.columns == ["id", "chip"] and sorted(picked["id"]) == ["a", "c"]
        assert parts.pick("id", ["x"], ["id"]).is_empty()
        assert parts.read(["number"]).columns == ["number"] and parts.ids("id") == {"a", "b", "c"}
        parts.compact()
        assert len(parts.files()) == 1 and parts.read().height == 3
        parts.keep(rows("b", "x").select("id"))
        assert parts.read()["id"].to_list() == ["b"]
        parts.replace(rows())
        assert parts.files() == []


def test_compaction_makes_parts_of_bounded_size_and_leaves_large_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("classface_assets.store.part_files.PART_BYTES", 200_000)
    parts = Parts(tmp_path, ("id",))
    for number in range(40):
        parts.append(rows(f"r{number}", chip=os.urandom(15_000)))
    parts.compact()
    sizes = [e.size for e in entries(tmp_path)]
    assert 3 <= len(sizes) <= 5 and max(sizes) < 220_000
    whole = parts.read().sort("id")
    assert whole.height == 40
    changed = {e.path: e.mtime_ns for e in entries(tmp_path)}
    parts.compact()
    assert {e.path: e.mtime_ns for e in entries(tmp_path)} == changed, "nothing is left to compact"
    assert parts.read().sort("id").equals(whole)


def test_a_scan_holds_only_frames_of_bounded_size(tmp_path: Path) -> None:
    parts = Parts(tmp_path, ("id",))
    parts.append(pl.DataFrame({"id": [f"r{n}" for n in range(5000)], "chip": [b"x" * 2000] * 5000}))
    parts.append(pl.DataFrame({"id": [f"r{n}" for n in range(4000, 6000)], "chip": [b"y" * 2000] * 2000}))
    frames = list(parts.scan())
    assert max(frame.height for frame in frames) <= 1024
    assert sorted(pl.concat(frames)["id"]) == sorted(f"r{n}" for n in range(6000))
    assert pl.concat(frames).sort("id").equals(parts.read().sort("id"))


COMPACT = """
import sys
from classface_assets.places import place
from classface_assets.store.parts import Parts
from classface_assets.store.prune import prune
import polars as pl
parts = Parts(place(sys.argv[1]), ("id",))
print("ready", flush=True)
sys.stdin.readline()
for turn in range(int(sys.argv[2])):
    parts.append(pl.DataFrame({"id": [f"{sys.argv[3]} {turn}"]}))
    parts.compact()
"""


@pytest.mark.parametrize(("where", "turns"), [("local", 60), ("s3", 4)])
def test_several_processes_may_append_and_compact_at_once_and_no_row_is_lost(
    bucket: UPath, tmp_path: Path, where: str, turns: int
) -> None:
    folder = tmp_path if where == "local" else bucket / "parts"
    start = [sys.executable, "-c", COMPACT, str(folder), str(turns)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    writers = [subprocess.Popen([*start, name], text=True, **pipes) for name in "abc"]
    for writer in writers:
        assert writer.stdout and writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin
        writer.stdin.write("go\n")
        writer.stdin.flush()
    parts = Parts(folder, ("id",))
    seen = 0
    while any(writer.poll() is None for writer in writers):
        ids = parts.ids("id")
        assert len(ids) >= seen, "what was there stays there"
        seen = len(ids)
        scanned = [one for frame in parts.scan() for one in frame["id"]]
        assert len(scanned) == len(set(scanned)) >= seen
    assert [writer.communicate()[1] for writer in writers] == ["", "", ""]
    assert parts.ids("id") == {f"{name} {turn}" for name in "abc" for turn in range(turns)}


@pytest.mark.parametrize("left", [0, 7, 300])
def test_a_damaged_part_is_told_in_a_sentence_that_names_it(bucket: UPath, tmp_path: Path, left: int) -> None:
    content = io.BytesIO()
    rows(*map(str, range(1000))).write_parquet(content)
    for folder in places_of_parts(bucket, tmp_path):
        parts = Parts(folder, ("id",))
        write_file(folder / "part-1.parquet", lambda out: out.write(content.getvalue()[:left]))
        for read in (Parts.read, lambda p: p.ids("id"), lambda p: list(p.scan()), lambda p: p.read(["id"])):
            with pytest.raises(DamagedFileError, match=r"part-1\.parquet is damaged .*find-orphans --fix.*\.$"):
                read(parts)


def test_what_a_person_is_told_when_a_disk_or_server_fails() -> None:
    full = storage_error(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "/data")
    assert str(full) == "There is no space left for /data; free some and run again, what is done is kept."
    for number in (errno.EROFS, errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT):
        sentence = str(storage_error(OSError(number, os.strerror(number)), "/data"))
        assert sentence.startswith("/data ") and sentence.endswith(".") and "\n" not in sentence
    for error in (FileNotFoundError(errno.ENOENT, "x"), PermissionError(errno.EACCES, "x"), ValueError("x")):
        assert storage_error(error, "/data") is None


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk that is always full")
def test_a_full_disk_is_told_in_a_sentence_by_whatever_writes() -> None:
    with pytest.raises(pl.exceptions.ComputeError) as caught, Path("/dev/full").open("wb") as out:
        rows("a").write_parquet(out)
    assert str(storage_error(caught.value, "/data")).startswith("There is no space left for /data")


# ---- servers that refuse


@dataclass(frozen=True)
class CommandLine:
    """`classface years sync` in this process, with other variables in the environment."""

    local: Path
    patch: pytest.MonkeyPatch
    capture: pytest.CaptureFixture[str]

    def refuses(self, photos: object, data: object, **environment: str) -> str:
        """The one line that it says when it stops."""
        words = ["years", "sync", "--photos", photos, "--data", data, "--local", self.local]
        S3FileSystem.clear_instance_cache()
        with self.patch.context() as patch, pytest.raises(SystemExit) as stopped:
            patch.setattr(sys, "argv", ["classface", *map(str, words)])
            for name, value in {"DAGSTER_HOME": "", **environment}.items():
                patch.setenv(name, value)
            main()
        said = self.capture.readouterr().err
        assert stopped.value.code == 1 and said.count("\n") == 1, said
        return said.strip()


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[CommandLine]:
    yield CommandLine(tmp_path / "local", monkeypatch, capfd)
    S3FileSystem.clear_instance_cache()


def test_a_bucket_or_server_that_is_not_there_is_told_in_a_sentence(bucket: UPath, command: CommandLine) -> None:
    (bucket / "photos" / "2019" / "a.jpg").write_bytes(b"a")
    photos, data = bucket / "photos", bucket / "data"
    said = command.refuses("s3://no-such-bucket/photos", data)
    assert said == "classface: There is no bucket for s3://no-such-bucket/photos; check its name, or create it."
    said = command.refuses(photos, "s3://no-such-bucket/data")
    assert said == "classface: There is no bucket for s3://no-such-bucket/data; check its name, or create it."
    with pytest.raises(PhotosFolderError, match=r"There is nothing in s3://.*nothing here; put .*\.$"):
        chosen_years(Layout(bucket / "nothing here", data), None)
    said = command.refuses(photos, data, AWS_ENDPOINT_URL="http://127.0.0.1:9", AWS_MAX_ATTEMPTS="1")
    assert said.startswith(f"classface: {data} cannot be reached (") and "check its name, AWS_ENDPOINT_URL" in said


def test_wrong_or_missing_credentials_are_told_in_a_sentence(bucket: UPath, server: str, command: CommandLine) -> None:
    (bucket / "photos" / "2019" / "a.jpg").write_bytes(b"a")
    photos, data = bucket / "photos", command.local
    said = command.refuses(photos, data, AWS_ACCESS_KEY_ID="")
    assert said == f"classface: There are no credentials for {photos}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
    ask_for_credentials(server, "0")
    try:
        said = command.refuses(photos, data)
    finally:
        ask_for_credentials(server, "inf")
    assert said.startswith(f"classface: {photos} refuses access (") and "AWS_SECRET_ACCESS_KEY" in said


def ask_for_credentials(server: str, after_calls: str) -> None:
    """moto checks no keys unless it is told after how many calls to begin."""
    address, text = f"{server}/moto-api/reset-auth", {"Content-Type": "text/plain"}
    with urllib.request.urlopen(urllib.request.Request(address, after_calls.encode(), text)) as answer:
        assert answer.status == 200


# ---- the whole chain


@dataclass(frozen=True)
class Remote(World):
    """An archive whose photos and data each lie at a place of their own."""

    photos_at: str = ""
    data_at: str = ""

    @property
    def archive(self) -> Archive:
        return archive_for(self.photos_at, self.data_at, self.folder / "local")


YEARS = ["2016-2017", "2018-2019"]
CAMERA = "Ana & Ben #1 100%? é.jpg"


def copy_sample(sample: SampleArchive, photos: Place, years: list[str]) -> None:
    """Some of the sample's photos: of each school year a class photo under an odd name, and four others."""
    for year in years:
        for name in ("class_{}_01", "class_{}_02", "candid_{}_03", "portrait_{}_05", "portrait_{}_06"):
            (file,) = (sample.photos / year).rglob(f"{name.format(year[:4])}.jpg")
            named = CAMERA if file.stem.endswith("_01") else file.name
            write_file(photos / year / file.parent.name / named, lambda out, file=file: out.write(file.read_bytes()))


def number_of(world: World, asset: str, key: str) -> float:
    return sum(world.number(asset, key, year) for year in YEARS)


def broken_links(albums: UPath, folder: Path) -> list[str]:
    """Of the albums at a URL, fetched as a reader would."""
    albums.fs.get(f"{albums.path}/", f"{folder}/", recursive=True)
    return check_links(folder)


def stored(data: UPath) -> dict[str, str]:
    """Every object below, and the digest of its content."""
    return {str(e.path): e.md5 for e in files_below(data)}


def test_photos_and_data_at_a_url_go_the_whole_way(bucket: UPath, sample: SampleArchive, tmp_path: Path) -> None:
    photos, data = bucket / "The school's photos", bucket / "data #1"
    copy_sample(sample, photos, YEARS)
    with dg.DagsterInstance.ephemeral() as instance:
        world = Remote(tmp_path, instance, photos_at=str(photos), data_at=str(data))
        assert world.run() == []
        files = world.query("SELECT path, status FROM image_assets")
        assert set(files["path"]) == {str(e.path)[len(str(photos)) + 1 :] for e in files_below(photos)}
        assert world.query("SELECT count(*) FROM face_instances").item() > 8
        assert broken_links(data / "albums", tmp_path / "fetched") == []
        fetched = sorted((tmp_path / "fetched" / "years" / YEARS[0]).rglob(f"*{album_file_name(CAMERA)}"))
        assert len(fetched) > 1 and fetched[0].read_bytes() in {f.read_bytes() for f in sample.photos.rglob("*.jpg")}
        assert {p.name for p in (tmp_path / "local").iterdir()} <= LOCAL
        page = S3FileSystem().info(str(data / "albums" / "index.html"))
        assert page["ContentType"] == "text/html"

        before = stored(data)
        assert world.run() == [], "with nothing new"
        assert stored(data) == before
        assert number_of(world, "images", "new_files") == number_of(world, "detections", "photos_searched_now") == 0
        assert number_of(world, "embeddings", "embedded_now") == number_of(world, "albums", "thumbnails_made") == 0
        assert number_of(world, "albums", "files_uploaded") == 0

        gone = world.query("SELECT asset_id, path FROM image_assets WHERE path LIKE '2016%portrait%' ORDER BY path")
        asset_id, path = gone.row(0)
        remove(photos / path)
        added = next(f for f in sorted((sample.photos / "2017-2018").rglob("portrait*.jpg")))
        (photos / "2018-2019" / added.name).write_bytes(added.read_bytes())
        assert world.run() == []
        assert number_of(world, "images", "new_files") == number_of(world, "detections", "photos_searched_now") == 1
        assert world.query(f"SELECT * FROM image_assets WHERE asset_id = '{asset_id}'").is_empty()
        names = {PurePosixPath(name).name for name in stored(data / "albums")}
        assert added.name in names and PurePosixPath(path).name not in names
        assert not any(name.startswith(asset_id) for name in names)
        assert broken_links(data / "albums", tmp_path / "fetched again") == []

        left = unused(world.archive, [models_for("builtin")])
        assert {"faces of deleted photos", "vectors of faces no longer there"} <= {one.kind for one in left}
        prune(world.layout, left)
        assert unused(world.archive, [models_for("builtin")]) == []
        assert orphans(world.archive, models_for("builtin")) == []
        damaged = next(e.path for e in files_below(data) if "embeddings" in str(e.path))
        write_file(damaged, lambda out: out.write(b"no longer a table"))
        broken = orphans(world.archive, models_for("builtin"))
        assert broken and fix(world.chain, broken, lambda _: None) == []
        assert orphans(world.archive, models_for("builtin")) == []


LOCAL = {
    *("classface.duckdb", "ledger.sqlite", "albums", "albums.copied.json"),
    *("models", "cache", "packs", "stamps", "dagster_home"),
}


def test_local_photos_with_data_at_a_url_and_the_albums_of_a_lost_disk(
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
        assert world.run() == []
        assert world.number("detections", "photos_searched_now", YEARS[0]) == 0
        assert world.number("albums", "files_uploaded", YEARS[0]) == 0, "the same pictures are known by their digest"
        assert stored(data) == before


MIRROR = """
import sys
from pathlib import Path
from classface_assets.places import place
from classface_assets.site.mirror import Mirrored, mirror
print("begins", flush=True)
mirror(Path(sys.argv[1]), place(sys.argv[2]))
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

    assert mirror(albums, target) == Mirrored(len(pictures + pages) - len(copied), 0)
    assert {name.removeprefix(f"{target}/") for name in stored(target)} == {*pictures, *pages}
    assert mirror(albums, target) == mirror(albums, target, thorough=True) == Mirrored(0, 0)

    (albums / pictures[0]).unlink()
    (albums / pictures[1]).write_bytes(pictures[2].encode() * 50)  # as large as before
    (albums / pages[0]).write_bytes((albums / pages[0]).read_bytes())  # made again, the same
    assert mirror(albums, target, ["years/2019"]) == Mirrored(1, 1)
    assert mirror(albums, target) == Mirrored(0, 0)
    remove(target / pictures[3])
    assert mirror(albums, target) == Mirrored(0, 0), "by the note alone"
    assert mirror(albums, target, thorough=True) == Mirrored(1, 0)
