"""Exports on frames and pictures: ranges of a ZIP file, portraits, crops, the PSPA index, tables and printed pages."""

import io
import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pypdfium2
import pytest
from openpyxl import load_workbook
from PIL import Image, ImageDraw

from classface_assets.albums.exports.archive import ArchiveChangedError, ArchiveFile, parse_range, plan_archive
from classface_assets.albums.exports.captions import photo_captions
from classface_assets.albums.exports.head_crop import EYE_LINE, HEIGHT, WIDTH, cut_portrait, head_height, plan_crop
from classface_assets.albums.exports.manifest import as_plain_cell
from classface_assets.albums.exports.portraits import best_portraits, score_portraits
from classface_assets.albums.exports.print.album import Chapter, PrintedPhoto, arrange_photos, print_album
from classface_assets.albums.exports.print.contact_sheet import SheetGroup, SheetPerson, contact_sheet
from classface_assets.albums.exports.print.document import PrintOptions
from classface_assets.albums.exports.print.fonts import choose_fonts
from classface_assets.albums.exports.pspa import INDEX_COLUMNS, PspaPerson, image_name, index_text
from classface_assets.albums.exports.tables import TableFormat, encode_table
from classface_assets.store.roster.file import read_roster
from classface_assets.store.roster.table import RosterOptions

NAMES = ["Łukasz Żółć", "محمد علي", "王小明", "क्षत्रिय राज", "김민준", "יוסף כהן", "Мария", "สมชาย", "Ünal Öz", "தமிழ்"]


def landmarks_at(x: float, y: float, interocular: float, tilt: float = 0.0) -> list[float]:
    """A frontal face: eyes, nose and corners of the mouth around the point between the eyes, turned by degrees."""
    shape = np.array([[-0.5, 0], [0.5, 0], [0, 0.55], [-0.4, 1.05], [0.4, 1.05]]) * interocular
    angle = math.radians(tilt)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    return [float(v) for v in (shape @ turn + [x, y]).ravel()]


def face_row(
    face: str, asset: str, person: str | None, x: float = 500, size: float = 110, **more: object
) -> dict[str, object]:
    row = {
        "face_id": face,
        "asset_id": asset,
        "path": f"2019-2020/trip/{asset}.jpg",
        "school_year": "2019-2020",
        "bbox_x": x - size,
        "bbox_y": 400 - size,
        "bbox_w": 2 * size,
        "bbox_h": 2.4 * size,
        "landmarks": landmarks_at(x, 400, size),
        "quality_score": 0.9,
        "blur": 200.0,
        "yaw": 0.0,
        "pitch": 0.0,
        "roll": 0.0,
        "outside": 0.0,
        "detection_confidence": 0.9,
        "assignment_probability": 1.0,
        "confirmed": False,
        "cropped": True,
        "person_id": person,
        "person_name": person,
        "plain_name": person,
    }
    return row | more


def photo_frame(*assets: str) -> pl.DataFrame:
    rows = [
        {"asset_id": a, "school_year": "2019-2020", "width": 2000, "height": 1500, "taken_at": None} for a in assets
    ]
    return pl.DataFrame(rows, schema_overrides={"taken_at": pl.Datetime("us")})


def pages_of(content: bytes) -> list[str]:
    with pypdfium2.PdfDocument(content) as document:
        return [page.get_textpage().get_text_range() for page in document]


def rendered(content: bytes, page: int = 0) -> np.ndarray:
    with pypdfium2.PdfDocument(content) as document:
        return np.asarray(document[page].render(scale=1).to_pil().convert("L"), float)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-", (0, 100)),
        ("bytes=40-59", (40, 60)),
        ("bytes=90-900", (90, 100)),
        ("bytes=-1", (99, 100)),
        ("bytes=-900", (0, 100)),
        ("bytes=0-1,5-6", None),
        ("bytes=-", None),
        ("bytes=7-3", None),
        ("lines=1-2", None),
    ],
)
def test_a_range_of_bytes_is_read_as_http_defines_it(header: str, expected: tuple[int, int] | None) -> None:
    assert parse_range(header, 100) == expected


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=-0", "bytes=5000-6000"])
def test_a_range_beyond_the_end_cannot_be_answered(header: str) -> None:
    with pytest.raises(ValueError, match="no byte"):
        parse_range(header, 100)


