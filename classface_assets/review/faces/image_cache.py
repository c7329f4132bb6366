"""The images that were requested last, in the server's memory."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

MAX_CACHE_BYTES = 256 << 20


class ImageCache:
    """A least-recently-used cache of encoded images, bounded by their bytes."""

    def __init__(self, max_bytes: int = MAX_CACHE_BYTES) -> None:
        self._max_bytes, self._bytes = max_bytes, 0
        self._images: OrderedDict[Hashable, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, load: Callable[[], bytes]) -> bytes:
        """The image of a key; it is loaded and cached if it is not there."""
        with self._lock:
            if key in self._images:
                self._images.move_to_end(key)
                return self._images[key]
        image = load()
        self.put(key, image)
        return image

    def put(self, key: Hashable, image: bytes) -> None:
        """Cache an image, and evict those that were not used for longest."""
        with self._lock:
            self._bytes += len(image) - len(self._images.pop(key, b""))
            self._images[key] = image
            while self._bytes > self._max_bytes:
                self._bytes -= len(self._images.popitem(last=False)[1])

    def clear(self) -> None:
        """Evict everything."""
        with self._lock:
            self._images.clear()
            self._bytes = 0
