"""Parts: real files and a real S3 server, real processes, real kills."""

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from upath import UPath

from classface_assets.core.atomic_files import write_file
from classface_assets.core.locations import Location, list_directory
from classface_assets.store.files.parquet import DamagedFileError
from classface_assets.store.files.parts import PartDataset
from classface_assets.store.files.several_datasets import copy_rows_from
from classface_assets_tests.support.helpers import kill_at_output, python

pytestmark = pytest.mark.slow


def parts_in(folder: Path) -> PartDataset:
    return PartDataset(folder, ("id",))


def rows(*ids: str, value: int = 0) -> pl.DataFrame:
    return pl.DataFrame({"id": list(ids), "value": [value] * len(ids)}, schema={"id": pl.String, "value": pl.Int64})


def test_the_next_run_does_only_what_no_part_holds(tmp_path: Path) -> None:
    parts = parts_in(tmp_path)
    assert parts.read().is_empty() and parts.ids("id") == set()
    parts.append(rows("a", "b"))
    parts.append(rows("c"))
    assert {"a", "b", "c", "d"} - parts.ids("id") == {"d"}
    assert sorted(parts.read()["id"]) == ["a", "b", "c"]


def test_no_rows_make_no_part(tmp_path: Path) -> None:
    assert parts_in(tmp_path).append(rows()) is None
    assert parts_in(tmp_path).files() == []


def test_only_the_columns_asked_for_are_read_yet_rows_count_once(tmp_path: Path) -> None:
    parts = parts_in(tmp_path)
    parts.append(rows("a"))
    parts.append(rows("a", "b"))
    read = parts.read(["value"])
    assert read.columns == ["value"] and read.height == 2


