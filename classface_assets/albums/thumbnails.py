"""Thumbnails and face crops: made once for each picture and each way of covering faces, upright, without EXIF.

Also the photos they are made from, and full-size copies of photos in which faces are covered.
"""

import io
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps

from classface_assets.albums.anonymization import cover_faces, cover_key
from classface_assets.albums.disk import write_atomically
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
    def picture(self, photo: "Photo", long_side: int = 0) -> Iterator[Image.Image]:
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


def _load(image: Image.Image, photo: "Photo", long_side: int) -> None:
    if photo.page:
        image.seek(photo.page)
    if long_side:
        image.draft("RGB", (long_side, long_side))
    if image.width * image.height > photo.width * photo.height:
        raise OSError("the file holds a larger picture than the one that was searched; the next run searches it")
    image.load()


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


SMALL, LARGE, FULL_SIZE = 720, 1600, 0
"""Long sides of pictures in pixels. FULL_SIZE: the photo's own size, for photos in which a face is covered."""
CLOCKWISE_TRANSPOSES = {90: Image.Transpose.ROTATE_270, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_90}
COPY_QUALITY = 92
DATE_TAGS = (
    ExifTags.Base.DateTimeOriginal, ExifTags.Base.DateTimeDigitized, ExifTags.Base.OffsetTime,
    ExifTags.Base.OffsetTimeOriginal, ExifTags.Base.OffsetTimeDigitized, ExifTags.Base.SubsecTimeOriginal,
)  # fmt: skip
ProgressCallback = Callable[[int, int], None]


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
class ThumbnailResult:
    """How many files were made; and the paths of photos for which it failed, with the reason."""

    made: int
    failed: dict[str, str]


def thumbnail_path(photo: Photo, size: int) -> str:
    """The path, below the albums folder, of the thumbnail with a long side of at most `size` pixels."""
    # A photo no larger than the small one needs no second file.
    size = SMALL if size and max(photo.width, photo.height) <= SMALL else size
    turned = f"-page-{photo.page}" if photo.page else ""
    turned += f"-exif-{photo.orientation}" if photo.orientation > 1 else ""
    turned += f"-turned-{photo.rotation}" if photo.rotation else ""
    covered = f"-{cover_key(photo.covered, photo.cover)}" if photo.cover else ""
    return f"thumbs/{photo.asset_id[:2]}/{photo.asset_id}-{size or 'whole'}{turned}{covered}.jpg"


def face_crop_path(face_id: str) -> str:
    """The path of a face crop below the albums folder."""
    return f"faces/{face_id[:2]}/{face_id}.jpg"


def make_thumbnails(
    out: Path, originals: Originals, photos: Iterable[Photo], progress: ProgressCallback | None
) -> ThumbnailResult:
    """Make the thumbnails that are missing, in threads (decoding releases the interpreter lock).

    Args:
        out: The albums folder.
        originals: Where the photos are.
        photos: The photos.
        progress: Called with the photos done and the photos in all.
    """
    todo = {photo.asset_id: photo for photo in photos}
    made, failed = 0, {}
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        jobs = {pool.submit(_make_thumbnails_for, out, originals, photo): photo for photo in todo.values()}
        for done, job in enumerate(as_completed(jobs), start=1):
            try:
                made += job.result()
            except FileNotFoundError:
                failed[jobs[job].path] = "no longer in the photos folder"
            except Exception as error:  # decoders raise anything on a broken file
                failed[jobs[job].path] = f"could not be opened: {error}"
            if progress:
                progress(done, len(jobs))
    return ThumbnailResult(made, failed)


def save_face_crop(out: Path, face_id: str, chip: bytes | None) -> None:
    """Write the chip (JPEG bytes) of a face as its crop, unless there is one."""
    path = out / face_crop_path(face_id)
    if chip and not path.exists():
        write_atomically(path, chip)


def register_heif() -> None:
    """Register HEIF and HEIC with Pillow."""
    import pillow_heif

    pillow_heif.register_heif_opener()


def _make_thumbnails_for(out: Path, originals: Originals, photo: Photo) -> int:
    originals.find(photo.path)
    targets = {out / thumbnail_path(photo, size): size for size in (LARGE, SMALL)}
    missing = {path: size for path, size in targets.items() if not path.exists()}
    if not missing:
        return 0
    with originals.picture(photo, LARGE) as image:
        picture, profile = _load_upright(image, photo)
    for path, size in sorted(missing.items(), key=lambda item: -item[1]):
        picture.thumbnail((size, size), Image.Resampling.LANCZOS)
        _save_jpeg(picture, path, icc_profile=profile, quality=82)
    return len(missing)


def make_covered_copy(out: Path, originals: Originals, photo: Photo) -> Path:
    """Make a copy of a photo at full size with the faces covered: a JPEG with the photo's dates, made once.

    No other metadata is copied: it may contain a thumbnail of the whole photo.

    Returns:
        The copy.

    Raises:
        FileNotFoundError: The photo no longer exists.
        OSError: It cannot be opened.
    """
    target, original = out / thumbnail_path(photo, FULL_SIZE), originals.find(photo.path)
    if not target.exists():
        try:
            with originals.picture(photo) as image:
                dates = _copy_dates(image.getexif())
                picture, profile = _load_upright(image, photo)
        except (ValueError, SyntaxError, MemoryError) as error:  # what decoders raise on a broken file
            raise OSError(str(error)) from error
        _save_jpeg(picture, target, icc_profile=profile, quality=COPY_QUALITY, exif=dates)
        os.utime(target, ns=(original.mtime_ns, original.mtime_ns))
    return target


def _load_upright(image: Image.Image, photo: Photo) -> tuple[Image.Image, bytes | None]:
    """The upright picture with faces covered, and its colour profile."""
    picture = _to_rgb(ImageOps.exif_transpose(image))
    if photo.rotation in CLOCKWISE_TRANSPOSES:
        picture = picture.transpose(CLOCKWISE_TRANSPOSES[photo.rotation])
    profile = picture.info.get("icc_profile") if image.mode == "RGB" else None
    if photo.cover:
        cover_faces(picture, photo.covered, picture.width / photo.width, photo.cover)
    return picture, profile


def _copy_dates(exif: Image.Exif) -> Image.Exif:
    copied, source = Image.Exif(), exif.get_ifd(ExifTags.IFD.Exif)
    copied.update({tag: exif[tag] for tag in (ExifTags.Base.DateTime,) if tag in exif})
    copied.get_ifd(ExifTags.IFD.Exif).update({tag: source[tag] for tag in DATE_TAGS if tag in source})
    return copied


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bit scans: convert() would clip all but the darkest tones
        image = Image.fromarray((np.asarray(image) / 257).clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def _save_jpeg(picture: Image.Image, path: Path, **options: object) -> None:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", progressive=True, **options)
    write_atomically(path, buffer.getvalue())


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
            picture, profile = _load_upright(image, photo)
            picture = _to_srgb(picture, profile)
    except (ValueError, SyntaxError, MemoryError) as error:  # what decoders raise on a broken file
        raise OSError(str(error)) from error
    if long_side:
        picture.thumbnail((long_side, long_side), Image.Resampling.LANCZOS)
    return picture


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
