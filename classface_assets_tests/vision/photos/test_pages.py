"""Files of several pictures, pictures under another format's name, and grey that is stored as a negative."""

import struct
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
import tifffile
from PIL import Image

from classface_assets.vision.photo_facts import read_photo_facts
from classface_assets.vision.photos.decoding import decode_photo, load_photo
from classface_assets.vision.photos.metadata import open_picture
from classface_assets.vision.photos.pages import select_page

ONE = "1 of its 2 pages was not searched: save it as a file of its own"
TWO = "2 of its 3 pages were not searched: save each as a file of its own"
EXIF_IFD, ORIGINAL = 0x8769, 0x9003


def plain(width: int, height: int, value: int) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def tiff(path: Path, *pages: tuple[np.ndarray, int]) -> Path:
    """Pages with their NewSubfileType."""
    with tifffile.TiffWriter(path) as out:
        for pixels, kind in pages:
            out.write(pixels, photometric="rgb", subfiletype=kind, metadata=None)
    return path


def seen(path: Path) -> tuple[tuple[int, int], int, str]:
    """The size of what is searched, its grey, and the reason of the listing, whose size is the same."""
    facts, photo = read_photo_facts(path), load_photo(path)
    assert facts.status == "ok" and (facts.width, facts.height) == (photo.width, photo.height)
    return (facts.width, facts.height), int(photo.pixels.mean()), facts.reason


def test_further_pages_of_a_scan_are_reported(tmp_path: Path) -> None:
    page = plain(900, 600, 200)
    assert seen(tiff(tmp_path / "one.tif", (page, 0))) == ((900, 600), 200, "")
    assert seen(tiff(tmp_path / "two.tif", (page, 0), (plain(900, 600, 90), 0))) == ((900, 600), 200, ONE)
    three = tiff(tmp_path / "three.tif", (page, 2), (plain(600, 900, 90), 2), (plain(800, 600, 50), 2))
    assert seen(three) == ((900, 600), 200, TWO)


@pytest.mark.parametrize("kind", [1, 0])
def test_a_tiff_whose_thumbnail_comes_first_is_searched_in_full(kind: int, tmp_path: Path) -> None:
    path = tiff(tmp_path / "scan.tif", (plain(160, 107, 20), kind), (plain(1800, 1200, 200), 0))
    assert seen(path) == ((1800, 1200), 200, "")
    with path.open("rb") as file:
        picture = open_picture(file)
        assert select_page(picture) == picture.tell() == 1


def test_previews_halvings_and_masks_are_no_pages(tmp_path: Path) -> None:
    largest = plain(1800, 1200, 200)
    halvings = [(plain(900, 600, 90), 0), (plain(450, 300, 90), 0)]
    assert seen(tiff(tmp_path / "halvings.tif", (largest, 0), *halvings)) == ((1800, 1200), 200, "")
    assert seen(tiff(tmp_path / "preview.tif", (plain(1024, 768, 20), 1), (largest, 0))) == ((1800, 1200), 200, "")
    with tifffile.TiffWriter(tmp_path / "mask.tif") as out:
        out.write(plain(900, 600, 20), photometric="rgb", metadata=None)
        out.write(np.zeros((1200, 1800), bool), photometric="mask", subfiletype=4, metadata=None)
        out.write(plain(1800, 1200, 200), photometric="rgb", metadata=None)
    assert seen(tmp_path / "mask.tif") == ((1800, 1200), 200, "")
    assert seen(tiff(tmp_path / "all are reduced.tif", (plain(100, 80, 20), 1), (largest, 1))) == (
        (1800, 1200),
        200,
        "",
    )


def test_a_full_size_picture_below_its_thumbnail_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "camera.tif"
    for pages, note in (
        ([plain(160, 120, 9), plain(1600, 1200, 200)], ONE),
        ([plain(1600, 1200, 9), plain(160, 120, 9)], ""),
    ):
        with tifffile.TiffWriter(path) as out:
            out.write(pages[0], photometric="rgb", subifds=1, subfiletype=0, metadata=None)
            out.write(pages[1], photometric="rgb", subfiletype=0, metadata=None)
        assert seen(path)[2] == note


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_a_chain_of_pages_that_breaks_off_ends_there(tmp_path: Path) -> None:
    path = tiff(tmp_path / "scan.tif", (plain(900, 600, 200), 0), (plain(900, 600, 90), 0))
    with tifffile.TiffFile(path) as file:
        second = struct.pack("<I", file.pages[1].offset)
    data = path.read_bytes()
    assert data.count(second) == 1
    path.write_bytes(data.replace(second, struct.pack("<I", len(data) + 99)))
    assert seen(path) == ((900, 600), 200, "")


def test_the_page_that_is_searched_may_be_dated_by_the_first(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "scan.tif") as out:
        out.write(plain(160, 120, 9), photometric="rgb", metadata=None, datetime="2003:05:06 07:08:09")
        out.write(plain(1600, 1200, 200), photometric="rgb", metadata=None)
    facts = read_photo_facts(tmp_path / "scan.tif")
    assert (facts.width, str(facts.taken_at), facts.taken_at_source) == (1600, "2003-05-06 07:08:09", "exif")


def mpo(path: Path, *others: tuple[np.ndarray, int], size: tuple[int, int] = (800, 600)) -> Path:
    """A Multi-Picture file whose other pictures have these type codes."""
    first = Image.fromarray(plain(*size, 200))
    first.save(path, "MPO", save_all=True, append_images=[Image.fromarray(pixels) for pixels, _ in others])
    data = bytearray(path.read_bytes())
    index = data.index(b"MPF\0")
    at = data.rindex(struct.pack("<L", 0x030000), index, index + 80 + 16 * (1 + len(others)))
    for number, (_, code) in enumerate(others, start=1):
        data[at + 16 * number : at + 16 * number + 4] = struct.pack("<L", code)
    path.write_bytes(bytes(data))
    return path


