"""Pictures for the pages: face chips, thumbnails and whole photos, upright, without EXIF, by id only.

A path never comes from a request: ids are looked up in the view, and the view's paths were written by the pipeline.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from hashlib import blake2b
from io import BytesIO

import numpy as np
from PIL import Image
from starlette.requests import Request
from starlette.responses import Response

from classface_assets.places import place_of
from classface_assets.review.problems import NotFoundError, ProblemError
from classface_assets.review.shelf import Shelf
from classface_assets.review.view import View
from classface_assets.store.layout import Layout
from classface_assets.vision.decode import UnreadablePhoto
from classface_assets.vision.view import PhotoView, open_view, shrunk

KEPT_BYTES = 256 << 20
WHOLE = 4096
KEPT_BY_BROWSERS = "private, max-age=604800, immutable"


class Kept:
    """The pictures last asked for, up to so many bytes."""

    def __init__(self, most: int = KEPT_BYTES) -> None:
        self._most, self._held = most, 0
        self._pictures: OrderedDict[Hashable, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: Hashable, make: Callable[[], bytes]) -> bytes:
        with self._lock:
            if name in self._pictures:
                self._pictures.move_to_end(name)
                return self._pictures[name]
        made = make()
        self.put(name, made)
        return made

    def put(self, name: Hashable, picture: bytes) -> None:
        with self._lock:
            self._held += len(picture) - len(self._pictures.pop(name, b""))
            self._pictures[name] = picture
            while self._held > self._most:
                self._held -= len(self._pictures.popitem(last=False)[1])

    def forget(self) -> None:
        with self._lock:
            self._pictures.clear()
            self._held = 0


class Images:
    """The pictures of one archive. `detector` names whose faces count."""

    def __init__(self, layout: Layout, detector: str) -> None:
        self._layout, self._shelf = layout, Shelf(layout, detector)
        self._kept = Kept()

    def chip(self, view: View, face_id: str) -> bytes:
        """The aligned square of a face, a JPEG of 192 pixels. Raises NotFoundError."""
        face = view.face(face_id)
        if face is None:
            raise NotFoundError("face", face_id)
        return self._kept.get(("chip", face_id), lambda: self._read_chip(face_id, str(face["school_year"])))

    def photo(self, view: View, asset_id: str, size: int = WHOLE) -> bytes:
        """A photo, upright, with a long side of at most `size` pixels, as JPEG. Raises NotFoundError, ProblemError."""
        if view.photo(asset_id) is None:
            raise NotFoundError("photo", asset_id)
        return self._kept.get((asset_id, size), lambda: jpeg(self.opened(view, asset_id).at(size)))

    def forget(self) -> None:
        """Keep nothing: somebody was erased."""
        self._kept.forget()

    def _read_chip(self, face_id: str, year: str) -> bytes:
        chips = self._shelf.chips_with(face_id, year)
        if face_id not in chips:
            raise NotFoundError("picture of the face", face_id)
        for neighbour, chip in chips.items():
            self._kept.put(("chip", neighbour), chip)
        return chips[face_id]

    def opened(self, view: View, asset_id: str) -> PhotoView:
        """A photo to look at, upright. Raises NotFoundError, ProblemError."""
        photo = view.photo(asset_id)
        if photo is None:
            raise NotFoundError("photo", asset_id)
        path = photo["path"]
        try:
            opened = open_view(place_of(self._layout.photos, path))
        except FileNotFoundError:
            raise ProblemError(404, f"The photo {path} is no longer in the photos folder.") from None
        except OSError as error:
            raise ProblemError(503, f"The photo {path} cannot be opened now ({error.strerror or error}).") from None
        except UnreadablePhoto as error:
            raise ProblemError(404, f"The photo {path} cannot be shown: {error.reason}.") from None
        opened.rotation = photo["rotation"]
        return opened


def jpeg(pixels: np.ndarray, quality: int = 85) -> bytes:
    out = BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=quality, progressive=True)
    return out.getvalue()


def smaller(picture: bytes, size: int) -> bytes:
    """A JPEG with a long side of at most `size`."""
    pixels = np.asarray(Image.open(BytesIO(picture)).convert("RGB"))
    return picture if max(pixels.shape[:2]) <= size else jpeg(shrunk(pixels, size), 90)


def picture_response(request: Request, picture: bytes) -> Response:
    """A picture that a browser may keep for itself, or 304 where it has it."""
    tag = f'"{blake2b(picture, digest_size=12).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": KEPT_BY_BROWSERS}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(picture, media_type="image/jpeg", headers=headers)