def test_a_file_that_changes_while_it_is_sent_breaks_the_download_instead_of_mixing_two_versions(
    tmp_path: Path,
) -> None:
    photo = tmp_path / "a.jpg"
    photo.write_bytes(bytes(5000))
    plan = plan_archive([ArchiveFile("a.jpg", photo)])
    photo.write_bytes(bytes(7000))
    with pytest.raises(ArchiveChangedError, match="changed while"):
        list(plan.stream())
    assert plan_archive([ArchiveFile("a.jpg", photo)]).etag != plan.etag


def test_no_spreadsheet_takes_a_name_for_a_formula() -> None:
    names = ["=cmd|' /C calc'!A0", "+1", "-1", "@x", "Anna", ""]
    assert [as_plain_cell(name) for name in names] == ["'=cmd|' /C calc'!A0", "'+1", "'-1", "'@x", "Anna", ""]
    table = pl.DataFrame({"name": names, "n": range(6)})
    assert b"'=cmd" in encode_table(table, TableFormat.CSV)
    sheet = load_workbook(io.BytesIO(encode_table(table, TableFormat.XLSX))).active
    assert sheet is not None and sheet["A2"].value == names[0] and sheet["A2"].data_type == "s"
    assert pl.read_parquet(encode_table(table, TableFormat.PARQUET)).equals(table)


@pytest.mark.parametrize("tilt", [-20.0, 0.0, 12.0])
def test_a_portrait_has_level_eyes_at_the_height_that_publishers_ask_for(tilt: float) -> None:
    size = 150.0
    photo = Image.new("RGB", (3000, 2400), "white")
    draw = ImageDraw.Draw(photo)
    marks = landmarks_at(1500, 1000, size, tilt)
    for x, y in zip(marks[0:4:2], marks[1:4:2], strict=True):
        draw.ellipse((x - 14, y - 14, x + 14, y + 14), fill="black")
    crop = plan_crop(marks, photo.width, photo.height)
    assert crop.inside == 1 and crop.tilt == pytest.approx(tilt, abs=1e-3)
    cut = np.asarray(cut_portrait(photo, crop).convert("L"))
    assert cut.shape == (HEIGHT, WIDTH)
    rows, columns = np.nonzero(cut < 100)
    assert rows.mean() == pytest.approx(EYE_LINE * HEIGHT, abs=2) and columns.mean() == pytest.approx(WIDTH / 2, abs=2)
    left, right = rows[columns < WIDTH / 2].mean(), rows[columns > WIDTH / 2].mean()
    assert left == pytest.approx(right, abs=1.5)
    assert head_height(marks) * crop.scale == pytest.approx(HEIGHT / 2, rel=0.01)
    small = photo.resize((1500, 1200), Image.Resampling.LANCZOS)
    again = np.asarray(cut_portrait(small, crop, 0.5).convert("L"))
    assert np.abs(again.astype(float) - cut).mean() < 2


def test_a_head_that_is_turned_or_nods_is_as_high_as_a_frontal_one() -> None:
    frontal = np.array(landmarks_at(0, 0, 100)).reshape(5, 2)
    turned, nodding = frontal * [0.6, 1.0], frontal * [1.0, 0.6]
    heights = [head_height(list(marks.ravel())) for marks in (frontal, turned, nodding)]
    assert heights == pytest.approx([heights[0]] * 3, rel=0.02)


def test_a_head_at_the_edge_of_the_photo_is_shown_larger_before_its_edge_is_stretched() -> None:
    close = plan_crop(landmarks_at(1000, 280, 110), 2000, 1500)
    roomy = plan_crop(landmarks_at(1000, 700, 110), 2000, 1500)
    assert close.scale > roomy.scale and close.inside == 1
    corner = plan_crop(landmarks_at(60, 60, 110), 2000, 1500)
    assert corner.inside < 0.8
    filled = np.asarray(cut_portrait(Image.new("RGB", (2000, 1500), (200, 10, 10)), corner))
    assert (filled == [200, 10, 10]).all()


