"""Photos under the ids of older versions: read and rewritten under those of today, killed at any moment."""

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import remove_file
from classface_assets.core.schemas import IMAGES
from classface_assets.store.catalog import former_ids as module
from classface_assets.store.catalog.faces import load_catalog
from classface_assets.store.catalog.former_ids import (
    FormerIds,
    copy_former_rows,
    former_ids,
    map_to_current_ids,
    renamed_photos,
    rewrite_former_ids,
)
from classface_assets.store.catalog.school_year import (
    SchoolYearStore,
    all_former_ids,
    image_parts,
    mark_duplicates,
    migrate_former_ids,
    year_images,
)
from classface_assets.store.erasure.faces import erase_faces
from classface_assets.store.files.parts import PartDataset
from classface_assets.store.model.face_ref import FaceRef
from classface_assets_tests.support.helpers import (
    DETECTOR,
    PACK,
    SETTINGS,
    add_detections,
    add_vectors,
    face_rows,
    published,
)

YEAR = "2018-2019"
Row = tuple[str, str, str | None]


def images(*rows: Row, year: str = YEAR) -> pl.DataFrame:
    """Files of a year as (name, asset id, file digest)."""
    facts = {"size": 1, "mtime_ns": 1, "width": 640, "height": 480, "orientation": 1, "reason": "", "status": "ok"}
    named = [{"path": f"{year}/{p}", "asset_id": a, "file_digest": d, "school_year": year} for p, a, d in rows]
    return pl.DataFrame([{**facts, **row} for row in named], schema=IMAGES)


def add_files(layout: ArchiveLayout, *rows: Row, year: str = YEAR) -> None:
    image_parts(layout, year).append(images(*rows, year=year))


def ids(rows: pl.DataFrame) -> list[tuple[str, str]]:
    return sorted(rows.select("asset_id", "face_id").iter_rows())


def test_a_file_that_is_as_it_was_tells_what_its_photo_was_called() -> None:
    former = former_ids(images(("b.jpg", "new", "b"), ("a.jpg", "new", "a"), ("c.jpg", "c", None), ("d.jpg", "d", "d")))
    assert former == FormerIds({"a": "new", "b": "new"}, {"new": ("a", "b")}, {"a": 1, "b": 1})
    files = images(("a.jpg", "new", "a"), ("b.jpg", "other", "b"))
    assert renamed_photos(files, {"b", "gone", "new"}) == [("b", "other")]
    assert former_ids(pl.DataFrame({"asset_id": ["a"], "path": ["a"]})) == FormerIds()


def test_copies_differ_from_the_same_picture_with_other_metadata() -> None:
    files = images(("a.jpg", "p", "1"), ("b.jpg", "p", "1"), ("c.jpg", "p", "2"), ("d.jpg", "q", "3"))
    marked = mark_duplicates(files).select("status", "reason").rows()
    assert marked == [
        ("ok", ""),
        ("duplicate", f"the same file as {YEAR}/a.jpg"),
        ("duplicate", f"the same picture as {YEAR}/a.jpg, with other metadata"),
        ("ok", ""),
    ]
    assert mark_duplicates(images(("a.jpg", "p", None), ("b.jpg", "p", None)))["reason"][1].startswith("the same file")


def test_rows_of_an_older_version_are_read_under_the_ids_of_today(layout: ArchiveLayout) -> None:
    add_files(layout, ("a.jpg", "A", "a"), ("b.jpg", "b", None))
    add_detections(layout, YEAR, face_rows("a", "a1", "a2"), face_rows("b", "b1"))
    store = SchoolYearStore(layout, DETECTOR, YEAR)
    assert ids(store.detections()) == [("A", "a1"), ("A", "a2"), ("b", "b1")]
    assert store.detections(["face_id", "asset_id"]).columns == ["face_id", "asset_id"]


def test_of_a_picture_that_was_two_photos_the_faces_of_one_stay(layout: ArchiveLayout) -> None:
    former = former_ids(images(("first.jpg", "P", "d1"), ("second.jpg", "P", "d2")))
    one, two, now = face_rows("d1", "f1"), face_rows("d2", "f2"), face_rows("P", "f1")
    assert ids(map_to_current_ids(pl.concat([two, one]), former)) == [("P", "f1")]
    assert ids(map_to_current_ids(two, former)) == [("P", "f2")], "the first file was never searched"
    assert ids(map_to_current_ids(pl.concat([one, now, two]), former)) == [("P", "f1")], "a run was killed halfway"
    assert ids(map_to_current_ids(pl.concat([now, face_rows("d1", "drawn")]), former)) == [("P", "drawn"), ("P", "f1")]
    assert map_to_current_ids(pl.DataFrame(), former).is_empty()


def parts_of_two_photos(layout: ArchiveLayout) -> PartDataset:
    """Each in a part of its own, of the second one there are two."""
    for rows in (face_rows("d1", "f1", "f2"), face_rows("d2", "g1"), face_rows("d2", "drawn"), face_rows("x", "x1")):
        add_detections(layout, YEAR, rows)
    return SchoolYearStore(layout, DETECTOR, YEAR).detection_parts(SETTINGS)


