"""Albums on disk: links, folders, reports, and what a second or a killed build leaves. Real photos, real pages."""

import errno
import hashlib
import importlib.util
import io
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import polars as pl
import pytest
from PIL import Image

from classface_assets.albums.disk import AlbumError
from classface_assets.albums.files import read_links
from classface_assets.albums.pages.classes import SchoolPeople
from classface_assets.albums.pages.links import find_broken_links
from classface_assets.albums.pages.site import SiteContents, SiteReport, build_site
from classface_assets.albums.pages.year_page import YearAlbum, YearContents, build_year_album

pytestmark = pytest.mark.slow

YEARS = ["2006-2007", "2007-2008"]
# Six people at a table, in pixels of insightface's t1.jpg: x, y, width, height.
TABLE = [
    (62, 265, 108, 140), (268, 140, 110, 120), (472, 265, 105, 145),
    (745, 345, 110, 125), (908, 65, 115, 135), (1132, 280, 100, 125),
]  # fmt: skip
HTML_NAME = "<script>alert('x')</script> & \"Bob\""
NAMES = ["Anna Müller", HTML_NAME, "محمد بن سلمان", "José 🎒/Núñez", "L" * 255]


def t1() -> Image.Image:
    spec = importlib.util.find_spec("insightface")
    assert spec and spec.origin
    return Image.open(Path(spec.origin).parent / "data" / "images" / "t1.jpg").convert("RGB")


def astronaut() -> Image.Image:
    import skimage.data

    return Image.fromarray(skimage.data.astronaut())


class Archive:
    """A photos folder and its tables; people are numbers, `names` says what they are called."""

    def __init__(self, folder: Path) -> None:
        self.root, self.out = folder / "photos", folder / "albums"
        self.images: list[dict[str, object]] = []
        self.faces: list[dict[str, object]] = []
        self.people = SchoolPeople()

    def add(
        self,
        path: str,
        image: Image.Image,
        people: Mapping[int, tuple[int, int, int, int]] | None = None,
        orientation: int = 1,
    ) -> Path:
        """Saves a photo; a person below 0 is a single face, from 100 on an unknown cluster of that number."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        exif = Image.Exif()
        exif[0x0112] = orientation
        image.save(target, quality=90, exif=exif)
        content = target.read_bytes()
        year, asset_id = path.split("/")[0], str(uuid.UUID(bytes=hashlib.blake2b(content, digest_size=16).digest()))
        width, height = (image.height, image.width) if orientation >= 5 else image.size
        self.row(path, asset_id=asset_id, size=len(content), width=width, height=height, orientation=orientation)
        for person, box in (people or {}).items():
            x, y, w, h = box
            face_id = str(uuid.uuid5(uuid.UUID(asset_id), f"{x},{y},{w},{h}"))
            chip = io.BytesIO()
            image.crop((x, y, x + w, y + h)).resize((192, 192)).save(chip, "JPEG", quality=92)
            self.faces.append(
                {"face_id": face_id, "asset_id": asset_id, "path": path, "school_year": year, "taken_at": None}
                | {"width": width, "height": height, "bbox_x": x, "bbox_y": y, "bbox_w": w, "bbox_h": h}
                | {"quality_score": 0.8, "who": person, "chip": chip.getvalue()}
            )
        return target

    def row(self, path: str, status: str = "ok", reason: str = "", **values: object) -> None:
        row = {"asset_id": str(uuid.uuid4()), "school_year": path.split("/")[0], "path": path, "size": 1, "mtime_ns": 0}
        row |= {"width": None, "height": None, "orientation": 1, "taken_at": None, "status": status, "reason": reason}
        row |= {"taken_at_source": "", "utc_offset": None, "rotation": 0, "near_group": None}
        self.images.append(row | values)

    def photos(self) -> pl.DataFrame:
        schema = {"taken_at": pl.Datetime("us"), "near_group": pl.String}
        return pl.DataFrame(self.images, schema_overrides=schema, infer_schema_length=None)

    def appearances(self, names: Sequence[str]) -> pl.DataFrame:
        rows = []
        for face in self.faces:
            who = face["who"]
            assert isinstance(who, int)
            person = str(uuid.UUID(int=who + 1)) if 0 <= who < 100 else None
            cluster = f"unknown_cluster_{who}" if who >= 100 else f"unknown_noise_{face['face_id']}"
            rows.append(
                {key: value for key, value in face.items() if key != "who"}
                | {"cluster_id": f"person_{person}" if person else cluster, "person_id": person}
                | {"person_name": names[who] if person else None, "assignment_score": 0.8, "assignment_reason": "near"}
            )
        schema = {"taken_at": pl.Datetime("us"), "person_id": pl.String, "person_name": pl.String}
        return pl.DataFrame(rows, schema_overrides=schema, infer_schema_length=None)

    def build_year(self, year: str, names: Sequence[str] = NAMES) -> YearAlbum:
        of_year = pl.col("school_year") == year
        faces = self.appearances(names)
        contents = YearContents(year, self.photos().filter(of_year), faces.filter(of_year))
        return build_year_album(self.out, self.root, contents)

    def build(self, names: Sequence[str] = NAMES) -> SiteReport:
        for year in YEARS:
            self.build_year(year, names)
        contents = SiteContents(self.photos(), self.appearances(names).drop("chip"), self.people)
        return build_site(self.out, YEARS, contents, "St <Mary>")


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    made = Archive(tmp_path)
    table = dict(enumerate(TABLE[:5])) | {112: TABLE[5]}
    made.add("2006-2007/class #1 50% äöü?.jpg", t1(), table)
    made.add("2006-2007/trip/IMG_1.jpg", t1().crop((0, 0, 640, 886)), {0: TABLE[0], -1: TABLE[1]})
    made.add("2006-2007/fair/IMG_1.jpg", t1().crop((0, 0, 600, 880)), {0: TABLE[0]})
    made.add("2007-2008/class.png", t1().convert("L").convert("RGB"), table)
    made.add("2007-2008/nobody.jpg", astronaut())
    made.row("2006-2007/notes.txt", "not a photo", ".txt files are not searched for faces")
    made.row("2007-2008/scan <7>.jpg", "unreadable", "the file is empty")
    return made


class Text(HTMLParser):
    """What a reader sees of a page, and the tags and links it is made of."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.text, self.tags, self.links = "", [], []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("href", "src", "srcset", "action") and value]

    def handle_data(self, data: str) -> None:
        self.text += data


