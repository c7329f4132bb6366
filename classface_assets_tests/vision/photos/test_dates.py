"""When a photo was taken: what is read of its metadata and names, and which of it is believed."""

import struct
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pillow_heif
import polars as pl
import pytest
import tifffile
from PIL import Image

from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.schemas import IMAGES
from classface_assets.store.catalog.photo_dates import resolve_dates
from classface_assets.store.catalog.school_year import image_parts, year_images
from classface_assets.vision.photo_facts import PhotoFacts, read_photo_facts
from classface_assets.vision.photos import metadata as dates_module
from classface_assets.vision.photos import written_dates
from classface_assets.vision.photos.written_dates import parse_date, parse_date_in_folder_name
from classface_assets_tests.support.helpers import add_images

EXIF_IFD, ORIGINAL, DIGITIZED, CHANGED = 0x8769, 0x9003, 0x9004, 0x0132
SMALL = Image.new("RGB", (32, 24), "white")


def exif_of(**values: str) -> Image.Exif:
    """EXIF with `original`, `digitized` and `changed`."""
    exif = Image.Exif()
    if "changed" in values:
        exif[CHANGED] = values["changed"]
    detail = exif.get_ifd(EXIF_IFD)
    detail.update(
        {tag: values[name] for name, tag in (("original", ORIGINAL), ("digitized", DIGITIZED)) if name in values}
    )
    return exif


def xmp_of(**properties: str) -> bytes:
    """A packet with properties as attributes, named with _ for the colon."""
    fields = " ".join(f'{name.replace("_", ":", 1)}="{value}"' for name, value in properties.items())
    return f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description {fields}/></rdf:RDF></x:xmpmeta>'.encode()


def iptc_of(date: str, time: str = "") -> bytes:
    values = ((55, date), (60, time)) if time else ((55, date),)
    return b"".join(b"\x1c\x02" + bytes([number]) + struct.pack(">H", len(v)) + v.encode() for number, v in values)


def with_iptc(path: Path, iptc: bytes) -> Path:
    """Puts the block of Photoshop's resources that holds IPTC behind a JPEG's start."""
    resource = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(iptc)) + iptc + b"\0" * (len(iptc) % 2)
    segment = b"Photoshop 3.0\0" + resource
    whole = path.read_bytes()
    path.write_bytes(whole[:2] + b"\xff\xed" + struct.pack(">H", len(segment) + 2) + segment + whole[2:])
    return path


def first_of(path: Path, name: str = "") -> tuple[str, str, int | None]:
    facts = read_photo_facts(path, name)
    return str(facts.taken_at), facts.taken_at_source, facts.utc_offset


@pytest.mark.parametrize(
    ("text", "moment", "offset"),
    [
        ("2011:09:05 08:30:00", "2011-09-05 08:30:00", None),
        ("2011:09:05 24:10:00", "2011-09-05 00:10:00", None),
        ("2011:09:05 01:15:30 PM", "2011-09-05 13:15:30", None),
        ("2011:09:05 12:15:30 AM", "2011-09-05 00:15:30", None),
        ("2011:09:05 12:15:30 p.m.", "2011-09-05 12:15:30", None),
        ("2011:09:05 08:30:00.25", "2011-09-05 08:30:00", None),
        ("2011:09:05 08:30:00\0", "2011-09-05 08:30:00", None),
        ("  2011:09:05 08:30:00  ", "2011-09-05 08:30:00", None),
        ("2011:09:05\0\0", "2011-09-05 00:00:00", None),
        ("2011: 9: 5  8:30: 0", "2011-09-05 08:30:00", None),
        ("2019-06-12T10:15:30Z", "2019-06-12 10:15:30", 0),
        ("2019-06-12T10:15:30.123+02:00", "2019-06-12 10:15:30", 120),
        ("2019-06-12T10:15-0330", "2019-06-12 10:15:00", -210),
        ("2019-06-12", "2019-06-12 00:00:00", None),
        ("2019/06/12 7:05", "2019-06-12 07:05:00", None),
        ("20190612 101530", "2019-06-12 00:00:00", None),
        ("2019:06:12   :  :  ", "2019-06-12 00:00:00", None),
        ("2019:06:12 25:61:00", "2019-06-12 00:00:00", None),
        ("2150:01:01 00:00:01", "2150-01-01 00:00:01", None),
    ],
)
def test_dates_are_read_as_cameras_and_programs_write_them(text: str, moment: str, offset: int | None) -> None:
    for value in (text, text.encode()):
        found = parse_date(value)
        assert found is not None and (str(found.at), found.utc_offset) == (moment, offset)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        b"",
        "0000:00:00 00:00:00",
        "    :  :     :  :  ",
        "1899:12:30 00:00:00",
        "2200:01:01",
        "2019:02:30 1:1:1",
        *("yesterday", "2019-06", "2019", "12.06.2019", "15603273301", (2019, 6, 12)),
    ],
)
def test_an_incomplete_date_is_none(text: object) -> None:
    assert parse_date(text) is None


