"""Parts, school years, facts and the DuckDB file: real files, real processes, real kills."""

import json
import os
import signal
import subprocess
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import dagster as dg
import duckdb
import numpy as np
import polars as pl
import pytest

from classface_assets.partitions import year_files
from classface_assets.places import look_at
from classface_assets.resources import archive_for
from classface_assets.store.database import DatabaseError, publish, query
from classface_assets.store.facts import Facts, NotSearchedError, gather
from classface_assets.store.layout import Layout, name_of, safe_name
from classface_assets.store.parts import Parts, adopt
from classface_assets.store.replay import Event
from classface_assets.store.schemas import ASSIGNMENTS, IMAGES
from classface_assets.store.snapshot import snapshot
from classface_assets.store.year_parts import (
    detection_parts,
    embedding_parts,
    image_parts,
    set_current_settings,
    year_detections,
    years_with_images,
)
from classface_assets.store.years import (
    PhotosFolderError,
    YearSettingError,
    fingerprint,
    first_year,
    school_year,
    start_of,
    year_folders,
)
from classface_assets_tests.helpers import NOW, event, face, label_event, python

DETECTOR, PACK, SETTINGS = "centerface-2", "builtin-1", "confidence-0.5 size-20"


def kill_when_it_says(process: "subprocess.Popen[str]", word: str) -> None:
    """Wait for a line of the process, then kill it where it stands."""
    assert process.stdout
    line = process.stdout.readline().strip()
    process.send_signal(signal.SIGKILL)
    _, errors = process.communicate()
    assert line == word, errors
    assert process.returncode == -signal.SIGKILL


# ---- parts


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


# ---- names of folders


@pytest.mark.parametrize(
    "name",
    [
        *(
            ".",
            "..",
            "...",
            "a.",
            "a ",
            " a",
            ". .",
            "trailing dots...",
            "a/b",
            "a\\b",
            "100%",
            "%41",
            "a%2Fb",
            "~",
            "#1",
        ),
        *(
            "Klasse 3a (2019)",
            "Übergänge",
            unicodedata.normalize("NFD", "Übergänge"),
            "学校の写真",
            "صور المدرسة",
            "🎒",
        ),
        *("CON?", "<b>", 'q"q', "pipe|star*", "colon:name", "new\nline", "tab\t", "comma, semi;", "a+b=c@d"),
        *("2019-2020", "unsorted", "confidence-0.5 size-20", "x" * 200),
    ],
)
def test_any_name_is_a_folder_name_and_is_read_back(name: str, tmp_path: Path) -> None:
    safe = safe_name(name)
    (tmp_path / safe).mkdir()
    (made,) = tmp_path.iterdir()
    assert name_of(made) == name
    assert not set(safe) & set('/\\:*?"<>|\n\t\0') and not safe.endswith((".", " "))


def test_a_long_name_in_any_script_still_fits_into_a_folder_name(tmp_path: Path) -> None:
    name = "Фотографии нашего любимого класса за весь учебный год и лето"
    (tmp_path / safe_name(name) / "part").mkdir(parents=True)
    assert safe_name("学" * 85) == "学" * 85, "85 characters of three bytes are all that a folder name takes"


def test_different_names_never_share_a_folder() -> None:
    names = ["a b", "a%20b", "a.", "a%2E", "a", "A/B", "A%2FB", "ä", unicodedata.normalize("NFD", "ä"), " a", "a "]
    assert len({safe_name(name) for name in names}) == len(names)


# ---- school years


@pytest.mark.parametrize(
    "folder",
    [
        *("2019-2020", "2019-20", "2019_2020", "2019", "2019–2020", "2019 - 2020", "Schuljahr 2019-20", "SY2019-20"),
        *("Fotos 2019_20 Klasse 3b", "2019-20_10b", "2019-20-3a", "3b (2019)"),
    ],
)
def test_every_spelling_of_a_school_year_is_the_same_year(folder: str) -> None:
    assert school_year(folder) == "2019-2020"
    assert first_year(school_year(folder)) == 2019


@pytest.mark.parametrize(
    "folder",
    [
        *("2019-2021", "2019-18", "IMG_20190304", "20190304", "Sommerfest", "1850", "12019", "Klasse 3b"),
        *("2010-11-05 Martinsumzug", "2003-04-12", "2010-11-05_Fest", "2019-03-04"),
    ],
)
def test_a_folder_that_is_no_school_year_keeps_its_own_name_and_has_no_year(folder: str) -> None:
    assert school_year(folder) == folder
    assert first_year(school_year(folder)) is None


