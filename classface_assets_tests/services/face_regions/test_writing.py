"""Names written into sidecars and photo files, changed there, and taken back, by consent and by erasure."""

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from classface_assets.core.geometry import box_iou
from classface_assets.services.face_regions.erasing import erase_written_names
from classface_assets.services.face_regions.files import FileStatus
from classface_assets.services.face_regions.metadata.formats import read_regions
from classface_assets.services.face_regions.metadata.jpeg_xmp import read_embedded_packet
from classface_assets.services.face_regions.metadata.packet_update import holds_name
from classface_assets.services.face_regions.photos import Selection
from classface_assets.services.face_regions.removal import remove_written
from classface_assets.store.catalog.photo_folders import list_files
from classface_assets.store.catalog.school_year import image_parts
from classface_assets.store.erasure.written_regions import Place, read_written_regions
from classface_assets.vision.photo_facts import read_photo_facts
from classface_assets_tests.services.face_regions.conftest import NAMES, YEAR, Archived

FIXTURES = Path(__file__).parent / "fixtures"
EXIFTOOL = shutil.which("exiftool")


def digest_of_folder(folder: Path) -> dict[str, str]:
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(folder.iterdir())}


def names_in(file: Path) -> list[str]:
    return [region.name for region in read_regions(file.read_bytes()).sets[0].regions]


def test_a_preview_counts_every_photo_and_writes_nothing(named: Archived) -> None:
    before = digest_of_folder(named.file("class.jpg").parent)
    report = named.write()
    assert not report.applied and report.count(FileStatus.WRITTEN) == len(report.files) == 4
    assert all(sorted(file.names) == list(NAMES) for file in report.files)
    assert digest_of_folder(named.file("class.jpg").parent) == before
    assert not (Path(str(named.layout.data)) / "face_regions").exists()


def test_sidecars_lie_beside_the_photos_and_the_photos_stay_as_they_are(named: Archived) -> None:
    before = digest_of_folder(named.file("class.jpg").parent)
    report = named.write(apply=True)
    assert report.applied and report.count(FileStatus.WRITTEN) == 4
    after = digest_of_folder(named.file("class.jpg").parent)
    assert before.items() <= after.items()
    assert after.keys() - before.keys() == {f"{name}.xmp" for name in before}
    assert sorted(names_in(named.file("copy.jpg.xmp"))) == list(NAMES)
    assert named.write(apply=True).count(FileStatus.UNCHANGED) == 4
    assert digest_of_folder(named.file("class.jpg").parent) == after


def test_the_scan_of_the_photos_takes_sidecars_for_what_a_program_left_there(named: Archived) -> None:
    folder = named.file("class.jpg").parent
    before, _ = list_files(named.layout.photos, [folder])
    named.write(apply=True)
    after, left_out = list_files(named.layout.photos, [folder])
    assert [entry.path for entry in after] == [entry.path for entry in before] and left_out.total() == 4


def test_regions_of_a_turned_photo_refer_to_the_picture_as_it_is_stored(named: Archived) -> None:
    named.write(apply=True)
    (mwg, _) = read_regions(named.file("turned.jpg.xmp").read_bytes()).sets
    assert mwg.applied_to == (640, 480)
    by_name = {region.name: region.box for region in mwg.regions}
    # Anna's box in the upright photo of 480 x 640 is 10, 10, 80, 80: in the stored one she is at the lower left.
    assert by_name["Anna"] == pytest.approx((10 / 640, (480 - 90) / 480, 80 / 640, 80 / 480), abs=1e-5)


