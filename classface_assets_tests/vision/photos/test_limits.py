"""Pictures that are too large are refused by their header: no pixel is decoded, and hardly any memory is taken."""

import io
import json
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from classface_assets.vision.photo_facts import read_photo_facts
from classface_assets.vision.photos.decoding import BAND_PIXELS, decode_photo
from classface_assets.vision.photos.limits import (
    MAX_DECODE_BYTES,
    MAX_PIXELS,
    MAX_SIDE,
    PictureLimits,
    decode_bytes,
    size_problem,
)
from classface_assets.vision.photos.metadata import UnreadablePhotoError, open_picture

# A process inherits the peak of the one that started it in `ru_maxrss`, but not in VmHWM, which can be set back.
PEAK_MEMORY = """
import json, resource, sys, time
from pathlib import Path
import cv2
from classface_assets.core.arrays import release_freed_memory
from classface_assets.vision.photo_facts import read_photo_facts
from classface_assets.vision.photos.decoding import decode_photo, load_photo
from classface_assets.vision.photos.metadata import UnreadablePhotoError

def memory(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) << 10

def outcome(path):
    try:
        return list(load_photo(path).pixels.shape)
    except UnreadablePhotoError as error:
        return error.reason

for path in map(Path, sys.argv[1:]):
    if (tiny := path.with_name("tiny " + path.name)).exists():
        outcome(tiny)  # loads the decoder
    release_freed_memory()
    Path("/proc/self/clear_refs").write_text("5")
    before, started = memory("VmRSS"), time.perf_counter()
    facts = read_photo_facts(path)
    found = outcome(path)
    print(json.dumps([found, facts.status, facts.reason, memory("VmHWM") - before, time.perf_counter() - started]))
"""
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process's memory is read from /proc")


class Decoded(NamedTuple):
    """What came of a file in a process of its own: the shape or the reason, the facts, the peak, and the seconds."""

    outcome: list[int] | str
    status: str
    reason: str
    peak_bytes: int
    seconds: float