@pytest.mark.parametrize(
    ("folder", "day"),
    [
        ("2019-06-12 Sports Day", "2019-06-12"),
        ("20190612_sports", "2019-06-12"),
        ("Sportfest 12.06.2019", "2019-06-12"),
        ("2019-06-12 10.15.30", "2019-06-12"),
        *(
            (name, None)
            for name in ("2019-2020", "2019-06 June", "Sports Day", "32.06.2019", "1.2.2019.4", "Room 2001")
        ),
    ],
)
def test_a_folder_tells_a_day_only_by_a_full_date(folder: str, day: str | None) -> None:
    found = parse_date_in_folder_name(folder)
    assert found == (datetime.fromisoformat(day) if day else None)


def test_the_surest_date_comes_first_from_exif_over_xmp_iptc_and_the_last_change_to_the_names(tmp_path: Path) -> None:
    path = tmp_path / "IMG_20190605_050505.jpg"
    name = "2018-2019/2019-06-06 Sports Day/raw/IMG_20190605_050505.jpg"
    xmp = xmp_of(photoshop_DateCreated="2019-06-03T03:03:03+02:00", xmp_CreateDate="2019-07-03")
    iptc = iptc_of("20190604", "040404+0100")
    steps = [
        ({"original": "2019:06:01 01:01:01", "digitized": "2019:06:02 02:02:02"}, "2019-06-01 01:01:01", "exif", None),
        ({"digitized": "2019:06:02 02:02:02"}, "2019-06-02 02:02:02", "exif", None),
        ({"changed": "2020:02:02 02:02:02"}, "2019-06-03 03:03:03", "xmp", 120),
    ]
    for fields, moment, source, offset in steps:
        SMALL.save(path, exif=exif_of(**fields), xmp=xmp)
        with_iptc(path, iptc)
        assert first_of(path, name) == (moment, source, offset)
    SMALL.save(path, exif=exif_of(changed="2020:02:02 02:02:02"))
    with_iptc(path, iptc)
    assert first_of(path, name) == ("2019-06-04 04:04:04", "iptc", 60)
    SMALL.save(path, exif=exif_of(changed="2020:02:02 02:02:02"))
    assert first_of(path, name) == ("2020-02-02 02:02:02", "exif", None)
    SMALL.save(path)
    assert first_of(path, name) == ("2019-06-05 05:05:05", "file name", None)
    plain = path.rename(tmp_path / "DSC_0001.jpg")
    assert first_of(plain, name.replace(path.name, plain.name)) == ("2019-06-06 00:00:00", "folder", None)
    assert first_of(plain, "2018-2019/DSC_0001.jpg") == ("None", "", None)


def test_every_date_is_recorded_once_the_surest_first(tmp_path: Path) -> None:
    path = tmp_path / "2019-06-05.jpg"
    same = "2019:06:01 01:01:01"
    SMALL.save(path, exif=exif_of(original=same, digitized=same, changed="2024:01:01 10:00:00"))
    facts = read_photo_facts(path, "2018-2019/2019-06-06 Trip/2019-06-05.jpg")
    assert [(str(date.at), date.source) for date in facts.dates] == [
        ("2019-06-01 01:01:01", "exif"),
        ("2024-01-01 10:00:00", "exif"),
        ("2019-06-05 00:00:00", "file name"),
        ("2019-06-06 00:00:00", "folder"),
    ]


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif", "heic", "avif"])
def test_xmp_is_read_in_every_format_that_holds_it(ending: str, tmp_path: Path) -> None:
    pillow_heif.register_heif_opener()
    path, packet = tmp_path / f"photo.{ending}", xmp_of(exif_DateTimeOriginal="2003-05-06T07:08:09")
    if ending == "tif":
        SMALL.save(path, tiffinfo={700: packet})
    elif ending == "png":
        from PIL import PngImagePlugin

        text = PngImagePlugin.PngInfo()
        text.add_itxt("XML:com.adobe.xmp", packet.decode())
        SMALL.save(path, pnginfo=text)
    else:
        SMALL.save(path, xmp=packet)
    assert first_of(path) == ("2003-05-06 07:08:09", "xmp", None)


