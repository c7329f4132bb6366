"""The DuckDB file and its tables: real readers, real kills."""

import json
import subprocess
import sys
import uuid
from pathlib import Path

import duckdb
import polars as pl
import pytest

from classface_assets.core.layout import ArchiveLayout
from classface_assets.store.files.duckdb import DatabaseError, publish_database, query_database
from classface_assets.store.published.tables import PROTOTYPE_IDS, name_based_id
from classface_assets_tests.support.helpers import (
    NOW,
    add_detections,
    add_images,
    add_vectors,
    event,
    face,
    face_rows,
    kill_at_output,
    label_event,
    published,
    python,
)


def one_photo(path: str) -> dict[str, pl.DataFrame]:
    row = {"asset_id": "a", "school_year": "2019-2020", "path": path, "status": "ok", "reason": ""}
    return {"image_assets": pl.DataFrame([row])}


def paths_in(database: Path) -> list[str]:
    return query_database(database, "SELECT path FROM image_assets")["path"].to_list()


def test_a_reader_is_not_disturbed_while_a_new_file_is_published(tmp_path: Path) -> None:
    database = tmp_path / "it's here.duckdb"
    publish_database(database, one_photo("old.jpg"))
    with duckdb.connect(database, read_only=True) as reader:
        publish_database(database, one_photo("new.jpg"))
        assert reader.sql("SELECT path FROM image_assets").fetchall() == [("old.jpg",)]
        assert paths_in(database) == ["new.jpg"], "who opens the file now sees the new one, in this process too"
    assert list(tmp_path.iterdir()) == [database]


def test_another_process_that_reads_does_not_stop_a_publication(tmp_path: Path) -> None:
    database = tmp_path / "c.duckdb"
    publish_database(database, one_photo("old.jpg"))
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
        publish_database(database, one_photo("new.jpg"))
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
    publish_database(database, one_photo("old.jpg"))
    before = database.read_bytes()
    with pytest.raises(duckdb.Error):
        publish_database(database, {"image_assets": wrong})
    assert database.read_bytes() == before
    assert list(tmp_path.iterdir()) == [database], "no temporary file is left"


def test_a_publisher_killed_half_way_leaves_the_old_file_as_it_is(tmp_path: Path) -> None:
    database = tmp_path / "c.duckdb"
    publish_database(database, one_photo("old.jpg"))
    code = """
import sys, time
from pathlib import Path
from classface_assets.store.files.duckdb import publish_database
def stop(self, target):
    print("built", flush=True)
    time.sleep(60)
Path.replace = stop
publish_database(Path(sys.argv[1]), {})
"""
    kill_at_output(python(code, database), "built")
    assert paths_in(database) == ["old.jpg"]


def test_a_database_that_is_not_there_yet_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match=r"^.*c\.duckdb does not exist yet; .*`classface run`\.$"):
        query_database(tmp_path / "c.duckdb", "SELECT 1")


@pytest.mark.parametrize("damage", ["empty", "garbage", "cut off", "overwritten", "a folder", "without the tables"])
def test_a_database_that_cannot_be_read_is_one_sentence(damage: str, tmp_path: Path) -> None:
    database = tmp_path / "c.duckdb"
    publish_database(database, one_photo("a.jpg"))
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
        query_database(database, "SELECT * FROM image_assets")


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
    "photo_consent": ["asset_id", "purpose", "verdict", "withheld_persons", "unknown_faces"],
    "ledger": ["ledger_id", "decisions", "last_event_id", "last_event_at", "last_event_kind"],
}


LATER = {
    *(
        "taken_at_source",
        "utc_offset",
        "rotation",
        "near_group",
        "file_digest",
        "taken_at_doubt",
        "orientation",
        "page",
    ),
    *("kind", "consent", "consent_album", "consent_yearbook", "consent_web"),
    *("blur", "yaw", "pitch", "roll", "brightness", "outside", "assignment_margin", "assignment_probability"),
    *("updated_at", "model", "embedding_size"),
}


def a_class(layout: ArchiveLayout) -> None:
    """Two years with one photo of six faces each, of quality 0.50 to 0.55."""
    for year, photo in (("2018-2019", "a"), ("2019-2020", "b")):
        faces = [f"{photo}{n}" for n in range(6)]
        add_images(layout, year, (photo, f"{photo}.jpg"))
        add_detections(layout, year, face_rows(photo, *faces))
        add_vectors(layout, year, *faces)


def test_the_tables_have_the_columns_that_were_promised(layout: ArchiveLayout) -> None:
    columns_of = "SELECT table_name, column_name FROM information_schema.columns WHERE table_catalog = 'published'"
    found: dict[str, list[str]] = {}
    for table, column in query_database(published(layout, []), f"{columns_of} ORDER BY ordinal_position").iter_rows():
        found.setdefault(table, []).append(column)
    assert set(found) == set(DESIGNED)
    for table, columns in DESIGNED.items():
        assert [c for c in found[table] if c in columns] == columns
        assert set(found[table]) - set(columns) <= LATER