def test_the_century_turns_within_a_school_year() -> None:
    assert school_year("1999-00") == "1999-2000" and first_year("1999-2000") == 1999


@pytest.mark.parametrize("folder", ["and so on...", "a.....b", "line\nbreak", "tab\there", "bell\a", "Stra\udcdfe"])
def test_every_folder_has_a_key_that_dagster_takes(folder: str, tmp_path: Path) -> None:
    name = school_year(folder)
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("school_year", [name])
        assert instance.get_dynamic_partitions("school_year") == [name]
    (tmp_path / safe_name(name)).mkdir()
    assert pl.Series([name]).to_list() == [name]


def test_folders_of_one_year_come_together_and_loose_photos_are_unsorted(tmp_path: Path) -> None:
    for folder in ("2019-20", "Schuljahr 2019_2020", "2018", "Sommerfest", ".hidden", "@eaDir", "lost+found"):
        (tmp_path / folder).mkdir()
    for file in ("loose.jpg", "more.jpg", ".DS_Store", "Thumbs.db"):
        (tmp_path / file).touch()
    assert year_folders(Layout(tmp_path, tmp_path / "data")) == {
        "2018-2019": [tmp_path / "2018"],
        "2019-2020": [tmp_path / "2019-20", tmp_path / "Schuljahr 2019_2020"],
        "Sommerfest": [tmp_path / "Sommerfest"],
        "unsorted": [tmp_path],
    }


@pytest.mark.parametrize("file", ["2019/20/a.jpg", "2019/2020/a.jpg", "2019/Sommerfest/a.jpg", "2019-20/3a/a.jpg"])
def test_folders_below_a_school_year_belong_to_it(file: str, tmp_path: Path) -> None:
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).touch()
    folders = year_folders(Layout(tmp_path, tmp_path / "data"))
    assert {year: [f.name for f in year_files(tmp_path, f)] for year, f in folders.items()} == {"2019-2020": ["a.jpg"]}


@pytest.mark.parametrize(
    ("pattern", "folder", "key"),
    [
        (r"^SJ(?P<first>\d\d)(?P<second>\d\d)", "SJ1920 Fotos", "2019-2020"),
        (r"^SJ(?P<first>\d\d)(?P<second>\d\d)", "SJ9900", "1999-2000"),
        (r"^SJ(?P<first>\d\d)(?P<second>\d\d)", "2019-2020", "2019-2020"),
        (r"^SJ(?P<first>\d\d)(?P<second>\d\d)", "2019", "2019"),
        (r"^SJ(?P<first>\d\d)(?P<second>\d\d)", "SJ1925", "SJ1925"),
        (r"Jahr (?P<first>\d{4})$", "Das Jahr 2019", "2019-2020"),
        (r"(?P<first>\d{4})/(?P<second>\d\d)?", "2019", "2019"),
    ],
)
def test_an_archive_may_name_its_school_years_in_its_own_way(
    pattern: str, folder: str, key: str, tmp_path: Path
) -> None:
    (tmp_path / folder).mkdir()
    assert list(year_folders(Layout(tmp_path, tmp_path / "data", year_pattern=pattern))) == [key]


def test_settings_of_school_years_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLASSFACE_YEAR_PATTERN", r"SJ(?P<first>\d\d)")
    monkeypatch.setenv("CLASSFACE_YEAR_START", "02-01")
    layout = archive_for(tmp_path, tmp_path / "data").layout
    assert (layout.year_pattern, layout.year_start) == (r"SJ(?P<first>\d\d)", "02-01")


@pytest.mark.parametrize("pattern", ["(?P<first>", r"\d{4}", r"(?P<first>\d{4})(?P<third>\d\d)"])
def test_a_year_pattern_that_cannot_be_used_is_one_sentence(pattern: str, tmp_path: Path) -> None:
    (tmp_path / "2019").mkdir()
    with pytest.raises(YearSettingError, match=r"^The year pattern .*CLASSFACE_YEAR_PATTERN.*\.$"):
        year_folders(Layout(tmp_path, tmp_path / "data", year_pattern=pattern))


@pytest.mark.parametrize("day", ["1 September", "13-01", "02-30", ""])
def test_a_day_on_which_no_school_year_can_start_is_one_sentence(day: str) -> None:
    with pytest.raises(YearSettingError, match=r"no day on which a school year can start; set CLASSFACE_YEAR_START"):
        start_of("2019-2020", day)


