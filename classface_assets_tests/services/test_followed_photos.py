"""Photos whose files people change keep what was decided about their faces: real photos, a real ledger, the chain."""

from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pillow_heif
import pytest
from click.testing import CliRunner
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from PIL import Image, ImageEnhance

from classface_assets.cli.__main__ import cli
from classface_assets.services.erasure import erase_person
from classface_assets.store.catalog.photo_records import lost_label_report
from classface_assets.store.decisions.reconciliation import constraints_for
from classface_assets.store.model.face_ref import FaceRef
from classface_assets_tests.conftest import World

YEAR = "2018-2019"


def faces_of(world: World, path: str) -> list[FaceRef]:
    """The faces of the photo that lies there, from left to right."""
    rows = world.query(
        "SELECT f.id, f.asset_id, bbox_x, bbox_y, bbox_w, bbox_h FROM face_instances f JOIN image_assets a "
        f"ON a.asset_id = f.asset_id WHERE a.path = '{path}' ORDER BY bbox_x"
    )
    return [FaceRef(face, photo, (x, y, w, h)) for face, photo, x, y, w, h in rows.iter_rows()]


def names_in(world: World, path: str) -> list[str | None]:
    """Who the faces of the photo are, from left to right, as published."""
    rows = world.query(
        "SELECT p.name FROM face_instances f JOIN image_assets a ON a.asset_id = f.asset_id "
        f"LEFT JOIN persons p ON p.id = f.person_id WHERE a.path = '{path}' ORDER BY bbox_x"
    )
    return rows["name"].to_list()


def photo_with(world: World, faces: int, number: int = 0) -> str:
    """The path of a photo of the year with so many faces."""
    rows = world.query(
        "SELECT a.path FROM image_assets a JOIN face_instances f ON f.asset_id = a.asset_id "
        f"WHERE a.school_year = '{YEAR}' AND a.status = 'ok' GROUP BY a.path HAVING count(*) = {faces} ORDER BY a.path"
    )
    return str(rows["path"][number])


def saved(world: World, path: str, change: Callable[[Image.Image], Image.Image], quality: int = 90) -> None:
    """Edit a photo in place, as a photo program does that keeps no metadata."""
    file = world.layout.photos / path
    assert isinstance(file, Path)
    with Image.open(file) as picture:
        changed = change(picture.convert("RGB"))
    changed.save(file, quality=quality)


