"""Exports of an archive: ZIP files with their manifest, tables and prints, and that they show whom albums show."""

import csv
import io
import resource
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from classface_assets.albums.anonymization import COVER_GREY
from classface_assets.albums.exports.archive import ArchiveFile, plan_archive
from classface_assets.albums.exports.contents import ExportContents, SelectionError, select_photos
from classface_assets.albums.exports.tables import face_table
from classface_assets.core.layout import ArchiveLayout
from classface_assets.services.exports.contents import (
    SelectionRequest,
    current_view,
    load_contents,
    resolve_selection,
)
from classface_assets.services.exports.coverage import measure_coverage
from classface_assets.services.exports.documents import ExportSource
from classface_assets.services.exports.photo_archive import PhotoArchive, prepare_archive
from classface_assets.store.model.purposes import Purpose
from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets_tests.support.named_school import YEAR, School

WHOLE_YEAR = SelectionRequest(years=[YEAR])


def contents_of(school: School, purpose: Purpose = Purpose.ALBUM) -> ExportContents:
    return load_contents(school.archive, current_view(school.archive), purpose)


def source_of(school: School, request: SelectionRequest, purpose: Purpose = Purpose.ALBUM) -> ExportSource:
    view = current_view(school.archive)
    contents = load_contents(school.archive, view, purpose)
    return ExportSource.of(school.layout, contents, resolve_selection(contents, view, request))


def archive_of(school: School, request: SelectionRequest, purpose: Purpose = Purpose.ALBUM) -> PhotoArchive:
    return prepare_archive(school.layout, source_of(school, request, purpose).selected)


def unpacked(archive: PhotoArchive) -> dict[str, bytes]:
    content = b"".join(archive.stream())
    assert len(content) == archive.plan.size
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        assert file.testzip() is None
        return {name: file.read(name) for name in file.namelist()}


def manifest_of(files: dict[str, bytes]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(files["manifest.csv"].decode("utf-8-sig"))))


def test_a_zip_holds_the_originals_byte_for_byte_and_a_manifest_of_who_is_in_them(school: School) -> None:
    files = unpacked(archive_of(school, WHOLE_YEAR))
    for name in ("anna", "class", "pair"):
        assert files[f"{YEAR}/{name}.jpg"] == school.original(name).read_bytes()
    rows = manifest_of(files)
    assert {row["photo"]: row["people"] for row in rows} == {
        f"{YEAR}/anna.jpg": "Anna", f"{YEAR}/class.jpg": "Anna; Ben; Cem", f"{YEAR}/pair.jpg": "Ben; Cem",
    }  # fmt: skip
    assert {row["file"] for row in rows} == files.keys() - {"manifest.csv"}


def test_the_same_export_has_the_same_bytes_and_etag_and_another_one_has_not(school: School) -> None:
    first, again, other = (
        archive_of(school, request) for request in (WHOLE_YEAR, WHOLE_YEAR, SelectionRequest(["Anna"]))
    )
    with other:
        assert first.plan.etag == again.plan.etag != other.plan.etag
    assert b"".join(first.stream()) == b"".join(again.stream())
    school.ledger.rename("Anna", "Anna Weiss")
    with archive_of(school, WHOLE_YEAR) as renamed:
        assert renamed.plan.etag != first.plan.etag


def test_permissions_are_in_a_zip_and_change_its_etag_too(school: School) -> None:
    before = archive_of(school, WHOLE_YEAR)
    old = b"".join(before.stream())
    school.original("pair").chmod(0o600)
    after = archive_of(school, WHOLE_YEAR)
    assert old != b"".join(after.stream()) and before.plan.etag != after.plan.etag