def test_what_a_system_left_behind_is_not_a_school_year(tmp_path: Path) -> None:
    (tmp_path / "$RECYCLE.BIN").mkdir()
    (tmp_path / "desktop.ini").touch()
    assert year_folders(Layout(tmp_path, tmp_path / "data")) == {}


@pytest.mark.parametrize("root", ["missing", "a file"])
def test_an_unreadable_photos_folder_is_one_sentence(root: str, tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    with pytest.raises(PhotosFolderError, match=r"^The photos folder .* cannot be read .*--photos.*\.$"):
        year_folders(Layout(tmp_path / root, tmp_path))


def test_the_fingerprint_changes_with_every_change_of_a_file(tmp_path: Path) -> None:
    def prints(files: list[Path]) -> str:
        return fingerprint(map(look_at, files))

    a, b = tmp_path / "a.jpg", tmp_path / "b.jpg"
    a.write_bytes(b"1")
    seen = [prints([a])]
    b.write_bytes(b"1")
    seen.append(prints([a, b]))
    seen.append(prints([b]))
    a.write_bytes(b"22")
    seen.append(prints([a, b]))
    os.utime(a, ns=(1, 1))
    seen.append(prints([a, b]))
    assert len(set(seen)) == len(seen)
    assert prints([a, b]) == seen[-1]
    assert prints([a, b, tmp_path / "gone.jpg"]) == seen[-1], "a file that vanished while looking changes nothing"
    assert prints([tmp_path / "Stra\udcdfe.jpg"]) == prints([])


# ---- facts


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "photos", tmp_path / "data")


def add_images(layout: Layout, year: str, *files: tuple[str, str], status: str = "ok") -> None:
    """Files of a year as (asset id, name)."""
    facts = {"size": 1, "mtime_ns": 1, "width": 640, "height": 480, "orientation": 1, "taken_at": None, "reason": ""}
    facts |= {"taken_at_source": ""}
    image_parts(layout, year).append(
        pl.DataFrame(
            [
                {**facts, "asset_id": a, "school_year": year, "path": f"{year}/{name}", "status": status}
                for a, name in files
            ],
            schema=IMAGES,
        )
    )


def face_rows(asset_id: str, *faces: str, status: str = "ok", reason: str = "", quality: float = 0.5) -> pl.DataFrame:
    """Detection rows of a photo: its faces side by side, or the one row that says why there is none."""
    rows = [(face, 10.0 + 100 * n, quality + 0.01 * n) for n, face in enumerate(faces)] or [(None, None, None)]
    return pl.DataFrame(
        {
            "asset_id": [asset_id] * len(rows),
            "face_id": pl.Series([r[0] for r in rows], dtype=pl.String),
            "status": status,
            "reason": reason,
            "bbox_x": pl.Series([r[1] for r in rows], dtype=pl.Float32),
            "bbox_y": pl.Series([10.0] * len(rows), dtype=pl.Float32),
            "bbox_w": pl.Series([80.0] * len(rows), dtype=pl.Float32),
            "bbox_h": pl.Series([80.0] * len(rows), dtype=pl.Float32),
            "landmarks": pl.Series([[1.0] * 10] * len(rows), dtype=pl.List(pl.Float32)),
            "detection_confidence": pl.Series([0.9] * len(rows), dtype=pl.Float32),
            "quality_score": pl.Series([r[2] for r in rows], dtype=pl.Float32),
            "blur": pl.Series([50.0] * len(rows), dtype=pl.Float32),
            "chip": [b"jpeg"] * len(rows),
            "created_at": pl.Series([NOW.replace(tzinfo=None)] * len(rows), dtype=pl.Datetime("us")),
        }
    )


def add_detections(layout: Layout, year: str, *photos: pl.DataFrame, settings: str = SETTINGS) -> None:
    detection_parts(layout, DETECTOR, year, settings).append(pl.concat(photos))
    set_current_settings(layout, DETECTOR, year, settings)


def vector_of(face_id: str) -> np.ndarray:
    vector = np.random.default_rng(list(face_id.encode())).normal(size=4).astype(np.float32)
    return vector / np.linalg.norm(vector)


def add_vectors(layout: Layout, year: str, *faces: str) -> None:
    frame = pl.DataFrame({"face_id": list(faces), "vector": np.stack([vector_of(f) for f in faces])})
    embedding_parts(layout, DETECTOR, PACK, year).append(frame)


def statuses(facts: Facts) -> dict[str, tuple[str, str]]:
    return {
        path: (status, reason) for path, status, reason in facts.images.select("path", "status", "reason").iter_rows()
    }


