"""The packet of a JPEG is exchanged without a change of any other byte, or not at all."""

import io

import numpy as np
import pytest
from PIL import Image

from classface_assets.services.face_regions.metadata.jpeg_xmp import (
    EXTENSION_HEADER,
    MULTI_PICTURE_HEADER,
    XMP_HEADER,
    find_packet,
    read_segments,
    with_packet,
    without_packet,
)
from classface_assets.services.face_regions.metadata.model import RegionError
from classface_assets.vision.picture_id.identity import picture_id
from classface_assets_tests.support.picture_files import XMP, encoded, exif, segment, with_segments

PICTURE = Image.fromarray(np.random.default_rng(5).integers(0, 255, (48, 64, 3), dtype=np.uint8))
PLAIN = encoded(PICTURE, "JPEG")
PROGRESSIVE = encoded(PICTURE, "JPEG", progressive=True, exif=exif(6), comment=b"by hand", dpi=(300, 300))


def packet_of(data: bytes) -> bytes | None:
    file = io.BytesIO(data)
    file.read(2)
    return find_packet(read_segments(file))


@pytest.mark.parametrize("data", [PLAIN, PROGRESSIVE, with_segments(segment(0xE1, XMP_HEADER + b"<old/>"))(PLAIN)])
def test_a_packet_is_put_in_exchanged_and_taken_out(data: bytes) -> None:
    rest = without_packet(data)
    for packet in (XMP, XMP * 3, XMP):
        data = with_packet(data, packet)
        assert packet_of(data) == packet and without_packet(data) == rest
        assert picture_id(data, "JPEG") == picture_id(rest, "JPEG")
        Image.open(io.BytesIO(data)).load()
    assert with_packet(data, None) == rest and packet_of(rest) is None


def test_what_follows_the_picture_stays(tmp_path: object) -> None:
    data = PLAIN + b"a preview that a phone appended" + PLAIN
    assert with_packet(data, XMP).endswith(data[2:][-len(PLAIN) - 31 :])


@pytest.mark.parametrize(
    ("data", "packet", "reason"),
    [
        (with_segments(segment(0xE1, EXTENSION_HEADER + b"x"))(PLAIN), XMP, "more than one segment"),
        (with_segments(*[segment(0xE1, XMP_HEADER + b"x")] * 2)(PLAIN), XMP, "two blocks"),
        (PLAIN, b"x" * 65_600, "too large for the file"),
        (
            with_segments(segment(0xE2, MULTI_PICTURE_HEADER + b"x"), segment(0xE1, XMP_HEADER + b"x"))(PLAIN),
            XMP,
            "several pictures",
        ),
        (PLAIN[:30], XMP, "damaged"),
        (PLAIN[:2] + b"nothing of this kind", XMP, "damaged"),
    ],
)
def test_a_file_that_might_be_harmed_is_left_as_it_is(data: bytes, packet: bytes, reason: str) -> None:
    with pytest.raises(RegionError, match=reason):
        with_packet(data, packet)
