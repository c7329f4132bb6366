"""What was decided with an older version holds with this one: names, refusals, erasure, drawn faces and marks."""

from pathlib import Path

from classface_assets.store.catalog.photo_records import lost_label_report
from classface_assets.store.decisions.reconciliation import constraints_for
from classface_assets.store.decisions.replay import replay
from classface_assets_tests.conftest import World
from classface_assets_tests.support.old_archive import OldArchive


def published_names(world: World) -> dict[str, str]:
    """Face id → name, of the faces that somebody labelled."""
    rows = world.query("SELECT f.id, p.name FROM face_instances f JOIN persons p ON p.id = f.person_id "
                       "WHERE f.assignment_reason = 'labelled'")  # fmt: skip
    return dict(rows.iter_rows())


def rate(photo: Path) -> None:
    """Write into a JPEG what a photo program notes beside the picture."""
    data = photo.read_bytes()
    photo.write_bytes(data[:2] + b"\xff\xfe\x00\x09*****to" + data[2:])


def erased_faces_found(archive: OldArchive) -> list[str]:
    """Paths of the erased person's portraits in which a face is found."""
    paths = "', '".join(archive.recorded["erased"]["paths"])
    rows = archive.world.query("SELECT DISTINCT a.path FROM face_instances f JOIN image_assets a "
                               f"ON a.asset_id = f.asset_id WHERE a.path IN ('{paths}')")  # fmt: skip
    return list(rows["path"])


def test_every_name_is_on_its_face(upgraded: OldArchive) -> None:
    expected = {face: name for name, faces in upgraded.recorded["labelled"].items() for face in faces}
    assert published_names(upgraded.world) == expected
    decisions = upgraded.world.archive.open_ledger().decisions()
    assert lost_label_report(upgraded.world.layout, decisions) == []


def test_rejections_links_marks_and_drawn_faces_hold(upgraded: OldArchive) -> None:
    output, decisions = upgraded.recorded, upgraded.world.archive.open_ledger().decisions()
    faces = upgraded.world.query("SELECT id AS face_id, asset_id, bbox_x, bbox_y, bbox_w, bbox_h FROM face_instances")
    stated = constraints_for(decisions, faces)
    who, rejected = output["rejected"]
    person = next(p.id for p in decisions.persons.values() if p.name == who)
    assert {(face, person) for face in rejected} <= stated.rejected
    assert {frozenset(pair) for pair in stated.must_link} == {frozenset(output["linked"])}
    assert output["not_a_face"] in stated.not_faces
    path, drawn = output["drawn"]
    rows = upgraded.world.query(f"SELECT path FROM image_assets a JOIN face_instances f USING (asset_id) "
                                f"WHERE f.id = '{drawn}' AND a.status = 'ok'")  # fmt: skip
    assert rows["path"].to_list() == [path]
    collage = upgraded.world.query(f"SELECT asset_id FROM image_assets WHERE path = '{output['collage']}'").item()
    assert collage in stated.collages


def test_who_refused_and_who_was_erased_is_in_no_album(upgraded: OldArchive) -> None:
    pages = "\n".join(page.read_text() for page in upgraded.world.layout.albums.rglob("*.html"))
    assert upgraded.recorded["withdrawn"] not in pages and upgraded.recorded["erased"]["name"] not in pages
    shown = {name for name in upgraded.recorded["labelled"] if name in pages}
    assert set(upgraded.recorded["labelled"]) - {upgraded.recorded["withdrawn"]} <= shown
    assert erased_faces_found(upgraded) == []


def test_the_ledger_tells_which_photos_were_renamed_and_a_second_run_adds_nothing(upgraded: OldArchive) -> None:
    events = upgraded.world.archive.open_ledger().events()
    (followed,) = (event for event in events if event.kind == "photos_followed")
    assert followed.actor == "classface" and events[-1] == followed
    assert all(pair.keys() == {"from", "to"} for pair in followed.payload["photos"])
    assert replay(events).labels == replay(events[:-1]).labels


def test_photos_with_ratings_from_before_the_upgrade_keep_everything(old_archive: OldArchive) -> None:
    """Neither their bytes nor their path alone tells: the picture under the same name does."""
    world = old_archive.world
    for photo in (world.folder / "photos").rglob("*.jpg"):
        rate(photo)
    assert world.run() == []
    names = sorted(published_names(world).values())
    assert names == sorted(name for name, faces in old_archive.recorded["labelled"].items() for _ in faces)
    assert erased_faces_found(old_archive) == []
    assert lost_label_report(world.layout, world.archive.open_ledger().decisions()) == []