@pytest.mark.parametrize(
    ("others", "note"),
    [
        ([(plain(640, 480, 20), 0x010001)], ""),  # a preview
        ([(plain(800, 600, 20), 0x020002)], ""),  # the other eye's view
        ([(plain(400, 300, 20), 0)], ""),  # a gain map
        ([(plain(800, 600, 20), 0)], ONE),
        ([(plain(800, 600, 20), 0x020003), (plain(800, 600, 30), 0x020003)], TWO),
        ([(plain(700, 600, 20), 0x020001)], ONE),
    ],
)
def test_other_views_in_a_multi_picture_file_are_reported_but_no_previews(
    others: Sequence[tuple[np.ndarray, int]], note: str, tmp_path: Path
) -> None:
    assert seen(mpo(tmp_path / "camera.mpo", *others)) == ((800, 600), 200, note)


def test_of_a_heic_of_several_pictures_the_primary_is_searched_and_the_others_are_reported(tmp_path: Path) -> None:
    file = pillow_heif.HeifFile()
    for size, value in (((320, 240), 20), ((1200, 800), 200), ((1200, 800), 90)):
        file.add_from_pillow(Image.fromarray(plain(*size, value)))
    file.save(tmp_path / "burst.heic", primary_index=1)
    assert seen(tmp_path / "burst.heic") == ((1200, 800), 200, ONE)
    file = pillow_heif.HeifFile()
    file.add_from_pillow(Image.fromarray(plain(1200, 800, 200)))
    file.save(tmp_path / "one.heic")
    assert seen(tmp_path / "one.heic") == ((1200, 800), 200, "")


@pytest.mark.parametrize("ending", ["gif", "webp", "png", "avif"])
def test_frames_of_a_film_are_no_pages(ending: str, tmp_path: Path) -> None:
    frames = [Image.fromarray(plain(64, 48, value)) for value in (200, 20)]
    frames[0].save(tmp_path / f"film.{ending}", save_all=True, append_images=frames[1:])
    size, grey, note = seen(tmp_path / f"film.{ending}")
    assert size == (64, 48) and abs(grey - 200) < 3 and note == ""


@pytest.mark.parametrize("format_of", ["JPEG", "PNG", "WEBP", "HEIF"])
@pytest.mark.parametrize("name", ["IMG_0001.CR2", "IMG_0001.dng", "IMG_0001.jpg", "IMG_0001.tif"])
def test_the_content_tells_the_format_and_not_the_name(format_of: str, name: str, tmp_path: Path) -> None:
    pillow_heif.register_heif_opener()
    Image.fromarray(plain(64, 48, 200)).save(tmp_path / name, format_of)
    (width, _), grey, note = seen(tmp_path / name)
    assert width == 64 and abs(grey - 200) < 3 and note == ""


def test_a_real_raw_file_is_still_none(tmp_path: Path) -> None:
    tiff(tmp_path / "IMG_1.NEF", (plain(160, 120, 20), 1), (plain(1600, 1200, 200), 0))
    (tmp_path / "IMG_2.RAF").write_bytes(b"FUJIFILMCCD-RAW 0201" + bytes(99))
    (tmp_path / "IMG_3.cr3").write_bytes(struct.pack(">I", 24) + b"ftypcrx \0\0\0\1crx isom" + bytes(99))
    (tmp_path / "IMG_4.CR2").write_bytes(b"")
    for path in sorted(tmp_path.iterdir()):
        facts = read_photo_facts(path)
        assert (facts.status, facts.reason) == (
            "not a photo",
            "a camera raw file: export it as JPEG to have it searched",
        )


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint16", "float32"])
def test_grey_whose_white_is_zero_is_not_negative(dtype: str, order: str) -> None:
    ramp = np.tile(np.linspace(0, 1, 64), (48, 1))
    whole = {"uint8": 255, "uint16": 65535}.get(dtype, 1)
    values = ramp > 0.5 if dtype == "bool" else (ramp * whole).astype(dtype)
    expected = values.astype(float) * 255 / whole
    for photometric, stored in (("minisblack", values), ("miniswhite", ~values if dtype == "bool" else whole - values)):
        out = BytesIO()
        tifffile.imwrite(out, stored.astype(dtype), photometric=photometric, byteorder=order)
        if dtype == "float32" and order == ">" and photometric == "miniswhite":
            continue  # Pillow does not open it, which the listing says
        assert np.abs(decode_photo(out.getvalue()).pixels[..., 0].astype(float) - expected).max() < 2


def test_colour_of_16_bits_and_lab_come_out_as_they_are(astronaut: Image.Image) -> None:
    from skimage.color import rgb2lab

    rgb = np.asarray(astronaut.resize((64, 64)))
    lab = rgb2lab(rgb)
    signed = np.concatenate([lab[..., :1] * 2.55, lab[..., 1:].round().astype(np.int8).view(np.uint8)], axis=2)
    for pixels, photometric in ((rgb.astype(np.uint16) * 257, "rgb"), (signed.astype(np.uint8), "cielab")):
        out = BytesIO()
        tifffile.imwrite(out, pixels, photometric=photometric)
        assert np.abs(decode_photo(out.getvalue()).pixels.astype(float) - rgb).mean() < 3