WORSE = {
    "turned away": {"yaw": 40.0},
    "looking down": {"pitch": 30.0},
    "blurred": {"blur": 15.0},
    "badly detected": {"quality_score": 0.3},
    "small": {"size": 30},
    "at the edge": {"x": 40},
    "perhaps somebody else": {"assignment_probability": 0.3},
}


@pytest.mark.parametrize("flaw", WORSE)
def test_the_best_portrait_is_not_the_one_that_is(flaw: str) -> None:
    more = dict(WORSE[flaw])
    place = {name: float(more.pop(name)) for name in ("x", "size") if name in more}
    rows = [face_row("flawed", "a", "p", **place, **more), face_row("good", "b", "p")]  # type: ignore[arg-type]
    best = best_portraits(pl.DataFrame(rows), photo_frame("a", "b"))
    assert best["face_id"].to_list() == ["good"]
    scores = dict(score_portraits(pl.DataFrame(rows), photo_frame("a", "b")).select("face_id", "score").iter_rows())
    assert scores["flawed"] < 0.9 * scores["good"]


def test_who_is_alone_on_a_photo_has_the_better_portrait_there_and_one_beside_a_covered_face_none() -> None:
    rows = [
        face_row("together", "a", "p", x=500),
        face_row("other", "a", None, x=760),
        face_row("alone", "b", "p"),
        face_row("beside", "c", "q", cropped=False),
    ]
    best = best_portraits(pl.DataFrame(rows), photo_frame("a", "b", "c"))
    assert best.select("person_id", "face_id").rows() == [("p", "alone")]
    scores = dict(
        score_portraits(pl.DataFrame(rows), photo_frame("a", "b", "c")).select("face_id", "alone").iter_rows()
    )
    assert scores["together"] < 0.5 < scores["alone"] == 1


def test_a_label_makes_a_face_as_sure_as_it_can_be() -> None:
    rows = [face_row("labelled", "a", "p", confirmed=True, assignment_probability=None), face_row("auto", "b", "p")]
    scored = dict(score_portraits(pl.DataFrame(rows), photo_frame("a", "b")).select("face_id", "sure").iter_rows())
    assert scored == {"labelled": 1.0, "auto": 1.0}


def test_the_index_is_read_back_by_the_importer_of_photographers_rosters() -> None:
    people = [
        PspaPerson(image_name(1), "Anna Maria von der Heide", "5b"),
        PspaPerson(image_name(2), "王小明", "10 a"),
        PspaPerson(image_name(3), "Eve\tTeacher", is_staff=True),
    ]
    text = index_text("Test\nschool", people)
    rows = [line.split("\t") for line in text.removesuffix("\r\n").split("\r\n")]
    assert [len(row) for row in rows] == [len(INDEX_COLUMNS)] * 3
    assert rows[0][:7] == ["Test school", "PORTRAITS", "00000001.JPG", "5", "von der Heide", "Anna Maria", "5b"]
    assert [row[3] for row in rows] == ["5", "10", "Faculty"]
    read = read_roster(text.encode(), "2019-2020", RosterOptions("", (), ()))
    assert [entry.name for entry in read.entries] == ["Anna Maria von der Heide", "王小明", "Eve Teacher"]
    assert read.entries[0].portraits[0][1].endswith("PORTRAITS/00000001.JPG")


def test_a_caption_names_rows_from_left_to_right_and_counts_the_unnamed_where_they_stand() -> None:
    back = [face_row(f"b{n}", "a", name, x=200 + 300 * n) for n, name in enumerate(["Anna", None, None, "محمد"])]
    front = [
        face_row(f"f{n}", "a", name, x=250 + 300 * n, bbox_y=1000.0) for n, name in enumerate(["Cem", "Dora", None])
    ]
    caption = photo_captions(photo_frame("a", "b"), pl.DataFrame([*front, *back]))
    plain = caption["2019-2020", "a"].replace("\N{FIRST STRONG ISOLATE}", "").replace("\N{POP DIRECTIONAL ISOLATE}", "")
    assert plain == ("Back row, left to right: Anna, [2 names missing], محمد; Front row: Cem, Dora, [name missing].")
    assert caption["2019-2020", "b"] == ""


