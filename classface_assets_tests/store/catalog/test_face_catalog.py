"""The facts of all school years, gathered from parts."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from classface_assets.core.layout import ArchiveLayout
from classface_assets.store.catalog.faces import DetectionMissingError, FaceCatalog, load_catalog, load_vectors
from classface_assets.store.catalog.school_year import SchoolYearStore, image_parts, list_school_years
from classface_assets.store.files.duckdb import query_database
from classface_assets_tests.support.helpers import (
    DETECTOR,
    NOW,
    PACK,
    SETTINGS,
    add_detections,
    add_images,
    add_vectors,
    face_rows,
    published,
    vector_of,
)


def statuses(facts: FaceCatalog) -> dict[str, tuple[str, str]]:
    return {
        path: (status, reason) for path, status, reason in facts.images.select("path", "status", "reason").iter_rows()
    }


def test_before_anything_was_looked_at_there_are_no_facts(layout: ArchiveLayout) -> None:
    facts = load_catalog(layout, DETECTOR, PACK)
    assert facts.images.is_empty() and facts.faces.is_empty() and len(facts.vectors) == 0


def test_photos_without_faces_yet_are_facts_already(layout: ArchiveLayout) -> None:
    add_images(layout, "2018-2019", ("a", "a.jpg"))
    assert load_catalog(layout, DETECTOR, PACK).images["path"].to_list() == ["2018-2019/a.jpg"]


def test_nobody_vanishes_because_the_detector_is_a_new_one(layout: ArchiveLayout) -> None:
    add_images(layout, "2018-2019", ("a", "a.jpg"))
    add_detections(layout, "2018-2019", face_rows("a", "a1"))
    add_vectors(layout, "2018-2019", "a1")
    with pytest.raises(DetectionMissingError, match="not yet by another-2; run `classface run`"):
        load_catalog(layout, "another-2", PACK)


def test_copies_count_once_within_a_year_and_across_years(layout: ArchiveLayout) -> None:
    add_images(layout, "2019-2020", ("a", "again.jpg"))
    add_images(layout, "2018-2019", ("a", "second.jpg"), ("a", "first.jpg"), ("b", "other.jpg"))
    for year in ("2018-2019", "2019-2020"):
        add_detections(layout, year, face_rows("a", "a1"))
        add_vectors(layout, year, "a1")
    facts = load_catalog(layout, DETECTOR, PACK)
    why = "the same file as 2018-2019/first.jpg"
    assert statuses(facts) == {
        "2018-2019/first.jpg": ("ok", ""),
        "2018-2019/second.jpg": ("duplicate", why),
        "2018-2019/other.jpg": ("ok", ""),
        "2019-2020/again.jpg": ("duplicate", why),
    }
    assert facts.faces.select("face_id", "school_year", "year").rows() == [("a1", "2018-2019", 2018)]


def test_vectors_alone_are_those_of_the_whole_catalog(layout: ArchiveLayout) -> None:
    none, no_vectors = load_vectors(layout, DETECTOR, PACK)
    assert none.columns == ["face_id", "year"] and none.is_empty() and len(no_vectors) == 0
    add_images(layout, "2018-2019", ("a", "a.jpg"), ("b", "b.jpg"))
    add_images(layout, "2019-2020", ("a", "again.jpg"), ("c", "c.jpg"))
    add_detections(layout, "2018-2019", face_rows("a", "a2", "a1"), face_rows("b", "b1"))
    add_detections(layout, "2019-2020", face_rows("a", "a2", "a1"), face_rows("c", "c1"), face_rows("gone", "g1"))
    add_vectors(layout, "2018-2019", "a2", "b1")
    add_vectors(layout, "2019-2020", "a2", "c1", "g1")
    faces, vectors = load_vectors(layout, DETECTOR, PACK)
    whole = load_catalog(layout, DETECTOR, PACK)
    assert faces.rows() == [("a2", 2018), ("b1", 2018), ("c1", 2019)], "a1 has no vector, g1 no photo"
    assert faces.equals(whole.faces.select("face_id", "year")) and np.array_equal(vectors, whole.vectors)
    with pytest.raises(DetectionMissingError):
        load_vectors(layout, "another-2", PACK)


def test_of_a_photo_in_two_years_the_vectors_may_be_in_either(layout: ArchiveLayout) -> None:
    add_images(layout, "2018-2019", ("a", "a.jpg"), ("b", "b.jpg"))
    add_images(layout, "2019-2020", ("a", "again.jpg"), ("c", "c.jpg"))
    add_detections(layout, "2018-2019", face_rows("a", "a1", "a2"), face_rows("b", "b1"))
    add_detections(layout, "2019-2020", face_rows("a", "a1", "a2"), face_rows("c", "c1"))
    add_vectors(layout, "2018-2019", "a1", "b1")
    add_vectors(layout, "2019-2020", "c1", "a2", "a1")
    catalog = load_catalog(layout, DETECTOR, PACK)
    years = {"a1": "2018-2019", "a2": "2018-2019", "b1": "2018-2019", "c1": "2019-2020"}
    assert dict(catalog.faces.select("face_id", "school_year").iter_rows()) == years
    assert np.array_equal(catalog.vectors, [vector_of(face) for face in years])


def test_a_face_that_two_photos_claim_is_in_the_catalog_twice_for_the_check_that_refuses_it(
    layout: ArchiveLayout,
) -> None:
    add_images(layout, "2018-2019", ("a", "a.jpg"), ("b", "b.jpg"))
    add_detections(layout, "2018-2019", face_rows("a", "a1", "a2"), face_rows("b", "a1", "b1"))
    add_vectors(layout, "2018-2019", "a1", "a2", "b1")
    catalog = load_catalog(layout, DETECTOR, PACK)
    faces = catalog.faces["face_id"].to_list()
    assert faces == ["a1", "a1", "a2", "b1"]
    assert np.array_equal(catalog.vectors, [vector_of(face) for face in faces])


def test_a_photo_is_no_copy_of_a_file_that_is_not_a_photo(layout: ArchiveLayout) -> None:
    add_images(layout, "2018-2019", ("a", "a.cr2"), status="not a photo")
    add_images(layout, "2018-2019", ("a", "b.jpg"))
    found = statuses(load_catalog(layout, DETECTOR, PACK))
    assert [found[f"2018-2019/{name}"][0] for name in ("a.cr2", "b.jpg")] == ["not a photo", "ok"]


def test_a_photo_that_could_not_be_decoded_is_unreadable_with_its_reason(layout: ArchiveLayout) -> None:
    add_images(layout, "2018-2019", ("good", "good.jpg"), ("bad", "bad.jpg"), ("empty", "empty.jpg"))
    failed = face_rows("bad", status="failed", reason="the file is cut off")
    add_detections(layout, "2018-2019", face_rows("good", "g1"), failed, face_rows("empty", status="no face"))
    add_vectors(layout, "2018-2019", "g1")
    facts = load_catalog(layout, DETECTOR, PACK)
    assert statuses(facts) == {
        "2018-2019/good.jpg": ("ok", ""),
        "2018-2019/bad.jpg": ("unreadable", "the file is cut off"),
        "2018-2019/empty.jpg": ("ok", ""),
    }
    assert facts.faces["face_id"].to_list() == ["g1"]


def test_a_failed_photo_is_listed_even_when_no_photo_has_a_face(layout: ArchiveLayout) -> None:
    add_images(layout, "2018-2019", ("bad", "bad.jpg"))
    add_detections(layout, "2018-2019", face_rows("bad", status="failed", reason="the file is cut off"))
    assert statuses(load_catalog(layout, DETECTOR, PACK)) == {
        "2018-2019/bad.jpg": ("unreadable", "the file is cut off")
    }


def test_faces_found_with_other_thresholds_are_not_gathered(layout: ArchiveLayout) -> None:
    add_images(layout, "2018-2019", ("a", "a.jpg"))
    add_detections(layout, "2018-2019", face_rows("a", "a1", "a2"))
    add_detections(layout, "2018-2019", face_rows("a", "a1"), settings="confidence-0.9 size-20")
    add_vectors(layout, "2018-2019", "a1", "a2")
    assert load_catalog(layout, DETECTOR, PACK).faces["face_id"].to_list() == ["a1"]
    SchoolYearStore(layout, DETECTOR, "2018-2019").set_active_settings(SETTINGS)
    assert load_catalog(layout, DETECTOR, PACK).faces["face_id"].to_list() == ["a1", "a2"]


def test_faces_of_photos_that_are_gone_are_not_gathered(layout: ArchiveLayout) -> None:
    add_images(layout, "2018-2019", ("a", "a.jpg"))
    add_detections(layout, "2018-2019", face_rows("a", "a1"), face_rows("gone", "x1"))
    add_vectors(layout, "2018-2019", "a1", "x1")
    assert SchoolYearStore(layout, DETECTOR, "2018-2019").detections(["asset_id"])["asset_id"].to_list() == ["a"]
    assert load_catalog(layout, DETECTOR, PACK).faces["face_id"].to_list() == ["a1"]


def test_each_row_of_vectors_belongs_to_the_face_of_that_row(layout: ArchiveLayout) -> None:
    for year in ("2018-2019", "Sommerfest"):
        photos = [f"{year}-{n}" for n in range(3)]
        add_images(layout, year, *((p, f"{p}.jpg") for p in photos))
        add_detections(layout, year, *(face_rows(p, f"{p}-a", f"{p}-b") for p in photos))
        for photo in reversed(photos):
            add_vectors(layout, year, f"{photo}-b", f"{photo}-a")
    another = SchoolYearStore(layout, DETECTOR, "Sommerfest").embedding_parts("another pack")
    another.append(pl.DataFrame({"face_id": ["q"], "vector": [[1.0]]}))
    facts = load_catalog(layout, DETECTOR, PACK)
    assert facts.vectors.shape == (12, 4) and facts.vectors.dtype == np.float32
    assert np.array_equal(facts.vectors, np.stack([vector_of(f) for f in facts.faces["face_id"]]))
    assert set(facts.faces.select("school_year", "year").rows()) == {("2018-2019", 2018), ("Sommerfest", None)}
    assert "chip" not in facts.faces.columns


def test_a_face_without_a_vector_waits_for_it(layout: ArchiveLayout) -> None:
    add_images(layout, "2018-2019", ("a", "a.jpg"))
    add_detections(layout, "2018-2019", face_rows("a", "a1", "a2"))
    assert load_catalog(layout, DETECTOR, PACK).faces.is_empty()
    add_vectors(layout, "2018-2019", "a2")
    assert load_catalog(layout, DETECTOR, PACK).faces["face_id"].to_list() == ["a2"]


def test_a_photo_that_detecting_turned_has_the_size_of_the_turned_photo(layout: ArchiveLayout) -> None:
    for photo, rotation in {"a": 0, "b": 90, "c": 180, "d": 270}.items():
        add_images(layout, "2018-2019", (photo, f"{photo}.jpg"))
        turned = (pl.lit(rotation, pl.Int16).alias("rotation"), pl.lit("ff" * 32).alias("phash"))
        add_detections(layout, "2018-2019", face_rows(photo, f"{photo}1", f"{photo}2").with_columns(turned))
    add_images(layout, "2018-2019", ("new", "new.jpg"))
    database = published(layout, [])
    rows = query_database(database, "SELECT rotation, width, height FROM image_assets ORDER BY path").rows()
    assert rows == [(0, 640, 480), (90, 480, 640), (180, 640, 480), (270, 480, 640), (None, 640, 480)]


def test_photos_that_nobody_dated_are_of_the_first_day_of_their_school_year(layout: ArchiveLayout) -> None:
    for year in ("2018-2019", "Sommerfest"):
        add_images(layout, year, (year, "undated.jpg"))
        add_images(layout, year, (f"{year} text", "list.txt"), status="not a photo")
    dated = pl.lit(NOW.replace(tzinfo=None, year=2019), pl.Datetime("us"))
    parts = image_parts(layout, "2018-2019")
    parts.append(
        parts.read()
        .head(1)
        .with_columns(path=pl.lit("dated"), asset_id=pl.lit("b"), taken_at=dated)
        .drop("taken_at_source")
    )
    southern = replace(layout, year_start="02-01")
    for place, start in ((layout, "2018-09-01 00:00:00"), (southern, "2018-02-01 00:00:00")):
        facts = load_catalog(place, DETECTOR, PACK).images.select(
            "path", pl.col("taken_at").cast(str), "taken_at_source"
        )
        assert {path: (at and at[:19], source) for path, at, source in facts.iter_rows()} == {
            "2018-2019/undated.jpg": (start, "school year"),
            "2018-2019/list.txt": (None, ""),
            "dated": (str(NOW.replace(year=2019))[:19], "exif"),
            "Sommerfest/undated.jpg": (None, ""),
            "Sommerfest/list.txt": (None, ""),
        }


def test_parts_from_before_a_column_existed_are_read_with_nulls(layout: ArchiveLayout) -> None:
    old, new = "taken_at_source", {"rotation": pl.Int16, "phash": pl.String, "yaw": pl.Float32, "outside": pl.Float32}
    for photo in ("old", "new"):
        add_images(layout, "2018-2019", (photo, f"{photo}.jpg"))
        add_vectors(layout, "2018-2019", f"{photo}1")
    (file,) = [f for f in image_parts(layout, "2018-2019").files() if "old" in pl.read_parquet(f)["asset_id"]]
    pl.read_parquet(file).drop(old, "utc_offset", "has_orientation").write_parquet(file)
    add_detections(layout, "2018-2019", face_rows("old", "old1"))
    assert load_catalog(layout, DETECTOR, PACK).faces.select("face_id", "yaw").rows() == [("old1", None)]
    values = [pl.lit("0" * 64 if t == pl.String else 7, t).alias(name) for name, t in new.items()]
    add_detections(layout, "2018-2019", face_rows("new", "new1").with_columns(values))
    facts = load_catalog(layout, DETECTOR, PACK)
    assert set(facts.faces.select("face_id", "yaw", "outside").rows()) == {("old1", None, None), ("new1", 7, 7)}
    assert set(facts.images.select("asset_id", "rotation").rows()) == {("old", None), ("new", 7)}
    assert facts.images["has_orientation"].null_count() == 2 and facts.images[old].null_count() == 0


def test_years_are_read_back_from_their_folders(layout: ArchiveLayout) -> None:
    years = ["2018-2019", "Klasse 3/4", "Übergang."]
    for year in years:
        add_images(layout, year, ("a", "a.jpg"))
    (layout.parts("images") / ".DS_Store").touch()
    assert list_school_years(layout) == years
