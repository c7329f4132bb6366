"""Names of other programs become labels of faces: whatever the frame, never against somebody's own decision."""

import shutil
from pathlib import Path

import pytest

from classface_assets.core.geometry import Box
from classface_assets.services.face_regions.matching import Outcome
from classface_assets.services.face_regions.metadata.formats import read_regions
from classface_assets.services.face_regions.metadata.frames import place_regions
from classface_assets.services.face_regions.metadata.jpeg_xmp import replace_packet
from classface_assets.services.face_regions.metadata.model import PhotoFrame, Region, RegionSet, Standard
from classface_assets.services.face_regions.metadata.picasa import parse_ini, parse_rect64
from classface_assets.services.face_regions.photos import Selection
from classface_assets_tests.services.face_regions.conftest import NAMES, YEAR, Archived
from classface_assets_tests.support.helpers import who

FIXTURES = Path(__file__).parent / "fixtures"


def ids(archived: Archived, photo: str) -> dict[str, str]:
    return dict(zip([face.face_id for face in archived.faces[photo]], NAMES, strict=True))


def outcomes(report: object) -> dict[str, tuple[Outcome, str]]:
    return {one.name: (one.outcome, one.reason) for one in report.names}  # type: ignore[attr-defined]


def rect64(box: Box) -> str:
    x, y, w, h = box
    return "".join(f"{round(65535 * number):04x}" for number in (x, y, x + w, y + h))


@pytest.mark.parametrize(
    ("photo", "where"), [("class", "photo.xmp"), ("turned", "photo.jpg.xmp"), ("turned", "in the file")]
)
def test_names_beside_and_in_a_photo_become_labels(archived: Archived, photo: str, where: str) -> None:
    packet = archived.packet(photo, NAMES)
    if where == "in the file":
        replace_packet(archived.file(f"{photo}.jpg"), packet)
    else:
        archived.file(where.replace("photo", photo)).write_bytes(packet)
    preview = archived.read()
    assert not preview.applied and preview.count(Outcome.LABEL) == 3 and preview.new_people == NAMES
    assert who(archived.ledger) == {} and preview.photos == 4
    report = archived.read(apply=True)
    assert who(archived.ledger) == ids(archived, photo)
    assert report.events and archived.read().count(Outcome.KNOWN) == 3


def test_each_event_names_its_source_and_undoing_it_takes_the_names_off(archived: Archived) -> None:
    archived.file("class.jpg.xmp").write_bytes(archived.packet("class", NAMES))
    report = archived.read(apply=True)
    actors = {event.actor for event in archived.ledger.events() if event.kind == "faces_labelled"}
    assert len(actors) == 1 and actors.pop().endswith(f": XMP region in {YEAR}/class.jpg.xmp")
    archived.ledger.undo_all(list(reversed(report.events)))
    assert who(archived.ledger) == {}
    again = archived.read(apply=True)
    assert again.count(Outcome.CONTRADICTION) == 3 and who(archived.ledger) == {}


def test_a_decision_of_a_person_is_never_overruled(archived: Archived) -> None:
    anna, ben, cem = archived.faces["class"]
    archived.ledger.label("Dora", [anna])
    archived.ledger.create_person("Ben")
    archived.ledger.reject("Ben", [ben])
    archived.ledger.mark_not_faces([cem])
    archived.file("class.jpg.xmp").write_bytes(archived.packet("class", NAMES))
    report = archived.read(apply=True)
    assert report.count(Outcome.CONTRADICTION) == 3 and report.events == ()
    found = outcomes(report)
    assert found["Anna"] == (Outcome.CONTRADICTION, "the face was named Dora here")
    assert found["Ben"] == (Outcome.CONTRADICTION, "somebody decided here that it is not them")
    assert found["Cem"] == (Outcome.CONTRADICTION, "it was marked here as no face")