@pytest.mark.parametrize("call", ["append", "remove"])
@pytest.mark.parametrize("n", range(3))
def test_a_rewriting_that_is_killed_goes_on_and_shows_every_face_meanwhile(
    call: str, n: int, layout: ArchiveLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts, former = parts_of_two_photos(layout), former_ids(images(("a.jpg", "P1", "d1"), ("b.jpg", "P2", "d2")))
    before = map_to_current_ids(parts.read(), former).sort("face_id")
    count = 0

    def dying(original: object) -> object:
        def act(*args: object) -> object:
            nonlocal count
            count += 1
            if count > n:
                raise KeyboardInterrupt
            return original(*args)  # type: ignore[operator]

        return act

    with monkeypatch.context() as patch:
        if call == "append":
            patch.setattr(PartDataset, "append", dying(PartDataset.append))
        else:
            patch.setattr(module, "remove_file", dying(remove_file))
        with pytest.raises(KeyboardInterrupt):
            rewrite_former_ids(parts, former)
    meanwhile = map_to_current_ids(parts.read(), former).sort("face_id")
    assert_frame_equal(meanwhile.drop("orientation", strict=False), before)
    assert rewrite_former_ids(parts, former) > 0
    after = parts.read().sort("face_id")
    assert_frame_equal(after.drop("orientation"), before)
    assert after["orientation"].to_list() == [1, 1, 1, 1, None], "that of the file, where it is known"
    assert rewrite_former_ids(parts, former) == 0


def test_every_detector_and_thresholds_of_the_year_are_rewritten_and_faces_found_twice_lose_their_vectors(
    layout: ArchiveLayout,
) -> None:
    add_files(layout, ("a.jpg", "P", "d1"), ("b.jpg", "P", "d2"))
    add_detections(layout, YEAR, face_rows("d1", "f1"), settings="confidence-0.9 size-20")
    add_detections(layout, YEAR, face_rows("d1", "f1"), face_rows("d2", "f2"))
    SchoolYearStore(layout, "another", YEAR).detection_parts(SETTINGS).append(face_rows("d1", "o1"))
    add_vectors(layout, YEAR, "f1", "f2", "o1")
    migrate_former_ids(layout, YEAR, year_images(layout, YEAR))
    for detector, settings, face in (
        (DETECTOR, SETTINGS, "f1"),
        (DETECTOR, "confidence-0.9 size-20", "f1"),
        ("another", SETTINGS, "o1"),
    ):
        assert ids(SchoolYearStore(layout, detector, YEAR).detection_parts(settings).read()) == [("P", face)]
    assert SchoolYearStore(layout, DETECTOR, YEAR).embedding_parts(PACK).ids("face_id") == {"f1", "o1"}


def test_a_photo_that_moved_to_another_year_meanwhile_takes_its_faces_along(layout: ArchiveLayout) -> None:
    old, new = (SchoolYearStore(layout, DETECTOR, year).detection_parts(SETTINGS) for year in ("2017-2018", YEAR))
    old.append(pl.concat([face_rows("a", "a1", "a2"), face_rows("b", "b1")]))
    add_files(layout, ("a.jpg", "A", "a"), ("never.jpg", "N", "n"))
    assert copy_former_rows(new, [old], all_former_ids(layout), {"A", "N"}) == {"N"}
    assert ids(new.read()) == [("A", "a1"), ("A", "a2")]


def test_a_picture_that_was_two_photos_of_two_years_is_published_once(layout: ArchiveLayout) -> None:
    """With the faces of the first: no two faces of one photo lie at one place."""
    for year, digest, face in (("2017-2018", "d1", "f1"), (YEAR, "d2", "f2")):
        add_files(layout, ("a.jpg", "P", digest), year=year)
        add_detections(layout, year, face_rows(digest, face))
        add_vectors(layout, year, face)
    assert ids(load_catalog(layout, DETECTOR, PACK).faces) == [("P", "f1")]
    published(layout, [])


def test_who_is_erased_is_erased_under_every_id_of_the_photo(layout: ArchiveLayout) -> None:
    """Also from what other thresholds, or another school year that is gone, hold under a former one."""
    add_files(layout, ("a.jpg", "P", "d1"))
    add_detections(layout, "2017-2018", face_rows("d1", "f1", "f2"))
    add_detections(layout, YEAR, face_rows("P", "f1", "f2"))
    for photo in ("P", "d1"):
        erase_faces(layout, {"gone": FaceRef("gone", photo, (10, 10, 80, 80))}, {"somebody"})
        for year in ("2017-2018", YEAR):
            left = SchoolYearStore(layout, DETECTOR, year).detection_parts(SETTINGS).read()
            assert left["face_id"].to_list() == ["f2"]


def test_putting_rows_in_the_place_of_others_leaves_none_out(layout: ArchiveLayout) -> None:
    parts = image_parts(layout, YEAR)
    add_files(layout, ("a.jpg", "a", None), ("b.jpg", "b", None))
    parts.replace(images(("a.jpg", "A", "a"), ("new.jpg", "n", "n")))
    assert sorted(parts.read()["asset_id"]) == ["A", "b", "n"]
    assert len(parts.files()) == 1
