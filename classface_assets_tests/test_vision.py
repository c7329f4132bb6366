"""The vision room on real photos and real models: files, detection, alignment, embedding, model packs."""

import os
import shutil
import socket
import struct
import threading
import time
import uuid
import zlib
from collections.abc import Callable, Iterator
from datetime import datetime
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pillow_heif
import polars as pl
import pytest
import tifffile
from PIL import Image, ImageDraw

from classface_assets.identity.settings import settings_for
from classface_assets.vision import centerface, dlib_file
from classface_assets.vision.chips import (
    ARCFACE_TEMPLATE,
    CHIP_SIZE,
    CHIP_TEMPLATE,
    crop_for,
    cut_chip,
    decode_chip,
    encode_chip,
)
from classface_assets.vision.decode import TRUNCATED
from classface_assets.vision.detect import DETECTION_SCHEMA, PhotoJob, detect_photos, face_id_of
from classface_assets.vision.downloads import PackError
from classface_assets.vision.embed import embed_faces
from classface_assets.vision.faces import Faces, similarity
from classface_assets.vision.header import MAX_PIXELS, ORIENTATION, UnreadablePhoto
from classface_assets.vision.landmarks import refined
from classface_assets.vision.near import BURST_BITS, COPY_BITS, near_groups, perceptual_hash
from classface_assets.vision.pack_info import describe_pack
from classface_assets.vision.packs import ModelPack, load_pack
from classface_assets.vision.photo_files import photo_files
from classface_assets.vision.photos import MAX_BYTES, load_photo, read_facts
from classface_assets.vision.pictures import contact_sheet
from classface_assets.vision.pose import poses
from classface_assets.vision.quality import blur, brightness, outside_share, quality_score
from classface_assets.vision.search import DetectionSettings, find_faces
from classface_assets.vision.tiles import Detector
from classface_assets.vision.view import open_view, view_of
from classface_assets_tests.conftest import become_nobody

SHARED_PACK = Path(__file__).parents[2] / "shared" / "models" / "scrfd_mobilefacenet"
SETTINGS = DetectionSettings()
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


@pytest.fixture(scope="module")
def builtin(tmp_path_factory: pytest.TempPathFactory) -> ModelPack:
    folder = tmp_path_factory.mktemp("models")
    return load_pack("builtin", folder, folder)


@pytest.fixture(scope="module", params=["builtin", "insightface folder"])
def pack(request: pytest.FixtureRequest, builtin: ModelPack, tmp_path_factory: pytest.TempPathFactory) -> ModelPack:
    if request.param == "builtin":
        return builtin
    if not SHARED_PACK.is_dir():
        pytest.skip("the InsightFace-format pack is not on this machine")
    folder = tmp_path_factory.mktemp("models")
    return load_pack(str(SHARED_PACK), folder, folder)


@pytest.fixture(scope="module")
def astronaut() -> Image.Image:
    from skimage import data

    return Image.fromarray(data.astronaut())


@pytest.fixture(scope="module")
def group() -> Path:
    """InsightFace's sample photo: six people."""
    spec = find_spec("insightface")
    assert spec and spec.origin
    return Path(spec.origin).parent / "data" / "images" / "t1.jpg"


def detected(pack: ModelPack, *paths: Path) -> pl.DataFrame:
    jobs = [PhotoJob(read_facts(path).asset_id, path) for path in paths]
    return pl.concat([searched.rows for searched in detect_photos(jobs, pack.detector, SETTINGS)])


def faces_in(pack: ModelPack, image: np.ndarray, settings: DetectionSettings = SETTINGS) -> Faces:
    return find_faces(pack.detector, view_of(image), settings).faces


def vectors_of(rows: pl.DataFrame, pack: ModelPack, batch: int = 16) -> pl.DataFrame:
    faces = rows.filter(pl.col("face_id").is_not_null())
    return pl.concat([embedded.rows for embedded in embed_faces([faces], pack.embedder, batch)])


def boxes_of(frame: pl.DataFrame) -> np.ndarray:
    return frame.select("bbox_x", "bbox_y", "bbox_w", "bbox_h").to_numpy()


# Files and decoding


def save_as_photo(picture: Image.Image, path: Path, **options: object) -> Path:
    picture.save(path, **options)
    return path