def test_a_name_that_was_taken_off_does_not_come_back(archived: Archived) -> None:
    archived.ledger.label("Anna", [archived.faces["class"][0]])
    archived.ledger.remove_labels([archived.faces["class"][0]])
    archived.file("class.jpg.xmp").write_bytes(archived.packet("class", ["Anna"]))
    assert outcomes(archived.read())["Anna"] == (
        Outcome.CONTRADICTION,
        "somebody took the name off this face here",
    )


def test_a_face_of_an_erased_person_is_not_named_and_not_drawn_again(archived: Archived) -> None:
    face = archived.faces["class"][0]
    person = archived.ledger.label("Anna", [face]).person
    archived.ledger.erase(person.id, [face])
    archived.file("class.jpg.xmp").write_bytes(archived.packet("class", ["Anna"]))
    report = archived.read(apply=True)
    assert outcomes(report)["Anna"] == (Outcome.LEFT_OUT, "it is a face that may not be used")
    assert report.events == ()


def test_programs_that_contradict_each_other_are_listed_and_nobody_is_believed(archived: Archived) -> None:
    archived.file("class.jpg.xmp").write_bytes(archived.packet("class", ["Anna", "Ben"]))
    archived.file("class.xmp").write_bytes(archived.packet("class", ["Anna", "Bernd"]))
    found = outcomes(archived.read())
    assert found["Anna"][0] == Outcome.LABEL
    assert found["Ben"] == found["Bernd"] == (Outcome.CONTRADICTION, "programs give this face different names")


def test_one_person_on_two_faces_of_a_photo_is_a_contradiction(archived: Archived) -> None:
    archived.file("class.jpg.xmp").write_bytes(archived.packet("class", ["Anna", "Ben", "anna"]))
    report = archived.read()
    assert report.count(Outcome.CONTRADICTION) == 2 and report.count(Outcome.LABEL) == 1
    archived.ledger.label("Ben", [archived.faces["class"][2]])
    assert outcomes(archived.read())["Ben"] == (Outcome.CONTRADICTION, "another face in this photo has this name here")


def test_a_named_place_without_a_face_becomes_a_face_that_somebody_drew(archived: Archived) -> None:
    (photo,) = {face.asset_id for face in archived.faces["class"]}
    place = Region("Eva", (0.6, 0.6, 0.2, 0.25))
    from classface_assets.services.face_regions.metadata.packet_update import OwnedNames, TargetNames, update_packet

    data = update_packet(None, TargetNames((place,), (640, 480)), OwnedNames()).data
    assert data is not None
    archived.file("class.jpg.xmp").write_bytes(data)
    assert archived.read(new_faces=False).count(Outcome.LEFT_OUT) == 1
    report = archived.read(apply=True)
    assert report.count(Outcome.NEW_FACE) == 1
    (drawn,) = archived.ledger.decisions().drawn.values()
    assert drawn.asset_id == photo and drawn.box == pytest.approx((384, 288, 128, 120), abs=1)
    assert who(archived.ledger) == {drawn.face_id: "Eva"}
    assert archived.read(apply=True).count(Outcome.KNOWN) == 1, "the next call finds the drawn face, before any run"


def test_picasas_own_file_is_read_with_names_from_the_folder_and_from_contacts_xml(archived: Archived) -> None:
    # Picasa's boxes are of the photo as it shows it, upright.
    boxes = {photo: [(x / w, y / h, 80 / w, 80 / h) for x, y in ((10, 10), (110, 10), (210, 10))]
             for photo, (w, h) in {"class": (640, 480), "turned": (480, 640)}.items()}  # fmt: skip
    contacts = ["00a1", "b2", "c3", "ffffffffffffffff"]
    lines = ["[Picasa]", "name=Sports day", "[Contacts2]", "a1=Anna;;", "00b2=Ben;ben@school;"]
    for photo in boxes:
        faces = ";".join(f"rect64({rect64(b)}),{c}" for b, c in zip(boxes[photo], contacts, strict=False))
        lines += [f"[{photo.upper()}.JPG]", "star=yes", f"faces={faces};rect64(3f845bcb59418507),{contacts[3]}"]
    archived.file(".picasa.ini").write_text("\r\n".join(lines))
    archived.file("contacts.xml").write_text('<contacts><contact id="c3" name="Cem Öz" display="Cem"/></contacts>')
    report = archived.read(apply=True)
    assert report.programs() == {"Picasa": 6} and report.count(Outcome.LABEL) == 6
    assert who(archived.ledger) == {**ids(archived, "class"), **ids(archived, "turned")}


