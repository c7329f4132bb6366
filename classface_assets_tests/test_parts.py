"""Parts: real files, real processes, real kills."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from classface_assets.store.parts import Parts, adopt
from classface_assets_tests.helpers import kill_when_it_says, python


def parts_in(folder: Path) -> Parts:
    return Parts(folder, ("id",))


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
from classface_assets.store.parts import Parts
parts = Parts(Path(sys.argv[1]), ("id",))
parts.append(pl.DataFrame({"id": ["done"]}))
def stop(self, target):
    print("written", flush=True)
    time.sleep(60)
Path.replace = stop
parts.append(pl.DataFrame({"id": ["lost"]}))
"""
    kill_when_it_says(python(code, tmp_path), "written")
    parts = parts_in(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2, "the killed writer's temporary file lies beside the whole part"
    assert parts.read()["id"].to_list() == ["done"] and parts.ids("id") == {"done"}


def test_a_replacement_killed_half_way_shows_each_row_once(tmp_path: Path) -> None:
    parts = parts_in(tmp_path)
    parts.append(rows("a", "b"))
    parts.append(rows("c"))
    code = """
import sys, time
from pathlib import Path
from classface_assets.store.parts import Parts
parts = Parts(Path(sys.argv[1]), ("id",))
def stop(self, missing_ok=False):
    if self.suffix == ".parquet":
        print("appended", flush=True)
        time.sleep(60)
Path.unlink = stop
parts.compact()
"""
    kill_when_it_says(python(code, tmp_path), "appended")
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
from classface_assets.store.parts import Parts
parts = Parts(Path(sys.argv[1]), ("id",))
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


def test_replacing_rows_by_the_same_rows_writes_nothing(tmp_path: Path) -> None:
    parts = parts_in(tmp_path)
    part = parts.append(rows("a"))
    parts.replace(rows("a"))
    assert parts.files() == [part]
    parts.replace(rows())
    assert parts.files() == []


def test_what_was_computed_for_a_moved_photo_is_copied_not_redone(tmp_path: Path) -> None:
    old, other, own = parts_in(tmp_path / "old"), parts_in(tmp_path / "other"), parts_in(tmp_path / "own")
    old.append(rows("moved", "stays", value=1))
    other.append(rows("moved", "else", value=2))
    assert adopt(own, [old, other], "id", {"moved", "else", "new"}) == {"new"}
    assert own.read().sort("id").rows() == [("else", 2), ("moved", 1)]
    assert adopt(own, [], "id", {"new"}) == {"new"}
