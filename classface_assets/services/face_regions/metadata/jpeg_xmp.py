"""The XMP packet in a picture file: found in any format, and exchanged in JPEGs without touching the picture.

XMP Specification Part 3 (ISO 16684-1): in a JPEG it is an APP1 segment that begins with a URI.
"""

import os
import shutil
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from classface_assets.core.atomic_files import fsync_directory, remove_tree, temporary_path
from classface_assets.core.errors import translate_storage_errors
from classface_assets.core.languages import gettext
from classface_assets.core.locations import Location
from classface_assets.services.face_regions.metadata.model import RegionError
from classface_assets.vision.photos.files import SpecialFileError, open_without_blocking
from classface_assets.vision.photos.metadata import UnreadablePhotoError, open_picture
from classface_assets.vision.picture_id.identity import picture_id

XMP_HEADER = b"http://ns.adobe.com/xap/1.0/\0"
EXTENSION_HEADER = b"http://ns.adobe.com/xmp/extension/\0"
EXIF_HEADER = b"Exif\0\0"
MULTI_PICTURE_HEADER = b"MPF\0"
JPEG_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif"})
MAX_SEGMENT_BYTES = 0xFFFF - 2
_SOI, _SOS, _EOI, _APP0, _APP1 = b"\xff\xd8", 0xDA, 0xD9, 0xE0, 0xE1
_TIFF_XMP = 700


@dataclass(frozen=True)
class Segment:
    """A segment before the first scan: its marker code, content, and where it begins and ends in the file."""

    marker: int
    content: bytes
    start: int
    end: int


def read_embedded_packet(path: Location) -> bytes | None:
    """The XMP packet in a picture file; None where there is none.

    Of a JPEG only the segments before the picture are read.

    Raises:
        RegionError: The file's structure is damaged.
        StorageError: It cannot be read now.
    """
    try:
        with translate_storage_errors(path), open_without_blocking(path) as file:
            if file.read(2) == _SOI:
                return find_packet(read_segments(file))
            file.seek(0)
            return _packet_of_picture(file)
    except SpecialFileError:
        return None


def find_packet(segments: list[Segment]) -> bytes | None:
    """The packet in the segments of a JPEG."""
    found = (s.content[len(XMP_HEADER) :] for s in segments if s.marker == _APP1 and s.content.startswith(XMP_HEADER))
    return next(found, None)


def read_segments(file: BinaryIO) -> list[Segment]:
    """The segments of a JPEG before its first scan; the file is behind the first two bytes.

    Raises:
        RegionError: Its structure is damaged.
    """
    found, at = list[Segment](), 2
    while True:
        head = file.read(4)
        while len(head) == 4 and head[0] == 0xFF and head[1] == 0xFF:  # fill bytes before a marker
            head, at = head[1:] + file.read(1), at + 1
        if len(head) < 4 or head[0] != 0xFF:
            raise RegionError(gettext("the structure of the JPEG is damaged"))
        if head[1] in (_SOS, _EOI):
            return found
        length = int.from_bytes(head[2:], "big")
        content = file.read(length - 2)
        if length < 2 or len(content) < length - 2:
            raise RegionError(gettext("the structure of the JPEG is damaged"))
        found.append(Segment(head[1], content, at, at + 2 + length))
        at += 2 + length


def with_packet(data: bytes, packet: bytes | None) -> bytes:
    """A JPEG with that packet in place of the one that it has; None removes it.

    Raises:
        RegionError: The packet does not fit, or the structure of the file does not allow it.
    """
    segments = read_segments(_after_start(BytesIO(data)))
    if any(s.marker == _APP1 and s.content.startswith(EXTENSION_HEADER) for s in segments):
        raise RegionError(gettext("its metadata fills more than one segment; write a sidecar instead"))
    old = [s for s in segments if s.marker == _APP1 and s.content.startswith(XMP_HEADER)]
    if len(old) > 1:
        raise RegionError(gettext("it has two blocks of XMP, so which one counts is unclear"))
    new = b"" if packet is None else _segment(XMP_HEADER + packet)
    if old:
        start, end = old[0].start, old[0].end
    else:
        first = [s for s in segments if s.marker == _APP0 or (s.marker == _APP1 and s.content.startswith(EXIF_HEADER))]
        start = end = max((s.end for s in first), default=2)
    if any(s.content.startswith(MULTI_PICTURE_HEADER) and s.end <= start for s in segments):
        raise RegionError(
            gettext("it holds several pictures, whose places would be wrong afterwards; write a sidecar instead")
        )
    return data[:start] + new + data[end:]


def replace_packet(path: Path, packet: bytes | None) -> None:
    """Exchange the packet in a JPEG file, atomically: the new file takes the old one's place once it is whole.

    The picture is compared before: every byte but those of the packet is the same, and so is its id.

    Raises:
        RegionError: The file is no JPEG, or its structure does not allow it.
        StorageError: The disk fails, or the file or folder may not be written.
    """
    target = path.resolve()  # a link stays a link
    with translate_storage_errors(target):
        before = target.read_bytes()
        status = target.stat()
    if not before.startswith(_SOI):
        raise RegionError(gettext("only JPEG files can hold the names themselves; write a sidecar instead"))
    after = with_packet(before, packet)
    if picture_id(before, "JPEG") != picture_id(after, "JPEG") or without_packet(before) != without_packet(after):
        raise RegionError(gettext("its picture would not be the same afterwards"))
    if not os.access(target, os.W_OK):
        raise RegionError(gettext("the file is read-only"))
    temporary = temporary_path(target)
    with translate_storage_errors(target):
        try:
            with temporary.open("wb") as out:
                out.write(after)
                out.flush()
                os.fsync(out.fileno())
            shutil.copymode(target, temporary)
            now = target.stat()
            if (now.st_size, now.st_mtime_ns) != (status.st_size, status.st_mtime_ns):
                raise RegionError(gettext("it was changed by another program at the same time"))
            temporary.replace(target)
            fsync_directory(target.parent)
        finally:
            remove_tree(temporary)


def without_packet(data: bytes) -> bytes:
    """All bytes of a JPEG but those of its packet's segment."""
    for segment in read_segments(_after_start(BytesIO(data))):
        if segment.marker == _APP1 and segment.content.startswith(XMP_HEADER):
            return data[: segment.start] + data[segment.end :]
    return data


def _after_start(file: BinaryIO) -> BinaryIO:
    file.read(2)
    return file


def _segment(content: bytes) -> bytes:
    if len(content) > MAX_SEGMENT_BYTES:
        raise RegionError(gettext("its metadata is too large for the file; write a sidecar instead"))
    return bytes([0xFF, _APP1]) + (len(content) + 2).to_bytes(2, "big") + content


def _packet_of_picture(file: BinaryIO) -> bytes | None:
    """The packet of a PNG, TIFF, WebP, HEIF or AVIF, as Pillow finds it in the header."""
    try:
        picture = open_picture(file)
    except UnreadablePhotoError:
        return None
    found: object = picture.info.get("xmp") or picture.info.get("XML:com.adobe.xmp")
    if not found and picture.format == "TIFF":
        found = getattr(picture, "tag_v2", {}).get(_TIFF_XMP)
    if isinstance(found, str):
        return found.encode()
    return bytes(found) if isinstance(found, bytes) and found else None
