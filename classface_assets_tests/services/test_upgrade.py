"""A data folder that the commit before picture ids made opens with today's code: nothing is searched or found again."""

from pathlib import Path

import dagster as dg
import polars as pl

from classface_assets.core.layout import ArchiveLayout
from classface_assets.store.catalog.former_ids import renamed_photos
from classface_assets.store.catalog.school_year import SchoolYearStore, all_images, image_parts
from classface_assets.store.decisions.replay import replay
from classface_assets.store.erasure.faces import photos_showing
from classface_assets.store.erasure.tombstones import erased_faces
from classface_assets.store.maintenance.integrity import check_integrity
from classface_assets.store.maintenance.pruning import ActivePack, find_unused
from classface_assets.vision.models.pack_info import describe_pack
from classface_assets.vision.photo_facts import read_photo_facts
from classface_assets.vision.picture_id.identity import content_id
from classface_assets_tests.conftest import World, register
from classface_assets_tests.support.old_archive import YEARS, OldArchive


def detections_of(world: World, year: str) -> pl.DataFrame:
    """All rows of the year's thresholds, as they lie in the parts, chips included."""
    layout, detector = world.layout, describe_pack("dlib", world.layout.packs).detector_version
    parts = SchoolYearStore(layout, detector, year).active_detection_parts()
    assert parts is not None
    return parts.read()


def vectors_of(world: World, year: str) -> pl.DataFrame:
    pack = describe_pack("dlib", world.layout.packs)
    return SchoolYearStore(world.layout, pack.detector_version, year).embedding_parts(pack.key).read()


def old_world(upgraded: OldArchive, made_by_old_code: Path) -> World:
    return World(made_by_old_code, upgraded.world.instance)


def test_every_file_has_the_id_of_its_picture_and_its_former_one(upgraded: OldArchive, made_by_old_code: Path) -> None:
    layout = upgraded.world.layout
    for year in YEARS:
        before = image_parts(ArchiveLayout(made_by_old_code / "photos", made_by_old_code / "data"), year).read()
        after = image_parts(layout, year).read().join(before, on=["path", "size", "mtime_ns"], suffix="_before")
        assert after.height == before.height >= 12
        good = after.filter(status="ok")
        assert good.filter(pl.col("file_digest") != pl.col("asset_id_before")).is_empty()
        assert good.filter(pl.col("asset_id") == pl.col("asset_id_before")).is_empty()
        assert after.filter(pl.col("status") != "ok").filter(pl.col("asset_id") != pl.col("asset_id_before")).is_empty()
        for path, asset_id, digest in good.select("path", "asset_id", "file_digest").iter_rows():
            assert read_photo_facts(layout.photos / path, path).asset_id == asset_id
            assert content_id((made_by_old_code / "photos" / path).read_bytes()) == digest


def test_new_photo_ids_search_and_embed_nothing_again(upgraded: OldArchive) -> None:
    for year in YEARS:
        assert upgraded.world.number("detections", "photos_searched_now", year) == 0
        assert upgraded.world.number("embeddings", "embedded_now", year) == 0


def test_new_photo_ids_leave_every_face_its_id_chip_and_vector(upgraded: OldArchive, made_by_old_code: Path) -> None:
    before = old_world(upgraded, made_by_old_code)
    for year in YEARS:
        images = image_parts(upgraded.world.layout, year).read().filter(status="ok")
        ids = dict(images.select("file_digest", "asset_id").iter_rows())
        rated = images.filter(pl.col("path").str.ends_with("rated copy.jpg"))["file_digest"][0]
        old = detections_of(before, year).filter(pl.col("asset_id") != rated)
        old = old.with_columns(pl.col("asset_id").replace_strict(ids)).sort("asset_id", "face_id")
        new = detections_of(upgraded.world, year).sort("asset_id", "face_id")
        assert old.height > 20 and new.select(old.columns).equals(old)
        ways_up = new.join(images, on="asset_id", suffix="_of_file").select("orientation", "orientation_of_file")
        assert ways_up["orientation"].to_list() == ways_up["orientation_of_file"].to_list()
        had = vectors_of(before, year).join(old, on="face_id", how="semi").sort("face_id")
        assert vectors_of(upgraded.world, year).sort("face_id").equals(had)