def test_a_name_is_written_into_a_jpeg_and_its_picture_is_the_same(named: Archived) -> None:
    pixels = {n: Image.open(named.file(n)).tobytes() for n in ("class.jpg", "turned.jpg", "copy.jpg")}
    facts = {n: read_photo_facts(named.file(n)) for n in pixels}
    mode = named.file("class.jpg").stat().st_mode
    report = named.write(place=Place.FILE, apply=True)
    left_out = {file.path: file.reason for file in report.files if file.status == FileStatus.LEFT_OUT}
    assert list(left_out) == [f"{YEAR}/drawing.png"] and "only JPEG" in left_out[f"{YEAR}/drawing.png"]
    for name in pixels:
        now = read_photo_facts(named.file(name))
        assert Image.open(named.file(name)).tobytes() == pixels[name]
        assert now.asset_id == facts[name].asset_id and now.orientation == facts[name].orientation
        assert now.file_digest != facts[name].file_digest
        packet = read_embedded_packet(named.file(name))
        assert packet is not None and all(holds_name(packet, person) for person in NAMES)
    assert named.file("class.jpg").stat().st_mode == mode
    assert not list(named.file("class.jpg").parent.glob("*.xmp")) and not list(named.file("x").parent.glob(".*"))


def test_what_was_written_is_taken_back_to_the_byte(named: Archived) -> None:
    for name, fixture in (("class.jpg.xmp", "darktable.xmp"), ("turned.jpg.xmp", "windows.xmp")):
        shutil.copy(FIXTURES / fixture, named.file(name))
    before = digest_of_folder(named.file("class.jpg").parent)
    named.write(apply=True, keywords=True)
    named.write(place=Place.FILE, apply=True)
    assert digest_of_folder(named.file("class.jpg").parent) != before
    preview = remove_written(named.archive, None, Selection())
    assert not preview.applied and preview.count(FileStatus.REMOVED) == 7
    report = remove_written(named.archive, None, Selection(), apply=True)
    assert report.count(FileStatus.REMOVED) == 7
    assert digest_of_folder(named.file("class.jpg").parent) == before
    assert read_written_regions(named.layout).is_empty()
    assert not list((Path(str(named.layout.data)) / "face_regions").rglob("*.xmp"))


def test_only_people_whom_albums_show_are_named(named: Archived) -> None:
    ledger = named.ledger
    ledger.set_consent("Anna", given=False, purposes=["album"])
    ledger.hide("Ben")
    report = named.write(apply=True)
    assert report.withheld == 2 and all(file.names == ("Cem",) for file in report.files)
    ledger.set_consent("Cem", given=False, purposes=["web"])
    assert named.write(apply=True).count(FileStatus.UNCHANGED) == 4, "consent for another purpose says nothing of this"
    ledger.set_kind("Cem", "not a student")
    assert named.write().count(FileStatus.REMOVED) == 4


def test_names_of_people_who_refuse_later_or_are_taken_back_go_with_the_next_call(named: Archived) -> None:
    named.write(apply=True, keywords=True)
    named.ledger.set_consent("Anna", given=False)
    named.ledger.rename("Ben", "Benjamin")
    named.ledger.remove_labels([named.faces["class"][2]])
    report = named.write(apply=True, keywords=True)
    assert report.count(FileStatus.WRITTEN) == 4
    assert names_in(named.file("class.jpg.xmp")) == ["Benjamin"]
    assert sorted(names_in(named.file("turned.jpg.xmp"))) == ["Benjamin", "Cem"]
    for sidecar in named.file("x").parent.glob("*.xmp"):
        assert not holds_name(sidecar.read_bytes(), "Anna") and not holds_name(sidecar.read_bytes(), "Ben")
    named.ledger.hide("Benjamin")
    named.ledger.hide("Cem")
    assert named.write(apply=True, keywords=True).count(FileStatus.REMOVED) == 4
    assert not list(named.file("x").parent.glob("*.xmp")), "a sidecar that held only ours is not left empty"


def test_a_selection_of_people_leaves_the_other_names_as_they_are(named: Archived) -> None:
    report = named.write(apply=True, selection=Selection(persons=("Anna",)))
    assert all(file.names == ("Anna",) for file in report.files)
    report = named.write(apply=True, selection=Selection((YEAR,), ("Ben",)))
    assert sorted(names_in(named.file("class.jpg.xmp"))) == ["Anna", "Ben"]
    report = remove_written(named.archive, named.view, Selection(persons=("Anna",)), apply=True)
    assert report.count(FileStatus.WRITTEN) == 4 and names_in(named.file("class.jpg.xmp")) == ["Ben"]


