"""Parts of several datasets in a bucket: how many requests they take, and that nobody sees an old version of a file."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from upath import UPath

from classface_assets.core.atomic_files import read_file, write_file
from classface_assets.core.locations import list_named_files, parse_location
from classface_assets.devtools.benchmark.runs.counted_s3 import Traffic, counted_s3
from classface_assets.devtools.benchmark.runs.ray_cluster import Bench, upload
from classface_assets.devtools.sample.compose import SampleArchive
from classface_assets.store.files.fetched import reuse_fetched
from classface_assets.store.files.parquet import DamagedFileError
from classface_assets.store.files.parts import PartDataset
from classface_assets.store.files.several_datasets import copy_rows_from, held_ids, read_several

pytestmark = pytest.mark.slow


@pytest.fixture
def traffic() -> Iterator[Traffic]:
    with counted_s3() as traffic:
        found = parse_location("s3://several")
        assert isinstance(found, UPath)
        if found.fs.exists("several"):  # all servers of a process have the same buckets
            found.fs.rm("several", recursive=True)
        found.fs.mkdir("several")
        yield traffic


@pytest.fixture(autouse=True)
def reusing() -> Iterator[None]:
    """As in a run that has not fetched anything yet."""
    reuse_fetched(0)
    reuse_fetched()
    yield
    reuse_fetched(0)


def dataset(year: str) -> PartDataset:
    return PartDataset(parse_location(f"s3://several/parts/faces/{year}/size-20"), ("id",))


def rows(*ids: str, value: int = 0) -> pl.DataFrame:
    return pl.DataFrame({"id": ids, "value": [value] * len(ids)}, schema={"id": pl.String, "value": pl.Int64})


def forget() -> None:
    """As if another process had written all that there is."""
    reuse_fetched(0)
    reuse_fetched()


def requests(traffic: Traffic, before: Traffic) -> dict[str, int]:
    return dict((traffic - before).requests)


@pytest.mark.parametrize("count", [3, 9])
def test_the_parts_of_any_number_of_datasets_take_one_listing_and_each_is_fetched_once(
    traffic: Traffic, count: int
) -> None:
    years = [dataset(f"{2000 + n}") for n in range(count)]
    for n, year in enumerate(years):
        year.append(rows(f"a{n}", "shared"))
    forget()
    before = traffic + Traffic()
    expected = [{"a0", "shared"}, *({"shared"} for _ in years[1:])]
    assert list(held_ids(years, "id", {"a0", "shared", "nowhere"})) == expected
    assert requests(traffic, before) == {"LIST": 1, "GET": count}
    before = traffic + Traffic()
    assert list(held_ids(years, "id", {"a0", "shared"})) == expected
    assert read_several(years, ["value"])["value"].to_list() == [0] * 2 * count
    assert requests(traffic, before) == {"LIST": 2}


def test_what_a_run_has_written_it_does_not_fetch(traffic: Traffic) -> None:
    year = dataset("2001")
    year.append(rows("a"))
    before = traffic + Traffic()
    assert year.ids("id") == {"a"} and year.read().equals(rows("a"))
    year.append(rows("b"))
    year.compact()
    assert sorted(year.ids("id")) == ["a", "b"]
    assert "GET" not in requests(traffic, before) and "HEAD" not in requests(traffic, before)


def test_without_a_run_nothing_is_held(traffic: Traffic) -> None:
    reuse_fetched(0)
    year = dataset("2001")
    year.append(rows("a"))
    for _ in range(2):
        before = traffic + Traffic()
        assert year.ids("id") == {"a"}
        assert requests(traffic, before)["GET"] >= 1


def test_a_part_that_was_written_anew_under_its_name_is_fetched_anew(traffic: Traffic) -> None:
    year, others = dataset("2001"), [dataset("2001"), dataset("2002")]
    year.append(rows("old"), name="same")
    others[1].append(rows("other"))
    assert list(held_ids(others, "id", {"old", "new"})) == [{"old"}, set()]
    assert year.read()["id"].to_list() == ["old"]
    year.append(rows("new"), name="same")
    assert list(held_ids(others, "id", {"old", "new"})) == [{"new"}, set()]
    assert year.read()["id"].to_list() == ["new"]


def test_a_part_that_was_overwritten_with_rubbish_is_found_damaged(traffic: Traffic) -> None:
    year = dataset("2001")
    part = year.append(rows("a", "b"))
    assert part is not None and year.ids("id") == {"a", "b"}
    content = read_file(part)
    write_file(part, lambda out: out.write(content[:20] + b"x" * 40 + content[60:]))
    with pytest.raises(DamagedFileError):
        year.read()
    write_file(part, lambda out: out.write(b""))
    with pytest.raises(DamagedFileError):
        year.ids("id")


def test_only_so_many_bytes_are_held(traffic: Traffic) -> None:
    reuse_fetched(2000)
    years = [dataset(f"{2000 + n}") for n in range(6)]
    for n, year in enumerate(years):
        year.append(rows(f"a{n}"))
    before = traffic + Traffic()
    assert [*held_ids(years, "id", {"a0", "a5"})] == [{"a0"}, set(), set(), set(), set(), {"a5"}]
    assert 4 <= requests(traffic, before)["GET"] <= 6


def test_rows_of_a_moved_photo_are_copied_from_a_bucket(traffic: Traffic) -> None:
    old, other, own = dataset("2001"), dataset("2002"), dataset("2003")
    old.append(rows("moved", "stays", value=1))
    other.append(rows("moved", "else", value=2))
    forget()
    assert copy_rows_from(own, [old, other], "id", {"moved", "else", "new"}) == {"new"}
    assert own.read().sort("id").rows() == [("else", 2), ("moved", 1)]
    before = traffic + Traffic()
    assert copy_rows_from(own, [old, other], "id", set()) == set() and not requests(traffic, before)


def test_a_missing_or_empty_object_takes_one_request(traffic: Traffic) -> None:
    file = parse_location("s3://several/settings.json")
    before = traffic + Traffic()
    with pytest.raises(FileNotFoundError):
        read_file(file)
    assert requests(traffic, before) == {"GET": 1}
    write_file(file, lambda out: out.write(b""))
    assert read_file(file) == b""
    before = traffic + Traffic()
    assert list_named_files(file.parent / "nothing", "part-") == []
    assert requests(traffic, before) == {"LIST": 1}


def test_a_school_year_takes_as_many_requests_whatever_the_number_of_others(
    traffic: Traffic, sample: SampleArchive, tmp_path: Path
) -> None:
    photos = sorted(sample.photos.rglob("portrait_*.jpg"))

    def requests_beside_photos(count: int) -> float:
        years, name = [f"{2001 + n}-{2002 + n}" for n in range(count)], f"of-{count}"
        for year, photo in zip(years, photos, strict=False):
            target = tmp_path / name / year / photo.name
            target.parent.mkdir(parents=True)
            target.write_bytes(photo.read_bytes())
        reuse_fetched(0)
        bench = Bench(upload(tmp_path / name, name), years, "builtin")
        counted = bench.count_requests(f"s3://{name}/data", tmp_path / f"local-{count}", traffic)
        return sum(one.requests.total() for one in counted.values()) / count - 2

    few, many = requests_beside_photos(2), requests_beside_photos(8)
    assert many < few + 2 and many < 90