def test_every_fact_and_decision_reaches_its_table(layout: ArchiveLayout) -> None:
    a_class(layout)
    events = [
        event(1, "person_created", person_id="p", name="Anna <b>"),
        label_event(2, "p", face("a0", "a")),
        event(3, "person_renamed", person_id="p", name="Oops"),
        event(4, "undone", event_id=3),
    ]
    assigned = [("a0", "person_p", "p", 0.9, "labelled"), ("b0", "unknown_cluster_1", None, 0.5, "alike")]
    database = published(layout, events, assigned)
    faces = query_database(database, "SELECT * FROM face_instances ORDER BY id")
    assert faces.height == 12
    assert faces.select("id", "cluster_id", "person_id", "bbox_x", "assignment_reason").rows()[:2] == [
        ("a0", "person_p", "p", 10.0, "labelled"),
        ("a1", None, None, 110.0, None),
    ]
    assert len(faces["landmarks"][0]) == 10 and faces["created_at"][0] == NOW.replace(tzinfo=None)
    assert query_database(database, "SELECT id, name, status FROM persons").rows() == [("p", "Anna <b>", "active")]
    rows = query_database(database, "SELECT * FROM face_assignment_events ORDER BY id")
    assert rows["undone"].to_list() == [False, False, True, False]
    assert json.loads(rows["payload"][1])["faces"][0]["face_id"] == "a0"


def test_merged_hidden_and_erased_people_are_published_as_what_they_are(layout: ArchiveLayout) -> None:
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
    rows = query_database(database, "SELECT id, name, status, merged_into_id, kind FROM persons ORDER BY id").rows()
    assert rows == [
        ("p1", "Anna", "active", None, "student"),
        ("p2", "Ann", "merged", "p1", "student"),
        ("p3", "Staff", "hidden", None, "staff"),
    ]
    prototypes = query_database(database, "SELECT DISTINCT person_id FROM person_prototypes")["person_id"].to_list()
    assert prototypes == ["p1"]
    rows = query_database(database, "SELECT * FROM face_assignment_events")
    assert rows.height == 10 and not any(words in "".join(rows["payload"]) for words in ("secret", '"b0"'))


def test_an_id_made_of_a_name_is_that_of_the_standard() -> None:
    names = ["", "a/2019-2020//exemplar", "Zoë/łódź"]
    assert [name_based_id(name) for name in names] == [str(uuid.uuid5(PROTOTYPE_IDS, name)) for name in names]


def test_prototypes_are_the_three_best_faces_a_person_and_year_and_a_centroid(layout: ArchiveLayout) -> None:
    a_class(layout)
    labelled = [face(f"a{n}", "a") for n in range(5)] + [face("b5", "b")]
    events = [event(1, "person_created", person_id="p", name="Anna"), label_event(2, "p", *labelled)]
    sql = (
        "SELECT school_year, role, face_instance_id FROM person_prototypes ORDER BY school_year, role, face_instance_id"
    )
    assert query_database(published(layout, events), sql).rows() == [
        ("2018-2019", "centroid", None),
        *(("2018-2019", "exemplar", f"a{n}") for n in (2, 3, 4)),
        ("2019-2020", "exemplar", "b5"),  # the mean of one face would be the face again
    ]
    ids = query_database(layout.database, "SELECT id FROM person_prototypes ORDER BY id")
    assert ids.equals(query_database(published(layout, events), "SELECT id FROM person_prototypes ORDER BY id")), (
        "ids stay"
    )


def test_a_cluster_shows_its_best_faces_first(layout: ArchiveLayout) -> None:
    a_class(layout)
    members = [f"a{n}" for n in range(6)] + ["b0"]
    assigned = [(f, "unknown_cluster_1", None, 0.5, "") for f in members] + [("b1", "unknown_noise_b1", None, None, "")]
    sql = "SELECT * FROM clusters ORDER BY cluster_id"
    big, single = query_database(published(layout, [], assigned), sql).iter_rows(named=True)
    assert big["cluster_id"] == "unknown_cluster_1" and big["size"] == 7
    assert big["sample_faces"] == ["a5", "a4", "a3", "a2", "a1"]
    assert big["school_years"] == ["2018-2019", "2019-2020"]
    assert big["mean_quality"] == pytest.approx((0.5 * 7 + 0.15) / 7)
    assert (single["cluster_id"], single["size"], single["sample_faces"]) == ("unknown_noise_b1", 1, ["b1"])


def test_faces_of_the_same_quality_keep_their_order_from_run_to_run(layout: ArchiveLayout) -> None:
    for photo in "edcba":
        add_images(layout, "2018-2019", (photo, f"{photo}.jpg"))
        add_detections(layout, "2018-2019", face_rows(photo, f"{photo}0"))
        add_vectors(layout, "2018-2019", f"{photo}0")
    assigned = [(f"{photo}0", "unknown_cluster_1", None, 0.5, "") for photo in "edcba"]
    (samples,) = query_database(published(layout, [], assigned), "SELECT sample_faces FROM clusters")["sample_faces"]
    assert samples.to_list() == ["a0", "b0", "c0", "d0", "e0"]


def test_an_archive_of_nothing_can_be_published(layout: ArchiveLayout) -> None:
    database = published(layout, [])
    for table in DESIGNED:
        assert query_database(database, f"SELECT count(*) AS n FROM {table}")["n"][0] == 0