def pages(out: Path) -> list[Path]:
    return sorted(out.rglob("*.html"))


def test_every_link_of_an_album_leads_somewhere(archive: Archive) -> None:
    archive.build()
    assert len(pages(archive.out)) == 2 + 2 + 6
    assert find_broken_links(archive.out) == []


def test_a_broken_link_is_found(archive: Archive) -> None:
    archive.build()
    thumbnail = next((archive.out / "thumbs").rglob("*-720.jpg"))
    thumbnail.unlink()
    page = archive.out / "coverage.html"
    page.write_text(page.read_text().replace("</main>", '<a href="#nowhere">x</a></main>'))
    broken = find_broken_links(archive.out)
    assert any(thumbnail.name in link for link in broken)
    assert "coverage.html: #nowhere" in broken


class Links(HTMLParser):
    """Every link and id of a page, as html.parser reads it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self.found += [(name, value) for name, value in attrs if name in ("href", "src", "id") and value]


def test_links_and_ids_are_read_as_a_parser_reads_them(archive: Archive) -> None:
    archive.build()
    odd = (
        '<p id=a title="id=no href=\'no\' > &lt;a">x</p><!-- <a href="no"> -->'
        '<script src="s.js">"<a href=\'no\'>"</script><style>#x { id: "no" }</style>'
        '<a\nhref=\'a&amp;b.html#c\' data-src=no>1 < 2</a><img src="&quot;.jpg" id=""/>'
    )
    for text in (odd, *(page.read_text(encoding="utf-8") for page in pages(archive.out))):
        read, expected = read_links(text), Links(text).found
        assert read.links == tuple(dict.fromkeys(value for name, value in expected if name != "id"))
        assert read.ids == {value for name, value in expected if name == "id"}
    assert read_links(odd).links == ("s.js", "a&b.html#c", '".jpg')


def test_names_with_html_are_shown_as_text(archive: Archive) -> None:
    archive.build()
    for page in pages(archive.out):
        read = Text(page)
        assert read.tags.count("script") == 1, page  # the page's own
    index = Text(archive.out / "index.html").text
    assert all(name in index for name in [*NAMES, "St <Mary>", "Unknown student 112"])
    assert "scan <7>.jpg" in Text(archive.out / "coverage.html").text


def test_no_page_asks_for_anything_from_elsewhere(archive: Archive) -> None:
    archive.build()
    for page in pages(archive.out):
        for link in Text(page).links:
            assert "//" not in link, (page, link)
            assert not link.startswith("/"), (page, link)
    style = (archive.out / "style.css").read_text()
    assert "url(" not in style
    assert "@import" not in style


def test_links_are_percent_encoded(archive: Archive) -> None:
    archive.build()
    links = Text(archive.out / "years" / "2006-2007" / "index.html").links
    folders = {unquote(link).rstrip("/") for link in links if link.endswith("/")}
    assert {"Anna Müller", "José 🎒-Núñez", "محمد بن سلمان"} <= folders
    assert all(link.isascii() and " " not in link for link in links)


def test_each_student_gets_a_folder_with_the_very_photos(archive: Archive) -> None:
    album = archive.build_year("2006-2007")
    anna = archive.out / "years" / "2006-2007" / "Anna Müller"
    assert sorted(file.name for file in anna.iterdir()) == ["IMG_1 (2).jpg", "IMG_1.jpg", "class #1 50% äöü-.jpg"]
    original = archive.root / "2006-2007" / "class #1 50% äöü?.jpg"
    assert (anna / "class #1 50% äöü-.jpg").samefile(original)
    assert (album.photos, album.students, album.linked, album.copied) == (3, 6, 8, 0)


def test_where_links_are_refused_one_copy_is_made_and_shared(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    link = os.link

    def other_disk(source: Path, target: Path) -> None:
        if archive.root in Path(source).parents:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        link(source, target)

    monkeypatch.setattr(os, "link", other_disk)
    first, second = archive.build_year("2006-2007"), archive.build_year("2006-2007")
    assert (first.linked, first.copied) == (8, 3)
    assert (second.linked, second.copied) == (8, 0)
    copy = archive.out / "years" / "2006-2007" / "Anna Müller" / "IMG_1.jpg"
    assert copy.read_bytes() == (archive.root / "2006-2007" / "fair" / "IMG_1.jpg").read_bytes()


def test_two_students_whose_names_look_alike_on_disk_get_two_folders(archive: Archive) -> None:
    archive.build(["Jo/Li", "jo:li", "CON", "index.html", ".."])
    folders = sorted(f.name for f in (archive.out / "years" / "2006-2007").iterdir() if f.is_dir())
    assert folders == sorted(["Jo-Li", "jo-li (2)", "_CON", "index (2).html", "unnamed", "Unknown student 112"])
    assert find_broken_links(archive.out) == []


def test_a_second_build_makes_no_thumbnail(archive: Archive) -> None:
    made = archive.build_year("2006-2007").thumbnails_made
    assert made == 6
    assert archive.build_year("2006-2007").thumbnails_made == 0


def test_progress_counts_every_photo(archive: Archive) -> None:
    counts_seen: list[tuple[int, int]] = []
    photos = archive.photos().filter(pl.col("school_year") == "2006-2007")
    faces = archive.appearances(NAMES).filter(pl.col("school_year") == "2006-2007")
    contents = YearContents("2006-2007", photos, faces)
    build_year_album(archive.out, archive.root, contents, lambda *counts: counts_seen.append(counts))
    assert counts_seen == [(1, 3), (2, 3), (3, 3)]


def test_a_renamed_student_leaves_nothing_under_the_old_name(archive: Archive) -> None:
    archive.build()
    before = {page.name for page in (archive.out / "students").iterdir()}
    report = archive.build(["Anna Schmidt", *NAMES[1:]])
    year = archive.out / "years" / "2006-2007"
    assert (year / "Anna Schmidt").is_dir()
    assert not (year / "Anna Müller").exists()
    assert len(report.removed) == 1
    assert report.removed[0].removeprefix("students/") in before
    assert not any("Anna Müller" in Text(page).text for page in pages(archive.out))
    assert find_broken_links(archive.out) == []


def test_a_student_taken_out_leaves_neither_page_nor_face(archive: Archive) -> None:
    archive.build()
    faces = {path.stem for path in (archive.out / "faces").rglob("*.jpg")}
    gone = {str(face["face_id"]) for face in archive.faces if face["who"] == 0}
    assert faces & gone
    archive.faces = [face for face in archive.faces if face["who"] != 0]
    archive.build()
    assert not {path.stem for path in (archive.out / "faces").rglob("*.jpg")} & gone
    assert not list((archive.out / "students").glob("anna*"))


def test_a_year_that_is_no_more_is_removed(archive: Archive) -> None:
    archive.build()
    archive.images = [row for row in archive.images if row["school_year"] == YEARS[0]]
    archive.faces = [row for row in archive.faces if row["school_year"] == YEARS[0]]
    report = build_site(archive.out, YEARS[:1], SiteContents(archive.photos(), archive.appearances(NAMES)))
    assert report.removed == ("years/2007-2008",)
    assert find_broken_links(archive.out) == []


def test_thumbnails_stand_upright(archive: Archive) -> None:
    upright = astronaut()
    archive.add("2007-2008/turned.jpg", upright.transpose(Image.Transpose.ROTATE_90), orientation=6)
    archive.build_year("2007-2008")
    (made,) = (archive.out / "thumbs").rglob(f"{archive.images[-1]['asset_id']}-720*.jpg")
    with Image.open(made) as thumbnail:
        assert not thumbnail.getexif()
        difference = np.abs(np.asarray(thumbnail, dtype=float) - np.asarray(upright.resize(thumbnail.size)))
    assert difference.mean() < 5


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_scan_that_was_rotated_to_find_its_faces_is_shown_upright_and_its_file_unchanged(
    rotation: int, archive: Archive
) -> None:
    upright = astronaut().crop((100, 0, 400, 512))
    scan = archive.add("2007-2008/scan.png", upright.rotate(rotation, expand=True))
    size = {"width": upright.width, "height": upright.height, "rotation": rotation}
    archive.images[-1] |= size
    asset_id = str(archive.images[-1]["asset_id"])
    face = {"face_id": str(uuid.uuid4()), "asset_id": asset_id, "path": "2007-2008/scan.png", "taken_at": None}
    face |= {"school_year": "2007-2008", "bbox_x": 75, "bbox_y": 64, "bbox_w": 90, "bbox_h": 128, "who": 0}
    archive.faces.append(face | {"quality_score": 0.8, "chip": archive.faces[0]["chip"]} | size)
    del archive.faces[-1]["rotation"]
    archive.build()
    (made,) = (archive.out / "thumbs" / asset_id[:2]).glob(f"{asset_id}-720*.jpg")
    with Image.open(made) as thumbnail:
        assert thumbnail.size == upright.size
        assert np.abs(np.asarray(thumbnail, dtype=float) - np.asarray(upright)).mean() < 5
    assert find_broken_links(archive.out) == []
    assert "left:25.0%;top:12.5%;width:30.0%;height:25.0%" in page_of(archive.out, "years/2007-2008/index.html")
    (original,) = (archive.out / "years" / "2007-2008").glob("*/scan.png")
    assert original.read_bytes() == scan.read_bytes()
    assert archive.build_year("2007-2008").thumbnails_made == 0


def page_of(out: Path, page: str) -> str:
    return (out / page).read_text().replace("; ", ";").replace(": ", ":")


def test_a_date_that_only_the_school_year_gives_is_not_shown(archive: Archive) -> None:
    for name, at, source in (("late.jpg", "2008-05-01", "exif"), ("undated.jpg", "2007-09-01", "school year")):
        archive.add(f"2007-2008/{name}", t1().rotate(3 if source == "exif" else 4), {0: TABLE[0]})
        archive.images[-1] |= {"taken_at": datetime.fromisoformat(at), "taken_at_source": source}
    archive.build()
    text = Text(archive.out / "years" / "2007-2008" / "index.html").text
    assert "1 May 2008" in text and "September" not in text
    assert text.index("1 May 2008") < text.index("undated.jpg")


def test_the_coverage_report_counts_a_burst_once(archive: Archive) -> None:
    first = archive.images[0]["asset_id"]
    for row in archive.images[:3]:
        row["near_group"] = first
    archive.build()
    page = (archive.out / "coverage.html").read_text()
    cells = re.findall(r"<bdi>2006-2007</bdi></th>(.*?)</tr>", page, re.DOTALL)[0]
    assert re.findall(r">([\d,]+)</td>", cells)[:5] == ["4", "3", "1", "0", "1"]
    total = re.findall(r"All years</th>(.*?)</tr>", page, re.DOTALL)[0]
    assert re.findall(r">([\d,]+)</td>", total)[:5] == ["7", "5", "3", "0", "2"]


def test_scans_with_16_bits_and_see_through_pictures_keep_their_tones(archive: Archive) -> None:
    grey = np.linspace(0, 65535, 512, dtype=np.uint16)[None, :].repeat(512, axis=0)
    archive.add("2007-2008/scan.png", Image.fromarray(grey))
    archive.add("2007-2008/logo.png", Image.new("RGBA", (64, 64), (0, 0, 0, 0)))
    archive.build_year("2007-2008")
    means = []
    for row in archive.images[-2:]:
        with Image.open(archive.out / "thumbs" / str(row["asset_id"])[:2] / f"{row['asset_id']}-720.jpg") as made:
            means.append(np.asarray(made.convert("L")).mean())
    assert means == pytest.approx([127.5, 255], abs=2)


def test_a_vanished_or_broken_photo_is_listed(archive: Archive) -> None:
    gone = archive.add("2007-2008/gone.jpg", t1().rotate(180), {0: TABLE[0]})
    broken = archive.add("2007-2008/broken.jpg", t1().convert("L"), {0: TABLE[0]})
    gone.unlink()
    broken.write_bytes(b"no picture" + broken.read_bytes()[:2000])
    album = archive.build_year("2007-2008")
    assert album.missing == ("2007-2008/broken.jpg", "2007-2008/gone.jpg")
    archive.build()
    assert find_broken_links(archive.out) == []
    for page in ("years/2007-2008/index.html", "coverage.html"):
        text = Text(archive.out / page).text
        assert "2007-2008/gone.jpg" in text
        assert "2007-2008/broken.jpg" in text


def test_of_a_photo_without_its_end_the_album_shows_what_there_is(archive: Archive) -> None:
    whole = archive.add("2007-2008/cut.jpg", t1(), {0: TABLE[0]})
    with Image.open(whole) as image:
        expected = np.asarray(image.convert("RGB"))
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert archive.build_year("2007-2008").missing == (), "what is incomplete would be tried again at every run"
    asset = str(archive.images[-1]["asset_id"])
    with Image.open(next((archive.out / "thumbs" / asset[:2]).glob(f"{asset}-*.jpg"))) as made:
        shown = np.asarray(made.convert("RGB").resize((expected.shape[1], expected.shape[0])))
    top, bottom = slice(0, len(expected) // 4), slice(-len(expected) // 8, None)
    assert np.abs(shown[top].astype(int) - expected[top]).mean() < 12
    assert np.ptp(shown[bottom].astype(int)) < 20, "the rest is grey"


def test_a_photo_that_vanished_after_its_thumbnail_is_listed_as_missing(archive: Archive) -> None:
    archive.build()
    (archive.root / "2007-2008" / "class.png").unlink()
    album = archive.build_year("2007-2008")
    assert album.missing == ("2007-2008/class.png",)
    assert album.thumbnails_made == 0


def test_the_coverage_report_accounts_for_every_file(archive: Archive) -> None:
    archive.row("2006-2007/copy.jpg", "duplicate", "same bytes as class #1")
    archive.build()
    text = " ".join(Text(archive.out / "coverage.html").text.split())
    assert "8 files checked: 5 photos, 1 duplicate, 2 not read" in text
    assert "15 faces found: 12 named, 2 in unknown clusters, 1 single" in text
    for row in archive.images:
        assert row["status"] == "ok" or (str(row["path"]) in text and str(row["reason"]) in text)


def test_an_unknown_student_has_a_page_that_tells_how_to_name_it(archive: Archive) -> None:
    report = archive.build()
    assert (report.named, report.unknown) == (5, 1)
    page = Text(archive.out / "students" / "unknown-student-112.html").text
    assert 'classface label unknown_cluster_112 "Name"' in page
    assert not list((archive.out / "students").glob("*noise*"))


def test_empty_years_and_archives_give_pages(archive: Archive) -> None:
    archive.images = [row for row in archive.images if row["status"] != "ok"]
    nobody = archive.appearances(NAMES).clear()
    build_year_album(archive.out, archive.root, YearContents("2006-2007", archive.photos(), nobody))
    report = build_site(archive.out, YEARS, SiteContents(archive.photos(), nobody))
    assert (report.named, report.unknown) == (0, 0)
    build_site(archive.out, [], SiteContents(archive.photos().clear(), nobody))
    assert find_broken_links(archive.out) == []


def test_albums_inside_the_photos_folder_are_refused(archive: Archive) -> None:
    archive.out = archive.root / "2006-2007" / "albums"
    with pytest.raises(AlbumError, match="a folder of their own"):
        archive.build_year("2006-2007")


KILLED = """
import sys
from pathlib import Path
import polars as pl
from classface_assets.albums.pages.year_page import YearContents, build_year_album
folder = Path(sys.argv[1])
photos, faces = pl.read_parquet(folder / "photos.parquet"), pl.read_parquet(folder / "faces.parquet")
for number in range(10_000):
    renamed = faces.with_columns(person_name=pl.lit(f"Anna {number}"))
    build_year_album(folder / "albums", folder / "photos", YearContents("2006-2007", photos, renamed))
    print(number, flush=True)