def turned(picture: Image.Image) -> list[Image.Image]:
    """What further pages and frames hold, so that the first one is told from them."""
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
    facts = read_facts(tmp_path / name)
    assert (facts.status, facts.reason, facts.width, facts.height) == ("ok", "", 512, 512)
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
    facts = read_facts(path)
    said = 1 if ending == "heic" else orientation  # its own boxes say how it is turned
    assert (facts.width, facts.height, facts.orientation) == (300, 200, said)
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
    assert read_facts(path).taken_at == datetime.fromisoformat("2012-01-01")
    exif.get_ifd(0x8769)[DATED] = "2011:09:05 08:30:00"
    path = save_as_photo(astronaut, tmp_path / "taken.jpg", exif=exif)
    assert read_facts(path).taken_at == datetime.fromisoformat("2011-09-05 08:30")
    exif.get_ifd(0x8769)[DATED] = "0000:00:00 00:00:00"
    exif[0x0132] = "yesterday"
    assert read_facts(save_as_photo(astronaut, tmp_path / "nonsense.jpg", exif=exif)).taken_at is None


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
        facts = read_facts(save_as_photo(astronaut, tmp_path / "IMG_20010101_000001.jpg", exif=exif))
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
    facts = read_facts(save_as_photo(astronaut.resize((32, 32)), tmp_path / name))
    assert facts.taken_at == (datetime.fromisoformat(date) if date else None)
    assert facts.taken_at_source == ("file name" if date else "") and facts.utc_offset is None