def test_one_picture_that_was_two_photos_has_the_faces_of_one(upgraded: OldArchive) -> None:
    copies = upgraded.world.query(
        "SELECT path, status, reason, asset_id FROM image_assets WHERE path LIKE '%rated copy%'"
    )
    assert copies["status"].to_list() == ["duplicate"] * 2
    for path, reason, asset_id in copies.select("path", "reason", "asset_id").iter_rows():
        assert reason.startswith(f"the same picture as {path.split('/')[0]}/portraits/portrait_")
        assert reason.endswith(", with other metadata")
        faces = upgraded.world.query(f"SELECT id FROM face_instances WHERE asset_id = '{asset_id}'")
        assert faces.height == 1


def test_new_photo_ids_publish_the_same_faces(upgraded: OldArchive, made_by_old_code: Path) -> None:
    """Of the pictures that were two photos each there is one face less."""
    sql = "SELECT f.id FROM face_instances f ORDER BY f.id"
    before, after = (set(w.query(sql)["id"]) for w in (old_world(upgraded, made_by_old_code), upgraded.world))
    assert after < before and len(before - after) == 2


def test_new_photo_ids_leave_no_unused_data_and_nothing_missing(upgraded: OldArchive) -> None:
    pack = describe_pack("dlib", upgraded.world.layout.packs)
    found = check_integrity(upgraded.world.layout, pack.detector_version, pack.key)
    assert found.found == ()
    left = find_unused(upgraded.world.layout, [ActivePack(pack.detector_version, pack.key)])
    assert not [one.kind for one in left if one.parts is not None]


def test_what_the_ledger_names_is_found_under_its_id_of_today(upgraded: OldArchive) -> None:
    layout, events = upgraded.world.layout, upgraded.world.archive.open_ledger().events()
    decided = replay(events)
    named = {mark.asset_id for mark in decided.labels.values()} | set(decided.photo_marks)
    pairs = dict(renamed_photos(all_images(layout), named))
    assert pairs.keys() == named - set(pairs.values())
    photos = {asset: path for path, asset in all_images(layout).select("path", "asset_id").iter_rows()}
    assert photos[pairs[next(photo for photo in decided.photo_marks if photo in pairs)]] == upgraded.recorded["collage"]
    assert renamed_photos(all_images(layout), []) == []


def test_photos_that_still_show_erased_people_are_found(upgraded: OldArchive) -> None:
    layout, events = upgraded.world.layout, upgraded.world.archive.open_ledger().events()
    shown = photos_showing(layout, erased_faces(layout, events))
    assert set(upgraded.recorded["erased"]["paths"]) <= set(shown)


def test_before_faces_are_rewritten_none_is_missing(old_archive: OldArchive) -> None:
    """A run that stops between `images` and `detections`."""
    world, detector = old_archive.world, describe_pack("dlib", old_archive.world.layout.packs).detector_version
    before = {year: SchoolYearStore(world.layout, detector, year).detections() for year in YEARS}
    for year in YEARS:
        job = world.chain.definitions.resolve_job_def("ingest_year")
        selected = [dg.AssetKey("images")]
        assert job.execute_in_process(
            instance=world.instance, partition_key=register(world, year), asset_selection=selected
        ).success
        rows = SchoolYearStore(world.layout, detector, year).detections()
        faces = [frame["face_id"].drop_nulls() for frame in (before[year], rows)]
        assert len(faces[0]) - 1 == len(faces[1]) and set(faces[1]) < set(faces[0])
        photos = image_parts(world.layout, year).read().filter(status="ok")
        assert photos["file_digest"].null_count() == 0
        assert set(rows["asset_id"]) == set(photos["asset_id"])
    pack = describe_pack("dlib", world.layout.packs)
    gone = [
        one
        for one in find_unused(world.layout, [ActivePack(detector, pack.key)])
        if one.kind == "faces of deleted photos"
    ]
    assert gone == []
