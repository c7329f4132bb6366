"""Images for the pages: face chips, thumbnails and whole photos, upright and without EXIF, by id only.

No path comes from a request: ids are looked up in the view, whose paths the pipeline wrote.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from io import BytesIO

import numpy as np
from PIL import Image
from starlette.requests import Request
from starlette.responses import Response

from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import decode_relative_path
from classface_assets.review.faces.chip_index import ChipIndex
from classface_assets.review.faces.image_cache import ImageCache
from classface_assets.review.problems import NotFoundError, ProblemError
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.vision.photos.image_pyramid import ImagePyramid, downscale, open_pyramid
from classface_assets.vision.photos.metadata import UnreadablePhotoError

FULL_SIDE = 4096
REVALIDATE = "private, no-cache"
"""A browser may store the image, but asks before it shows it again: the person may have been erased meanwhile."""


@dataclass(frozen=True)
class ImageResource:
    """An image that exists.

    Attributes:
        etag: Changes with the bytes, and is known without reading them.
        read: Returns the JPEG.
    """

    etag: str
    read: Callable[[], bytes]


class ImageLoader:
    """Finds and reads the images of one archive."""

    def __init__(self, layout: ArchiveLayout, detector: str) -> None:
        """Prepare to read.

        Args:
            layout: The archive.
            detector: The version of the detector in use, whose chips come first.
        """
        self._layout, self._chips = layout, ChipIndex(layout, detector)
        self._cache = ImageCache()
        self._salt = secrets.token_hex(4)  # another version of this program may encode other bytes

    def chip(self, view: ArchiveView, face_id: str, size: int) -> ImageResource:
        """The aligned crop of a face, a JPEG of at most `size` (and 192) pixels a side.

        Raises:
            NotFoundError: The view has no such face.
        """
        face = view.face(face_id)
        if face is None:
            raise NotFoundError("face", face_id)
        key = (face_id, face["created_at"])  # a face that was detected again may be cropped differently

        def read() -> bytes:
            return shrink_jpeg(self._cache.get(key, lambda: self._read_chip(face_id, str(face["school_year"]))), size)

        return self._resource((*key, size), read)

    def photo(self, view: ArchiveView, asset_id: str, size: int = FULL_SIDE) -> ImageResource:
        """A photo, upright, as a JPEG with a long side of at most `size` pixels.

        Reading it raises ProblemError where the file cannot be opened.

        Raises:
            NotFoundError: The view has no such photo.
        """
        photo = view.photo(asset_id)
        if photo is None:
            raise NotFoundError("photo", asset_id)
        key = (asset_id, photo["rotation"], size)

        def read() -> bytes:
            return self._cache.get(key, lambda: encode_jpeg(self.open_photo(view, asset_id).resized_to(size)))

        return self._resource(key, read)

    def open_photo(self, view: ArchiveView, asset_id: str) -> ImagePyramid:
        """Open a photo, upright.

        Raises:
            NotFoundError: The view has no such photo.
            ProblemError: The file is gone, cannot be opened or is no readable photo.
        """
        photo = view.photo(asset_id)
        if photo is None:
            raise NotFoundError("photo", asset_id)
        path = photo["path"]
        try:
            pyramid = open_pyramid(decode_relative_path(self._layout.photos, path))
        except FileNotFoundError:
            raise ProblemError(404, f"The photo {path} is no longer in the photos folder.") from None
        except OSError as error:
            raise ProblemError(503, f"The photo {path} cannot be opened now ({error.strerror or error}).") from None
        except UnreadablePhotoError as error:
            raise ProblemError(404, f"The photo {path} cannot be shown: {error.reason}.") from None
        pyramid.rotation = photo["rotation"]
        return pyramid

    def clear(self) -> None:
        """Drop all cached images: somebody was erased."""
        self._cache.clear()

    def _read_chip(self, face_id: str, year: str) -> bytes:
        """Read a chip; the chips that come with it are cached too."""
        chips = self._chips.read_with_neighbours(face_id, year)
        if face_id not in chips:
            raise NotFoundError("picture of the face", face_id)
        for neighbour, (chip, created_at) in chips.items():
            self._cache.put((neighbour, created_at), chip)
        return chips[face_id][0]

    def _resource(self, key: tuple[object, ...], read: Callable[[], bytes]) -> ImageResource:
        digest = blake2b(repr((self._salt, *key)).encode(), digest_size=12)
        return ImageResource(f'"{digest.hexdigest()}"', read)


def encode_jpeg(pixels: np.ndarray, quality: int = 85) -> bytes:
    """Encode RGB pixels (h, w, 3) uint8 as a progressive JPEG."""
    out = BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=quality, progressive=True)
    return out.getvalue()


def shrink_jpeg(data: bytes, size: int) -> bytes:
    """The JPEG with a long side of at most `size` pixels; unchanged if it is small enough."""
    image = Image.open(BytesIO(data))
    return data if max(image.size) <= size else encode_jpeg(downscale(np.asarray(image.convert("RGB")), size), 90)


def matches_etag(request: Request, image: ImageResource) -> bool:
    """Whether the browser has these bytes already."""
    return image.etag in request.headers.get("if-none-match", "")


def image_response(request: Request, image: ImageResource) -> Response:
    """The image, or status 304 without reading it where the browser has it already."""
    headers = {"ETag": image.etag, "Cache-Control": REVALIDATE}
    if matches_etag(request, image):
        return Response(status_code=304, headers=headers)
    return Response(image.read(), media_type="image/jpeg", headers=headers)
