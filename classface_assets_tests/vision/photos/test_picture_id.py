"""The identity of a picture: whatever is written about it, in every format, and never another picture."""

import io
import struct
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from classface_assets.vision.photo_facts import read_photo_facts
from classface_assets.vision.photos.decoding import UPRIGHT_TRANSFORMS
from classface_assets.vision.photos.metadata import open_picture
from classface_assets.vision.picture_id.hashing import BadStructureError, PictureHasher
from classface_assets.vision.picture_id.heif import (
    MIRRORED_SIDEWAYS,
    MIRRORED_UPSIDE_DOWN,
    TURNED_LEFT,
    add_heif,
    heif_orientation,
)
from classface_assets.vision.picture_id.identity import content_id, picture_id
from classface_assets.vision.picture_id.jpeg import add_jpeg
from classface_assets.vision.picture_id.tiff import add_tiff
from classface_assets_tests.support.picture_files import (
    JPEG_EDITS,
    PNG_EDITS,
    WEBP_EDITS,
    XMP,
    Edit,
    at_the_end,
    before_the_scan,
    encoded,
    exif,
    png_chunk,
    riff_chunk,
    segment,
    tiff,
    with_gif_extensions,
    with_png_chunks,
    with_segments,
    with_webp_chunks,
    without_segments,
)


def id_of(data: bytes) -> str:
    return picture_id(data, open_picture(io.BytesIO(data)).format or "")


def assert_the_same_picture(one: bytes, other: bytes) -> None:
    assert content_id(one) != content_id(other), "nothing was edited"
    assert id_of(one) == id_of(other)


@pytest.fixture(scope="module")
def scene(astronaut: Image.Image) -> Image.Image:
    return astronaut.resize((256, 192))


@pytest.fixture(scope="module")
def other(scene: Image.Image) -> Image.Image:
    """The same with one small place painted over, as somebody does who takes a face out."""
    changed = scene.copy()
    changed.paste((90, 90, 90), (120, 40, 136, 56))
    return changed


KINDS = {
    "baseline": {},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_rows": 1},
    "fine": {"quality": 95, "subsampling": 0},
    "low quality": {"quality": 5},
}