def test_names_of_every_script_are_printed_and_can_be_searched() -> None:
    assert not choose_fonts(NAMES).missing
    people = [SheetPerson(name) for name in NAMES]
    printed = contact_sheet(PrintOptions("Names"), [SheetGroup("5b, 2019-2020", people)], out := io.BytesIO())
    assert printed.missing == frozenset() and printed.pages == 1
    (text,) = pages_of(out.getvalue())
    assert "5b, 2019-2020" in text and text.count("no photo") == len(NAMES)
    for name in ("Łukasz Żółć", "王小明", "क्षत्रिय राज", "김민준", "Мария", "Ünal Öz"):
        assert name in text, name
    assert "\N{WHITE SQUARE}" not in text


def test_a_character_that_no_font_has_is_a_square_and_is_reported() -> None:
    private = "\ue5d3"
    printed = contact_sheet(
        PrintOptions("x"), [SheetGroup("5b", [SheetPerson(f"Anna {private}")])], out := io.BytesIO()
    )
    assert printed.missing == {private}
    assert "Anna \N{WHITE SQUARE}" in pages_of(out.getvalue())[0]


def test_a_contact_sheet_shows_each_portrait_above_its_name_and_begins_pages_as_needed() -> None:
    black = Image.new("RGB", (WIDTH, HEIGHT), "black")
    people = [SheetPerson(f"Student {n}", lambda: black) for n in range(26)]
    done: list[tuple[int, int]] = []
    printed = contact_sheet(
        PrintOptions("Sheet"), [SheetGroup("5b", people)], out := io.BytesIO(), lambda *at: done.append(at)
    )
    assert printed.pages == 2 and done[-1] == (26, 26)
    first, second = rendered(out.getvalue()), rendered(out.getvalue(), 1)
    assert (first < 40).mean() > 20 * (second < 40).mean() > 0
    texts = pages_of(out.getvalue())
    assert "Student 24" in texts[0] and "Student 25" in texts[1] and "5b (2)" in texts[1]


def printed_photos(ratios: Sequence[float], large: Sequence[int] = ()) -> list[PrintedPhoto]:
    grey = Image.new("RGB", (40, 30), (90, 90, 90))
    return [PrintedPhoto(ratio, f"Photo {n}", n in large, lambda: grey) for n, ratio in enumerate(ratios)]


def test_rows_of_an_album_are_as_wide_as_the_page_and_every_photo_is_in_one() -> None:
    photos = printed_photos([1.5, 0.67, 1.33, 1.5, 3.0, 0.67, 1.5], large=[4])
    rows = list(arrange_photos(photos, 180))
    assert sorted(p.caption for row in rows for p in row.photos) == sorted(p.caption for p in photos)
    for row in rows:
        assert row.widths == pytest.approx([p.ratio * row.height for p in row.photos])
        assert sum(row.widths) + 4 * (len(row.photos) - 1) <= 180.01
    assert rows[0].height <= 62 and sum(rows[0].widths) + 4 * (len(rows[0].photos) - 1) == pytest.approx(180)


def test_no_sheet_of_a_printed_album_stays_half_empty() -> None:
    ratios = [1.5, 1.33, 0.67, 1.5, 1.0, 1.5, 0.75, 1.33] * 6
    photos = printed_photos(ratios, large=range(0, 48, 5))
    printed = print_album(
        PrintOptions("Album"),
        [Chapter("2018-2019", photos[:30]), Chapter("2019-2020", photos[30:])],
        out := io.BytesIO(),
    )
    text = "\n".join(pages_of(out.getvalue()))
    assert sorted(map(int, re.findall(r"Photo (\d+)", text))) == list(range(48))
    for page in range(printed.pages - 1):
        lines = np.nonzero((rendered(out.getvalue(), page) < 200).any(1))[0]
        body = lines[lines < 790]
        assert body.max() > 0.62 * 842, f"page {page + 1} ends at {body.max()}"


def test_a_photo_that_cannot_be_read_any_more_leaves_a_frame_and_no_error() -> None:
    chapter = Chapter("2019-2020", [PrintedPhoto(1.5, "Gone", False, lambda: None)])
    print_album(PrintOptions("Album"), [chapter], out := io.BytesIO())
    assert "Gone" in pages_of(out.getvalue())[0]
