"""The portraits that a photographer's index names, found whatever the form, the case and the slashes of their names."""

import unicodedata

import polars as pl
import pytest

from classface_assets.services.photos.roster_portraits import PortraitMatcher, PortraitMatches
from classface_assets.store.ledger.ledger import Ledger
from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets.store.roster.file import read_roster
from classface_assets_tests.support.helpers import event, face

YEAR = "2018-2019"


def search(index: str, *paths: str, near: str = YEAR) -> PortraitMatches:
    """The portraits of an index among photos of one face each, which lie at these paths."""
    roster = read_roster(index.encode(), YEAR)
    photos = pl.DataFrame(
        [(f"photo {n}", YEAR, path, "ok", "") for n, path in enumerate(paths)],
        ["asset_id", "school_year", "path", "status", "reason"],
        orient="row",
    )
    faces = pl.DataFrame(
        [(f"face {n}", f"photo {n}", 0.1, 0.1, 0.5, 0.5) for n in range(len(paths))],
        ["face_id", "asset_id", "bbox_x", "bbox_y", "bbox_w", "bbox_h"],
        orient="row",
    )
    rows = [entry.payload() for entry in roster.entries]
    events = [event(1, "roster_imported", source="INDEX.TXT", digest="d", entries=rows)]
    return PortraitMatcher.of(photos, faces, events, near).match(zip(roster.lines, roster.entries, strict=True))


@pytest.mark.parametrize("in_index", ["NFC", "NFD"])
@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
def test_a_name_is_found_on_disk_whatever_its_unicode_form_and_case(in_index: str, on_disk: str) -> None:
    index = unicodedata.normalize(in_index, "V\tKLASSE É\tJÖRG_MÜLLER.JPG\t3\tMüller\tJörg\t3a\n")  # type: ignore[arg-type]
    path = unicodedata.normalize(on_disk, f"{YEAR}/Klasse é/Jörg_Müller.jpg")  # type: ignore[arg-type]
    found = search(index, path, f"{YEAR}/Klasse é/other.jpg", near=unicodedata.normalize("NFD", YEAR))
    assert found.rejected == () and [face.face_id for _, face in found.named] == ["face 0"]


@pytest.mark.parametrize("folder", ["A\\B", "\\A\\B\\", "A/B", "./A/B", ".\\a\\b"])
def test_slashes_of_either_kind_lead_to_the_file(folder: str) -> None:
    found = search(f"V\t{folder}\t1.JPG\t3\tWeiss\tAnna\t3a\n", f"{YEAR}/A/B/1.jpg", f"{YEAR}/C/B/1.jpg")
    assert found.rejected == () and found.named[0][1].face_id == "face 0"


def test_of_two_files_that_differ_in_case_the_one_that_is_written_so_is_meant() -> None:
    found = search("V\tA\tb.jpg\t3\tWeiss\tAnna\t3a\n", f"{YEAR}/A/B.JPG", f"{YEAR}/A/b.jpg")
    assert found.named[0][1].face_id == "face 1"
    unclear = search("V\tA\tB.jpg\t3\tWeiss\tAnna\t3a\n", f"{YEAR}/A/B.JPG", f"{YEAR}/A/b.jpg")
    assert unclear.rejected[0][1].startswith("2 photos are called A/B.jpg")


def test_portraits_of_students_of_one_name_go_to_each_by_their_id() -> None:
    table = "Name,Student ID,Class,School year,Image file name\n"
    table += f"Anna Weiss,7,3a,{YEAR},1.jpg\nAnna Weiss,8,5c,{YEAR},2.jpg\nAnna Weiss,,,{YEAR},3.jpg\n"
    found = search(table, *(f"{YEAR}/{number}.jpg" for number in (1, 2, 3)))
    assert found.students == {"face 0": "id:7", "face 1": "id:8"}
    assert found.rejected == ((4, "3 students are called Anna Weiss"),)


def test_a_portrait_of_one_of_two_students_of_a_name_is_theirs_alone(ledger: Ledger) -> None:
    rows = [RosterEntry("Anna Weiss", "7", {YEAR: "3a"}), RosterEntry("Anna Weiss", "8", {YEAR: "5c"})]
    ledger.import_roster(rows, "INDEX.TXT")
    faces = [face("first", "p1"), face("second", "p2")]
    ledger.label_imported([("Anna Weiss", f) for f in faces], None, {"first": "id:7", "second": "id:8"})
    decisions = ledger.decisions()
    people = {f: decisions.persons[mark.person_id] for f, mark in decisions.labels.items()}
    assert {f: person.student_id for f, person in people.items()} == {"first": "7", "second": "8"}
    assert people["first"].display_name != people["second"].display_name