def test_xmp_is_read_as_elements_and_declared_entities_are_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    SMALL.save(path, xmp=b"<rdf:Description><xmp:CreateDate>\n 2003-05-06T07:08:09</xmp:CreateDate></rdf:Description>")
    assert first_of(path) == ("2003-05-06 07:08:09", "xmp", None)
    SMALL.save(path, xmp=b'<!DOCTYPE x [<!ENTITY d "2003-05-06">]><xmp:CreateDate>&d;</xmp:CreateDate>')
    assert first_of(path) == ("None", "", None)


def test_iptc_is_read_in_tiff_whatever_type_its_tag_has_and_damaged_blocks_say_nothing(tmp_path: Path) -> None:
    block = iptc_of("19990609")
    longs = struct.unpack("<4L", block + b"\0" * (16 - len(block)))
    for name, tag in (("bytes", (33723, 7, len(block), block, True)), ("longs", (33723, 4, 4, longs, True))):
        tifffile.imwrite(tmp_path / f"{name}.tif", np.asarray(SMALL), photometric="rgb", extratags=[tag])
        assert first_of(tmp_path / f"{name}.tif") == ("1999-06-09 00:00:00", "iptc", None)
    for damaged in (block[:-2], b"\x1c\x02\x37\x80\x04" + block, b"\x1c", b"nothing"):
        SMALL.save(tmp_path / "damaged.jpg")
        assert first_of(with_iptc(tmp_path / "damaged.jpg", damaged)) == ("None", "", None)


def judged(start: str | None, *found: tuple[str, str]) -> tuple[str, str, str]:
    """taken_at, its source and the doubt, of a photo with these dates in a folder of a year that starts so."""
    dates = [{"at": datetime.fromisoformat(at), "source": source, "utc_offset": None} for at, source in found]
    row = {"asset_id": "a", "status": "ok", "path": "a.jpg", "dates": dates}
    row |= {"taken_at": dates[0]["at"], "taken_at_source": dates[0]["source"]} if dates else {"taken_at_source": ""}
    rows = resolve_dates(pl.DataFrame([row], schema=IMAGES), datetime.fromisoformat(start) if start else None)
    return rows.select(pl.col("taken_at").dt.to_string("%Y-%m-%d %H:%M:%S"), "taken_at_source", "taken_at_doubt").row(0)


def test_a_scan_of_1985_is_of_its_folders_year_and_not_of_the_day_it_was_scanned() -> None:
    scan = ("2024-03-01T10:00:00", "exif")
    assert judged("1984-09-01", scan) == ("1984-09-01 00:00:00", "school year", "exif 2024-03-01 10:00:00")
    assert judged("2023-09-01", scan) == ("2024-03-01 10:00:00", "exif", "")
    assert judged(None, scan) == ("2024-03-01 10:00:00", "exif", "")


def test_the_next_sure_date_that_fits_replaces_one_that_is_doubted() -> None:
    found = judged("1984-09-01", ("2024-03-01T10:00:00", "exif"), ("2024-03-01", "file name"), ("1985-06-12", "folder"))
    assert found == ("1985-06-12 00:00:00", "folder", "exif 2024-03-01 10:00:00")


@pytest.mark.parametrize(
    ("moment", "believed"),
    [
        ("2009-08-31T23:59:59", False),
        ("2009-09-01T00:00:00", True),
        ("2010-09-01T00:00:00", True),
        ("2012-08-31T23:59:59", True),
        ("2012-09-01T00:00:00", False),
    ],
)
def test_dates_within_a_year_of_the_folders_school_year_are_believed(moment: str, believed: bool) -> None:
    assert judged("2010-09-01", (moment, "exif"))[1] == ("exif" if believed else "school year")


@pytest.mark.parametrize(
    ("moment", "start"),
    [
        ("1904-01-01T00:00:00", None),
        ("1970-01-01T00:00:00", "1969-09-01"),
        ("1980-01-01T00:00:00", "1979-09-01"),
        ("2000-01-01T00:00:00", "1999-09-01"),
        ("2002-12-08T12:00:00", "2002-09-01"),
        ("1970-01-01T00:12:00", None),
        ("1980-01-01T03:00:00", None),
        ("1980-03-01T03:00:00", "2010-09-01"),
    ],
)
def test_the_date_of_a_clock_that_was_reset_is_doubted(moment: str, start: str | None) -> None:
    at, source, doubt = judged(start, (moment, "exif"))
    assert source == ("school year" if start else "") and at == (f"{start} 00:00:00" if start else None)
    assert doubt == f"exif {moment.replace('T', ' ')}"
    assert judged(start, (moment, "exif"), ("2010-10-10", "folder"))[2] == doubt


