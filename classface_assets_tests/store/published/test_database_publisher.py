"""The file that a run publishes: out of the file that is there where few rows differ, else whole."""

import inspect
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from classface_assets.core.schemas import DUCKDB_TABLES
from classface_assets.store.files import duckdb as duckdb_files
from classface_assets.store.files import duckdb_changes
from classface_assets.store.files.duckdb import publish_database, query_database
from classface_assets.store.files.duckdb_changes import DatabasePublisher

FACES = 3_000


def tables() -> dict[str, pl.DataFrame]:
    numbers = range(FACES)
    faces = pl.DataFrame(
        {
            "id": [f"{n:05}" for n in numbers],
            "asset_id": [f"photo {n // 3}" for n in numbers],
            **{side: [float(n) for n in numbers] for side in ("bbox_x", "bbox_y", "bbox_w", "bbox_h")},
            "landmarks": [[1.0, 2.0]] * FACES,
            "cluster_id": [f"unknown_cluster_{n // 5}" for n in numbers],
            "person_id": [None] * FACES,
            "assignment_score": [None if n % 2 else 0.5 for n in numbers],
        },
        schema_overrides={"person_id": pl.String},
    )
    photos = pl.DataFrame({"path": [f"{n}.jpg" for n in range(FACES // 3)]})
    photos = photos.with_columns(school_year=pl.lit("2019-2020"), status=pl.lit("ok"), reason=pl.lit(""))
    consent = pl.DataFrame({"asset_id": [f"photo {n}" for n in range(FACES // 3)]})
    consent = consent.with_columns(
        purpose=pl.lit("album"), verdict=pl.lit("review"), withheld_persons=pl.lit([], pl.List(pl.String)),
        unknown_faces=pl.lit(3),
    )  # fmt: skip
    clusters = pl.DataFrame({"cluster_id": ["unknown_cluster_0"], "size": [5], "sample_faces": [["00000"]]})
    persons = pl.DataFrame({"id": ["ada"], "name": ["Ada"], "status": ["active"], "kind": ["student"]})
    return {
        "image_assets": photos,
        "face_instances": faces,
        "photo_consent": consent,
        "clusters": clusters,
        "persons": persons,
        "ledger": pl.DataFrame({"ledger_id": ["l"], "decisions": [1]}),
    }


def with_a_named_face(before: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    is_named = pl.col("id") == "00007"
    named = before["face_instances"].with_columns(
        pl.when(is_named).then(pl.lit("ada")).otherwise("person_id").alias("person_id"),
        pl.when(is_named).then(pl.lit("person_ada")).otherwise("cluster_id").alias("cluster_id"),
        pl.when(is_named).then(None).otherwise("assignment_score").alias("assignment_score"),
    )
    photo = pl.col("asset_id") == "photo 2"
    consent = before["photo_consent"].with_columns(
        pl.when(photo).then(pl.lit(2, pl.Int32)).otherwise("unknown_faces").alias("unknown_faces")
    )
    clusters = pl.concat([before["clusters"], before["clusters"].with_columns(cluster_id=pl.lit("person_ada"))])
    return {**before, "face_instances": named, "photo_consent": consent, "clusters": clusters}


def rows_in(database: Path) -> dict[str, pl.DataFrame]:
    return {table: query_database(database, f"SELECT * FROM {table}") for table in DUCKDB_TABLES}


def require_same_as_whole(database: Path, now: dict[str, pl.DataFrame], in_order: bool = True) -> int:
    """Raises where rows differ from those of a file that is written whole; the size of that in bytes."""
    whole = database.with_name("whole.duckdb")
    publish_database(whole, now)
    for table, rows in rows_in(whole).items():
        found, key = query_database(database, f"SELECT * FROM {table}"), rows.columns[:3]
        if not in_order:
            found, rows = found.sort(key), rows.sort(key)
        assert found.equals(rows), table
    size = whole.stat().st_size
    whole.unlink()
    return size


def refuse_whole(patched: pytest.MonkeyPatch) -> None:
    patched.setattr("classface_assets.store.files.duckdb_changes.publish_database", None)


def with_a_new_photo(before: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """A photo with two faces more, in the middle of the rows."""
    added: dict[str, dict[str, Any]] = {
        "image_assets": {"path": "1000b.jpg"},
        "photo_consent": {"asset_id": "photo new"},
        "face_instances": {"id": ["01000b", "01000c"], "asset_id": "photo new", "bbox_x": [1.0, 9.0]},
    }
    found = {}
    for table, values in added.items():
        rows = before[table]
        new = pl.DataFrame(values)
        others = rows.head(new.height).drop(new.columns)
        new = pl.concat([new, others], how="horizontal").select(rows.columns)
        found[table] = pl.concat([rows.head(1000), new, rows.tail(-1000)])
    return {**before, **found}


def test_the_second_publication_has_the_rows_of_one_that_is_written_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, publisher = tmp_path / "c.duckdb", DatabasePublisher()
    publisher.publish(database, tables())
    changed = with_a_named_face(tables())
    with monkeypatch.context() as patched:
        refuse_whole(patched)
        publisher.publish(database, changed)
    require_same_as_whole(database, changed)
    rows = publisher.published(database, "face_instances")
    assert rows is not None
    assert rows.select(changed["face_instances"].columns).equals(changed["face_instances"].cast({"bbox_x": pl.Float32}))


def test_another_run_builds_upon_the_file_of_the_last_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = tmp_path / "c.duckdb"
    publish_database(database, tables())
    now = tables()
    with monkeypatch.context() as patched:
        refuse_whole(patched)
        for change in (with_a_new_photo, with_a_named_face):
            now = change(now)
            DatabasePublisher().publish(database, now)
            require_same_as_whole(database, now, in_order=False)
        DatabasePublisher().publish(database, now)
        require_same_as_whole(database, now, in_order=False)


@pytest.mark.parametrize("differs", ["has a column more", "lacks a table", "is damaged", "has much unused space"])
def test_a_file_that_nothing_can_be_built_upon_is_written_whole(differs: str, tmp_path: Path) -> None:
    database = tmp_path / "c.duckdb"
    publish_database(database, tables())
    with duckdb.connect(database) as con:
        match differs:
            case "has a column more":
                con.execute("ALTER TABLE persons ADD COLUMN nickname VARCHAR")
            case "lacks a table":
                con.execute("DROP TABLE person_prototypes")
            case "has much unused space":
                con.execute("CREATE TABLE more AS SELECT random() AS x FROM range(2_000_000)")
                con.execute("CHECKPOINT")
                con.execute("DROP TABLE more")
    if differs == "is damaged":
        database.write_bytes(b"no database")
    assert DatabasePublisher().published(database, "face_instances") is None
    DatabasePublisher().publish(database, with_a_new_photo(tables()))
    require_same_as_whole(database, with_a_new_photo(tables()))
    with duckdb.connect(database) as con:
        free = con.sql("SELECT free_blocks FROM pragma_database_size()").fetchall()
    assert free == [(0,)]


@pytest.mark.parametrize("differs", ["a name", "a face has gone", "many faces"])
def test_nothing_of_a_former_name_or_face_is_left_in_the_file(differs: str, tmp_path: Path) -> None:
    database, publisher = tmp_path / "c.duckdb", DatabasePublisher()
    first = tables()
    first["persons"] = first["persons"].with_columns(name=pl.lit("Zebedee Former"))
    first["face_instances"] = first["face_instances"].with_columns(
        pl.when(pl.col("id") == "00011").then(pl.lit("Zebedee Face")).otherwise("id").alias("id")
    )
    publisher.publish(database, first)
    assert b"Zebedee Former" in database.read_bytes()
    now = dict(first)
    match differs:
        case "a name":
            now["persons"] = tables()["persons"]
        case "a face has gone":
            now["face_instances"] = first["face_instances"].filter(pl.col("id") != "Zebedee Face")
        case _:
            now["face_instances"] = first["face_instances"].with_columns(cluster_id=pl.lit("unknown_cluster_1"))
    publisher.publish(database, now)
    size = require_same_as_whole(database, now)
    assert database.stat().st_size == size, "no space of the file before is left"
    assert differs != "a name" or b"Zebedee Former" not in database.read_bytes()


def test_a_table_that_was_not_given_the_first_time_is_published_the_second_time(tmp_path: Path) -> None:
    database, publisher = tmp_path / "c.duckdb", DatabasePublisher()
    publisher.publish(database, {name: rows for name, rows in tables().items() if name != "persons"})
    publisher.publish(database, tables())
    require_same_as_whole(database, tables())


def test_whichever_block_of_the_file_is_damaged_nothing_of_it_is_published_again(tmp_path: Path) -> None:
    database, block = tmp_path / "c.duckdb", 256 * 1024
    publish_database(database, tables())
    sound, now = database.read_bytes(), with_a_named_face(with_a_new_photo(tables()))
    publish_database(tmp_path / "whole.duckdb", now)
    faces = query_database(tmp_path / "whole.duckdb", "SELECT * FROM face_instances ORDER BY id")
    assert len(sound) > 5 * block, "there are blocks of rows and of indexes"
    for start in range(3 * 4096, len(sound), block):  # after the headers
        damaged = bytearray(sound)
        damaged[start + 100 : start + 200] = bytes(byte ^ 255 for byte in damaged[start + 100 : start + 200])
        database.write_bytes(damaged)
        DatabasePublisher().publish(database, now)
        with duckdb.connect(database) as con:
            assert con.sql("SELECT * FROM face_instances ORDER BY id").pl().equals(faces)
            for face in ("00000", "01000b", "02999"):
                found = con.execute("SELECT id FROM face_instances WHERE id = ?", [face]).fetchall()
                assert found == [(face,)], "the index finds it"


def test_a_file_that_another_process_has_written_meanwhile_is_read_again(tmp_path: Path) -> None:
    database, publisher = tmp_path / "c.duckdb", DatabasePublisher()
    publisher.publish(database, tables())
    erased = {**tables(), "face_instances": tables()["face_instances"].filter(pl.col("id") != "00007")}
    publish_database(database, erased)
    there = publisher.published(database, "face_instances")
    assert there is not None and there["id"].to_list() == erased["face_instances"]["id"].to_list()
    publisher.publish(database, tables())
    require_same_as_whole(database, tables(), in_order=False)


def test_wrong_rows_leave_the_file_and_what_is_remembered_is_forgotten(tmp_path: Path) -> None:
    database, publisher = tmp_path / "c.duckdb", DatabasePublisher()
    publisher.publish(database, tables())
    before = database.read_bytes()
    wrong = {**tables(), "clusters": pl.concat([tables()["clusters"]] * 2)}
    with pytest.raises(duckdb.Error):
        publisher.publish(database, wrong)
    assert database.read_bytes() == before
    assert list(tmp_path.iterdir()) == [database], "no temporary file is left"
    publisher.publish(database, with_a_named_face(tables()))
    require_same_as_whole(database, with_a_named_face(tables()))
    publisher.release()
    there = publisher.published(database, "face_instances")
    assert there is not None and there.equals(rows_in(database)["face_instances"]), "read from the file again"


def test_no_annotation_holds_a_type_of_duckdb_with_which_a_process_would_end_in_warnings() -> None:
    functions = [
        function
        for module in (duckdb_files, duckdb_changes)
        for function in vars(module).values()
        if inspect.isfunction(function) and function.__module__ == module.__name__
    ]
    assert "insert_rows" in [function.__name__ for function in functions]
    held = [one for function in functions for one in function.__annotations__.values() if inspect.isclass(one)]
    assert held and not [one for one in held if one.__module__.split(".")[0] in ("duckdb", "_duckdb")]
