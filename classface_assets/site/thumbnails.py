"""Small pictures of the photos, and the face crops: kept by content, made once, upright, with no EXIF left in them."""

import io
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from classface_assets.site.disk import write_file
from classface_assets.site.originals import Originals

SMALL, LARGE = 720, 1600
CLOCKWISE = {90: Image.Transpose.ROTATE_270, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_90}
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Photo:
    """A photo of the archive: `path` relative to the photos folder, upright size in pixels.

    `rotation`: degrees clockwise by which a scan, after EXIF, is turned to be upright.
    """

    asset_id: str
    path: str
    width: int
    height: int
    rotation: int = 0


@dataclass(frozen=True)
class Thumbnails:
    """How many files were made, and for each path that gave none, why."""

    made: int
    failed: dict[str, str]


def thumbnail_path(photo: Photo, size: int) -> str:
    """Where the thumbnail with a long side of at most `size` pixels lies below the albums folder."""
    # A photo no larger than the small one needs no second file.
    size = SMALL if max(photo.width, photo.height) <= SMALL else size
    turned = f"-turned-{photo.rotation}" if photo.rotation else ""
    return f"thumbs/{photo.asset_id[:2]}/{photo.asset_id}-{size}{turned}.jpg"


def face_path(face_id: str) -> str:
    return f"faces/{face_id[:2]}/{face_id}.jpg"


def make_thumbnails(out: Path, originals: Originals, photos: Iterable[Photo], progress: Progress | None) -> Thumbnails:
    """Makes what is missing, in threads (decoding releases the interpreter lock)."""
    register_heif()
    todo = {photo.asset_id: photo for photo in photos}
    made, failed = 0, {}
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        jobs = {pool.submit(_make, out, originals, photo): photo for photo in todo.values()}
        for done, job in enumerate(as_completed(jobs), start=1):
            try:
                made += job.result()
            except FileNotFoundError:
                failed[jobs[job].path] = "no longer in the photos folder"
            except Exception as error:  # decoders raise anything on a broken file
                failed[jobs[job].path] = f"could not be opened: {error}"
            if progress:
                progress(done, len(jobs))
    return Thumbnails(made, failed)


def save_face(out: Path, face_id: str, chip: bytes | None) -> None:
    path = out / face_path(face_id)
    if chip and not path.exists():
        write_file(path, chip)


def register_heif() -> None:
    import pillow_heif

    pillow_heif.register_heif_opener()


def _make(out: Path, originals: Originals, photo: Photo) -> int:
    originals.find(photo.path)
    targets = {out / thumbnail_path(photo, size): size for size in (LARGE, SMALL)}
    missing = {path: size for path, size in targets.items() if not path.exists()}
    if not missing:
        return 0
    with Image.open(originals.open(photo.path)) as image:
        image.draft("RGB", (LARGE, LARGE))  # JPEG decodes at a fraction of the size, many times faster
        picture = _rgb(ImageOps.exif_transpose(image))
    if photo.rotation in CLOCKWISE:
        picture = picture.transpose(CLOCKWISE[photo.rotation])
    profile = picture.info.get("icc_profile") if image.mode == "RGB" else None
    for path, size in sorted(missing.items(), key=lambda item: -item[1]):
        picture.thumbnail((size, size), Image.Resampling.LANCZOS)
        _save(picture, path, profile)
    return len(missing)


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bit scans: convert() would cut off all but the darkest tones
        image = Image.fromarray((np.asarray(image) / 257).clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def _save(picture: Image.Image, path: Path, profile: bytes | None) -> None:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=82, progressive=True, icc_profile=profile)
    write_file(path, buffer.getvalue())