def test_before_anything_was_looked_at_there_are_no_facts(layout: Layout) -> None:
    facts = gather(layout, DETECTOR, PACK)
    assert facts.images.is_empty() and facts.faces.is_empty() and len(facts.vectors) == 0


def test_photos_without_faces_yet_are_facts_already(layout: Layout) -> None:
    add_images(layout, "2018-2019", ("a", "a.jpg"))
    assert gather(layout, DETECTOR, PACK).images["path"].to_list() == ["2018-2019/a.jpg"]


def test_nobody_vanishes_because_the_detector_is_a_new_one(layout: Layout) -> None:
    add_images(layout, "2018-2019", ("a", "a.jpg"))
    add_detections(layout, "2018-2019", face_rows("a", "a1"))
    add_vectors(layout, "2018-2019", "a1")
    with pytest.raises(NotSearchedError, match="not yet by another-2; run `classface run`"):
        gather(layout, "another-2", PACK)


def test_copies_count_once_within_a_year_and_across_years(layout: Layout) -> None:
    add_images(layout, "2019-2020", ("a", "again.jpg"))
    add_images(layout, "2018-2019", ("a", "second.jpg"), ("a", "first.jpg"), ("b", "other.jpg"))
    for year in ("2018-2019", "2019-2020"):
        add_detections(layout, year, face_rows("a", "a1"))
        add_vectors(layout, year, "a1")
    facts = gather(layout, DETECTOR, PACK)
    why = "the same file as 2018-2019/first.jpg"
    assert statuses(facts) == {
        "2018-2019/first.jpg": ("ok", ""),
        "2018-2019/second.jpg": ("duplicate", why),
        "2018-2019/other.jpg": ("ok", ""),
        "2019-2020/again.jpg": ("duplicate", why),
    }
    assert facts.faces.select("face_id", "school_year", "year").rows() == [("a1", "2018-2019", 2018)]


def test_a_photo_is_no_copy_of_a_file_that_is_not_a_photo(layout: Layout) -> None:
    add_images(layout, "2018-2019", ("a", "a.cr2"), status="not a photo")
    add_images(layout, "2018-2019", ("a", "b.jpg"))
    found = statuses(gather(layout, DETECTOR, PACK))
    assert [found[f"2018-2019/{name}"][0] for name in ("a.cr2", "b.jpg")] == ["not a photo", "ok"]


def test_a_photo_that_could_not_be_decoded_is_unreadable_with_its_reason(layout: Layout) -> None:
    add_images(layout, "2018-2019", ("good", "good.jpg"), ("bad", "bad.jpg"), ("empty", "empty.jpg"))
    failed = face_rows("bad", status="failed", reason="the file is cut off")
    add_detections(layout, "2018-2019", face_rows("good", "g1"), failed, face_rows("empty", status="no face"))
    add_vectors(layout, "2018-2019", "g1")
    facts = gather(layout, DETECTOR, PACK)
    assert statuses(facts) == {
        "2018-2019/good.jpg": ("ok", ""),
        "2018-2019/bad.jpg": ("unreadable", "the file is cut off"),
        "2018-2019/empty.jpg": ("ok", ""),
    }
    assert facts.faces["face_id"].to_list() == ["g1"]


def test_a_failure_is_told_even_when_no_photo_has_a_face(layout: Layout) -> None:
    add_images(layout, "2018-2019", ("bad", "bad.jpg"))
    add_detections(layout, "2018-2019", face_rows("bad", status="failed", reason="the file is cut off"))
    assert statuses(gather(layout, DETECTOR, PACK)) == {"2018-2019/bad.jpg": ("unreadable", "the file is cut off")}


def test_faces_found_with_other_thresholds_are_not_gathered(layout: Layout) -> None:
    add_images(layout, "2018-2019", ("a", "a.jpg"))
    add_detections(layout, "2018-2019", face_rows("a", "a1", "a2"))
    add_detections(layout, "2018-2019", face_rows("a", "a1"), settings="confidence-0.9 size-20")
    add_vectors(layout, "2018-2019", "a1", "a2")
    assert gather(layout, DETECTOR, PACK).faces["face_id"].to_list() == ["a1"]
    set_current_settings(layout, DETECTOR, "2018-2019", SETTINGS)
    assert gather(layout, DETECTOR, PACK).faces["face_id"].to_list() == ["a1", "a2"]