def cropped(picture: Image.Image) -> Image.Image:
    width, height = picture.size
    return picture.crop((width // 25, height // 30, width - width // 40, height - height // 50))


EDITS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "exported": lambda picture: picture.resize((picture.width * 3 // 4, picture.height * 3 // 4)),
    "brightened": lambda picture: ImageEnhance.Brightness(picture).enhance(1.25),
    "cropped": cropped,
    "mirrored": lambda picture: picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
}


def test_names_follow_photos_that_are_edited_in_place(world: World) -> None:
    """Each photo's people carry names that its faces alone can have given them: nobody else is labelled."""
    ledger = world.archive.open_ledger()
    paths = {edit: photo_with(world, 1, number) for number, edit in enumerate(EDITS)}
    for edit, path in paths.items():
        ledger.label(f"who was {edit}", faces_of(world, path))
    for edit, path in paths.items():
        saved(world, path, EDITS[edit])
    assert world.run() == []
    for edit, path in paths.items():
        assert names_in(world, path) == [f"who was {edit}"]
    confirmed = world.query("SELECT a.path FROM face_instances f JOIN image_assets a ON a.asset_id = f.asset_id "
                            "WHERE f.assignment_reason = 'labelled'")["path"].to_list()  # fmt: skip
    assert sorted(confirmed) == sorted(paths.values())
    assert lost_label_report(world.layout, ledger.decisions()) == []


def test_names_follow_photos_that_become_files_of_another_kind(world: World) -> None:
    """From JPEG to HEIC under another name, and to a PNG in another school year."""
    pillow_heif.register_heif_opener()
    ledger, (first, second) = world.archive.open_ledger(), (photo_with(world, 1, 0), photo_with(world, 1, 1))
    ledger.label("Ada", faces_of(world, first))
    ledger.label("Ben", faces_of(world, second))
    heic, png = f"{YEAR}/portraits/IMG_0001.HEIC", "2019-2020/Ben.png"
    for before, after in ((first, heic), (second, png)):
        with Image.open(world.folder / "photos" / before) as picture:
            picture.convert("RGB").save(world.folder / "photos" / after)
        (world.folder / "photos" / before).unlink()
    assert world.run() == []
    assert (names_in(world, heic), names_in(world, png)) == (["Ada"], ["Ben"])


def test_decisions_on_a_group_follow_a_rotated_file(world: World) -> None:
    """A rejection, a mark that a face is none, and who belongs together, each on its own face."""
    ledger, path = world.archive.open_ledger(), photo_with(world, 7)
    named, rejected, none, *others = faces_of(world, path)
    ledger.label("Ada", [named])
    ledger.reject("Ada", [rejected])
    ledger.mark_not_faces([none])
    ledger.cannot_link(others[:2])
    saved(world, path, lambda picture: picture.transpose(Image.Transpose.ROTATE_180))
    assert world.run() == []
    assert world.query(f"SELECT rotation FROM image_assets WHERE path = '{path}'")["rotation"].to_list() == [180]
    now, today = ledger.decisions(), [face.face_id for face in faces_of(world, path)]
    (ada,) = (person.id for person in now.persons.values() if person.name == "Ada")
    stated = constraints_for(
        now, world.query("SELECT id AS face_id, asset_id, bbox_x, bbox_y, bbox_w, bbox_h FROM face_instances")
    )
    assert stated.confirmed == {today[0]: ada}
    assert stated.rejected == {(today[1], ada)}
    assert stated.not_faces == {today[2]}
    assert {frozenset(pair) for pair in stated.cannot_link} == {frozenset((today[3], today[4]))}


def test_a_copy_has_the_names_of_its_original(world: World) -> None:
    ledger, path = world.archive.open_ledger(), photo_with(world, 1)
    ledger.label("Ada", faces_of(world, path))
    copy = "2019-2020/web/smaller.jpg"
    target = world.layout.photos / copy
    assert isinstance(target, Path)
    target.parent.mkdir()
    with Image.open(world.folder / "photos" / path) as picture:
        picture.convert("RGB").resize((picture.width // 2, picture.height // 2)).save(target, quality=70)
    assert world.run() == []
    assert names_in(world, path) == names_in(world, copy) == ["Ada"]
    (label,) = (event.id for event in ledger.events() if event.kind == "faces_labelled")
    ledger.undo(label)
    assert world.run() == []
    assert names_in(world, path) == names_in(world, copy) == [None]


def test_a_label_waits_for_its_photo_and_is_reported_meanwhile(world: World) -> None:
    ledger, path = world.archive.open_ledger(), photo_with(world, 1)
    ledger.label("Ada", faces_of(world, path))
    file, away = world.folder / "photos" / path, world.folder / "away.jpg"
    file.rename(away)
    assert world.run() == []
    output = lost_label_report(world.layout, ledger.decisions())
    assert output[0].startswith("1 labelled face is no longer in any photo.")
    assert output[1:] == [f"  {path}: Ada"]
    check = dg.AssetCheckKey(dg.AssetKey("face_tables"), "labelled_faces_are_in_a_photo")
    found = world.instance.event_log_storage.get_latest_asset_check_execution_by_key([check])[check]
    assert found.status == AssetCheckExecutionRecordStatus.FAILED
    assert found.event and found.event.dagster_event
    evaluation = found.event.dagster_event.asset_check_evaluation_data
    assert evaluation.severity == dg.AssetCheckSeverity.WARN and evaluation.description == output[0]
    assert world.number("face_tables", "labelled_faces_in_no_photo") == 1
    archive = ["--photos", str(world.layout.photos), "--data", str(world.layout.data)]
    assert output[0] in CliRunner().invoke(cli, ["stats", *archive]).stderr
    away.rename(file)
    assert world.run() == []
    assert names_in(world, path) == ["Ada"]
    assert lost_label_report(world.layout, ledger.decisions()) == []


def test_who_was_erased_stays_erased_when_photos_are_edited(world: World) -> None:
    """Alone in a portrait, whose look alone tells, and beside others in a group, whose faces tell."""
    ledger, portrait, group = world.archive.open_ledger(), photo_with(world, 1), photo_with(world, 7)
    ledger.label("Ada", [*faces_of(world, portrait), faces_of(world, group)[0]])
    erase_person(world.archive, world.instance, "Ada")
    before = faces_of(world, group)
    assert faces_of(world, portrait) == []
    saved(world, portrait, lambda picture: picture.transpose(Image.Transpose.ROTATE_90), quality=80)
    saved(world, group, lambda picture: picture.crop((0, picture.height // 12, *picture.size)))
    assert world.run() == []
    assert faces_of(world, portrait) == []
    assert len(faces_of(world, group)) == len(before)
    assert {person.name for person in ledger.decisions().persons.values() if not person.erased} == set()


def state_orientation(world: World, path: str, orientation: int) -> None:
    """Write the EXIF tag, and nothing else, into a JPEG: its pixels stay as they are stored."""
    file = world.folder / "photos" / path
    data = file.read_bytes()
    exif = Image.Exif()
    exif[0x0112] = orientation
    body = exif.tobytes()
    segment = b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body
    at = 2
    while data[at : at + 2] == b"\xff\xe0" or data[at : at + 2] == b"\xff\xe1":
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        data = data[:at] + data[at + 2 + length :] if data[at + 1] == 0xE1 else data
        at = at if data[at : at + 2] == b"\xff\xe1" else at + (2 + length if data[at + 1] == 0xE0 else 0)
    file.write_bytes(data[:2] + segment + data[2:])


def test_the_faces_of_a_photo_turn_with_its_orientation_tag(world: World) -> None:
    """Names and ids stay, boxes turn, and who was erased is not found again the other way up."""
    ledger, path = world.archive.open_ledger(), photo_with(world, 7)
    first, second, *_ = before = faces_of(world, path)
    ledger.label("Ada", [first])
    ledger.label("Ben", [second])
    erase_person(world.archive, world.instance, "Ben")
    width, height = world.query(f"SELECT width, height FROM image_assets WHERE path = '{path}'").row(0)
    state_orientation(world, path, 6)
    assert world.run() == []
    assert world.query(f"SELECT width, height FROM image_assets WHERE path = '{path}'").row(0) == (height, width)
    after = {face.face_id: face.box for face in faces_of(world, path)}
    assert second.face_id not in after
    for face in (first, *before[2:]):
        x, y, w, h = face.box
        assert after[face.face_id] == pytest.approx((height - y - h, x, h, w), abs=0.01)
    assert len(after) == len(before) - 1
    assert "Ada" in names_in(world, path)
    state_orientation(world, path, 1)
    assert world.run() == []
    again = {face.face_id: face.box for face in faces_of(world, path)}
    assert again.keys() == after.keys()
    assert again[first.face_id] == pytest.approx(first.box, abs=0.01)
    assert world.query("SELECT count(*) AS n FROM face_instances f JOIN persons p ON p.id = f.person_id "
                       "WHERE p.name = 'Ada' AND assignment_reason = 'labelled'")["n"].item() == 1  # fmt: skip
