"""Photo files: every format and orientation, dates, what is refused, what is decoded smaller."""

import os
import shutil
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import cv2
import numpy as np
import pillow_heif
import polars as pl
import pytest
import tifffile
from PIL import Image

from classface_assets.orchestration.school_year_runs.partitions import year_files
from classface_assets.store.catalog.photo_folders import walk_photo_folders
from classface_assets.vision.models.registry import ModelPack
from classface_assets.vision.photo_facts import MAX_BYTES, read_photo_facts, to_read_again
from classface_assets.vision.photos.decoding import TRUNCATED_NOTE, load_photo
from classface_assets.vision.photos.metadata import ORIENTATION, UnreadablePhotoError
from classface_assets_tests.conftest import become_nobody
from classface_assets_tests.support.searched import boxes_of, detected, save_as_photo

TURNED_BY = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
DATED = 0x9003


def files_below(folder: Path) -> list[Path]:
    """Every file below a folder that a run looks at."""
    return [Path(file) for file in year_files(folder, [one.path for one in walk_photo_folders(folder)])]


def turned(picture: Image.Image) -> list[Image.Image]:
    """What further pages and frames hold, so that it differs from the first one."""
    return [picture.transpose(Image.Transpose.ROTATE_180)]


def deep(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture).astype(np.uint16) * 257


FORMATS: dict[str, Callable[[Image.Image, Path], object]] = {
    "baseline.jpg": lambda p, to: p.save(to),
    "progressive.jpeg": lambda p, to: p.save(to, progressive=True),
    "Adobe's inverted CMYK.jpg": lambda p, to: p.convert("CMYK").save(to),
    "without subsampling.jpe": lambda p, to: p.save(to, format="JPEG", subsampling=0),
    "two pictures.mpo": lambda p, to: p.save(to, save_all=True, append_images=turned(p)),
    "plain.png": lambda p, to: p.save(to),
    "16 bits.png": lambda p, to: cv2.imwrite(str(to), deep(p)[..., ::-1]),
    "palette.png": lambda p, to: p.quantize(256).save(to),
    "alpha.png": lambda p, to: p.convert("RGBA").save(to),
    "interlaced.png": lambda p, to: write_interlaced(p, to),
    "animated.png": lambda p, to: p.save(to, save_all=True, append_images=turned(p)),
    "plain.webp": lambda p, to: p.save(to),
    "animated.webp": lambda p, to: p.save(to, save_all=True, append_images=turned(p)),
    "plain.tif": lambda p, to: p.save(to),
    "16 bits.tiff": lambda p, to: tifffile.imwrite(to, deep(p), photometric="rgb"),
    "pages, LZW.tif": lambda p, to: p.save(to, save_all=True, append_images=turned(p), compression="tiff_lzw"),
    "CMYK.tif": lambda p, to: p.convert("CMYK").save(to, compression="tiff_lzw"),
    "JPEG inside.tif": lambda p, to: p.save(to, compression="jpeg"),
    "iphone.heic": lambda p, to: p.save(to),
    "other.heif": lambda p, to: p.save(to),
    "plain.avif": lambda p, to: p.save(to),
    "animated.avif": lambda p, to: p.save(to, save_all=True, append_images=turned(p)),
    "plain.gif": lambda p, to: p.save(to),
    "animated.gif": lambda p, to: p.save(to, save_all=True, append_images=turned(p)),
    "plain.bmp": lambda p, to: p.save(to),
    "plain.jp2": lambda p, to: p.save(to),
    "WRONG ENDING.PNG": lambda p, to: p.save(to, format="JPEG"),
}


def write_interlaced(picture: Image.Image, to: Path) -> None:
    """An Adam7 PNG, which Pillow reads but does not write (PNG specification, 8.2)."""
    pixels, rows = np.asarray(picture), b""
    for top, left, down, right in ADAM7:
        for row in pixels[top::down, left::right]:
            rows += b"\0" + row.tobytes()
    header = struct.pack(">IIBBBBB", picture.width, picture.height, 8, 2, 0, 0, 1)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    whole = [struct.pack(">I", len(c)) + kind + c + struct.pack(">I", zlib.crc32(kind + c)) for kind, c in chunks]
    to.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(whole))


ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))