def test_faces_of_photos_that_are_gone_are_not_gathered(layout: Layout) -> None:
    add_images(layout, "2018-2019", ("a", "a.jpg"))
    add_detections(layout, "2018-2019", face_rows("a", "a1"), face_rows("gone", "x1"))
    add_vectors(layout, "2018-2019", "a1", "x1")
    assert year_detections(layout, DETECTOR, "2018-2019", ["asset_id"])["asset_id"].to_list() == ["a"]
    assert gather(layout, DETECTOR, PACK).faces["face_id"].to_list() == ["a1"]


def test_each_row_of_vectors_belongs_to_the_face_of_that_row(layout: Layout) -> None:
    for year in ("2018-2019", "Sommerfest"):
        photos = [f"{year}-{n}" for n in range(3)]
        add_images(layout, year, *((p, f"{p}.jpg") for p in photos))
        add_detections(layout, year, *(face_rows(p, f"{p}-a", f"{p}-b") for p in photos))
        for photo in reversed(photos):
            add_vectors(layout, year, f"{photo}-b", f"{photo}-a")
    another = embedding_parts(layout, DETECTOR, "another pack", "Sommerfest")
    another.append(pl.DataFrame({"face_id": ["q"], "vector": [[1.0]]}))
    facts = gather(layout, DETECTOR, PACK)
    assert facts.vectors.shape == (12, 4) and facts.vectors.dtype == np.float32
    assert np.array_equal(facts.vectors, np.stack([vector_of(f) for f in facts.faces["face_id"]]))
    assert set(facts.faces.select("school_year", "year").rows()) == {("2018-2019", 2018), ("Sommerfest", None)}
    assert "chip" not in facts.faces.columns


def test_a_face_without_a_vector_waits_for_it(layout: Layout) -> None:
    add_images(layout, "2018-2019", ("a", "a.jpg"))
    add_detections(layout, "2018-2019", face_rows("a", "a1", "a2"))
    assert gather(layout, DETECTOR, PACK).faces.is_empty()
    add_vectors(layout, "2018-2019", "a2")
    assert gather(layout, DETECTOR, PACK).faces["face_id"].to_list() == ["a2"]


def test_a_photo_that_detecting_turned_has_the_size_of_the_turned_photo(layout: Layout) -> None:
    for photo, rotation in {"a": 0, "b": 90, "c": 180, "d": 270}.items():
        add_images(layout, "2018-2019", (photo, f"{photo}.jpg"))
        turned = (pl.lit(rotation, pl.Int16).alias("rotation"), pl.lit("ff" * 32).alias("phash"))
        add_detections(layout, "2018-2019", face_rows(photo, f"{photo}1", f"{photo}2").with_columns(turned))
    add_images(layout, "2018-2019", ("new", "new.jpg"))
    database = published(layout, [])
    rows = query(database, "SELECT rotation, width, height FROM image_assets ORDER BY path").rows()
    assert rows == [(0, 640, 480), (90, 480, 640), (180, 640, 480), (270, 480, 640), (None, 640, 480)]


def test_photos_that_nobody_dated_are_of_the_first_day_of_their_school_year(layout: Layout) -> None:
    for year in ("2018-2019", "Sommerfest"):
        add_images(layout, year, (year, "undated.jpg"))
        add_images(layout, year, (f"{year} text", "list.txt"), status="not a photo")
    dated = pl.lit(NOW.replace(tzinfo=None), pl.Datetime("us"))
    parts = image_parts(layout, "2018-2019")
    parts.append(
        parts.read()
        .head(1)
        .with_columns(path=pl.lit("dated"), asset_id=pl.lit("b"), taken_at=dated)
        .drop("taken_at_source")
    )
    southern = replace(layout, year_start="02-01")
    for place, start in ((layout, "2018-09-01 00:00:00"), (southern, "2018-02-01 00:00:00")):
        facts = gather(place, DETECTOR, PACK).images.select("path", pl.col("taken_at").cast(str), "taken_at_source")
        assert {path: (at and at[:19], source) for path, at, source in facts.iter_rows()} == {
            "2018-2019/undated.jpg": (start, "school year"),
            "2018-2019/list.txt": (None, ""),
            "dated": (str(NOW)[:19], "exif"),
            "Sommerfest/undated.jpg": (None, ""),
            "Sommerfest/list.txt": (None, ""),
        }


