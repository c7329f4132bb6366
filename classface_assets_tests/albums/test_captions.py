"""Captions of group photos: rows and positions, names by consent, missing names, doubtful places, text and CSV."""

import csv
import io
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from classface_assets.albums.captions import (
    ANONYMOUS,
    MISSING_NAME,
    CaptionFace,
    PlaceStatus,
    caption_csv,
    caption_lines,
    caption_text,
    create_caption,
)
from classface_assets.cli.__main__ import cli
from classface_assets.core.geometry import Box
from classface_assets.services.archive_view.cache import ArchiveViewCache
from classface_assets.services.photos.captions import (
    CaptionSource,
    NoCaptionError,
    caption_file,
    photo_caption,
    year_captions,
)
from classface_assets.store.model.purposes import Purpose
from classface_assets_tests.support.named_school import YEAR, School

NAMES = ("Ada Quill", "Ben Ode", "Cem Öz", "Dina Roe", "Eli Sim", "Fay Ten")


def face(name: str, at: int, row: int, status: PlaceStatus = PlaceStatus.NAMED) -> CaptionFace:
    box: Box = (100.0 * at, 100.0 * row, 50.0, 60.0)
    return CaptionFace(f"{row}{at}", box, status, name if status is PlaceStatus.NAMED else "", confirmed=True)


def class_of_six() -> list[CaptionFace]:
    return [face(name, n % 3, n // 3) for n, name in enumerate(NAMES)]


def test_a_caption_reads_row_by_row_from_left_to_right() -> None:
    caption = create_caption(class_of_six()[::-1])
    assert caption.text == (
        "Back row, left to right: Ada Quill, Ben Ode, Cem Öz; Front row: Dina Roe, Eli Sim, Fay Ten."
    )
    assert caption.sure and not caption.missing
    assert create_caption([]).text == caption_text([]) == ""
    assert create_caption(class_of_six()[:1]).text == "Ada Quill."
    assert create_caption(class_of_six()[:2]).text == "Left to right: Ada Quill, Ben Ode."


def test_missing_names_are_marked_and_counted() -> None:
    faces = class_of_six()
    faces[0] = face("", 0, 0, PlaceStatus.MISSING)
    faces[4], faces[5] = face("", 1, 1, PlaceStatus.MISSING), face("", 2, 1, PlaceStatus.MISSING)
    caption = create_caption(faces)
    assert caption.missing == 3
    assert caption.text == (
        f"Back row, left to right: {MISSING_NAME}, Ben Ode, Cem Öz; Front row: Dina Roe, [2 names missing]."
    )
    assert "To do: 3 names missing." in caption_lines([("2020", "a.jpg", caption)])


def test_somebody_who_is_no_student_counts_for_the_rows_and_is_not_mentioned() -> None:
    faces = class_of_six()
    faces[1] = face("Visitor", 1, 0, PlaceStatus.LEFT_OUT)
    caption = create_caption(faces)
    assert [place.position for place in caption.rows[0].places] == [1, 2]
    assert "Visitor" not in caption.text and ANONYMOUS not in caption.text


def test_doubtful_places_are_listed_in_sentences() -> None:
    faces = [face(name, n, 0) for n, name in enumerate(NAMES)]
    faces[3] = replace(faces[3], box=(205.0, 4.0, 50.0, 60.0))  # a head right above another one
    caption = create_caption(faces)
    assert not caption.sure and any("Dina Roe" in doubt and "not certain" in doubt for doubt in caption.doubts)
    assert "To check: " in caption_lines([("2020", "a.jpg", caption)])


def test_csv_has_a_line_for_each_place_and_no_formula() -> None:
    faces = class_of_six()
    faces[0] = replace(faces[0], name="=HYPERLINK(1)")
    rows = list(csv.DictReader(io.StringIO(caption_csv([("2020", "2020/a.jpg", create_caption(faces))]))))
    assert len(rows) == 6 and rows[0]["name"] == "'=HYPERLINK(1)"
    assert [(row["row"], row["position"]) for row in rows] == [(r, p) for r in "12" for p in "123"]
    assert rows[4] == {
        "school_year": "2020", "path": "2020/a.jpg", "row": "2", "row_name": "Front row", "position": "2",
        "name": "Eli Sim", "status": "named", "place_is_sure": "yes", "confirmed": "yes",
    }  # fmt: skip


def caption_of(school: School, photo: str = "class", purpose: Purpose = Purpose.ALBUM) -> str:
    view = ArchiveViewCache(school.layout.database, school.ledger).current()
    found = photo_caption(CaptionSource(view, school.layout.database, school.ledger, purpose), photo)
    return found.caption.text


@pytest.mark.slow
def test_who_may_not_be_shown_is_a_student_in_captions(school: School) -> None:
    assert caption_of(school) == "Left to right: Anna, Ben, Cem."
    school.ledger.set_consent("Anna", False, [Purpose.YEARBOOK])
    assert caption_of(school) == "Left to right: Anna, Ben, Cem."
    assert caption_of(school, purpose=Purpose.YEARBOOK) == "Left to right: a student, Ben, Cem."
    school.ledger.set_consent("Anna", False)
    school.ledger.hide("Cem")
    assert caption_of(school) == "Left to right: a student, Ben, a student."


@pytest.mark.slow
def test_captions_follow_merges_erasures_and_names_that_are_no_students(school: School) -> None:
    school.ledger.merge("Ben", "Cem")
    assert caption_of(school, "pair") == "Left to right: Cem, Cem."
    school.ledger.set_kind("Cem", "not a student")
    assert caption_of(school) == "Anna."
    school.ledger.erase("Anna")
    assert "Anna" not in caption_of(school)


@pytest.mark.slow
def test_captions_of_a_year_are_written_as_csv_or_text(school: School, tmp_path: Path) -> None:
    view = ArchiveViewCache(school.layout.database, school.ledger).current()
    source = CaptionSource(view, school.layout.database, school.ledger)
    found = year_captions(source, YEAR, min_faces=2)
    assert [one.path.rpartition("/")[2] for one in found] == ["class.jpg", "pair.jpg"]
    for name in ("captions.csv", "captions.txt"):
        caption_file(found, tmp_path / name)
        assert "Ben" in (tmp_path / name).read_text()
    with pytest.raises(NoCaptionError, match="neither"):
        caption_file(found, tmp_path / "captions.doc")
    with pytest.raises(NoCaptionError, match="has 4 faces"):
        year_captions(source, YEAR, min_faces=4)


@pytest.mark.slow
def test_the_command_prints_captions_or_writes_them(school: School, tmp_path: Path) -> None:
    run = partial(CliRunner().invoke, cli)
    where = ["captions", "--data", str(school.layout.data), "--photos", str(school.layout.photos)]
    printed = run([*where, "--photo", f"{YEAR}/class.jpg"])
    assert printed.exit_code == 0 and "Left to right: Anna, Ben, Cem." in printed.output
    out = tmp_path / "captions.csv"
    written = run([*where, "--year", YEAR, "--min-faces", "2", "--out", str(out)])
    assert "Captions written to" in written.output and "names missing: 0" in written.output
    assert len(out.read_text().splitlines()) == 1 + 3 + 2
    assert run(where).exit_code == 2 and run([*where, "--photo", "x", "--min-faces", "2"]).exit_code == 2