def test_a_writer_killed_before_the_rename_leaves_only_whole_parts(tmp_path: Path) -> None:
    code = """
import sys, time, polars as pl
from pathlib import Path
from classface_assets.store.files.parts import PartDataset
parts = PartDataset(Path(sys.argv[1]), ("id",))
parts.append(pl.DataFrame({"id": ["done"]}))
def stop(self, target):
    print("written", flush=True)
    time.sleep(60)
Path.replace = stop
parts.append(pl.DataFrame({"id": ["lost"]}))
"""
    kill_at_output(python(code, tmp_path), "written")
    parts = parts_in(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2, "the killed writer's temporary file lies beside the whole part"
    assert parts.read()["id"].to_list() == ["done"] and parts.ids("id") == {"done"}


def test_a_compaction_killed_half_way_shows_each_row_once(tmp_path: Path) -> None:
    parts = parts_in(tmp_path)
    parts.append(rows("a", "b"))
    parts.append(rows("c"))
    code = """
import sys, time
from pathlib import Path
from classface_assets.store.files.parts import PartDataset
parts = PartDataset(Path(sys.argv[1]), ("id",))
def stop(self, missing_ok=False):
    if self.suffix == ".parquet":
        print("appended", flush=True)
        time.sleep(60)
Path.unlink = stop
parts.compact()
"""
    kill_at_output(python(code, tmp_path), "appended")
    assert len(parts.files()) == 3
    assert sorted(parts.read()["id"]) == ["a", "b", "c"]
    parts.compact()
    assert len(parts.files()) == 1 and sorted(parts.read()["id"]) == ["a", "b", "c"]


def test_compacting_changes_no_row(tmp_path: Path) -> None:
    parts = parts_in(tmp_path)
    vectors = np.random.default_rng(3).normal(size=(9, 4)).astype(np.float32)
    frame = pl.DataFrame({"id": [f"f{i}" for i in range(9)], "vector": vectors, "chip": [bytes([i]) for i in range(9)]})
    for batch in frame.iter_slices(2):
        parts.append(batch)
    before = parts.read().sort("id")
    parts.compact()
    assert len(parts.files()) == 1
    assert parts.read().sort("id").equals(before) and before.equals(frame)


def test_a_part_that_another_process_adds_during_compaction_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = parts_in(tmp_path)
    parts.append(rows("a"))
    parts.append(rows("b"))
    read_parquet = pl.read_parquet

    def read_while_another_appends(file: Path, **options: object) -> pl.DataFrame:
        if len(parts.files()) == 2:
            parts.append(rows("late"))
        return read_parquet(file, **options)

    monkeypatch.setattr(pl, "read_parquet", read_while_another_appends)
    parts.compact()
    monkeypatch.undo()
    assert sorted(parts.read()["id"]) == ["a", "b", "late"]


def test_readers_see_every_row_while_another_process_compacts(tmp_path: Path) -> None:
    parts = parts_in(tmp_path)
    for number in range(4):
        parts.append(rows(f"r{number}"))
    code = """
import sys, polars as pl
from pathlib import Path
from classface_assets.store.files.parts import PartDataset
parts = PartDataset(Path(sys.argv[1]), ("id",))
print("ready", flush=True)
for turn in range(150):
    parts.append(pl.DataFrame({"id": ["r0"], "value": [0]}))
    parts.compact()
"""
    writer = python(code, tmp_path)
    assert writer.stdout and writer.stdout.readline() == "ready\n"
    reads = 0
    while writer.poll() is None:
        assert parts.ids("id") == {"r0", "r1", "r2", "r3"}
        assert parts.read().height == 4
        reads += 1
    assert writer.communicate()[1] == "" and reads > 5


def test_keeping_all_rows_writes_nothing_and_keeping_none_leaves_no_part(tmp_path: Path) -> None:
    parts = parts_in(tmp_path)
    part = parts.append(rows("a"))
    parts.retain(rows("a", "b").select("id"))
    assert parts.files() == [part]
    parts.retain(rows("b").select("id"))
    assert parts.files() == []


def test_what_was_computed_for_a_moved_photo_is_copied_not_redone(tmp_path: Path) -> None:
    old, other, own = parts_in(tmp_path / "old"), parts_in(tmp_path / "other"), parts_in(tmp_path / "own")
    old.append(rows("moved", "stays", value=1))
    other.append(rows("moved", "else", value=2))
    assert copy_rows_from(own, [old, other], "id", {"moved", "else", "new"}) == {"new"}
    assert own.read().sort("id").rows() == [("else", 2), ("moved", 1)]
    assert copy_rows_from(own, [], "id", {"new"}) == {"new"}


# ---- at a URL as on a disk


def chips(*ids: str, chip: bytes = b"") -> pl.DataFrame:
    return pl.DataFrame({"id": list(ids), "chip": [chip] * len(ids), "number": range(len(ids))})


def places_of_parts(bucket: UPath, tmp_path: Path) -> list[Location]:
    return [tmp_path / "parts", bucket / "data #1" / "parts"]


def test_parts_at_a_url_do_what_local_ones_do(bucket: UPath, tmp_path: Path) -> None:
    for folder in places_of_parts(bucket, tmp_path):
        parts = PartDataset(folder, ("id",))
        assert parts.read().is_empty() and parts.ids("id") == set() and list(parts.scan()) == []
        parts.append(chips("a", "b"))
        parts.append(chips("b", "c"))
        assert sorted(parts.read()["id"]) == ["a", "b", "c"] == sorted(pl.concat(parts.scan(["id"]))["id"])
        picked = parts.read_matching("id", ["a", "c", "x"], ["id", "chip"])
        assert picked.columns == ["id", "chip"] and sorted(picked["id"]) == ["a", "c"]
        assert parts.read_matching("id", ["x"], ["id"]).is_empty()
        assert parts.read(["number"]).columns == ["number"] and parts.ids("id") == {"a", "b", "c"}
        parts.compact()
        assert len(parts.files()) == 1 and parts.read().height == 3
        parts.retain(chips("b", "x").select("id"))
        assert parts.read()["id"].to_list() == ["b"]
        parts.retain(chips("x").select("id"))
        assert parts.files() == []


def test_compaction_makes_parts_of_bounded_size_and_leaves_large_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("classface_assets.store.files.parts.MAX_PART_BYTES", 200_000)
    parts = PartDataset(tmp_path, ("id",))
    for number in range(40):
        parts.append(chips(f"r{number}", chip=os.urandom(15_000)))
    parts.compact()
    sizes = [e.size for e in list_directory(tmp_path)]
    assert 3 <= len(sizes) <= 5 and max(sizes) < 220_000
    whole = parts.read().sort("id")
    assert whole.height == 40
    changed = {e.path: e.mtime_ns for e in list_directory(tmp_path)}
    parts.compact()
    assert {e.path: e.mtime_ns for e in list_directory(tmp_path)} == changed, "nothing is left to compact"
    assert parts.read().sort("id").equals(whole)


def test_a_scan_holds_only_frames_of_bounded_size(tmp_path: Path) -> None:
    parts = PartDataset(tmp_path, ("id",))
    parts.append(pl.DataFrame({"id": [f"r{n}" for n in range(5000)], "chip": [b"x" * 2000] * 5000}))
    parts.append(pl.DataFrame({"id": [f"r{n}" for n in range(4000, 6000)], "chip": [b"y" * 2000] * 2000}))
    frames = list(parts.scan())
    assert max(frame.height for frame in frames) <= 1024
    assert sorted(pl.concat(frames)["id"]) == sorted(f"r{n}" for n in range(6000))
    assert pl.concat(frames).sort("id").equals(parts.read().sort("id"))


COMPACT = """
import sys
from classface_assets.core.locations import parse_location
from classface_assets.store.files.parts import PartDataset
import polars as pl
parts = PartDataset(parse_location(sys.argv[1]), ("id",))
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
    parts = PartDataset(folder, ("id",))
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
def test_the_error_of_a_damaged_part_names_it(bucket: UPath, tmp_path: Path, left: int) -> None:
    content = io.BytesIO()
    chips(*map(str, range(1000))).write_parquet(content)
    for folder in places_of_parts(bucket, tmp_path):
        parts = PartDataset(folder, ("id",))
        write_file(folder / "part-1.parquet", lambda out: out.write(content.getvalue()[:left]))
        for read in (PartDataset.read, lambda p: p.ids("id"), lambda p: list(p.scan()), lambda p: p.read(["id"])):
            with pytest.raises(DamagedFileError, match=r"part-1\.parquet is damaged .*find-orphans --fix.*\.$"):
                read(parts)
