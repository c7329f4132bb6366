"""Thumbnails and face crops: made once for each picture and each way of covering faces, upright, without EXIF.

Also full-size copies of photos in which faces are covered.
"""

import io
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from PIL import ExifTags, Image

from classface_assets.albums.anonymization import cover_key
from classface_assets.albums.disk import write_atomically
from classface_assets.albums.listing import has_file
from classface_assets.albums.pictures.originals import Originals, Photo, load_upright
from classface_assets.core.languages import gettext

SMALL, LARGE, FULL_SIZE = 720, 1600, 0
"""Long sides of pictures in pixels. FULL_SIZE: the photo's own size, for photos in which a face is covered."""

COPY_QUALITY = 92

DATE_TAGS = (
    ExifTags.Base.DateTimeOriginal, ExifTags.Base.DateTimeDigitized, ExifTags.Base.OffsetTime,
    ExifTags.Base.OffsetTimeOriginal, ExifTags.Base.OffsetTimeDigitized, ExifTags.Base.SubsecTimeOriginal,
)  # fmt: skip

ProgressCallback = Callable[[int, int], None]


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
                failed[jobs[job].path] = gettext("no longer in the photos folder")
            except Exception as error:  # decoders raise anything on a broken file
                failed[jobs[job].path] = gettext("could not be opened: %(why)s", why=error)
            if progress:
                progress(done, len(jobs))
    return ThumbnailResult(made, failed)


def save_face_crop(out: Path, face_id: str, chip: bytes | None) -> None:
    """Write the chip (JPEG bytes) of a face as its crop, unless there is one."""
    path = face_crop_path(face_id)
    if chip and not has_file(out, path):
        write_atomically(out / path, chip)


def _make_thumbnails_for(out: Path, originals: Originals, photo: Photo) -> int:
    originals.find(photo.path)
    targets = {thumbnail_path(photo, size): size for size in (LARGE, SMALL)}
    missing = {out / path: size for path, size in targets.items() if not has_file(out, path)}
    if not missing:
        return 0
    with originals.picture(photo, LARGE) as image:
        picture, profile = load_upright(image, photo)
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
                picture, profile = load_upright(image, photo)
        except (ValueError, SyntaxError, MemoryError) as error:  # what decoders raise on a broken file
            raise OSError(str(error)) from error
        _save_jpeg(picture, target, icc_profile=profile, quality=COPY_QUALITY, exif=dates)
        os.utime(target, ns=(original.mtime_ns, original.mtime_ns))
    return target


def _copy_dates(exif: Image.Exif) -> Image.Exif:
    copied, source = Image.Exif(), exif.get_ifd(ExifTags.IFD.Exif)
    copied.update({tag: exif[tag] for tag in (ExifTags.Base.DateTime,) if tag in exif})
    copied.get_ifd(ExifTags.IFD.Exif).update({tag: source[tag] for tag in DATE_TAGS if tag in source})
    return copied


def _save_jpeg(picture: Image.Image, path: Path, **options: object) -> None:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", progressive=True, **options)
    write_atomically(path, buffer.getvalue())
