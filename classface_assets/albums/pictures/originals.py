"""The photos that albums are made from: found on a disk or at a URL, and decoded upright, with faces covered."""

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps

from classface_assets.albums.anonymization import cover_faces
from classface_assets.core.geometry import Box
from classface_assets.core.locations import (
    FileEntry,
    Location,
    decode_relative_path,
    encode_relative_path,
    list_directory,
    list_files_recursive,
    stat_entry,
)
from classface_assets.core.schemas import END_OF_JPEG

CLOCKWISE_TRANSPOSES = {90: Image.Transpose.ROTATE_270, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_90}


@dataclass(frozen=True)
class Photo:
    """A photo of the archive.

    Attributes:
        asset_id: Its id.
        path: Its path below the photos folder.
        width: Of the upright photo, in pixels.
        height: Of the upright photo, in pixels.
        rotation: Degrees clockwise by which a scan is rotated, after EXIF, to be upright.
        covered: Boxes of faces that no picture may show, in pixels of the upright photo.
        cover: How they are covered, `box` or `blur`; "" if there are none.
        orientation: The EXIF orientation of the file.
        page: The page of a file with several, from 0.
    """

    asset_id: str
    path: str
    width: int
    height: int
    rotation: int = 0
    covered: tuple[Box, ...] = ()
    cover: str = ""
    orientation: int = 1
    page: int = 0


@dataclass(frozen=True)
class Originals:
    """The photos from which albums are built, on a disk or at a URL.

    Attributes:
        root: The photos folder.
        listed: Path → entry of the photos at a URL, which is listed once instead of asked for each photo.
    """

    root: Location
    listed: dict[str, FileEntry]

    def find(self, path: str) -> FileEntry:
        """The entry of a photo, by its path below the photos folder.

        Raises:
            FileNotFoundError: It no longer exists.
            OSError: It cannot be opened.
        """
        found = decode_relative_path(self.root, path)
        if not isinstance(found, Path):
            if path not in self.listed:
                raise FileNotFoundError(path)
            return self.listed[path]
        # A hard link to a symbolic link would be a symbolic link too, and broken in the album.
        return stat_entry(found.resolve(strict=True))

    def open(self, path: str) -> Path | BytesIO:
        """The file or bytes from which Pillow reads a photo. Raises as `find` does."""
        original = self.find(path).path
        return original if isinstance(original, Path) else BytesIO(original.read_bytes())

    @contextmanager
    def picture(self, photo: Photo, long_side: int = 0) -> Iterator[Image.Image]:
        """The decoded picture of a photo; of a JPEG without its end, as much as there is, the rest grey.

        Args:
            photo: The photo.
            long_side: Below which a JPEG need not be decoded, in pixels: many times faster; 0: at its full size.

        Raises:
            FileNotFoundError: The photo no longer exists.
            OSError: It cannot be opened, is damaged, or has more pixels than the one that was searched.
        """
        register_heif()
        source = self.open(photo.path)
        with Image.open(source) as image:
            try:
                _load(image, photo, long_side)
            except OSError:
                if image.format not in ("JPEG", "MPO"):
                    raise
            else:
                yield image
                return
        data = source.read_bytes() if isinstance(source, Path) else source.getvalue()
        with Image.open(BytesIO(data + END_OF_JPEG)) as image:
            _load(image, photo, long_side)
            yield image


def list_originals(root: Location, paths: Iterable[str]) -> Originals:
    """The photos of these paths; at a URL their folders are listed, once each. Raises StorageError."""
    if isinstance(root, Path):
        return Originals(root, {})
    folders = {path.partition("/")[0] if "/" in path else "" for path in paths}
    found = [
        e
        for name in folders
        for e in (list_files_recursive(decode_relative_path(root, name)) if name else list_directory(root))
    ]
    return Originals(root, {encode_relative_path(entry.path, root): entry for entry in found if not entry.is_folder})


def read_upright(originals: Originals, photo: Photo, long_side: int = 0) -> Image.Image:
    """The upright photo in sRGB with faces covered, for prints.

    Args:
        originals: Where the photos are.
        photo: The photo.
        long_side: Of the picture at most, in pixels; 0: as large as it is.

    Raises:
        FileNotFoundError: The photo no longer exists.
        OSError: It cannot be opened.
    """
    try:
        with originals.picture(photo, long_side) as image:
            picture, profile = load_upright(image, photo)
            picture = _to_srgb(picture, profile)
    except (ValueError, SyntaxError, MemoryError) as error:  # what decoders raise on a broken file
        raise OSError(str(error)) from error
    if long_side:
        picture.thumbnail((long_side, long_side), Image.Resampling.LANCZOS)
    return picture


def register_heif() -> None:
    """Register HEIF and HEIC with Pillow."""
    import pillow_heif

    pillow_heif.register_heif_opener()


def load_upright(image: Image.Image, photo: Photo) -> tuple[Image.Image, bytes | None]:
    """The upright picture with faces covered, and its colour profile."""
    picture = _to_rgb(ImageOps.exif_transpose(image))
    if photo.rotation in CLOCKWISE_TRANSPOSES:
        picture = picture.transpose(CLOCKWISE_TRANSPOSES[photo.rotation])
    profile = picture.info.get("icc_profile") if image.mode == "RGB" else None
    if photo.cover:
        cover_faces(picture, photo.covered, picture.width / photo.width, photo.cover)
    return picture, profile


def _load(image: Image.Image, photo: Photo, long_side: int) -> None:
    if photo.page:
        image.seek(photo.page)
    if long_side:
        image.draft("RGB", (long_side, long_side))
    if image.width * image.height > photo.width * photo.height:
        raise OSError("the file holds a larger picture than the one that was searched; the next run searches it")
    image.load()


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bit scans: convert() would clip all but the darkest tones
        image = Image.fromarray((np.asarray(image) / 257).clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def _to_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """The picture in sRGB; unchanged where its colour profile is missing or broken."""
    if not profile:
        return picture
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"))
    except (ImageCms.PyCMSError, OSError):
        return picture
    return converted or picture