def test_rect64_may_lack_leading_zeros_and_nonsense_is_none() -> None:
    assert parse_rect64("3f845bcb59418507") == (0.2481, 0.3586, 0.1005, 0.1611)
    assert parse_rect64("1000200030004") == parse_rect64("0001000200030004")
    assert parse_rect64("ffff000000000000") is None
    assert parse_ini(b"faces=rect64(,a\n[x.jpg]\nfaces=\xff\n[").faces == {"x.jpg": ()}


def test_only_the_chosen_people_and_years_are_read(archived: Archived) -> None:
    archived.file("class.jpg.xmp").write_bytes(archived.packet("class", NAMES))
    report = archived.read(selection=Selection((YEAR,), ("anna", "CEM")))
    assert [one.name for one in report.names] == ["Anna", "Cem"]


def test_our_own_sidecars_are_not_read_back_as_news(named: Archived) -> None:
    named.write(apply=True)
    named.ledger.rename("Anna", "Anja")
    report = named.read()
    assert report.names == () and report.own == 4 * 3


def test_names_of_several_people_are_left_out(archived: Archived) -> None:
    from classface_assets.store.model.roster_entry import RosterEntry

    rows = [RosterEntry("Anna", "7", {YEAR: "3a"}), RosterEntry("Anna", "8", {YEAR: "5c"})]
    archived.ledger.import_roster(rows, "roster.csv")
    archived.file("class.jpg.xmp").write_bytes(archived.packet("class", ["Anna"]))
    report = archived.read(apply=True)
    assert outcomes(report)["Anna"] == (Outcome.LEFT_OUT, "several people have this name here")


def test_damaged_metadata_is_reported_and_the_rest_is_read(archived: Archived) -> None:
    archived.file("turned.jpg.xmp").write_bytes(b"<x")
    archived.file("class.jpg.xmp").write_bytes(archived.packet("class", NAMES))
    report = archived.read()
    assert report.count(Outcome.LABEL) == 3
    assert report.problems == (f"{YEAR}/turned.jpg.xmp: its XMP is damaged and cannot be read",)


def test_a_sidecar_of_lightroom_with_a_crop_and_a_turned_photo_is_read(archived: Archived) -> None:
    shutil.copy(FIXTURES / "lightroom.xmp", archived.file("turned.jpg.xmp"))
    report = archived.read(new_faces=False)
    assert {one.program for one in report.names} == {"Lightroom"} and len(report.names) == 2


# Frames: a photo of 4000 x 3000 that is stored lying on its side, and one face in the upright photo of 3000 x 4000.
TURNED = PhotoFrame((3000, 4000), 6)
FACE: Box = (300.0, 400.0, 300.0, 400.0)
STORED: Box = (0.1, 0.8, 0.1, 0.1)
SHOWN: Box = (0.1, 0.1, 0.1, 0.1)


def placed(box: Box, applied_to: tuple[int, int] | None, frame: PhotoFrame = TURNED, crop: Box | None = None,
           standard: Standard = Standard.MWG) -> tuple[int | None, str]:  # fmt: skip
    found = place_regions(RegionSet((Region("A", box),), standard, "X", "", applied_to, crop), frame, [FACE])
    return found.faces[0], found.note


