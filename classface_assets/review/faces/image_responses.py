"""Pictures for the pages: face chips, thumbnails and whole photos, upright, without EXIF, by id only.

A path never comes from a request: ids are looked up in the view, and the view's paths were written by the pipeline.
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
"""A browser may keep the picture, but shows it only after asking: who was erased meanwhile is seen no more."""


@dataclass(frozen=True)
class ImageResource:
    """A picture that is there. `tag` says which bytes it has, and is known without reading them."""

    tag: str
    read: Callable[[], bytes]


class ImageLoader:
    """The pictures of one archive. `detector` names whose faces count."""

    def __init__(self, layout: ArchiveLayout, detector: str) -> None:
        self._layout, self._shelf = layout, ChipIndex(layout, detector)
        self._kept = ImageCache()
        self._salt = secrets.token_hex(4)  # an earlier server's code may have made other bytes

    def chip(self, view: ArchiveView, face_id: str, size: int) -> ImageResource:
        """The aligned square of a face, a JPEG of at most 192 pixels. Raises NotFoundError."""
        face = view.face(face_id)
        if face is None:
            raise NotFoundError("face", face_id)
        name = (face_id, face["created_at"])  # found again, it may have been cut out otherwise

        def read() -> bytes:
            return shrink_jpeg(self._kept.get(name, lambda: self._read_chip(face_id, str(face["school_year"]))), size)

        return self._picture((*name, size), read)

    def photo(self, view: ArchiveView, asset_id: str, size: int = FULL_SIDE) -> ImageResource:
        """A photo, upright, with a long side of at most `size` pixels, as JPEG. Raises NotFoundError.

        Reading it raises ProblemError when it cannot be opened.
        """
        photo = view.photo(asset_id)
        if photo is None:
            raise NotFoundError("photo", asset_id)
        name = (asset_id, photo["rotation"], size)
        return self._picture(
            name, lambda: self._kept.get(name, lambda: encode_jpeg(self.opened(view, asset_id).resized_to(size)))
        )

    def _picture(self, name: tuple[object, ...], read: Callable[[], bytes]) -> ImageResource:
        return ImageResource(f'"{blake2b(repr((self._salt, *name)).encode(), digest_size=12).hexdigest()}"', read)

    def forget(self) -> None:
        """Keep nothing: somebody was erased."""
        self._kept.forget()

    def _read_chip(self, face_id: str, year: str) -> bytes:
        chips = self._shelf.chips_with(face_id, year)
        if face_id not in chips:
            raise NotFoundError("picture of the face", face_id)
        for neighbour, (chip, created_at) in chips.items():
            self._kept.put((neighbour, created_at), chip)
        return chips[face_id][0]

    def opened(self, view: ArchiveView, asset_id: str) -> ImagePyramid:
        """A photo to look at, upright. Raises NotFoundError, ProblemError."""
        photo = view.photo(asset_id)
        if photo is None:
            raise NotFoundError("photo", asset_id)
        path = photo["path"]
        try:
            opened = open_pyramid(decode_relative_path(self._layout.photos, path))
        except FileNotFoundError:
            raise ProblemError(404, f"The photo {path} is no longer in the photos folder.") from None
        except OSError as error:
            raise ProblemError(503, f"The photo {path} cannot be opened now ({error.strerror or error}).") from None
        except UnreadablePhotoError as error:
            raise ProblemError(404, f"The photo {path} cannot be shown: {error.reason}.") from None
        opened.rotation = photo["rotation"]
        return opened


def encode_jpeg(pixels: np.ndarray, quality: int = 85) -> bytes:
    out = BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=quality, progressive=True)
    return out.getvalue()


def shrink_jpeg(picture: bytes, size: int) -> bytes:
    """A JPEG with a long side of at most `size`."""
    image = Image.open(BytesIO(picture))
    return picture if max(image.size) <= size else encode_jpeg(downscale(np.asarray(image.convert("RGB")), size), 90)


def matches_etag(request: Request, picture: ImageResource) -> bool:
    """Whether the browser says that it has these bytes."""
    return picture.tag in request.headers.get("if-none-match", "")


def image_response(request: Request, picture: ImageResource) -> Response:
    """The picture, or 304 where the browser has it; then it is not read."""
    headers = {"ETag": picture.tag, "Cache-Control": REVALIDATE}
    if matches_etag(request, picture):
        return Response(status_code=304, headers=headers)
    return Response(picture.read(), media_type="image/jpeg", headers=headers)