@pytest.mark.parametrize("edit", JPEG_EDITS.values(), ids=JPEG_EDITS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_jpeg_is_the_same_picture_with_other_metadata(kind: str, edit: Edit, scene: Image.Image) -> None:
    data = encoded(scene, "JPEG", **KINDS[kind])
    assert np.array_equal(*(np.asarray(Image.open(io.BytesIO(d))) for d in (data, edit(data))))
    assert_the_same_picture(data, edit(data))


def test_a_comment_between_the_scans_of_a_progressive_jpeg_does_not_count(scene: Image.Image) -> None:
    data = encoded(scene, "JPEG", progressive=True)
    second = data.index(b"\xff\xc4", data.index(b"\xff\xda"))
    edited = data[:second] + segment(0xFE, b"\xff\xd9 between \xff\xda") + data[second:]
    assert np.array_equal(*(np.asarray(Image.open(io.BytesIO(d))) for d in (data, edited)))
    assert_the_same_picture(data, edited)


def test_every_scan_of_a_jpeg_counts(scene: Image.Image) -> None:
    data = encoded(scene, "JPEG", progressive=True)
    for place in [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xda"]:
        changed = bytearray(data)
        changed[place + 14 + 20] ^= 1
        assert id_of(bytes(changed)) != id_of(data)


def test_a_jpeg_that_another_program_cuts_further_pictures_off_is_the_same(scene: Image.Image) -> None:
    two = encoded(scene, "MPO", save_all=True, append_images=[scene.rotate(180)])
    first = without_segments(0xE2)(two[: two.index(b"\xff\xd9\xff\xd8") + 2])
    assert [open_picture(io.BytesIO(data)).format for data in (two, first)] == ["MPO", "JPEG"]
    assert_the_same_picture(two, first)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_with_other_pixels_is_another_picture(mode: str, scene: Image.Image, other: Image.Image) -> None:
    assert id_of(encoded(scene.convert(mode), "JPEG")) != id_of(encoded(other.convert(mode), "JPEG"))


def test_an_adobe_segment_counts_where_it_changes_the_colours(scene: Image.Image) -> None:
    def adobe(transform: int) -> bytes:
        return segment(0xEE, b"Adobe\0\x64\0\0\0\0" + bytes([transform]))

    four = without_segments(0xEE)(encoded(scene.convert("CMYK"), "JPEG"))
    ids = {transform: id_of(with_segments(adobe(transform))(four)) for transform in (0, 1, 2)}
    assert ids[0] != ids[2] and id_of(four) == ids[0]
    three = without_segments(0xE0)(encoded(scene, "JPEG"))
    ids = {transform: id_of(with_segments(adobe(transform))(three)) for transform in (0, 1)}
    assert ids[0] != ids[1] and id_of(three) == ids[1]


@pytest.mark.parametrize("kind", KINDS)
def test_a_jpeg_that_is_cut_off_counts_as_far_as_it_goes(kind: str, scene: Image.Image) -> None:
    data = encoded(scene, "JPEG", **KINDS[kind])
    cut = data[: len(data) * 2 // 3]
    assert id_of(cut) == id_of(JPEG_EDITS["XMP"](cut)) != id_of(data)
    assert id_of(cut) != id_of(cut[:-1])


def test_a_number_of_lines_that_comes_after_the_scan_counts(scene: Image.Image) -> None:
    data = encoded(scene, "JPEG")
    ends = [data[:-2] + segment(0xDC, struct.pack(">H", lines)) + b"\xff\xd9" for lines in (191, 192)]
    assert len({id_of(end) for end in ends}) == 2


@pytest.mark.parametrize("edit", PNG_EDITS.values(), ids=PNG_EDITS)
@pytest.mark.parametrize("mode", ["RGB", "P", "RGBA", "I;16"])
def test_a_png_is_the_same_picture_with_other_metadata(mode: str, edit: Edit, scene: Image.Image) -> None:
    deep = Image.fromarray(np.asarray(scene.convert("L")).astype(np.uint16) * 257)
    assert_the_same_picture(data := encoded(deep if mode == "I;16" else scene.convert(mode), "PNG"), edit(data))


def test_a_png_with_another_palette_transparency_or_pixels_is_another_picture(
    scene: Image.Image, other: Image.Image
) -> None:
    few = scene.quantize(16)
    more = few.copy()
    more.putpalette(bytes(reversed(few.getpalette() or [])))
    pictures = [encoded(few, "PNG"), encoded(more, "PNG"), encoded(few, "PNG", transparency=3)]
    pictures += [encoded(scene, "PNG"), encoded(other, "PNG")]
    assert len(set(map(id_of, pictures))) == len(pictures)


def test_of_an_animation_the_first_picture_counts(scene: Image.Image, other: Image.Image) -> None:
    for format_name in ("PNG", "WEBP", "GIF"):
        one, same, another = (
            id_of(encoded(first, format_name, save_all=True, append_images=[second], duration=duration))
            for first, second, duration in (
                (scene, other, 100),
                (scene, scene.rotate(90), 100),
                (other, scene, 100),
            )
        )
        assert one == same != another, format_name


@pytest.mark.parametrize("edit", WEBP_EDITS.values(), ids=WEBP_EDITS)
@pytest.mark.parametrize("lossless", [False, True])
def test_a_webp_is_the_same_picture_with_other_metadata(lossless: bool, edit: Edit, scene: Image.Image) -> None:
    data = encoded(scene, "WEBP", lossless=lossless)
    assert np.array_equal(*(np.asarray(Image.open(io.BytesIO(d))) for d in (data, edit(data))))
    assert_the_same_picture(data, edit(data))


def test_a_webp_with_metadata_and_transparency_is_the_same_without_and_another_with_other_pixels(
    scene: Image.Image, other: Image.Image
) -> None:
    clear = scene.copy()
    clear.putalpha(Image.linear_gradient("L").resize(scene.size))
    plain = encoded(clear, "WEBP")
    assert_the_same_picture(plain, encoded(clear, "WEBP", exif=exif(rating=3), xmp=XMP, icc_profile=b"profile" * 9))
    solid = clear.copy()
    solid.putalpha(255)
    assert len({id_of(encoded(one, "WEBP")) for one in (clear, solid, other)}) == 3


def test_a_gif_is_the_same_picture_with_a_comment(scene: Image.Image, other: Image.Image) -> None:
    data = encoded(scene.quantize(64), "GIF")
    assert_the_same_picture(data, with_gif_extensions(data))
    assert_the_same_picture(data, data + b"\0" * 50)
    assert id_of(data) != id_of(encoded(other.quantize(64), "GIF"))
    assert id_of(data) != id_of(encoded(scene.quantize(64), "GIF", transparency=2))


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "RGBA"])
def test_a_bmp_is_the_same_picture_at_another_resolution(mode: str, scene: Image.Image, other: Image.Image) -> None:
    data = encoded(scene.convert(mode), "BMP")
    edited = bytearray(data)
    edited[38:46] = struct.pack("<ii", 11811, 11811)
    assert_the_same_picture(data, bytes(edited) + b"at the end")
    assert id_of(data) != id_of(encoded(other.convert(mode), "BMP"))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_a_tiff_is_the_same_picture_wherever_its_strips_lie(order: str, big: bool, scene: Image.Image) -> None:
    grey, (width, height) = scene.convert("L").tobytes(), scene.size
    plain = tiff(grey, width, height, rows=16)
    about = ((270, 1, tuple(b"Sports day\0")), (274, 3, (6,)), (700, 1, tuple(XMP)), (306, 1, (0,)))
    edited = tiff(grey, width, height, order, big, gap=7, rows=16, tags=about)
    changed = tiff(grey[:-1] + bytes([grey[-1] ^ 1]), width, height, order, big, rows=16)
    planes = tiff(grey, width, height, order, big, rows=16, tags=((284, 3, (2,)),))
    ids = []
    for data in (plain, edited, changed, planes):  # Pillow opens no big-endian BigTIFF, so not by `id_of`
        found = PictureHasher("TIFF")
        add_tiff(found, memoryview(data), 0)
        ids.append(found.id())
    assert ids[0] == ids[1] and len(set(ids)) == 3, "pixels, and tags that say how they are stored, count"


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits"])
def test_a_tiff_of_every_compression_is_the_same_picture_with_other_tags(
    compression: str, scene: Image.Image, other: Image.Image
) -> None:
    data = encoded(scene, "TIFF", compression=compression)
    about = {270: "Sports day", 315: "somebody", 282: 300.0, 283: 300.0, 296: 2, 700: XMP, 34675: b"profile"}
    assert_the_same_picture(data, encoded(scene, "TIFF", compression=compression, tiffinfo=about))
    assert id_of(data) != id_of(encoded(other, "TIFF", compression=compression))


def test_each_page_of_a_tiff_has_an_id_of_its_own(scene: Image.Image, other: Image.Image) -> None:
    data = encoded(scene, "TIFF", save_all=True, append_images=[other], compression="tiff_lzw")
    assert picture_id(data, "TIFF") == id_of(encoded(scene, "TIFF", compression="tiff_lzw"))
    assert picture_id(data, "TIFF", page=1) == id_of(encoded(other, "TIFF", compression="tiff_lzw"))
    with pytest.raises(BadStructureError, match="no page 2"):
        add_tiff(PictureHasher("TIFF"), memoryview(data), 2)


@pytest.mark.parametrize("options", [{}, {"irreversible": True}, {"tile_size": (64, 64)}, {"num_resolutions": 2}])
def test_a_jpeg_2000_is_the_same_picture_with_another_comment(
    options: dict[str, object], scene: Image.Image, other: Image.Image
) -> None:
    data = encoded(scene, "JPEG2000", comment="one", **options)
    edited = encoded(scene, "JPEG2000", comment="another that is longer", **options)
    assert_the_same_picture(data, edited + b"at the end")
    assert id_of(data) != id_of(encoded(other, "JPEG2000", **options))
    stream, longer = (encoded(scene, "JPEG2000", no_jp2=True, comment=word, **options) for word in ("a", "another"))
    assert_the_same_picture(stream, longer)


@pytest.mark.parametrize("format_name", ["HEIF", "AVIF"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_heic_or_avif_is_the_same_picture_with_other_metadata(
    format_name: str, mode: str, scene: Image.Image, other: Image.Image
) -> None:
    picture = scene.convert(mode)
    if mode == "RGBA":
        picture.putalpha(Image.linear_gradient("L").resize(scene.size))
    options = {"max_threads": 1} if format_name == "AVIF" else {}
    data = encoded(picture, format_name, **options)
    edited = encoded(picture, format_name, exif=exif(rating=5), xmp=XMP, **options)
    assert_the_same_picture(data, edited)
    assert_the_same_picture(data, edited + b"\0\0\0\x0cfree....")
    assert id_of(data) != id_of(encoded(other.convert(mode), format_name, **options))
    if mode == "RGBA":
        assert id_of(data) != id_of(encoded(picture.convert("RGB"), format_name, **options))
    found = PictureHasher("HEIF")
    add_heif(found, memoryview(data))  # it is told by its structure, not by its pixels


def test_a_heic_with_a_thumbnail_is_the_same_picture(scene: Image.Image) -> None:
    import pillow_heif

    files = []
    for thumbnails in ([], [64]):
        out = io.BytesIO()
        heif = pillow_heif.from_pillow(scene)
        heif.info["thumbnails"] = thumbnails
        heif.save(out)
        files.append(out.getvalue())
    assert len(files[1]) > len(files[0])
    assert_the_same_picture(*files)


def test_a_heic_tells_which_way_is_up_and_stays_the_same_picture(scene: Image.Image) -> None:
    files = {o: encoded(scene, "HEIF", exif=exif(orientation=o)) for o in range(1, 9)}
    assert {o: heif_orientation(memoryview(data)) for o, data in files.items()} == {o: o for o in range(1, 9)}
    assert len({id_of(data) for data in files.values()}) == 1


def test_turns_and_mirrors_follow_one_another_as_the_decoder_applies_them() -> None:
    stored = np.arange(6).reshape(2, 3, 1)
    for before, upright in UPRIGHT_TRANSFORMS.items():
        assert np.array_equal(np.rot90(upright(stored)), UPRIGHT_TRANSFORMS[TURNED_LEFT[before]](stored))
        assert np.array_equal(upright(stored)[:, ::-1], UPRIGHT_TRANSFORMS[MIRRORED_SIDEWAYS[before]](stored))
        assert np.array_equal(upright(stored)[::-1], UPRIGHT_TRANSFORMS[MIRRORED_UPSIDE_DOWN[before]](stored))


def test_a_file_without_structure_is_identified_by_its_pixels_or_else_by_its_bytes(scene: Image.Image) -> None:
    png = encoded(scene, "PNG")
    by_pixels = picture_id(png, "a format of tomorrow")
    assert by_pixels == picture_id(PNG_EDITS["text"](png), "a format of tomorrow") != picture_id(png, "PNG")
    for format_name in ("JPEG", "PNG", "TIFF", "WEBP", "GIF", "BMP", "JPEG2000", "HEIF", "AVIF"):
        for nothing in (b"", b"\0", b"no picture at all" * 9):
            assert picture_id(nothing, format_name) == content_id(nothing)


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "TIFF", "WEBP", "GIF", "BMP", "JPEG2000", "HEIF", "AVIF"])
def test_no_damaged_file_stops_the_computation_of_ids(format_name: str, scene: Image.Image) -> None:
    data, rng = encoded(scene.resize((48, 32)), format_name), np.random.default_rng(5)
    for size in rng.integers(1, len(data), 40):
        assert len(picture_id(data[:size], format_name)) == 36
    for _ in range(60):
        damaged = bytearray(data)
        for at in rng.integers(0, min(len(data), 600), 4):
            damaged[at] = rng.integers(256)
        assert len(picture_id(bytes(damaged), format_name)) == 36


def test_bytes_that_belong_nowhere_take_no_time(scene: Image.Image) -> None:
    data = encoded(scene, "JPEG")
    rubbish = data[:2] + b"\xff\x00" * 4_000_000 + data[2:]
    start = time.monotonic()
    add_jpeg(PictureHasher("JPEG"), memoryview(rubbish))
    assert time.monotonic() - start < 5


def test_the_facts_of_a_photo_tell_the_picture_from_the_file(scene: Image.Image, tmp_path: Path) -> None:
    data = encoded(scene, "JPEG")
    (tmp_path / "as it was.jpg").write_bytes(data)
    (tmp_path / "rated.jpg").write_bytes(with_segments(segment(0xE1, b"Exif\0\0" + exif(6, 5)))(data))
    (tmp_path / "text.txt").write_text("no photo")
    (tmp_path / "broken.jpg").write_bytes(b"\0" * 90)
    was, rated, text, broken = (
        read_photo_facts(tmp_path / n) for n in ("as it was.jpg", "rated.jpg", "text.txt", "broken.jpg")
    )
    assert was.asset_id == rated.asset_id == id_of(data)
    assert (was.orientation, rated.orientation) == (1, 6)
    assert was.file_digest == content_id(data) != rated.file_digest
    assert (text.status, text.file_digest) == ("not a photo", None)
    assert (broken.status, broken.file_digest) == ("unreadable", None)


def test_metadata_in_every_place_of_a_file_keep_the_id(scene: Image.Image) -> None:
    """Several at once, twice over: as a photo that has been through three programs."""
    data = encoded(scene, "JPEG")
    names = ["rating", "XMP", "colour profile", "IPTC", "comment", "fill bytes", "bytes at the end", "orientation"]
    for name in names * 2:
        data = JPEG_EDITS[name](data)
    assert_the_same_picture(encoded(scene, "JPEG"), data)
    png = encoded(scene, "PNG")
    assert_the_same_picture(png, with_png_chunks(*(png_chunk(b"teSt", b""),) * 3)(PNG_EDITS["cut otherwise"](png)))
    webp = encoded(scene, "WEBP")
    more = with_webp_chunks(
        0x28, riff_chunk(b"ICCP", b"profile"), riff_chunk(b"EXIF", exif()), riff_chunk(b"abcd", b"")
    )
    assert_the_same_picture(webp, at_the_end(b"....")(more(webp)))
    assert_the_same_picture(data, before_the_scan(segment(0xEF, b"\xff\xda"))(data))