def test_a_download_that_broke_anywhere_goes_on_with_the_rest(school: School) -> None:
    with archive_of(school, WHOLE_YEAR) as archive:
        whole = b"".join(archive.plan.stream())
        for broken_at in (1, 29, 1000, len(whole) // 2, len(whole) - 1):
            assert whole[:broken_at] + b"".join(archive.plan.stream(broken_at)) == whole
        assert b"".join(archive.plan.stream(100, 2000)) == whole[100:2000]


def test_temporary_files_go_when_the_reader_goes_away(school: School) -> None:
    archive = archive_of(replace(school, refused="box"), WHOLE_YEAR)
    folder, stream = Path(archive.folder.name), archive.stream()
    next(stream)
    assert folder.exists()
    stream.close()
    assert not folder.exists()


def test_photos_of_somebody_who_refused_are_left_out_counted_and_nobody_is_named(school: School) -> None:
    school.ledger.set_consent("Anna", False, [Purpose.ALBUM])
    source = source_of(school, WHOLE_YEAR)
    files = unpacked(prepare_archive(school.layout, source.selected))
    assert files.keys() == {"manifest.csv", f"{YEAR}/pair.jpg"}
    assert b"Anna" not in files["manifest.csv"]
    assert manifest_of(files)[-1]["note"] == "left out: 2 photos of somebody who may not be shown"
    assert face_table(source.selected, source.contents.roster)["name"].to_list() == ["Ben", "Cem"]
    assert len(unpacked(archive_of(school, WHOLE_YEAR, Purpose.YEARBOOK))) == 4, "asked for albums only"


def test_who_refused_has_nothing_to_export_and_neither_has_a_hidden_person(school: School) -> None:
    school.ledger.hide("Anna")
    with pytest.raises(SelectionError, match="No photo belongs"):
        source_of(school, SelectionRequest(["Anna"]))
    school.ledger.set_consent("Ben", False)
    with pytest.raises(SelectionError, match="All 2 photos of this selection may not be shown"):
        source_of(school, SelectionRequest(["Cem"]))


@pytest.mark.parametrize("cover", ["box", "blur"])
def test_with_covered_faces_a_zip_has_covered_copies_and_says_so(school: School, cover: str) -> None:
    school.ledger.set_consent("Anna", False)
    covering = replace(school, refused=cover)  # type: ignore[arg-type]
    files = unpacked(archive_of(covering, WHOLE_YEAR))
    assert files.keys() == {"manifest.csv", f"{YEAR}/class.jpg", f"{YEAR}/pair.jpg"}
    with Image.open(io.BytesIO(files[f"{YEAR}/class.jpg"])) as picture:
        shown = np.asarray(picture.convert("RGB"), float)
        assert "Anna" not in str(dict(picture.getexif()))
    with Image.open(school.original("class")) as picture:
        original = np.asarray(picture.convert("RGB"), float)
    assert np.abs(shown - original)[20:80, 20:80].mean() > 20
    if cover == "box":
        assert np.abs(shown[20:80, 20:80] - COVER_GREY).max() < 4
    notes = {row["photo"]: row["note"] for row in manifest_of(files)}
    assert "is covered" in notes[f"{YEAR}/class.jpg"] and notes[f"{YEAR}/pair.jpg"] == ""
    again = archive_of(covering, WHOLE_YEAR)
    assert b"".join(again.stream()) and again.plan.etag == _etag(covering)


def _etag(school: School) -> str:
    with archive_of(school, WHOLE_YEAR) as archive:
        return archive.plan.etag


def test_a_photo_that_is_gone_is_noted_and_the_others_are_exported(school: School) -> None:
    school.original("pair").unlink()
    files = unpacked(archive_of(school, WHOLE_YEAR))
    assert f"{YEAR}/pair.jpg" not in files and len(files) == 3
    notes = {row["photo"]: row["note"] for row in manifest_of(files)}
    assert notes[f"{YEAR}/pair.jpg"] == "left out: it is no longer in the photos folder"


def test_photos_are_chosen_by_class_person_year_and_folder_and_all_conditions_count(school: School) -> None:
    entries = [RosterEntry("Anna", "17", {YEAR: "5 B"}), RosterEntry("Cem", "18", {YEAR: "6a"})]
    school.ledger.import_roster(entries, "roster.csv")

    def chosen(request: SelectionRequest) -> list[str]:
        return sorted(path.rsplit("/")[-1] for path in source_of(school, request).selected.photos["path"])

    assert chosen(SelectionRequest(classes=["5b"])) == ["anna.jpg", "class.jpg"]
    assert chosen(SelectionRequest(["Cem"], classes=["6A"])) == ["class.jpg", "pair.jpg"]
    assert chosen(SelectionRequest(["Ben"], photos=[f"{YEAR}/pair.jpg"])) == ["pair.jpg"]
    assert chosen(SelectionRequest(photos=[YEAR])) == ["anna.jpg", "class.jpg", "pair.jpg"]
    table = face_table(source_of(school, SelectionRequest(classes=["5b"])).selected, contents_of(school).roster)
    assert table.select("name", "class", "student_id", "row", "position").unique().rows() == [
        ("Anna", "5 B", "17", 1, 1)
    ]


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (SelectionRequest(), "Choose a person"),
        (SelectionRequest(["Nobody"]), "Nobody has the name Nobody"),
        (SelectionRequest(classes=["5b"]), "No roster with classes was imported"),
        (SelectionRequest(years=["1999"]), f"There is no school year 1999; choose one of {YEAR}"),
        (SelectionRequest(photos=["x.jpg"]), "There is no photo or folder x.jpg"),
    ],
)
def test_what_cannot_be_chosen_is_said_in_one_sentence(
    school: School, request_: SelectionRequest, sentence: str
) -> None:
    with pytest.raises(SelectionError, match=sentence):
        source_of(school, request_)


def test_a_name_given_a_moment_ago_counts_at_once(school: School) -> None:
    school.ledger.rename("Cem", "=Cem")
    selected = select_photos(contents_of(school), resolve_selection(
        contents_of(school), current_view(school.archive), SelectionRequest(["=Cem"])))  # fmt: skip
    assert selected.photos.height == 2 and set(selected.subjects["person_name"]) == {"=Cem"}


def test_coverage_of_an_archive_counts_the_roster_and_leaves_out_who_refused(school: School) -> None:
    entries = [RosterEntry("Anna", "17", {YEAR: "5b"}), RosterEntry("Dora", "18", {YEAR: "5b"})]
    school.ledger.import_roster([*entries, RosterEntry("Eve", "19", {YEAR: "5b"}, consent=False)], "roster.csv")
    report = measure_coverage(school.archive, goal=3)
    assert report.students.select("name", "appearances").rows() == [("Ben", 2), ("Cem", 2), ("Dora", 0), ("Anna", 2)]
    assert report.not_shown == 1 and report.summaries[0].missing == 1
    assert b"Dora" in report.csv() and b"Eve" not in report.csv()
    with pytest.raises(SelectionError, match="no school year"):
        measure_coverage(school.archive, 3, "1999-2000")


def test_memory_stays_flat_however_large_the_archive_is(layout: ArchiveLayout, tmp_path: Path) -> None:
    files = []
    for number in range(2000):
        photo = tmp_path / f"{number}.jpg"
        with photo.open("wb") as file:
            file.truncate(200_000)
        files.append(ArchiveFile(f"a/{number}.jpg", photo))
    plan = plan_archive(files)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert sum(map(len, plan.stream())) == plan.size > 400_000_000
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < 64, f"{grown:.0f} MB"