"""


@pytest.mark.parametrize("after", [0.003, 0.011, 0.02, 0.037, 0.05, 0.081])
def test_a_killed_build_leaves_a_whole_album(tmp_path: Path, after: float) -> None:
    archive = Archive(tmp_path)
    table = t1().resize((320, 221))
    for number in range(30):
        table.putpixel((0, 0), (number, 0, 0))
        table.info["comment"] = str(number)
        archive.add(f"2006-2007/{number}.png", table, {0: (15, 66, 27, 35)})
    archive.photos().write_parquet(tmp_path / "photos.parquet")
    archive.appearances(["Anna"]).write_parquet(tmp_path / "faces.parquet")
    with subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE) as builder:
        assert builder.stdout and builder.stdout.readline() == b"0\n"
        time.sleep(after)
        os.kill(builder.pid, signal.SIGKILL)
    year = archive.out / "years" / "2006-2007"
    folders = [folder for folder in year.iterdir() if folder.is_dir()]
    assert len(folders) == 1
    assert len(list(folders[0].iterdir())) == 30
    assert folders[0].name in Text(year / "index.html").text
    assert archive.build_year("2006-2007", ["Anna"]).linked == 30
    assert [hidden.name for hidden in year.parent.iterdir()] == ["2006-2007"]


def test_a_swap_cut_off_between_its_renames_is_made_good(archive: Archive) -> None:
    archive.build_year("2006-2007")
    years = archive.out / "years"
    (years / "2006-2007").rename(years / ".2006-2007.retired")  # a system that cannot exchange, killed half-way
    archive.photos()
    with pytest.raises(pl.exceptions.ColumnNotFoundError):
        build_year_album(archive.out, archive.root, YearContents("2006-2007", pl.DataFrame(), pl.DataFrame()))
    archive.build_year("2006-2007")
    assert [folder.name for folder in years.iterdir()] == ["2006-2007"]


def test_photos_stand_in_the_order_of_the_day(archive: Archive) -> None:
    days = {"2006-2007/class #1 50% äöü?.jpg": 3, "2006-2007/trip/IMG_1.jpg": 1, "2006-2007/fair/IMG_1.jpg": 2}
    for row in archive.images:
        if row["path"] in days:
            row["taken_at"] = datetime(2006, 9, days[str(row["path"])])  # noqa: DTZ001
    archive.build_year("2006-2007")
    text = Text(archive.out / "years" / "2006-2007" / "index.html").text
    assert text.index("1 September 2006") < text.index("2 September 2006") < text.index("3 September 2006")


def test_an_album_whose_photos_are_all_away_stays_as_it_is(archive: Archive) -> None:
    """A drive that is pulled between the search for faces and the albums is no reason to empty them."""
    archive.build()
    before = {file: file.stat().st_mtime_ns for file in archive.out.rglob("*")}
    archive.root.rename(archive.root.with_name("drive that was pulled"))
    archive.root.mkdir()
    with pytest.raises(AlbumError, match=r"photos of 2007-2008 are gone from .*; its album stays as it is\. Connect"):
        archive.build_year("2007-2008")
    assert {file: file.stat().st_mtime_ns for file in archive.out.rglob("*")} == before
    archive.root.rmdir()
    archive.root.with_name("drive that was pulled").rename(archive.root)
    assert archive.build_year("2007-2008").missing == ()