def test_parts_from_before_a_column_existed_are_read_with_nulls(layout: Layout) -> None:
    old, new = "taken_at_source", {"rotation": pl.Int16, "phash": pl.String, "yaw": pl.Float32, "outside": pl.Float32}
    for photo in ("old", "new"):
        add_images(layout, "2018-2019", (photo, f"{photo}.jpg"))
        add_vectors(layout, "2018-2019", f"{photo}1")
    (file,) = [f for f in image_parts(layout, "2018-2019").files() if "old" in pl.read_parquet(f)["asset_id"]]
    pl.read_parquet(file).drop(old, "utc_offset", "has_orientation").write_parquet(file)
    add_detections(layout, "2018-2019", face_rows("old", "old1"))
    assert gather(layout, DETECTOR, PACK).faces.select("face_id", "yaw").rows() == [("old1", None)]
    values = [pl.lit("0" * 64 if t == pl.String else 7, t).alias(name) for name, t in new.items()]
    add_detections(layout, "2018-2019", face_rows("new", "new1").with_columns(values))
    facts = gather(layout, DETECTOR, PACK)
    assert set(facts.faces.select("face_id", "yaw", "outside").rows()) == {("old1", None, None), ("new1", 7, 7)}
    assert set(facts.images.select("asset_id", "rotation").rows()) == {("old", None), ("new", 7)}
    assert facts.images["has_orientation"].null_count() == 2 and facts.images[old].null_count() == 0


def test_years_are_read_back_from_their_folders(layout: Layout) -> None:
    years = ["2018-2019", "Klasse 3/4", "Übergang."]
    for year in years:
        add_images(layout, year, ("a", "a.jpg"))
    (layout.parts("images") / ".DS_Store").touch()
    assert years_with_images(layout) == years


# ---- the DuckDB file


def one_photo(path: str) -> dict[str, pl.DataFrame]:
    row = {"asset_id": "a", "school_year": "2019-2020", "path": path, "status": "ok", "reason": ""}
    return {"image_assets": pl.DataFrame([row])}


def paths_in(database: Path) -> list[str]:
    return query(database, "SELECT path FROM image_assets")["path"].to_list()


def test_a_reader_is_not_disturbed_while_a_new_file_is_published(tmp_path: Path) -> None:
    database = tmp_path / "it's here.duckdb"
    publish(database, one_photo("old.jpg"))
    with duckdb.connect(database, read_only=True) as reader:
        publish(database, one_photo("new.jpg"))
        assert reader.sql("SELECT path FROM image_assets").fetchall() == [("old.jpg",)]
        assert paths_in(database) == ["new.jpg"], "who opens the file now sees the new one, in this process too"
    assert list(tmp_path.iterdir()) == [database]


def test_another_process_that_reads_does_not_stop_a_publication(tmp_path: Path) -> None:
    database = tmp_path / "c.duckdb"
    publish(database, one_photo("old.jpg"))
    code = """
import sys, duckdb
with duckdb.connect(sys.argv[1], read_only=True) as con:
    print("open", flush=True)
    sys.stdin.readline()
    print(con.sql("SELECT path FROM image_assets").fetchall())
"""
    command = [sys.executable, "-c", code, str(database)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout and reader.stdout.readline() == "open\n"
        publish(database, one_photo("new.jpg"))
        assert reader.communicate("\n")[0] == "[('old.jpg',)]\n"
    assert paths_in(database) == ["new.jpg"]


@pytest.mark.parametrize(
    "wrong",
    [
        pl.DataFrame({"path": ["new.jpg"], "no_such_column": [1]}),
        pl.DataFrame({"path": ["new.jpg"], "school_year": [None], "status": ["ok"], "reason": [""]}),
        pl.concat([one_photo("twice.jpg")["image_assets"]] * 2),
    ],
    ids=["an unknown column", "a missing value", "a path twice"],
)
def test_wrong_rows_leave_the_old_file_as_it_is(wrong: pl.DataFrame, tmp_path: Path) -> None:
    database = tmp_path / "c.duckdb"
    publish(database, one_photo("old.jpg"))
    before = database.read_bytes()
    with pytest.raises(duckdb.Error):
        publish(database, {"image_assets": wrong})
    assert database.read_bytes() == before
    assert list(tmp_path.iterdir()) == [database], "no temporary file is left"


def test_a_publisher_killed_half_way_leaves_the_old_file_as_it_is(tmp_path: Path) -> None:
    database = tmp_path / "c.duckdb"
    publish(database, one_photo("old.jpg"))
    code = """
import sys, time
from pathlib import Path
from classface_assets.store.database import publish
def stop(self, target):
    print("built", flush=True)
    time.sleep(60)
Path.replace = stop
publish(Path(sys.argv[1]), {})
"""
    kill_when_it_says(python(code, database), "built")
    assert paths_in(database) == ["old.jpg"]


def test_a_database_that_is_not_there_yet_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match=r"^.*c\.duckdb does not exist yet; .*`classface run`\.$"):
        query(tmp_path / "c.duckdb", "SELECT 1")