def test_moments_beside_a_clocks_first_and_the_same_days_in_names_are_believed() -> None:
    assert judged("2002-09-01", ("2002-12-08T12:00:01", "exif"))[1] == "exif"
    assert judged("1999-09-01", ("2000-01-01T00:05:00", "exif"))[1] == "exif"
    assert judged("1999-09-01", ("2000-01-01", "file name"))[1] == "file name"
    assert judged(None, ("1980-01-01", "folder"))[1] == "folder"


def test_what_is_to_come_is_doubted_but_never_lost() -> None:
    now = datetime.now().replace(microsecond=0)  # noqa: DTZ005
    later, today = (now + timedelta(days=40)).isoformat(), (now + timedelta(hours=20)).isoformat()
    assert judged(None, (later, "exif")) == (None, "", f"exif {later.replace('T', ' ')}")
    assert judged(None, (today, "exif"))[1] == "exif"
    start = now - timedelta(days=350)
    assert judged(start.date().isoformat(), (later, "exif"))[1] == "school year"
    assert judged((now + timedelta(days=30)).date().isoformat(), (later, "exif"))[1] == "exif"


class In2001(datetime):
    """A system clock that is wrong."""

    @classmethod
    def now(cls, _: object = None) -> "In2001":  # type: ignore[override]
        return cls(2001, 1, 1)


def test_a_photo_that_was_read_under_a_wrong_clock_keeps_its_date(
    layout: ArchiveLayout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "photo.jpg"
    SMALL.save(path, exif=exif_of(original="2011:09:05 08:30:00"))
    with monkeypatch.context() as wrong:
        for module in (written_dates, dates_module):
            wrong.setattr(module, "datetime", In2001)
        facts = read_photo_facts(path, "2011-2012/photo.jpg")
        put(layout, "2011-2012", facts)
        wrong.setattr("classface_assets.store.catalog.photo_dates.datetime", In2001)
        assert year_images(layout, "2011-2012")["taken_at_source"].to_list() == ["exif"]
    assert year_images(layout, "2011-2012")["taken_at"].to_list() == [datetime.fromisoformat("2011-09-05 08:30")]


def put(layout: ArchiveLayout, year: str, facts: PhotoFacts) -> None:
    from dataclasses import asdict

    row = {**asdict(facts), "school_year": year, "path": f"{year}/photo.jpg"}
    image_parts(layout, year).append(pl.DataFrame([row], schema=IMAGES))


def test_the_parts_store_every_date_so_that_a_folder_of_another_year_is_judged_again(
    layout: ArchiveLayout, tmp_path: Path
) -> None:
    path = tmp_path / "2011-09-05.jpg"
    SMALL.save(path, exif=exif_of(changed="2024:03:01 10:00:00"))
    facts = read_photo_facts(path)
    shown = {}
    for year in ("2010-2011", "2023-2024", "Sommerfest", "1999-2000"):
        put(layout, year, facts)
        shown[year] = year_images(layout, year).select("taken_at_source", "taken_at_doubt").row(0)
    assert shown == {
        "2010-2011": ("file name", "exif 2024-03-01 10:00:00"),
        "2023-2024": ("exif", ""),
        "Sommerfest": ("exif", ""),
        "1999-2000": ("school year", "exif 2024-03-01 10:00:00"),
    }
    stored = image_parts(layout, "1999-2000").read()
    assert stored.select("taken_at_source", pl.col("dates").list.len()).row(0) == ("exif", 2)
    assert stored["taken_at_doubt"].null_count() == 1


def test_dates_in_parts_of_older_versions_are_judged(layout: ArchiveLayout) -> None:
    add_images(layout, "1984-1985", ("a", "a.jpg"))
    parts = image_parts(layout, "1984-1985")
    (file,) = parts.files()
    old = pl.read_parquet(file).with_columns(
        taken_at=pl.lit(datetime.fromisoformat("2024-03-01 10:00"), pl.Datetime("us")), taken_at_source=pl.lit("exif")
    )
    old.drop("dates", "taken_at_doubt").write_parquet(file)
    rows = year_images(layout, "1984-1985")
    assert rows.columns == IMAGES.names()
    assert rows.select("taken_at_source", "taken_at_doubt").row(0) == ("school year", "exif 2024-03-01 10:00:00")
