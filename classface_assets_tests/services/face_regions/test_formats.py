"""Regions read out of packets as digiKam, Lightroom, Picasa, Windows and Apple write them, and put into them."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from lxml import etree

from classface_assets.services.face_regions.metadata.formats import read_regions
from classface_assets.services.face_regions.metadata.model import Region, RegionError, Standard
from classface_assets.services.face_regions.metadata.packet_update import (
    OwnedNames,
    TargetNames,
    holds_name,
    remove_names,
    update_packet,
)
from classface_assets.services.face_regions.metadata.packets import parse_packet

FIXTURES = Path(__file__).parent / "fixtures"
ANNA, BEN = Region("Anna Weiß", (0.1, 0.2, 0.1, 0.2)), Region('Ben "B" Öz & <Co>', (0.5, 0.25, 0.1, 0.15))
SIZE = (4000, 3000)
EXIFTOOL = shutil.which("exiftool")


def packet(name: str) -> bytes:
    return (FIXTURES / name).read_bytes()


def as_numbers(region: Region) -> tuple[str, list[float]]:
    return region.name, [round(number, 4) for number in region.box]


@pytest.mark.parametrize(
    ("file", "program", "standards", "names"),
    [
        ("digikam.xmp", "digiKam", [Standard.MWG, Standard.MICROSOFT], ["Anna Weiß", "Ben Öz"]),
        ("lightroom.xmp", "Lightroom", [Standard.MWG], ["Anna Weiß", "Cem Yılmaz"]),
        ("picasa.xmp", "Picasa", [Standard.MWG], ["Anna Weiß"]),
        ("windows.xmp", "Windows Photo Gallery", [Standard.MICROSOFT], ["Anna Weiß"]),
        ("exiftool.xmp", "XMP", [Standard.MWG], ["Anna Weiß", "Ben Öz"]),
        ("iptc.xmp", "IPTC", [Standard.IPTC], ["Anna Weiß"]),
    ],
)
def test_the_regions_of_each_program_are_read_with_their_names(
    file: str, program: str, standards: list[Standard], names: list[str]
) -> None:
    content = read_regions(packet(file))
    assert [one.standard for one in content.sets] == standards
    assert {one.program for one in content.sets} == {program}
    assert all([region.name for region in one.regions] == names for one in content.sets)


def test_both_forms_that_digikam_writes_are_one_place() -> None:
    mwg, microsoft = read_regions(packet("digikam.xmp")).sets
    assert list(map(as_numbers, mwg.regions)) == list(map(as_numbers, microsoft.regions))
    assert as_numbers(mwg.regions[0]) == ("Anna Weiß", [0.2766, 0.3511, 0.1199, 0.1867])
    assert mwg.applied_to == (4128, 3096) and mwg.unnamed == 1


def test_pets_barcodes_focus_points_and_unnamed_faces_are_no_names() -> None:
    (mwg,) = read_regions(packet("lightroom.xmp")).sets
    assert [region.name for region in mwg.regions] == ["Anna Weiß", "Cem Yılmaz"] and mwg.unnamed == 1
    assert mwg.crop == (0.1, 0.0, 0.8, 0.8)


def test_a_name_without_a_place_is_listed_apart() -> None:
    content = read_regions(packet("digikam.xmp"))
    assert content.untied == ("Dora Kim",)


def test_areas_in_pixels_and_circles_become_fractions() -> None:
    (mwg,) = read_regions(packet("exiftool.xmp")).sets
    assert as_numbers(mwg.regions[0]) == ("Anna Weiß", [0.1, 0.2, 0.1, 0.2])
    assert as_numbers(mwg.regions[1]) == ("Ben Öz", [0.475, 0.4667, 0.05, 0.0667])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not XML",
        b"<a/>",
        b'<!DOCTYPE r [<!ENTITY a "b">]><x:xmpmeta xmlns:x="adobe:ns:meta/">&a;</x:xmpmeta>',
        b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF",
    ],
)
def test_what_is_no_xmp_is_refused_with_a_reason(data: bytes) -> None:
    with pytest.raises(RegionError):
        read_regions(data)


def test_a_new_packet_has_both_forms_and_the_size_they_apply_to() -> None:
    change = update_packet(None, TargetNames((ANNA, BEN), SIZE), OwnedNames())
    assert change.changed and change.data is not None
    mwg, microsoft = read_regions(change.data).sets
    assert mwg.applied_to == SIZE
    expected = [as_numbers(ANNA), as_numbers(BEN)]
    assert list(map(as_numbers, mwg.regions)) == list(map(as_numbers, microsoft.regions)) == expected


def test_writing_the_same_names_again_changes_no_byte() -> None:
    first = update_packet(None, TargetNames((ANNA, BEN), SIZE, keywords=True), OwnedNames())
    owned = OwnedNames(first.written, first.keywords)
    again = update_packet(first.data, TargetNames((ANNA, BEN), SIZE, keywords=True), owned)
    assert not again.changed and again.data == first.data and set(again.keywords) == {ANNA.name, BEN.name}


def properties(data: bytes) -> dict[str, bytes]:
    """Every property of a packet but regions, in canonical form."""
    rdf = parse_packet(data)
    found = {}
    for description in rdf.findall("{*}Description"):
        found |= {str(name): str(value).encode() for name, value in description.attrib.items()}
        for element in description:
            if not str(element.tag).endswith(("}Regions", "}RegionInfo")):
                element.tail = None
                found[str(element.tag)] = etree.tostring(element, method="c14n", exclusive=True)
    return found


@pytest.mark.parametrize("file", ["digikam.xmp", "darktable.xmp", "windows.xmp"])
def test_everything_else_in_a_sidecar_stays_and_comes_back_as_it_was(file: str) -> None:
    before = packet(file)
    new = Region("Eva Novák", (0.8, 0.8, 0.05, 0.05))
    size = (4128, 3096)
    change = update_packet(before, TargetNames((new,), size), OwnedNames())
    assert change.data is not None
    assert properties(change.data) == properties(before)
    names = [region.name for one in read_regions(change.data).sets for region in one.regions]
    old = [region.name for one in read_regions(before).sets for region in one.regions]
    assert sorted(names) == sorted([*old, new.name, new.name])
    back = remove_names(change.data, OwnedNames((new,)))
    assert back.data is not None and properties(back.data) == properties(before)
    assert [r.name for one in read_regions(back.data).sets for r in one.regions] == old


def test_a_face_that_another_program_named_is_left_to_it() -> None:
    mwg = read_regions(packet("digikam.xmp")).sets[0]
    theirs, other = mwg.regions
    wanted = TargetNames((Region(theirs.name, theirs.box), Region("Somebody Else", other.box)), (4128, 3096))
    change = update_packet(packet("digikam.xmp"), wanted, OwnedNames())
    assert not change.changed and change.written == ()
    assert change.conflicts == (("Somebody Else", other.name),)


def test_an_unnamed_region_gives_way_to_a_name() -> None:
    box = (0.6, 0.6, 0.1, 0.1)  # digiKam's unnamed face
    change = update_packet(packet("digikam.xmp"), TargetNames((Region("Dora Kim", box),), (4128, 3096)), OwnedNames())
    assert change.data is not None
    mwg = read_regions(change.data).sets[0]
    assert mwg.unnamed == 0 and "Dora Kim" in [region.name for region in mwg.regions]


def test_a_renamed_person_and_one_who_was_taken_back_are_replaced() -> None:
    first = update_packet(None, TargetNames((ANNA, BEN), SIZE, keywords=True), OwnedNames())
    renamed = Region("Anna Weiß-Öz", ANNA.box)
    second = update_packet(
        first.data, TargetNames((renamed,), SIZE, keywords=True), OwnedNames(first.written, first.keywords)
    )
    assert second.data is not None
    assert {r.name for one in read_regions(second.data).sets for r in one.regions} == {renamed.name}
    assert not holds_name(second.data, ANNA.name) and not holds_name(second.data, BEN.name)
    assert holds_name(second.data, renamed.name)


def test_keywords_of_other_programs_stay_when_ours_are_taken_back() -> None:
    before = packet("digikam.xmp")
    dora = Region("Dora Kim", (0.6, 0.6, 0.1, 0.1))
    change = update_packet(before, TargetNames((dora,), (4128, 3096), keywords=True), OwnedNames())
    assert change.keywords == (), "digiKam has her as a tag"
    new = Region("Eva Novák", (0.8, 0.8, 0.05, 0.05))
    change = update_packet(before, TargetNames((new,), (4128, 3096), keywords=True), OwnedNames())
    assert change.data is not None and change.keywords == (new.name,)
    assert "People/Eva Novák".encode() in change.data and "People|Eva Novák".encode() in change.data
    back = remove_names(change.data, OwnedNames((new,), change.keywords))
    assert back.data is not None and properties(back.data) == properties(before)


def test_nothing_is_left_of_a_packet_that_held_only_ours() -> None:
    change = update_packet(None, TargetNames((ANNA,), SIZE, keywords=True), OwnedNames())
    assert change.data is not None
    back = remove_names(change.data, OwnedNames(change.written, change.keywords))
    assert back.changed and back.data is None


def test_regions_of_another_frame_are_not_mixed_with_ours() -> None:
    with pytest.raises(RegionError, match="refer to a picture of 4128 × 3096"):
        update_packet(packet("digikam.xmp"), TargetNames((ANNA,), (3000, 3000)), OwnedNames())


@pytest.mark.skipif(EXIFTOOL is None, reason="exiftool (libimage-exiftool-perl) is not installed")
@pytest.mark.parametrize("file", [None, "digikam.xmp", "lightroom.xmp"])
def test_exiftool_reads_what_is_written_as_the_standards_have_it(file: str | None, tmp_path: Path) -> None:
    size = {"digikam.xmp": (4128, 3096), "lightroom.xmp": (6000, 4000)}.get(file or "", SIZE)
    new = Region("Eva Novák", (0.8, 0.8, 0.05, 0.05))
    change = update_packet(file and packet(file), TargetNames((new,), size, keywords=True), OwnedNames())
    assert change.data is not None
    sidecar = tmp_path / "photo.jpg.xmp"
    sidecar.write_bytes(change.data)
    command = [str(EXIFTOOL), "-json", "-struct", "-validate", "-warning", "-a", "-XMP:all", str(sidecar)]
    (read,) = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    area = {"X": 0.825, "Y": 0.825, "W": 0.05, "H": 0.05, "Unit": "normalized"}
    ours = [region for region in read["RegionInfo"]["RegionList"] if region.get("Name") == new.name]
    assert ours == [{"Area": area, "Name": new.name, "Type": "Face"}]
    assert read["RegionInfo"]["AppliedToDimensions"] == {"W": size[0], "H": size[1], "Unit": "pixel"}
    people = [one for one in read["RegionInfoMP"]["Regions"] if one["PersonDisplayName"] == new.name]
    assert people == [{"PersonDisplayName": new.name, "Rectangle": "0.800000, 0.800000, 0.050000, 0.050000"}]
    assert new.name in read["Subject"] and f"People|{new.name}" in read["HierarchicalSubject"]
    assert f"People/{new.name}" in read["TagsList"]
    # Exiv2, and so digiKam, writes this namespace with a slash that Microsoft's own lacks.
    assert read.get("Warning", "") in ("", "[minor] Fixed incorrect URI for xmlns:MicrosoftPhoto")