@pytest.mark.parametrize("damage", ["empty", "garbage", "cut off", "overwritten", "a folder", "without the tables"])
def test_a_database_that_cannot_be_read_is_one_sentence(damage: str, tmp_path: Path) -> None:
    database = tmp_path / "c.duckdb"
    publish(database, one_photo("a.jpg"))
    whole = database.read_bytes()
    database.unlink()
    if damage == "a folder":
        database.mkdir()
    elif damage == "without the tables":
        duckdb.connect(database).close()
    else:
        overwritten = whole[:4096] + b"\xff" * 4096 + whole[8192:]
        database.write_bytes(
            {"empty": b"", "garbage": b"no database" * 999, "cut off": whole[:12288], "overwritten": overwritten}[
                damage
            ]
        )
    with pytest.raises(DatabaseError, match=r"^[^\n]*cannot be read[^\n]*delete it and run `classface run` again\.$"):
        query(database, "SELECT * FROM image_assets")


# ---- the tables that others rely on

DESIGNED = {
    "image_assets": ["asset_id", "school_year", "path", "width", "height", "taken_at", "status", "reason"],
    "face_instances": [
        *("id", "asset_id", "bbox_x", "bbox_y", "bbox_w", "bbox_h", "landmarks", "detection_confidence"),
        *("quality_score", "cluster_id", "person_id", "assignment_score", "assignment_reason", "created_at"),
    ],
    "persons": ["id", "name", "status", "merged_into_id", "created_at", "updated_at"],
    "person_prototypes": ["id", "person_id", "face_instance_id", "role", "school_year", "created_at"],
    "face_assignment_events": ["id", "created_at", "actor", "kind", "payload", "undone"],
    "clusters": ["cluster_id", "size", "mean_quality", "sample_faces", "school_years"],
}


LATER = {
    *("taken_at_source", "utc_offset", "rotation", "near_group"),
    *("kind", "consent"),
    *("blur", "yaw", "pitch", "roll", "brightness", "outside"),
}


def published(layout: Layout, events: Sequence[Event], assignments: Sequence[tuple[object, ...]] = ()) -> Path:
    """The facts so far, published with these events and assignments."""
    frame = pl.DataFrame(list(assignments), schema=ASSIGNMENTS, orient="row")
    publish(layout.database, snapshot(gather(layout, DETECTOR, PACK), frame, list(events)))
    return layout.database


def a_class(layout: Layout) -> None:
    """Two years with one photo of six faces each, of quality 0.50 to 0.55."""
    for year, photo in (("2018-2019", "a"), ("2019-2020", "b")):
        faces = [f"{photo}{n}" for n in range(6)]
        add_images(layout, year, (photo, f"{photo}.jpg"))
        add_detections(layout, year, face_rows(photo, *faces))
        add_vectors(layout, year, *faces)


def test_the_tables_have_the_columns_that_were_promised(layout: Layout) -> None:
    columns_of = "SELECT table_name, column_name FROM information_schema.columns WHERE table_catalog = 'published'"
    found: dict[str, list[str]] = {}
    for table, column in query(published(layout, []), f"{columns_of} ORDER BY ordinal_position").iter_rows():
        found.setdefault(table, []).append(column)
    assert set(found) == set(DESIGNED)
    for table, columns in DESIGNED.items():
        assert [c for c in found[table] if c in columns] == columns
        assert set(found[table]) - set(columns) <= LATER


def test_every_fact_and_decision_reaches_its_table(layout: Layout) -> None:
    a_class(layout)
    events = [
        event(1, "person_created", person_id="p", name="Anna <b>"),
        label_event(2, "p", face("a0", "a")),
        event(3, "person_renamed", person_id="p", name="Oops"),
        event(4, "undone", event_id=3),
    ]
    assigned = [("a0", "person_p", "p", 0.9, "labelled"), ("b0", "unknown_cluster_1", None, 0.5, "alike")]
    database = published(layout, events, assigned)
    faces = query(database, "SELECT * FROM face_instances ORDER BY id")
    assert faces.height == 12
    assert faces.select("id", "cluster_id", "person_id", "bbox_x", "assignment_reason").rows()[:2] == [
        ("a0", "person_p", "p", 10.0, "labelled"),
        ("a1", None, None, 110.0, None),
    ]
    assert len(faces["landmarks"][0]) == 10 and faces["created_at"][0] == NOW.replace(tzinfo=None)
    assert query(database, "SELECT id, name, status FROM persons").rows() == [("p", "Anna <b>", "active")]
    said = query(database, "SELECT * FROM face_assignment_events ORDER BY id")
    assert said["undone"].to_list() == [False, False, True, False]
    assert json.loads(said["payload"][1])["faces"][0]["face_id"] == "a0"