def decoded_in_a_process(paths: Sequence[Path]) -> list[Decoded]:
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "500000"}  # else freed blocks are used again
    command = [sys.executable, "-c", PEAK_MEMORY, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return [Decoded(*json.loads(line)) for line in done.stdout.splitlines()]


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, row: bytes, rows: int, *more: bytes, depth: int = 1) -> bytes:
    """A PNG whose header says `width` × `height` grey pixels, with so many rows of pixels."""
    compressor = zlib.compressobj(9)
    pixels = b"".join(compressor.compress(b"\0" + row) for _ in range(rows)) + compressor.flush()
    header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    chunks = [chunk(b"IHDR", header), *more, chunk(b"IDAT", pixels), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def a_very_long_png() -> bytes:
    """60,000,000 × 1 pixels in a few kilobytes."""
    return png(60_000_000, 1, bytes(60_000_000 // 8), 1)


def with_size(data: bytes, format_name: str, width: int, height: int, side: int = 64) -> bytes:
    """The file, of a square of `side` pixels, with another size written into its header."""
    pattern = {"BMP": "<ii", "GIF": "<HH", "WEBP": "<HH", "JPEG": ">HH"}.get(format_name, ">II")
    before, after = struct.pack(pattern, side, side), (width, height)
    if format_name == "TIFF":  # ImageWidth and ImageLength, as shorts or longs
        for tag, size in ((256, width), (257, height)):
            old = next(entry for kind in (3, 4) if (entry := struct.pack("<HHII", tag, kind, 1, side)) in data)
            data = data.replace(old, struct.pack("<HHII", tag, 4, 1, size))
        return data
    assert before in data, format_name
    after = after[::-1] if format_name == "JPEG" else after
    return data.replace(before, struct.pack(pattern, *after), 1 if format_name in ("BMP", "WEBP") else -1)


def saved(format_name: str, side: int = 64, mode: str = "RGB", **options: object) -> bytes:
    import pillow_heif

    pillow_heif.register_heif_opener()
    out = io.BytesIO()
    noise = Image.effect_noise((64, 64), 40).convert("L").resize((side, side))
    picture = Image.fromarray(np.asarray(noise).astype(np.uint16) * 250) if mode == "I;16" else noise.convert(mode)
    picture.save(out, format_name, **options)
    return out.getvalue()


@on_linux
@pytest.mark.slow
def test_a_png_of_sixty_million_by_one_pixels_takes_neither_time_nor_memory(tmp_path: Path) -> None:
    path = tmp_path / "long.png"
    path.write_bytes(a_very_long_png())
    assert path.stat().st_size < 20_000
    (long,) = decoded_in_a_process([path])
    assert long.outcome == "60000000 × 1 pixels: no side may have more than 200,000"
    assert (long.status, long.reason) == ("unreadable", long.outcome)
    assert long.peak_bytes < 50e6 and long.seconds < 10


SIDE = 2200
LYING_FORMATS = ("PNG", "BMP", "GIF", "JPEG", "JPEG2000", "TIFF", "WEBP", "AVIF", "HEIF")
DECODED: tuple[tuple[str, str, dict[str, object]], ...] = (
    ("JPEG", "RGB", {"progressive": True, "subsampling": 0}),
    ("JPEG", "CMYK", {"progressive": True}),
    ("PNG", "RGB", {}),
    ("PNG", "L", {}),
    ("PNG", "RGBA", {}),
    ("PNG", "I;16", {}),
    ("TIFF", "F", {}),
    ("TIFF", "RGB", {"compression": "tiff_lzw"}),
    ("BMP", "RGB", {}),
    ("GIF", "P", {}),
    ("WEBP", "RGB", {}),
    ("JPEG2000", "RGB", {}),
    ("AVIF", "RGB", {"speed": 10}),
    ("HEIF", "RGB", {}),
)


@on_linux
@pytest.mark.slow
def test_no_decoder_takes_more_memory_than_its_header_lets_expect(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}" for number in range(len(DECODED))]
    for path, (format_name, mode, options) in zip(paths, DECODED, strict=True):
        path.write_bytes(saved(format_name, SIDE, mode, **options))
        path.with_name(f"tiny {path.name}").write_bytes(saved(format_name, 64, mode, **options))
    for (format_name, mode, _), path, decoded in zip(DECODED, paths, decoded_in_a_process(paths), strict=True):
        assert decoded.outcome == [SIDE, SIDE, 3], (format_name, mode, decoded)
        allowed = decode_bytes(SIDE, SIDE, mode, format_name) + path.stat().st_size + (8 << 20)
        assert decoded.peak_bytes < allowed, (format_name, mode, decoded.peak_bytes / SIDE**2)


@on_linux
@pytest.mark.slow
def test_a_header_that_says_few_pixels_before_many_keeps_to_the_few(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in LYING_FORMATS]
    for path in paths:
        path.write_bytes(with_size(saved(path.name, SIDE), path.name, 16, 16, SIDE))
        path.with_name(f"tiny {path.name}").write_bytes(saved(path.name))
    for path, decoded in zip(paths, decoded_in_a_process(paths), strict=True):
        assert decoded.outcome == [16, 16, 3] or isinstance(decoded.outcome, str), (path.name, decoded)
        assert decoded.peak_bytes < 2 * path.stat().st_size + (12 << 20), (path.name, decoded)


@on_linux
@pytest.mark.slow
def test_text_and_profiles_that_swell_take_no_memory(tmp_path: Path) -> None:
    swelling = zlib.compress(bytes(400 << 20), 1)
    kinds = {"zTXt": b"Comment\0\0", "iTXt": b"Comment\0\1\0\0\0", "iCCP": b"profile\0\0", "eXIf": b""}
    paths = [tmp_path / kind for kind in kinds]
    for path, start in zip(paths, kinds.values(), strict=True):
        path.write_bytes(png(8, 8, b"\xff", 8, chunk(path.name.encode(), start + swelling)))
    for path, decoded in zip(paths, decoded_in_a_process(paths), strict=True):
        assert decoded.outcome == [8, 8, 3] or "no picture inside" in decoded.outcome, (path.name, decoded)
        assert decoded.peak_bytes < 60e6, (path.name, decoded)


@pytest.mark.parametrize("format_name", ["PNG", "BMP", "GIF", "JPEG", "JPEG2000", "TIFF", "AVIF", "HEIF"])
def test_a_header_that_says_too_many_pixels_is_refused_in_every_format(format_name: str) -> None:
    width, height = (60_000, 60_000)
    lying = with_size(saved(format_name), format_name, width, height)
    with pytest.raises(UnreadablePhotoError) as refused:
        decode_photo(lying)
    allowed = ("60000 × 60000 pixels are more than 250 million", "no picture inside", "damaged")
    assert refused.value.reason.startswith(allowed), refused.value.reason


def test_a_tiff_and_a_webp_of_too_many_pixels_are_refused(tmp_path: Path) -> None:
    tiff = io.BytesIO()
    Image.new("1", (60_000, 5_000)).save(tiff, "TIFF", compression="group4")
    with pytest.raises(UnreadablePhotoError, match="more than 250 million"):
        open_picture(tiff)
    webp = io.BytesIO()
    Image.new("RGB", (16383, 10)).save(webp, "WEBP")
    with pytest.raises(UnreadablePhotoError, match="no side may have more than 1,000"):
        open_picture(webp, PictureLimits(side=1000))


def test_the_page_of_a_tiff_that_is_searched_is_the_one_that_is_measured(tmp_path: Path) -> None:
    path = tmp_path / "pages.tif"
    large = Image.new("1", (20_000, 15_000))
    Image.new("1", (100, 100)).save(path, "TIFF", save_all=True, append_images=[large], compression="group4")
    facts = read_photo_facts(path)
    assert facts.status == "unreadable" and "20000 × 15000 pixels" in facts.reason


@pytest.mark.parametrize("sides", [(65_535, 3_000), (3_000, 65_535), (100_000, 2_000), (15_000, 15_000)])
def test_panoramas_and_large_scans_are_not_refused(sides: tuple[int, int]) -> None:
    for mode, format_name in (("RGB", "JPEG"), ("L", "TIFF"), ("RGB", "TIFF"), ("I;16", "TIFF"), ("RGBA", "PNG")):
        assert size_problem(sides, mode, format_name) is None


@pytest.mark.parametrize(
    ("size", "mode", "format_name", "expected"),
    [
        ((MAX_SIDE + 1, 1), "RGB", "PNG", "no side may have more than 200,000"),
        ((1, MAX_SIDE + 1), "RGB", "PNG", "no side may have more than 200,000"),
        ((MAX_SIDE, 1), "RGB", "PNG", None),
        ((25_000, MAX_PIXELS // 25_000 + 1), "L", "PNG", "more than 250 million"),
        ((15_500, 15_500), "RGBA", "JPEG2000", f"more than {MAX_DECODE_BYTES / 1e9:.1f}: save it smaller"),
    ],
)
def test_each_limit_has_its_sentence(size: tuple[int, int], mode: str, format_name: str, expected: str | None) -> None:
    problem = size_problem(size, mode, format_name)
    assert problem is None if expected is None else problem is not None and expected in problem


@pytest.mark.parametrize("rows", [0, 3, 500])
def test_a_png_with_fewer_or_more_rows_than_it_says_is_read_as_it_says_or_refused(rows: int) -> None:
    data = png(8, 10, b"\xff", rows)
    try:
        assert decode_photo(data).pixels.shape == (10, 8, 3)
    except UnreadablePhotoError as error:
        assert "damaged PNG" in error.reason


def test_grey_of_16_bits_and_transparency_are_the_same_in_bands(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    grey = rng.integers(0, 65536, (BAND_PIXELS // 20 + 100, 20), dtype=np.uint16)
    out = io.BytesIO()
    Image.fromarray(grey).save(out, "TIFF")
    expected = (grey.astype(float) * (255 / 65535)).astype(np.uint8)
    assert np.array_equal(decode_photo(out.getvalue()).pixels[:, :, 0], expected)
    clear = Image.fromarray(rng.integers(0, 256, (BAND_PIXELS // 20 + 100, 20, 4), dtype=np.uint8), "RGBA")
    out = io.BytesIO()
    clear.save(out, "PNG")
    whole = Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB")
    assert np.array_equal(decode_photo(out.getvalue()).pixels, np.asarray(whole))