def test_an_erased_person_is_in_no_sidecar_no_file_and_no_backup(named: Archived) -> None:
    named.write(apply=True, keywords=True)
    named.write(place=Place.FILE, apply=True)
    anna = named.ledger.decisions().find_person("Anna")
    assert anna is not None
    removed, notes = erase_written_names(named.layout, {anna.id})
    assert notes == [] and {(one.where, one.count) for one in removed} == {
        ("sidecars beside the photos", 4),
        ("photo files", 3),
    }
    for file in named.file("x").parent.iterdir():
        assert b"Anna" not in file.read_bytes(), file
    assert all(b"Anna" not in file.read_bytes() for file in Path(str(named.layout.data), "face_regions").rglob("*.*"))
    assert set(read_written_regions(named.layout)["name"]) == {"Ben", "Cem"}
    assert sorted(names_in(named.file("class.jpg.xmp"))) == ["Ben", "Cem"]


def move_with_its_sidecar(named: Archived) -> Path:
    """A photo and its sidecar get another name, and the scan of a run finds it."""
    for suffix in ("", ".xmp"):
        named.file(f"class.jpg{suffix}").rename(named.file(f"renamed.jpg{suffix}"))
    parts = image_parts(named.layout, YEAR)
    row = parts.read().filter(pl.col("path") == f"{YEAR}/class.jpg")
    parts.append(row.with_columns(pl.lit(f"{YEAR}/renamed.jpg").alias("path")))
    return named.file("renamed.jpg.xmp")


def test_a_sidecar_that_was_moved_with_its_photo_is_found_when_somebody_is_erased(named: Archived) -> None:
    named.write(apply=True)
    sidecar = move_with_its_sidecar(named)
    anna = named.ledger.decisions().find_person("Anna")
    assert anna is not None
    erase_written_names(named.layout, {anna.id})
    assert not holds_name(sidecar.read_bytes(), "Anna") and holds_name(sidecar.read_bytes(), "Ben")


def test_a_sidecar_that_was_moved_with_its_photo_is_taken_back_too(named: Archived) -> None:
    named.write(apply=True)
    sidecar = move_with_its_sidecar(named)
    remove_written(named.archive, None, Selection(), apply=True)
    assert not sidecar.exists() and not list(sidecar.parent.glob("*.xmp"))
    assert read_written_regions(named.layout).is_empty()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write into read-only folders")
def test_a_read_only_folder_is_left_out_with_its_reason(named: Archived) -> None:
    folder = named.file("x").parent
    folder.chmod(0o555)
    try:
        report = named.write(apply=True)
    finally:
        folder.chmod(0o755)
    assert {file.reason for file in report.files} == {"the file or its folder is read-only"}
    assert report.count(FileStatus.LEFT_OUT) == 4


def test_a_damaged_sidecar_is_left_out_and_the_others_are_written(named: Archived) -> None:
    named.file("class.jpg.xmp").write_bytes(b"<x:xmpmeta")
    report = named.write(apply=True)
    (left_out,) = [file for file in report.files if file.status == FileStatus.LEFT_OUT]
    assert left_out.path == f"{YEAR}/class.jpg" and "damaged" in left_out.reason
    assert report.count(FileStatus.WRITTEN) == 3 and named.file("class.jpg.xmp").read_bytes() == b"<x:xmpmeta"


@pytest.mark.skipif(EXIFTOOL is None, reason="exiftool (libimage-exiftool-perl) is not installed")
def test_exiftool_reads_the_names_in_a_jpeg_and_finds_nothing_wrong(named: Archived) -> None:
    named.write(place=Place.FILE, apply=True)
    command = [
        str(EXIFTOOL),
        "-json",
        "-struct",
        "-validate",
        "-warning",
        "-a",
        "-XMP:all",
        str(named.file("turned.jpg")),
    ]
    (read,) = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    people = [region["Name"] for region in read["RegionInfo"]["RegionList"]]
    assert sorted(people) == list(NAMES)
    area = next(r["Area"] for r in read["RegionInfo"]["RegionList"] if r["Name"] == "Anna")
    box = (area["X"] - area["W"] / 2, area["Y"] - area["H"] / 2, area["W"], area["H"])
    assert box_iou(box, named.box("turned", 0)) > 0.99
    assert "XMP" not in str(read.get("Warning", ""))
