"""No byte of a Parquet file changes unseen, and a reader compares what it reads, no more."""

import random
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from upath import UPath

from classface_assets.core.locations import FileEntry, Location
from classface_assets.store.files import parquet
from classface_assets.store.files.checksums import FLAG
from classface_assets.store.files.parquet import DamagedFileError, check_parquet, read_sound_row_groups, write_parquet
from classface_assets.store.files.parts import PartDataset
from classface_assets.store.maintenance.read_today import share_of_the_day

ROWS = pl.DataFrame(
    {"asset_id": [f"a{i // 3}" for i in range(90)], "face_id": [f"f{i}" for i in range(90)], "chip": [b"jpeg"] * 90}
)


@pytest.fixture(params=["on a disk", "at a url"])
def part(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    """A part in a folder, or in a store without one."""
    here = tmp_path if request.param == "on a disk" else UPath(f"memory://{tmp_path.name}")
    file = here / "data" / "parts" / "detections" / "part-1.parquet"
    write_parquet(ROWS, file)
    return file


def with_flip(file: Location, content: bytes, at: int) -> None:
    changed = bytearray(content)
    changed[at] ^= 1 << random.Random(at).randrange(8)
    file.write_bytes(bytes(changed))


def test_whichever_bit_flips_the_check_sees_it(part: Location) -> None:
    assert check_parquet(part)
    content, unseen = part.read_bytes(), []
    for at in range(0, len(content), 3 if isinstance(part, Path) else 29):
        with_flip(part, content, at)
        try:
            check_parquet(part)
            unseen.append(at)
        except DamagedFileError:
            continue
    assert unseen == []


READERS: dict[str, Callable[[Location], pl.DataFrame]] = {
    "whole": parquet.read_parquet,
    "some columns": lambda file: parquet.read_parquet(file, ["face_id"]),
    "in frames": lambda file: pl.concat(parquet.iter_parquet_batches(file)),
    "matching rows": lambda file: parquet.read_matching_rows(file, "face_id", ["f7"], ["chip"]),
    "a row group": lambda file: parquet.read_row_group(file, 0, ["asset_id", "face_id"]),
}


@pytest.mark.parametrize("reader", READERS)
def test_no_reader_returns_other_rows_than_were_written(part: Location, reader: str) -> None:
    read, content = READERS[reader], part.read_bytes()
    right, refused = read(part), 0
    for at in range(3, len(content), 17 if isinstance(part, Path) else 101):
        with_flip(part, content, at)
        try:
            assert read(part).equals(right)
        except DamagedFileError as error:
            refused += 1
            assert str(error).startswith(f"{part} is damaged (") and "`classface find-orphans --fix`" in str(error)
    assert refused, "some flips are in what is read"


def test_a_column_is_read_though_another_one_is_damaged(part: Location) -> None:
    import pyarrow.parquet as pq

    with part.open("rb") as opened:
        chunk = pq.read_metadata(opened).row_group(0).column(2)
    start = min(chunk.data_page_offset, chunk.dictionary_page_offset or chunk.data_page_offset)
    with_flip(part, part.read_bytes(), start + 5)
    if isinstance(part, Path):  # from a server, columns that lie close together are fetched, and compared, at once
        assert parquet.read_parquet(part, ["face_id"])["face_id"].equals(ROWS["face_id"])
    with pytest.raises(DamagedFileError, match=r"\(the checksum of chip does not match\)"):
        parquet.read_parquet(part, ["face_id", "chip"])


@pytest.mark.parametrize("change", [lambda b: b[:-1], lambda b: b + b"\0", lambda _: b"", lambda b: b[4:]])
def test_bytes_too_few_or_too_many_are_damage(part: Location, change: Callable[[bytes], bytes]) -> None:
    part.write_bytes(change(part.read_bytes()))
    for read in READERS.values():
        with pytest.raises(DamagedFileError):
            read(part)


def test_a_file_of_another_kind_in_its_place_is_damage(part: Location) -> None:
    other = part.parent.parent / "embeddings" / "part-2.parquet"
    write_parquet(ROWS.select("face_id"), other)
    part.write_bytes(other.read_bytes())
    with pytest.raises(DamagedFileError, match="it is a file of embeddings in the place of one of detections"):
        parquet.read_parquet(part, ["face_id"])


def test_a_part_of_an_older_version_is_read_as_before_and_has_checksums_once_it_is_written_again(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "parts" / "detections"
    folder.mkdir(parents=True)
    for number in (0, 1):
        ROWS[45 * number : 45 * number + 45].write_parquet(folder / f"part-{number}.parquet")
        assert not check_parquet(folder / f"part-{number}.parquet")
    parts = PartDataset(folder, ("asset_id", "face_id"))
    assert parts.read().equals(ROWS)
    parts.compact()
    (file,) = parts.files()
    assert check_parquet(file) and parts.read().equals(ROWS)
    assert FLAG in parquet.read_parquet_metadata(file)


def test_of_a_damaged_part_the_rows_stay_that_are_sound_but_no_photo_without_all_its_faces(tmp_path: Path) -> None:
    rng = random.Random(0)
    rows = pl.DataFrame(
        {
            "asset_id": [f"a{i // 3}" for i in range(3000)],
            "face_id": [f"f{i}" for i in range(3000)],
            "chip": [rng.randbytes(4000) for _ in range(3000)],
        }
    )
    file = tmp_path / "parts" / "detections" / "part-1.parquet"
    write_parquet(rows, file)
    groups = parquet.row_group_values(file, "asset_id")
    assert len(groups) > 2 and set(groups[0]) & set(groups[1]), "a photo's faces are in two row groups"
    content = file.read_bytes()
    with_flip(file, content, content.index(rows["chip"][len(groups[0]) + 100]))
    sound = read_sound_row_groups(file, "asset_id")
    assert set(sound["asset_id"]) == set(rows["asset_id"]) - set(groups[1])
    assert sound.equals(rows.join(sound.select("asset_id").unique(), on="asset_id", how="semi", maintain_order="left"))
    with_flip(file, content, len(content) - 30)
    assert read_sound_row_groups(file, "asset_id").is_empty(), "without a footer nothing is known of it"


def test_of_a_large_archive_every_part_has_its_day() -> None:
    files = [FileEntry(Path(f"part-{number}.parquet"), 100, 0) for number in range(50)]
    assert share_of_the_day(files, day=7, most=5000) == files
    days = [share_of_the_day(files, day, most=1000) for day in range(100, 105)]
    assert all(len(day) < 25 for day in days)
    assert sorted(file.path.name for day in days for file in day) == sorted(file.path.name for file in files)