@pytest.mark.parametrize("name", FORMATS)
def test_a_photo_of_every_format_opens(name: str, astronaut: Image.Image, tmp_path: Path) -> None:
    pillow_heif.register_heif_opener()
    FORMATS[name](astronaut, tmp_path / name)
    facts = read_photo_facts(tmp_path / name)
    more = "1 of its 2 pages was not searched: save it as a file of its own"
    reason = more if name in ("two pictures.mpo", "pages, LZW.tif") else ""
    assert (facts.status, facts.reason, facts.width, facts.height) == ("ok", reason, 512, 512)
    photo = load_photo(tmp_path / name)
    assert photo.pixels.shape == (512, 512, 3) and photo.pixels.dtype == np.uint8
    assert np.abs(photo.pixels.astype(float) - np.asarray(astronaut)).mean() < 6


@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp", "avif", "heic"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_eight_orientations_give_one_upright_photo(
    ending: str, orientation: int, astronaut: Image.Image, tmp_path: Path
) -> None:
    upright = astronaut.crop((100, 0, 400, 200))
    undo = {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    turn = undo.get(orientation, TURNED_BY.get(orientation))
    stored = upright if turn is None else upright.transpose(turn)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    pillow_heif.register_heif_opener()
    path = save_as_photo(stored, tmp_path / f"photo.{ending}", exif=exif.tobytes())
    facts = read_photo_facts(path)
    assert (facts.width, facts.height, facts.orientation) == (300, 200, orientation)
    assert np.abs(load_photo(path)[0].astype(float) - np.asarray(upright)).mean() < 6


def test_the_eight_orientations_give_the_same_faces(builtin: ModelPack, astronaut: Image.Image, tmp_path: Path) -> None:
    paths = []
    for orientation in range(1, 9):
        undo = {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
        turn = undo.get(orientation, TURNED_BY.get(orientation))
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        stored = astronaut if turn is None else astronaut.transpose(turn)
        paths.append(save_as_photo(stored, tmp_path / f"{orientation}.png", exif=exif))
    boxes = boxes_of(detected(builtin, *paths))
    assert len(boxes) == 8
    assert np.ptp(boxes, axis=0).max() < 0.01


def test_a_photo_tells_when_it_was_taken(astronaut: Image.Image, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0132] = "2012:01:01 00:00:00"
    path = save_as_photo(astronaut, tmp_path / "changed.jpg", exif=exif)
    assert read_photo_facts(path).taken_at == datetime.fromisoformat("2012-01-01")
    exif.get_ifd(0x8769)[DATED] = "2011:09:05 08:30:00"
    path = save_as_photo(astronaut, tmp_path / "taken.jpg", exif=exif)
    assert read_photo_facts(path).taken_at == datetime.fromisoformat("2011-09-05 08:30")
    exif.get_ifd(0x8769)[DATED] = "0000:00:00 00:00:00"
    exif[0x0132] = "yesterday"
    assert read_photo_facts(save_as_photo(astronaut, tmp_path / "nonsense.jpg", exif=exif)).taken_at is None


EXIF_IFD, OFFSET, OFFSET_ORIGINAL = 0x8769, 0x9010, 0x9011


def test_a_photo_tells_its_camera_clocks_offset(astronaut: Image.Image, tmp_path: Path) -> None:
    for date, offsets, minutes in (
        (DATED, {OFFSET_ORIGINAL: "+02:00", OFFSET: "-08:00"}, 120),
        (DATED, {OFFSET: "-03:30"}, -210),
        (DATED, {OFFSET_ORIGINAL: "+99:00"}, None),
        (DATED, {OFFSET_ORIGINAL: "   :  "}, None),
        (0x0132, {OFFSET: "+00:00"}, 0),
        (0x0132, {}, None),
    ):
        exif = Image.Exif()
        (exif if date == 0x0132 else exif.get_ifd(EXIF_IFD))[date] = "2019:06:12 10:15:30"
        exif.get_ifd(EXIF_IFD).update(offsets)
        facts = read_photo_facts(save_as_photo(astronaut, tmp_path / "IMG_20010101_000001.jpg", exif=exif))
        assert (str(facts.taken_at), facts.taken_at_source) == ("2019-06-12 10:15:30", "exif")
        assert facts.utc_offset == minutes


@pytest.mark.parametrize(
    ("name", "date"),
    [
        ("IMG_20190612_101530.jpg", "2019-06-12 10:15:30"),
        ("PXL_20190612_101530123.MP.jpg", "2019-06-12 10:15:30"),
        ("2019-06-12 10.15.30-1.jpg", "2019-06-12 10:15:30"),
        ("2019-06-12T10:15:30.jpg", "2019-06-12 10:15:30"),
        ("Screenshot_2019-06-12-10-15-30.png", "2019-06-12 10:15:30"),
        ("WhatsApp Image 2019-06-12 at 1.15.30 PM (1).jpeg", "2019-06-12 13:15:30"),
        ("IMG-20190612-WA0001.jpg", "2019-06-12 00:00:00"),
        ("20190612_3.jpg", "2019-06-12 00:00:00"),
        ("1953-06-12 Abschluss.tif", "1953-06-12 00:00:00"),
        *((name, None) for name in ("DSC_0001.JPG", "DSC02019.JPG", "P1010001.JPG", "1560327330123.jpg")),
        *((name, None) for name in ("20191345.jpg", "20190230_101530.jpg", "21990612.jpg", "class 2019-2020 (12).jpg")),
    ],
)
def test_a_photo_without_exif_is_dated_by_its_name(
    name: str, date: str | None, astronaut: Image.Image, tmp_path: Path
) -> None:
    facts = read_photo_facts(save_as_photo(astronaut.resize((32, 32)), tmp_path / name))
    assert facts.taken_at == (datetime.fromisoformat(date) if date else None)
    assert facts.taken_at_source == ("file name" if date else "") and facts.utc_offset is None


def test_an_impossible_date_is_skipped_and_one_in_the_future_is_recorded_to_be_doubted_later(
    astronaut: Image.Image, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x0132] = "1899:12:30 00:00:00"
    assert read_photo_facts(save_as_photo(astronaut, tmp_path / "wrong clock.jpg", exif=exif)).taken_at is None
    exif.get_ifd(EXIF_IFD)[DATED] = "2098:01:01 00:00:00"
    facts = read_photo_facts(save_as_photo(astronaut, tmp_path / "IMG_20190612_101530.jpg", exif=exif))
    assert (str(facts.taken_at), facts.taken_at_source) == ("2098-01-01 00:00:00", "exif")
    assert [(str(date.at), date.source) for date in facts.dates] == [
        ("2098-01-01 00:00:00", "exif"),
        ("2019-06-12 10:15:30", "file name"),
    ]


def test_a_photo_tells_whether_a_camera_knew_which_way_is_up(astronaut: Image.Image, tmp_path: Path) -> None:
    upright = Image.Exif()
    upright[ORIENTATION] = 1
    stated = {"camera.jpg": upright, "plain.jpg": Image.Exif(), "scan.tif": upright, "plain.png": Image.Exif()}
    known = {n: read_photo_facts(save_as_photo(astronaut, tmp_path / n, exif=exif)) for n, exif in stated.items()}
    assert {n: f.has_orientation for n, f in known.items()} == {n: n == "camera.jpg" for n in stated}


@pytest.mark.parametrize("mode", ["CMYK", "L", "P", "1", "I;16", "RGBA", "LA", "I", "F"])
def test_pictures_of_every_colour_mode_become_rgb(mode: str, astronaut: Image.Image, tmp_path: Path) -> None:
    grey = np.asarray(astronaut.convert("L"))
    stored = Image.fromarray(grey.astype(np.uint16) * 257) if mode == "I;16" else astronaut.convert(mode)
    if mode == "F":
        stored = Image.fromarray(grey.astype(np.float32) / 255)
    ending = {"CMYK": "jpg", "F": "tif", "I": "tif"}.get(mode, "png")
    pixels = load_photo(save_as_photo(stored, tmp_path / f"photo.{ending}"))[0]
    assert pixels.shape == (512, 512, 3) and pixels.dtype == np.uint8
    expected = astronaut if mode in ("CMYK", "P", "RGBA") else astronaut.convert("1" if mode == "1" else "L")
    assert np.abs(pixels.astype(float) - np.asarray(expected.convert("RGB"))).mean() < 15


def test_transparent_parts_become_white(tmp_path: Path) -> None:
    path = save_as_photo(Image.new("RGBA", (8, 8), (0, 0, 0, 0)), tmp_path / "clear.png")
    assert load_photo(path)[0].min() == 255


def test_bad_files_get_a_status_and_one_clear_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contents = {"empty.jpg": b"", "notes.jpg": b"not a picture\n", "readme.txt": b"hello", "camera.nef": b"II*\0" * 9}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    for name, target in (("lost.jpg", "nowhere.jpg"), ("loop.jpg", "loop.jpg"), ("zero.jpg", "/dev/zero")):
        (tmp_path / name).symlink_to(target)
    os.mkfifo(tmp_path / "pipe.jpg")
    odd = ("lost.jpg", "loop.jpg", "zero.jpg", "pipe.jpg", "socket.jpg", "gone.jpg", ".")
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket.jpg")
        facts = {name: read_photo_facts(tmp_path / name) for name in (*contents, *odd)}
        assert {path.name for path in files_below(tmp_path)} == {*facts} - {"gone.jpg", "."}
        for name in ("zero.jpg", "pipe.jpg", "socket.jpg"):
            with pytest.raises(UnreadablePhotoError, match="a socket, pipe or device, not a file"):
                load_photo(tmp_path / name)
    statuses = {name: (fact.status, fact.reason) for name, fact in facts.items()}
    assert statuses == {
        "empty.jpg": ("unreadable", "the file is empty"),
        "notes.jpg": ("unreadable", "no picture inside that can be opened: the file is damaged or something else"),
        "readme.txt": ("not a photo", ".txt files are not searched for faces"),
        "camera.nef": ("not a photo", "a camera raw file: export it as JPEG to have it searched"),
        "lost.jpg": ("unreadable", "cannot be opened: no such file or directory"),
        "loop.jpg": ("unreadable", "cannot be opened: too many levels of symbolic links"),
        "gone.jpg": ("unreadable", "cannot be opened: no such file or directory"),
        **dict.fromkeys(
            ("zero.jpg", "pipe.jpg", "socket.jpg"), ("not a photo", "a socket, pipe or device, not a file")
        ),
        ".": ("unreadable", "cannot be opened: is a directory"),
    }
    assert len({fact.asset_id for fact in facts.values()}) == len(facts)


def test_what_may_not_be_read_is_listed_and_says_why(nobodys: Path, astronaut: Image.Image) -> None:
    save_as_photo(astronaut, nobodys / "private.jpg").chmod(0)
    for folder, rights in (("closed", 0), ("names only", 0o744), ("open", 0o755)):
        (nobodys / folder).mkdir()
        save_as_photo(astronaut, nobodys / folder / "photo.jpg")
        (nobodys / folder).chmod(rights if os.geteuid() == 0 else rights & 0o500)
    become_nobody()
    found = {str(path.relative_to(nobodys)): read_photo_facts(path) for path in files_below(nobodys)}
    assert {name: (facts.status, facts.reason) for name, facts in found.items()} == {
        "open/photo.jpg": ("ok", ""),
        **dict.fromkeys(
            ("private.jpg", "closed", "names only/photo.jpg"), ("unreadable", "cannot be opened: permission denied")
        ),
    }
    with pytest.raises(PermissionError):
        load_photo(nobodys / "private.jpg")


def test_a_file_that_changes_while_it_is_read_is_left_for_the_next_time(astronaut: Image.Image, tmp_path: Path) -> None:
    path = save_as_photo(astronaut, tmp_path / "upload.jpg")
    stop = threading.Event()

    def write_on() -> None:
        with path.open("ab") as file:
            while not stop.is_set():
                file.write(b"more" * 4096)
                file.flush()
                time.sleep(0)

    writer = threading.Thread(target=write_on)
    with path.open("ab") as file:
        file.write(b"\0" * 20_000_000)
    writer.start()
    try:
        facts = read_photo_facts(path)
    finally:
        stop.set()
        writer.join()
    assert (facts.status, facts.reason) == ("unreadable", "changed while it was read: the next run reads it again")
    assert read_photo_facts(path).status == "ok"


def test_a_file_too_large_to_be_read_whole_is_refused(astronaut: Image.Image, tmp_path: Path) -> None:
    path = save_as_photo(astronaut, tmp_path / "huge.jpg")
    with path.open("r+b") as file:
        file.truncate(MAX_BYTES + 1)  # takes no room on the disk
    facts = read_photo_facts(path)
    assert (facts.status, facts.reason) == ("unreadable", "1.0 GB are more than 1: save it smaller")


def test_every_file_is_listed_in_order_and_link_loops_end(tmp_path: Path) -> None:
    for name in ("b/2.jpg", "a/1.jpg", "a/.DS_Store", "a/Thumbs.db", "a/@eaDir/1.jpg", "c.txt", ".hidden/3.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "b" / "loop").symlink_to(tmp_path)
    (tmp_path / "lost.jpg").symlink_to(tmp_path / "nowhere.jpg")
    names = [path.relative_to(tmp_path).as_posix() for path in files_below(tmp_path)]
    assert names == ["a/1.jpg", "b/2.jpg", "c.txt", "lost.jpg"]


def test_an_asset_id_is_the_files_content_wherever_it_lies(tmp_path: Path, astronaut: Image.Image) -> None:
    first = save_as_photo(astronaut, tmp_path / "one.png")
    second = Path(shutil.copy(first, tmp_path / "two.png"))
    other = save_as_photo(astronaut.rotate(1), tmp_path / "three.png")
    ids = [read_photo_facts(path).asset_id for path in (first, second, other)]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.slow
def test_a_jpeg_is_decoded_no_larger_than_needed_and_tells_its_true_size(
    astronaut: Image.Image, tmp_path: Path
) -> None:
    large = astronaut.resize((3000, 2000))
    for orientation in (1, 6):
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        stored = large if orientation == 1 else large.transpose(Image.Transpose.ROTATE_90)
        path = save_as_photo(stored, tmp_path / f"{orientation}.jpg", exif=exif, quality=95)
        for least, factor in ((None, 1), (3100, 1), (1600, 1), (1500, 2), (1400, 2), (700, 4), (300, 8), (1, 8)):
            photo = load_photo(path, least)
            assert (photo.width, photo.height, photo.factor, photo.note) == (3000, 2000, factor, "")
            assert photo.pixels.shape[1::-1] == (3000 // factor, 2000 // factor)
            assert least is None or max(photo.pixels.shape) >= min(least, 3000)
            expected = np.asarray(large.resize(photo.pixels.shape[1::-1], Image.Resampling.BOX)).astype(float)
            assert np.abs(photo.pixels - expected).mean() < 3
    png = load_photo(save_as_photo(large, tmp_path / "large.png"), 300)
    assert (png.width, png.height, png.factor) == (3000, 2000, 1)
    slim = load_photo(save_as_photo(large.resize((3000, 3)), tmp_path / "slim.jpg"), 300)
    assert max(slim.pixels.shape) >= 300 and slim.pixels.shape[1] == 3000 // slim.factor


@pytest.mark.parametrize("mode", ["RGB", "CMYK", "L"])
def test_a_truncated_jpeg_is_decoded_at_reduced_size(mode: str, astronaut: Image.Image, tmp_path: Path) -> None:
    path = save_as_photo(astronaut.resize((2048, 2048)).convert(mode), tmp_path / "whole.jpg")
    whole = load_photo(path, 500)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    part = load_photo(path, 500)
    assert (part.note, part.factor, part.pixels.shape) == (TRUNCATED_NOTE, 4, (512, 512, 3))
    assert np.abs(part.pixels[:250].astype(float) - whole.pixels[:250]).mean() < 1


def test_files_that_could_not_be_opened_are_read_again_and_rows_of_older_versions_are_recognised_by_their_reason(
    tmp_path: Path,
) -> None:
    missing, empty = read_photo_facts(tmp_path / "missing.jpg"), tmp_path / "empty.jpg"
    empty.touch()
    rows = pl.DataFrame([{"reason": f.reason, "read_again": f.read_again} for f in (missing, read_photo_facts(empty))])
    assert to_read_again(rows).to_list() == [True, False]
    assert to_read_again(rows.drop("read_again")).to_list() == [True, False]
    assert to_read_again(rows.with_columns(read_again=pl.lit(None, pl.Boolean))).to_list() == [True, False]