def test_merged_hidden_and_erased_people_are_published_as_what_they_are(layout: Layout) -> None:
    a_class(layout)
    people = dict(enumerate(["Anna", "Ann", "Staff", "Erased <secret>"], 1))
    events = [event(n, "person_created", person_id=f"p{n}", name=name) for n, name in people.items()]
    events += [
        label_event(5, "p2", face("a0", "a"), face("a1", "a")),
        label_event(6, "p4", face("b0", "b")),
        event(7, "person_merged", person_id="p2", into_id="p1"),
        event(8, "person_hidden", person_id="p3"),
        event(9, "person_kind_set", person_id="p3", value="staff"),
        event(10, "person_erased", person_id="p4", faces=[face("b0", "b").payload()]),
    ]
    database = published(layout, events)
    rows = query(database, "SELECT id, name, status, merged_into_id, kind FROM persons ORDER BY id").rows()
    assert rows == [
        ("p1", "Anna", "active", None, "student"),
        ("p2", "Ann", "merged", "p1", "student"),
        ("p3", "Staff", "hidden", None, "staff"),
    ]
    prototypes = query(database, "SELECT DISTINCT person_id FROM person_prototypes")["person_id"].to_list()
    assert prototypes == ["p1"]
    said = query(database, "SELECT * FROM face_assignment_events")
    assert said.height == 10 and not any(words in "".join(said["payload"]) for words in ("secret", '"b0"'))


def test_prototypes_are_the_three_best_faces_a_person_and_year_and_a_centroid(layout: Layout) -> None:
    a_class(layout)
    labelled = [face(f"a{n}", "a") for n in range(5)] + [face("b5", "b")]
    events = [event(1, "person_created", person_id="p", name="Anna"), label_event(2, "p", *labelled)]
    sql = (
        "SELECT school_year, role, face_instance_id FROM person_prototypes ORDER BY school_year, role, face_instance_id"
    )
    assert query(published(layout, events), sql).rows() == [
        ("2018-2019", "centroid", None),
        *(("2018-2019", "exemplar", f"a{n}") for n in (2, 3, 4)),
        ("2019-2020", "centroid", None),
        ("2019-2020", "exemplar", "b5"),
    ]
    ids = query(layout.database, "SELECT id FROM person_prototypes ORDER BY id")
    assert ids.equals(query(published(layout, events), "SELECT id FROM person_prototypes ORDER BY id")), "ids stay"


def test_a_cluster_shows_its_best_faces_first(layout: Layout) -> None:
    a_class(layout)
    members = [f"a{n}" for n in range(6)] + ["b0"]
    assigned = [(f, "unknown_cluster_1", None, 0.5, "") for f in members] + [("b1", "unknown_noise_b1", None, None, "")]
    sql = "SELECT * FROM clusters ORDER BY cluster_id"
    big, single = query(published(layout, [], assigned), sql).iter_rows(named=True)
    assert big["cluster_id"] == "unknown_cluster_1" and big["size"] == 7
    assert big["sample_faces"] == ["a5", "a4", "a3", "a2", "a1"]
    assert big["school_years"] == ["2018-2019", "2019-2020"]
    assert big["mean_quality"] == pytest.approx((0.5 * 7 + 0.15) / 7)
    assert (single["cluster_id"], single["size"], single["sample_faces"]) == ("unknown_noise_b1", 1, ["b1"])


def test_faces_of_the_same_quality_keep_their_order_from_run_to_run(layout: Layout) -> None:
    for photo in "edcba":
        add_images(layout, "2018-2019", (photo, f"{photo}.jpg"))
        add_detections(layout, "2018-2019", face_rows(photo, f"{photo}0"))
        add_vectors(layout, "2018-2019", f"{photo}0")
    assigned = [(f"{photo}0", "unknown_cluster_1", None, 0.5, "") for photo in "edcba"]
    (samples,) = query(published(layout, [], assigned), "SELECT sample_faces FROM clusters")["sample_faces"]
    assert samples.to_list() == ["a0", "b0", "c0", "d0", "e0"]


def test_an_archive_of_nothing_can_be_published(layout: Layout) -> None:
    database = published(layout, [])
    for table in DESIGNED:
        assert query(database, f"SELECT count(*) AS n FROM {table}")["n"][0] == 0
