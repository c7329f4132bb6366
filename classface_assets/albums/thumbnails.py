"""Small pictures of the photos, and the face crops: kept by content and by what is covered, made once, upright, with no
EXIF left in them.

The photos that albums are made of: on a disk, or at a URL, which is listed once and not asked for each photo.
"""

import io
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps

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


@dataclass(frozen=True)
class Originals:
    """Photos below `root` by their path; `listed` holds those of a URL."""

    root: Location
    listed: dict[str, FileEntry]

    def find(self, path: str) -> FileEntry:
        """Raises FileNotFoundError for a photo that is no longer there, OSError for one that cannot be opened."""
        found = decode_relative_path(self.root, path)
        if not isinstance(found, Path):
            if path not in self.listed:
                raise FileNotFoundError(path)
            return self.listed[path]
        # A hard link to a symbolic link would be one itself, which points nowhere from the album.
        return stat_entry(found.resolve(strict=True))

    def open(self, path: str) -> Path | BytesIO:
        """What Pillow reads a photo from."""
        original = self.find(path).path
        return original if isinstance(original, Path) else BytesIO(original.read_bytes())


def list_originals(root: Location, paths: Iterable[str]) -> Originals:
    """The photos of these paths; of a URL their folders are listed, each once. Raises StorageError."""
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
"""Long sides of pictures in pixels. WHOLE: the photo's own size, of photos in which a face is covered."""
CLOCKWISE_TRANSPOSES = {90: Image.Transpose.ROTATE_270, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_90}
COPY_QUALITY = 92
DATE_TAGS = (
    ExifTags.Base.DateTimeOriginal, ExifTags.Base.DateTimeDigitized, ExifTags.Base.OffsetTime,
    ExifTags.Base.OffsetTimeOriginal, ExifTags.Base.OffsetTimeDigitized, ExifTags.Base.SubsecTimeOriginal,
)  # fmt: skip
ProgressCallback = Callable[[int, int], None]


@dataclass(frozen=True)
class Photo:
    """A photo of the archive: `path` relative to the photos folder, upright size in pixels.

    `orientation`: how EXIF says that the file's picture is to be shown. `rotation`: degrees clockwise by which a scan,
    after EXIF, is turned to be upright. `page`: that of a file with several, from 0. `covered`: boxes of faces that
    no picture may show, in upright pixels; `cover`: how they are covered, empty where there are none.
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
    """How many files were made, and for each path that gave none, why."""

    made: int
    failed: dict[str, str]


def thumbnail_path(photo: Photo, size: int) -> str:
    """Where the thumbnail with a long side of at most `size` pixels lies below the albums folder."""
    # A photo no larger than the small one needs no second file.
    size = SMALL if size and max(photo.width, photo.height) <= SMALL else size
    turned = f"-page-{photo.page}" if photo.page else ""
    turned += f"-exif-{photo.orientation}" if photo.orientation > 1 else ""
    turned += f"-turned-{photo.rotation}" if photo.rotation else ""
    covered = f"-{cover_key(photo.covered, photo.cover)}" if photo.cover else ""
    return f"thumbs/{photo.asset_id[:2]}/{photo.asset_id}-{size or 'whole'}{turned}{covered}.jpg"


def face_crop_path(face_id: str) -> str:
    return f"faces/{face_id[:2]}/{face_id}.jpg"


def make_thumbnails(
    out: Path, originals: Originals, photos: Iterable[Photo], progress: ProgressCallback | None
) -> ThumbnailResult:
    """Makes what is missing, in threads (decoding releases the interpreter lock)."""
    register_heif()
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
    path = out / face_crop_path(face_id)
    if chip and not path.exists():
        write_atomically(path, chip)


def register_heif() -> None:
    import pillow_heif

    pillow_heif.register_heif_opener()


def _make_thumbnails_for(out: Path, originals: Originals, photo: Photo) -> int:
    originals.find(photo.path)
    targets = {out / thumbnail_path(photo, size): size for size in (LARGE, SMALL)}
    missing = {path: size for path, size in targets.items() if not path.exists()}
    if not missing:
        return 0
    with Image.open(originals.open(photo.path)) as image:
        image.draft("RGB", (LARGE, LARGE))  # JPEG decodes at a fraction of the size, many times faster
        picture, profile = _load_upright(image, photo)
    for path, size in sorted(missing.items(), key=lambda item: -item[1]):
        picture.thumbnail((size, size), Image.Resampling.LANCZOS)
        _save_jpeg(picture, path, icc_profile=profile, quality=82)
    return len(missing)


def make_covered_copy(out: Path, originals: Originals, photo: Photo) -> Path:
    """The photo in its own size with the faces covered, as a JPEG with its date, made once. Of what the file told
    besides, nothing is kept: it may hold a small picture of the whole photo.

    Raises FileNotFoundError for a photo that is no longer there, OSError for one that cannot be opened.
    """
    target, original = out / thumbnail_path(photo, FULL_SIZE), originals.find(photo.path)
    if not target.exists():
        register_heif()
        try:
            with Image.open(originals.open(photo.path)) as image:
                dates = _copy_dates(image.getexif())
                picture, profile = _load_upright(image, photo)
        except (ValueError, SyntaxError, MemoryError) as error:  # what decoders raise on a broken file
            raise OSError(str(error)) from error
        _save_jpeg(picture, target, icc_profile=profile, quality=COPY_QUALITY, exif=dates)
        os.utime(target, ns=(original.mtime_ns, original.mtime_ns))
    return target


def _load_upright(image: Image.Image, photo: Photo) -> tuple[Image.Image, bytes | None]:
    """The picture as it is shown, and its colour profile."""
    if photo.page:
        image.seek(photo.page)
    picture = _to_rgb(ImageOps.exif_transpose(image))
    if photo.rotation in CLOCKWISE_TRANSPOSES:
        picture = picture.transpose(CLOCKWISE_TRANSPOSES[photo.rotation])
    profile = picture.info.get("icc_profile") if image.mode == "RGB" else None
    if photo.cover:
        cover_faces(picture, photo.covered, picture.width / photo.width, photo.cover)
    return picture, profile


def _copy_dates(exif: Image.Exif) -> Image.Exif:
    kept, inside = Image.Exif(), exif.get_ifd(ExifTags.IFD.Exif)
    kept.update({tag: exif[tag] for tag in (ExifTags.Base.DateTime,) if tag in exif})
    kept.get_ifd(ExifTags.IFD.Exif).update({tag: inside[tag] for tag in DATE_TAGS if tag in inside})
    return kept


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bit scans: convert() would cut off all but the darkest tones
        image = Image.fromarray((np.asarray(image) / 257).clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def _save_jpeg(picture: Image.Image, path: Path, **how: object) -> None:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", progressive=True, **how)
    write_atomically(path, buffer.getvalue())