def test_dates_that_cannot_be_are_passed_over(astronaut: Image.Image, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(EXIF_IFD)[DATED] = "2098:01:01 00:00:00"
    exif[0x0132] = "1899:12:30 00:00:00"
    assert read_facts(save_as_photo(astronaut, tmp_path / "wrong clock.jpg", exif=exif)).taken_at is None
    facts = read_facts(save_as_photo(astronaut, tmp_path / "IMG_20190612_101530.jpg", exif=exif))
    assert (str(facts.taken_at), facts.taken_at_source) == ("2019-06-12 10:15:30", "file name")


def test_a_photo_tells_whether_a_camera_knew_which_way_is_up(astronaut: Image.Image, tmp_path: Path) -> None:
    upright = Image.Exif()
    upright[ORIENTATION] = 1
    stated = {"camera.jpg": upright, "plain.jpg": Image.Exif(), "scan.tif": upright, "plain.png": Image.Exif()}
    known = {n: read_facts(save_as_photo(astronaut, tmp_path / n, exif=exif)) for n, exif in stated.items()}
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
        facts = {name: read_facts(tmp_path / name) for name in (*contents, *odd)}
        assert {path.name for path in photo_files(tmp_path)} == {*facts} - {"gone.jpg", "."}
        for name in ("zero.jpg", "pipe.jpg", "socket.jpg"):
            with pytest.raises(UnreadablePhoto, match="a socket, pipe or device, not a file"):
                load_photo(tmp_path / name)
    said = {name: (fact.status, fact.reason) for name, fact in facts.items()}
    assert said == {
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
    found = {str(path.relative_to(nobodys)): read_facts(path) for path in photo_files(nobodys)}
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
        facts = read_facts(path)
    finally:
        stop.set()
        writer.join()
    assert (facts.status, facts.reason) == ("unreadable", "changed while it was read: the next run looks again")
    assert read_facts(path).status == "ok"


def test_a_file_too_large_to_be_read_whole_is_refused(astronaut: Image.Image, tmp_path: Path) -> None:
    path = save_as_photo(astronaut, tmp_path / "huge.jpg")
    with path.open("r+b") as file:
        file.truncate(MAX_BYTES + 1)  # takes no room on the disk
    facts = read_facts(path)
    assert (facts.status, facts.reason) == ("unreadable", "1.0 GB are more than 1: save it smaller")


def test_a_decompression_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    side = int(MAX_PIXELS**0.5) + 1
    path = tmp_path / "bomb.png"
    Image.new("1", (side, side)).save(path)
    facts = read_facts(path)
    assert facts.status == "unreadable" and "more than 250 million" in facts.reason
    with pytest.raises(UnreadablePhoto, match="more than 250 million"):
        load_photo(path)


def test_every_file_is_listed_in_order_and_link_loops_end(tmp_path: Path) -> None:
    for name in ("b/2.jpg", "a/1.jpg", "a/.DS_Store", "a/Thumbs.db", "a/@eaDir/1.jpg", "c.txt", ".hidden/3.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "b" / "loop").symlink_to(tmp_path)
    (tmp_path / "lost.jpg").symlink_to(tmp_path / "nowhere.jpg")
    names = [path.relative_to(tmp_path).as_posix() for path in photo_files(tmp_path)]
    assert names == ["a/1.jpg", "b/2.jpg", "c.txt", "lost.jpg"]


def test_an_asset_id_is_the_files_content_wherever_it_lies(tmp_path: Path, astronaut: Image.Image) -> None:
    first = save_as_photo(astronaut, tmp_path / "one.png")
    second = Path(shutil.copy(first, tmp_path / "two.png"))
    other = save_as_photo(astronaut.rotate(1), tmp_path / "three.png")
    ids = [read_facts(path).asset_id for path in (first, second, other)]
    assert ids[0] == ids[1] != ids[2]


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
def test_a_truncated_jpeg_is_decoded_reduced_too(mode: str, astronaut: Image.Image, tmp_path: Path) -> None:
    path = save_as_photo(astronaut.resize((2048, 2048)).convert(mode), tmp_path / "whole.jpg")
    whole = load_photo(path, 500)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    part = load_photo(path, 500)
    assert (part.note, part.factor, part.pixels.shape) == (TRUNCATED, 4, (512, 512, 3))
    assert np.abs(part.pixels[:250].astype(float) - whole.pixels[:250]).mean() < 1


# Detection


@pytest.mark.parametrize("progressive", [False, True])
def test_a_truncated_photo_is_searched_as_far_as_it_goes(
    progressive: bool, builtin: ModelPack, astronaut: Image.Image, tmp_path: Path
) -> None:
    whole = save_as_photo(astronaut, tmp_path / "whole.jpg", quality=90, progressive=progressive)
    part = tmp_path / "part.jpg"
    part.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    assert read_facts(part).status == "ok"
    rows = detected(builtin, part)
    assert rows["status"].to_list() == ["ok"] and rows["reason"].to_list() == [TRUNCATED]


def test_every_photo_ends_as_rows_in_the_order_given(
    builtin: ModelPack, astronaut: Image.Image, group: Path, tmp_path: Path
) -> None:
    whole = save_as_photo(astronaut, tmp_path / "whole.jpg")
    broken = save_as_photo(astronaut, tmp_path / "broken.png")
    broken.write_bytes(broken.read_bytes()[:5000])
    stub = tmp_path / "stub.jpg"
    stub.write_bytes(whole.read_bytes()[:150])
    plain = save_as_photo(Image.new("RGB", (640, 480), (90, 120, 90)), tmp_path / "nobody.png")
    paths = [whole, broken, group, stub, tmp_path / "gone.jpg", plain]
    jobs = [PhotoJob(read_facts(path).asset_id, path) for path in paths]
    batches = list(detect_photos(jobs, builtin.detector, SETTINGS, batch=4))
    rows = pl.concat([batch.rows for batch in batches])
    assert [batch.rows.schema == DETECTION_SCHEMA for batch in batches] == [True, True]
    searched = [job.asset_id for job in jobs if job.path.name != "gone.jpg"]
    assert rows["asset_id"].unique(maintain_order=True).to_list() == searched
    assert [list(batch.unopened) for batch in batches] == [[], [jobs[4].asset_id]], "a missing file is tried again"
    assert rows["status"].to_list() == ["ok", "failed", *["ok"] * 6, "failed", "no face"]
    failed = rows.filter(status="failed")
    assert failed["face_id"].null_count() == 2 and failed["reason"].str.len_chars().min() > 10
    assert rows.filter(status="ok")["chip"].null_count() == 0


def test_the_six_people_of_a_group_are_found_at_any_size(pack: ModelPack, group: Path) -> None:
    photo = Image.open(group)
    for width in (400, 1280, 4000):
        image = np.asarray(photo.resize((width, photo.height * width // photo.width)))
        faces = faces_in(pack, image)
        assert len(faces) == 6
        low, high = faces.boxes[:, :2], faces.boxes[:, :2] + faces.boxes[:, 2:]
        assert low.min() >= 0 and (high <= [image.shape[1], image.shape[0]]).all()
        assert ((faces.landmarks > low[:, None]) & (faces.landmarks < high[:, None])).all()
        assert (faces.landmarks[:, 0, 0] < faces.landmarks[:, 1, 0]).all()  # left eye first, as seen in the picture


def test_the_small_faces_of_a_whole_school_are_found(pack: ModelPack, group: Path) -> None:
    photo = Image.open(group).resize((700, 484))
    school = Image.new("RGB", (5600, 968), (90, 120, 90))
    for place in range(16):
        school.paste(photo, (place % 8 * 700, place // 8 * 484))
    assert len(faces_in(pack, np.asarray(school))) == 16 * 6


def test_a_portrait_without_room_around_the_head_is_found(pack: ModelPack, astronaut: Image.Image) -> None:
    tight = np.asarray(astronaut.crop((178, 62, 268, 196)).resize((1800, 2680)))
    (box,) = faces_in(pack, tight).boxes
    assert box[2] > 1300 and box[3] > 1900


class Counted:
    """A real detector that counts how often it looks."""

    def __init__(self, detector: Detector) -> None:
        self.detector, self.looks = detector, 0
        self.look_side, self.fixed_input = detector.look_side, detector.fixed_input
        self.reliable_px, self.close_up = detector.reliable_px, detector.close_up

    def find(self, image: np.ndarray, min_confidence: float) -> Faces:
        self.looks += 1
        return self.detector.find(image, min_confidence)


def looks_at(pack: ModelPack, image: Image.Image, turnable: bool = False) -> int:
    counted = Counted(pack.detector)
    find_faces(counted, view_of(np.asarray(image.convert("RGB"))), SETTINGS, turnable)
    return counted.looks


def test_a_plain_photo_is_looked_at_once_and_only_what_asks_for_it_more_often(
    pack: ModelPack, astronaut: Image.Image, group: Path
) -> None:
    photo = Image.open(group)
    assert looks_at(pack, photo) == looks_at(pack, photo.resize((4000, 2768))) == 1
    assert looks_at(pack, astronaut, turnable=True) == 1, "a face that is surely upright is not tried on its side"
    tight = astronaut.crop((178, 62, 268, 196)).resize((1800, 2680))
    nobody = Image.new("RGB", (4000, 3000), (90, 120, 90))
    assert looks_at(pack, tight) <= looks_at(pack, nobody) == 2, "once more within a border"
    far = Image.new("RGB", (5000, 3460), (90, 120, 90))
    far.paste(photo.resize((700, 484)), (2000, 1500))
    assert looks_at(pack, far) > 2, "faces this small are looked for at a finer scale"
    assert len(faces_in(pack, np.asarray(far))) == 6


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_scan_lying_on_its_side_is_turned_until_its_faces_are_upright(
    pack: ModelPack, group: Path, turn: int, tmp_path: Path
) -> None:
    photo = Image.open(group)
    scan = save_as_photo(photo.rotate(turn, expand=True), tmp_path / "scan.jpg", quality=95)
    (searched,) = detect_photos([PhotoJob("0" * 32, scan, turnable=True)], pack.detector, SETTINGS)
    assert set(searched.rows["rotation"]) == {turn}, "a picture turned to the left is turned back to the right"
    upright = faces_in(pack, np.asarray(photo)).boxes
    boxes = boxes_of(searched.rows)
    assert np.abs(boxes[boxes[:, 0].argsort()] - upright[upright[:, 0].argsort()]).max() < 0.03 * photo.width
    (as_it_is,) = detect_photos([PhotoJob("0" * 32, scan, turnable=False)], pack.detector, SETTINGS)
    assert set(as_it_is.rows["rotation"]) == {0}, "a photo that says which way is up is believed"


def test_landmarks_are_placed_anew_from_close_by(pack: ModelPack, group: Path) -> None:
    large = np.asarray(Image.open(group).resize((2560, 1772)))
    rough = faces_in(pack, large)
    seen = np.full(len(rough), 20.0)
    close = refined(pack.detector, large, rough, seen)
    fine = faces_in(pack, np.asarray(Image.open(group).resize((640, 443)))).times(4)
    order, same = rough.boxes[:, 0].argsort(), fine.boxes[:, 0].argsort()
    eyes = np.linalg.norm(rough.landmarks[:, 0] - rough.landmarks[:, 1], axis=1)
    moved = np.linalg.norm(close - rough.landmarks, axis=2).max(axis=1) / eyes
    assert moved.max() < 0.25 and (moved > 0.005).all(), "by a little, each of them"
    assert np.abs(close[order] - fine.landmarks[same]).max() / eyes.min() < 0.3
    empty = np.zeros_like(large)
    assert np.array_equal(refined(pack.detector, empty, rough, seen), rough.landmarks), "what is not found stays"
    assert np.array_equal(refined(pack.detector, large, rough, seen * 9), rough.landmarks), "as does what was seen well"


def test_a_photo_without_a_face_stays_as_it_is_however_it_is_turned(pack: ModelPack) -> None:
    from skimage import data

    for picture in (data.chelsea(), data.coffee(), data.rocket()):
        found = find_faces(pack.detector, view_of(picture), SETTINGS, turnable=True)
        assert (len(found.faces), found.rotation) == (0, 0)


def test_a_large_jpeg_is_decoded_small_unless_its_faces_need_more(
    builtin: ModelPack, astronaut: Image.Image, group: Path, tmp_path: Path
) -> None:
    portrait = save_as_photo(astronaut.resize((5000, 5000)), tmp_path / "portrait.jpg", quality=95)
    view = open_view(portrait)
    assert (view.width, view.height) == (5000, 5000) and view.at(9999).shape == (5000, 5000, 3)
    small, whole = open_view(portrait).sharp(1000, 96), open_view(portrait).sharp(100, 96)
    assert (small[0].shape[0], small[1], whole[0].shape[0], whole[1]) == (2500, 0.5, 5000, 1.0)
    landmarks = find_faces(builtin.detector, view, SETTINGS).faces.landmarks[0]
    chips = [cut_chip(picture, landmarks * np.float32(scale)).astype(float) for picture, scale in (small, whole)]
    assert np.abs(chips[0] - chips[1]).mean() < 2.5
    crowd = save_as_photo(Image.open(group).resize((4000, 2768)), tmp_path / "crowd.jpg", quality=95)
    (row, *_) = detected(builtin, crowd).sort("bbox_x").to_dicts()
    box = faces_in(builtin, np.asarray(Image.open(group)))
    first = box.boxes[box.boxes[:, 0].argmin()] * (4000 / 1280)
    assert np.abs(np.array([row[f"bbox_{side}"] for side in "xywh"]) - first).max() < 20


def test_faces_below_the_bounds_are_left_out(builtin: ModelPack, group: Path) -> None:
    image = load_photo(group)[0]
    assert len(faces_in(builtin, image, DetectionSettings(min_face_px=110))) < 6
    assert len(faces_in(builtin, image, DetectionSettings(min_confidence=0.92))) < 6


def test_a_face_id_depends_on_the_photo_and_whole_pixels(builtin: ModelPack, group: Path) -> None:
    asset_id = read_facts(group).asset_id
    near = face_id_of(asset_id, np.array([10.2, 20.4, 30.1, 39.8]))
    assert near == face_id_of(asset_id, np.array([10, 20, 30, 40]))
    assert near != face_id_of(asset_id, np.array([11, 20, 30, 40]))
    first, second = (detected(builtin, group)["face_id"].to_list() for _ in range(2))
    assert first == second and len(set(first)) == 6


# Near duplicates


def hash_of(picture: Image.Image) -> str:
    return perceptual_hash(np.asarray(picture.convert("RGB")))


def bits_apart(a: str, b: str) -> int:
    return (int(a, 16) ^ int(b, 16)).bit_count()


def saved_small(picture: Image.Image) -> Image.Image:
    out = BytesIO()
    picture.resize((picture.width // 3, picture.height // 3)).save(out, "JPEG", quality=40)
    return Image.open(out)


def shot_again(picture: Image.Image, seed: int) -> Image.Image:
    """The same scene a moment later: a hand that moved by half a per cent, other light, other noise."""
    chance = np.random.default_rng(seed)
    dx, dy = (round(side * chance.uniform(-0.005, 0.005)) for side in picture.size)
    pixels = np.roll(np.asarray(picture), (dy, dx), (0, 1)) * chance.uniform(0.94, 1.06)
    return Image.fromarray((pixels + chance.normal(0, 4, pixels.shape)).clip(0, 255).astype(np.uint8))


def in_a_gown(face: Image.Image) -> Image.Image:
    """Full length before the backdrop of picture day: all but the head is the same for everybody."""
    photo = Image.new("RGB", (480, 800), (120, 110, 100))
    ImageDraw.Draw(photo).polygon([(200, 190), (280, 190), (330, 720), (150, 720)], fill=(20, 25, 60))
    oval = Image.new("L", (70, 86), 0)
    ImageDraw.Draw(oval).ellipse((0, 0, 70, 86), fill=255)
    photo.paste(face.resize(oval.size), (205, 104), oval)
    return photo


def test_copies_have_nearly_the_same_hash_and_other_photos_do_not(astronaut: Image.Image, group: Path) -> None:
    for photo in (astronaut, Image.open(group)):
        own = hash_of(photo)
        assert len(own) == 64
        assert bits_apart(own, hash_of(photo.convert("L"))) <= 4
        assert bits_apart(own, hash_of(saved_small(photo))) <= COPY_BITS / 2
        for seed in range(5):
            assert bits_apart(own, hash_of(shot_again(photo, seed))) <= BURST_BITS
        assert bits_apart(own, hash_of(photo.crop((40, 40, *photo.size)))) > COPY_BITS
    assert bits_apart(hash_of(astronaut), hash_of(Image.open(group))) > 2 * BURST_BITS


def looked_at(**photos: tuple[str, str | None, str]) -> pl.DataFrame:
    """Photos by name: their hash, when they were taken, and how that is known."""
    rows = [
        (name, "2019-2020", name, code, datetime.fromisoformat(at) if at else None, source)
        for name, (code, at, source) in photos.items()
    ]
    schema = ["asset_id", "school_year", "path", "phash", "taken_at", "taken_at_source"]
    return pl.DataFrame(rows, schema=schema, schema_overrides={"taken_at": pl.Datetime("us")}, orient="row")


def grouped(photos: pl.DataFrame, **faces: np.ndarray) -> dict[str, str]:
    """near_groups of photos whose faces have these vectors."""
    owners = pl.Series([name for name, vectors in faces.items() for _ in vectors], dtype=pl.String)
    vectors = np.concatenate(list(faces.values())) if faces else np.zeros((0, 0), np.float32)
    return dict(near_groups(photos, owners, vectors, 0.7).iter_rows())


def test_copies_and_bursts_are_grouped_and_times_of_the_camera_tell_two_photos(
    astronaut: Image.Image, group: Path
) -> None:
    one, small, again, other = map(
        hash_of, (astronaut, saved_small(astronaut), shot_again(astronaut, 0), Image.open(group))
    )
    assert bits_apart(one, again) > 0
    apart = f"{int(one, 16) ^ ((1 << 30) - 1):064x}"  # 30 bits: too many for a copy, few enough for a burst
    at = "2019-11-05T10:15:30"
    found = grouped(looked_at(a=(one, at, "exif"), small=(small, None, ""), other=(other, at, "exif")))
    assert found == {"a": "a", "small": "a"}
    assert grouped(looked_at(a=(one, at, "exif"), b=(apart, "2019-11-05T10:15:32", "exif"))) == {"a": "a", "b": "a"}
    assert grouped(looked_at(a=(one, at, "exif"), b=(apart, "2019-11-05T10:15:42", "exif"))) == {}
    assert grouped(looked_at(a=(one, at, "exif"), b=(one, "2019-11-05T10:15:42", "exif"))) == {}
    assert len(grouped(looked_at(a=(one, at, "exif"), b=(one, "2019-11-06T08:00:00", "file name")))) == 2
    start = "2019-09-01T00:00:00"
    assert grouped(looked_at(a=(one, start, "school year"), b=(apart, start, "school year"))) == {}
    two_years = looked_at(a=(one, None, ""), b=(one, None, ""))
    two_years = two_years.with_columns(school_year=pl.Series(["2018-2019", "2019-2020"]))
    assert grouped(two_years) == {}
    assert grouped(looked_at()) == {} == grouped(looked_at(a=(one, at, "exif")))


def test_children_before_one_backdrop_are_never_a_near_duplicate(
    pack: ModelPack, astronaut: Image.Image, group: Path, tmp_path: Path
) -> None:
    heads = [astronaut.crop((160, 40, 300, 210))]
    large = Image.open(group)
    for box in faces_in(pack, load_photo(group).pixels).boxes:
        x, y, w, h = map(float, box)
        heads.append(large.crop((int(x - w / 4), int(y - h / 4), int(x + 1.25 * w), int(y + 1.25 * h))))
    children = [in_a_gown(head) for head in heads]
    photos = {f"child {n}": child for n, child in enumerate(children)}
    copies = {f"copy {n}": shot_again(child, n) for n, child in enumerate(children)}
    paths = {name: save_as_photo(p, tmp_path / f"{name}.jpg", quality=92) for name, p in (photos | copies).items()}
    hashes = {name: perceptual_hash(load_photo(path).pixels) for name, path in paths.items()}
    least = min(bits_apart(hashes[a], hashes[b]) for a in photos for b in photos if a < b)
    assert least <= BURST_BITS, "hash and time take two of these children for one burst"

    jobs = list(paths.items())
    searches = [PhotoJob(str(uuid.uuid5(uuid.NAMESPACE_URL, n)), p) for n, p in jobs]
    rows = pl.concat([searched.rows for searched in detect_photos(searches, pack.detector, SETTINGS)])
    names = {str(uuid.uuid5(uuid.NAMESPACE_URL, n)): n for n, _ in jobs}
    vectors = vectors_of(rows, pack)["vector"].to_numpy()
    owners = rows.drop_nulls("face_id")["asset_id"].replace_strict(names)
    assert owners.n_unique() == len(jobs)
    same_face = (1 + settings_for(pack.info.name).person_threshold) / 2
    seen = looked_at(**{name: (code, "2019-09-20T09:00:01", "exif") for name, code in hashes.items()})
    found = dict(near_groups(seen, owners, vectors, same_face).iter_rows())
    groups = {frozenset(n for n, g in found.items() if g == first) for first in found.values()}
    assert all({name.split()[1] for name in members} == {min(members).split()[1]} for members in groups)
    assert len(groups) >= 5, "the shots of one child are found together"


# Chips and quality


def test_a_chip_puts_the_landmarks_on_the_template(astronaut: Image.Image) -> None:
    turn = np.array([[0.8, -0.3, 210.0], [0.3, 0.8, 60.0]])
    landmarks = CHIP_TEMPLATE @ turn[:, :2].T + turn[:, 2]
    matrix = similarity(landmarks, CHIP_TEMPLATE)
    assert np.allclose(landmarks @ matrix[:, :2].T + matrix[:, 2], CHIP_TEMPLATE)
    assert cut_chip(np.asarray(astronaut), landmarks).shape == (CHIP_SIZE, CHIP_SIZE, 3)


def test_a_chip_of_a_large_face_equals_the_chip_of_the_shrunk_photo(builtin: ModelPack, astronaut: Image.Image) -> None:
    small = np.asarray(astronaut)
    landmarks = faces_in(builtin, small).landmarks[0]
    large = np.asarray(astronaut.resize((512 * 8, 512 * 8), Image.Resampling.BICUBIC))
    chips = cut_chip(small, landmarks), cut_chip(large, (landmarks + 0.5) * 8 - 0.5)
    assert np.abs(chips[0].astype(float) - chips[1]).mean() < 2.5


def test_a_stored_chip_is_nearly_the_chip(builtin: ModelPack, astronaut: Image.Image) -> None:
    image = np.asarray(astronaut)
    chip = cut_chip(image, faces_in(builtin, image).landmarks[0])
    stored = decode_chip(encode_chip(chip))
    assert np.abs(stored.astype(float) - chip).mean() < 3
    assert np.array_equal(crop_for(chip, np.array([[1.0, 0, -10], [0, 1, -20]]), 100), chip[20:120, 10:110])


def test_quality_is_half_size_and_half_confidence() -> None:
    assert quality_score(np.array([0, 0, 100, 200]), 0.8) == pytest.approx(0.65)
    assert quality_score(np.array([0, 0, 900, 900]), 1.0) == 1.0


def test_a_blurred_chip_measures_lower(astronaut: Image.Image) -> None:
    face = astronaut.crop((160, 40, 352, 232))
    soft = face.resize((32, 32)).resize((192, 192), Image.Resampling.BICUBIC)
    assert blur(np.asarray(soft)) < 0.1 * blur(np.asarray(face))


def seen_from(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Landmarks of a mean face, its nose before its eyes, that looks right, up and tilts clockwise by these degrees."""
    depth = np.array([0, 0, -17, -3, -3.0])
    face = np.column_stack([ARCFACE_TEMPLATE - ARCFACE_TEMPLATE.mean(0), depth - depth.mean()])
    y, p, r = np.radians([yaw, pitch, roll])
    about_down = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    about_right = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    in_picture = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return (face @ (in_picture @ about_down @ about_right).T)[:, :2] * 3.7 + 250


@pytest.mark.parametrize(
    ("yaw", "pitch", "roll"), [(0, 0, 0), (40, 0, 0), (-30, 0, 0), (0, 20, 0), (0, -25, 0), (0, 0, 70)]
)
def test_yaw_pitch_and_roll_are_read_from_the_landmarks(yaw: float, pitch: float, roll: float) -> None:
    assert np.abs(poses(seen_from(yaw, pitch, roll)[None])[0] - [yaw, pitch, roll]).max() < 3


def test_a_mirrored_face_looks_the_other_way(pack: ModelPack, group: Path) -> None:
    image = np.asarray(Image.open(group))
    faces, mirrored = faces_in(pack, image), faces_in(pack, np.ascontiguousarray(image[:, ::-1]))
    one = poses(faces.landmarks[faces.boxes[:, 0].argsort()])
    other = poses(mirrored.landmarks[mirrored.boxes[:, 0].argsort()])[::-1]
    assert np.abs(one * [-1, 1, -1] - other).max() < 25, "degrees; a pixel or two at these sizes"
    assert np.corrcoef(one[:, 0], -other[:, 0])[0, 1] > 0.9


def test_a_face_tells_its_light_and_how_much_of_it_is_cut_off(builtin: ModelPack, astronaut: Image.Image) -> None:
    image = np.asarray(astronaut)
    chip = cut_chip(image, faces_in(builtin, image).landmarks[0])
    assert brightness(chip) == pytest.approx(2 * brightness(chip // 2), abs=2)
    assert 90 < brightness(chip) < 200
    boxes = np.array([[10, 10, 20, 20], [-10, 0, 20, 20], [90, 90, 20, 20]], np.float32)
    assert outside_share(boxes, 100, 100).tolist() == pytest.approx([0, 0.5, 0.75])
    cut = image[:, 230:]
    found = find_faces(builtin.detector, view_of(np.ascontiguousarray(cut)), SETTINGS)
    assert len(found.faces) == 1 and found.outside[0] > 0.05 and found.faces.boxes[0, 0] == 0


def test_a_contact_sheet_shows_the_chips_in_rows() -> None:
    chips = [encode_chip(np.full((CHIP_SIZE, CHIP_SIZE, 3), value, np.uint8)) for value in (0, 100, 250)]
    sheet = np.asarray(Image.open(BytesIO(contact_sheet(chips, size=16, columns=2))))
    assert sheet.shape == (32, 32, 3)
    assert [int(sheet[y, x, 0]) // 40 for y, x in ((8, 8), (8, 24), (24, 8))] == [0, 2, 6]
    assert Image.open(BytesIO(contact_sheet([]))).size == (64, 64)


# Embeddings


def test_embeddings_are_unit_vectors_that_know_a_person_again(
    pack: ModelPack, astronaut: Image.Image, group: Path, tmp_path: Path
) -> None:
    whole = save_as_photo(astronaut, tmp_path / "whole.jpg")
    again = save_as_photo(
        astronaut.rotate(8).crop((60, 0, 460, 400)).resize((300, 300)), tmp_path / "again.jpg", quality=60
    )
    rows = detected(pack, whole, again, group, save_as_photo(Image.new("RGB", (99, 99)), tmp_path / "nobody.png"))
    frame = vectors_of(rows, pack, batch=3)
    assert frame["face_id"].to_list() == rows["face_id"].drop_nulls().to_list()
    assert frame.schema["vector"] == pl.Array(pl.Float32, pack.dim)
    vectors = frame["vector"].to_numpy()
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    similar = vectors @ vectors.T
    assert similar[0, 1] > similar[:2, 2:].max() + 0.05


def test_no_faces_give_no_vectors(builtin: ModelPack) -> None:
    assert list(embed_faces([pl.DataFrame(schema=DETECTION_SCHEMA)], builtin.embedder, 16)) == []


# Model packs


def test_packs_are_described_without_loading_a_model(tmp_path: Path) -> None:
    info = describe_pack("builtin", tmp_path)
    assert info.name == "builtin" and info.version and "Commercial use is allowed" in info.licence
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "det.onnx").write_bytes(b"one")
    (tmp_path / "mine" / "rec.onnx").write_bytes(b"two")
    first = describe_pack(str(tmp_path / "mine"), tmp_path)
    (tmp_path / "mine" / "rec.onnx").write_bytes(b"three")
    second = describe_pack(str(tmp_path / "mine"), tmp_path)
    assert first.name == second.name == "mine"
    assert first.version != second.version and first.detector_version == second.detector_version


@pytest.fixture
def broken_pack(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "det.onnx").write_bytes(b"this is no model")
    yield folder


def test_unusable_packs_say_what_to_do(tmp_path: Path, broken_pack: Path) -> None:
    (tmp_path / "none").mkdir()
    detector_only = tmp_path / "half"
    detector_only.mkdir()
    found = centerface.weights()
    assert found
    shutil.copy(found, detector_only / "det.onnx")
    for name, message in {
        "buffalo_x": "No model pack 'buffalo_x': give one of builtin, buffalo_l, buffalo_s, antelopev2, or the path",
        str(tmp_path / "none"): "No .onnx files in .*: a pack is a folder with a detector and a recognition model",
        str(broken_pack): "det.onnx is not a model that can be loaded: replace it or delete it",
        str(detector_only): "half: a pack needs a detector and a recogniser|half/det.onnx",
    }.items():
        with pytest.raises(PackError, match=message) as raised:
            load_pack(name, tmp_path, tmp_path)
        assert "\n" not in str(raised.value)


def test_a_pack_that_cannot_be_downloaded_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with socket.socket() as closed:  # a proxy where nobody listens: no network, on every machine
        closed.bind(("127.0.0.1", 0))
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{closed.getsockname()[1]}")
        with pytest.raises(PackError, match=r"buffalo_s is not in .* and could not be downloaded .*: connect to the"):
            load_pack("buffalo_s", tmp_path / "packs", tmp_path)
    assert capsys.readouterr().out == ""
    assert [path.name for path in (tmp_path / "packs").rglob("*")] == ["models"]


def test_a_pack_unpacked_into_a_folder_of_its_own_name_is_found(tmp_path: Path) -> None:
    inner = tmp_path / "models" / "antelopev2" / "antelopev2"
    inner.mkdir(parents=True)
    (inner / "scrfd_10g.onnx").write_bytes(b"weights")
    assert describe_pack("antelopev2", tmp_path).name == "antelopev2"


def test_changed_weights_are_refused() -> None:
    path = dlib_file.weights()
    assert path
    data = bytearray(path.read_bytes())
    data[5_000_000] ^= 1
    with pytest.raises(ValueError, match="SHA-256"):
        dlib_file.read_resnet(bytes(data))
