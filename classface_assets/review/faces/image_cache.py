"""The pictures that the server was last asked for, in its memory."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

MAX_CACHE_BYTES = 256 << 20


class ImageCache:
    """The pictures last asked for, up to so many bytes."""

    def __init__(self, most: int = MAX_CACHE_BYTES) -> None:
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