def test_regions_of_the_stored_picture_are_turned_with_the_photo() -> None:
    assert placed(STORED, (4000, 3000)) == (0, "")
    assert placed(STORED, (1000, 750)) == (0, ""), "a smaller copy has the same fractions"
    assert placed(STORED, None) == (0, "")


def test_regions_of_the_shown_photo_are_known_by_their_size_or_by_the_face() -> None:
    assert placed(SHOWN, (3000, 4000)) == (0, "drawn in the turned photo")
    assert placed(SHOWN, None) == (0, "drawn in the turned photo")
    assert placed(SHOWN, (4000, 3000)) == (0, "drawn in the turned photo"), "the stated size may be the stored one"
    assert placed(SHOWN, None, standard=Standard.PICASA) == (0, "")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_there_and_back(orientation: int) -> None:
    from classface_assets.services.face_regions.metadata.frames import from_stored_fractions, to_stored_fractions

    frame = PhotoFrame((3000, 4000), orientation, 90)
    there = to_stored_fractions(FACE, frame)
    assert from_stored_fractions([there], frame)[0] == pytest.approx(FACE)


def test_a_crop_of_lightroom_is_taken_back() -> None:
    upright = PhotoFrame((4000, 3000))
    crop = (0.05, 0.1, 0.5, 0.6)  # 2000 x 1800
    face_in_crop = ((300 - 200) / 2000, (400 - 300) / 1800, 300 / 2000, 400 / 1800)
    assert placed(face_in_crop, (2000, 1800), upright, crop) == (0, "drawn in the cropped photo")
    whole = (300 / 4000, 400 / 3000, 300 / 4000, 400 / 3000)
    assert placed(whole, (4000, 3000), upright, crop) == (0, "")


@pytest.mark.parametrize("crop", [(0.05, 0.6, 0.5, 0.4), (0.0, 0.5, 0.5, 0.5)], ids=["other shape", "same shape"])
def test_a_crop_of_a_photo_of_orientation_6_is_taken_back_and_turned(crop: Box) -> None:
    left, top, width, height = crop
    x, y, w, h = STORED
    in_crop = ((x - left) / width, (y - top) / height, w / width, h / height)
    size = (round(4000 * width), round(3000 * height))
    assert placed(in_crop, size, TURNED, crop) == (0, "drawn in the cropped photo")


def test_a_file_that_was_cropped_since_is_doubtful_and_makes_no_new_face() -> None:
    square = PhotoFrame((3000, 3000))
    regions = RegionSet((Region("A", (0.7, 0.7, 0.1, 0.1)),), Standard.MWG, "X", "", (4000, 3000))
    found = place_regions(regions, square, [FACE])
    assert found.faces == (None,) and found.doubtful and "4000 × 3000, but the file has 3000 × 3000" in found.note


def test_regions_of_a_file_that_was_cropped_count_where_all_of_several_lie_on_faces(archived: Archived) -> None:
    data = archived.packet("class", ["Anna", "Ben"]).replace(b">640<", b">900<")
    archived.file("class.jpg.xmp").write_bytes(data)
    report = archived.read()
    assert report.count(Outcome.LABEL) == 2
    assert "900 × 480, but the file has 640 × 480" in report.names[0].reason
    data = archived.packet("class", ["Anna"]).replace(b">640<", b">900<")
    archived.file("class.jpg.xmp").write_bytes(data)
    assert outcomes(archived.read())["Anna"][0] == Outcome.LEFT_OUT, "a single one may lie on a face by chance"


def test_digikam_writes_two_forms_and_each_name_counts_once(archived: Archived) -> None:
    packet = (FIXTURES / "digikam.xmp").read_bytes()
    assert len(read_regions(packet).sets) == 2
    archived.file("class.jpg.xmp").write_bytes(packet)
    report = archived.read()
    assert len(report.names) == 2 and report.untied == ((f"{YEAR}/class.jpg", "Dora Kim"),)
