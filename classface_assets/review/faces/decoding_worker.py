"""Decodes uploaded pictures in a process of its own with limits on memory and time, so that none can end the server.

A header that promises little may lead to a decoder that takes much, or never ends. The process is started with the
first upload, and again when it died. Its memory is limited where the operating system can do so (Linux).
"""

import multiprocessing
import weakref
from contextlib import suppress
from io import BytesIO
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

import numpy as np

from classface_assets.core.faces.photo_reasons import PhotoReason
from classface_assets.vision.photos.limits import PictureLimits
from classface_assets.vision.photos.metadata import UnreadablePhotoError, open_picture

UPLOAD_LIMITS = PictureLimits(pixels=64_000_000, side=30_000, decode_bytes=3 << 29)
"""Smaller than for the archive: people look for one face in a photo, and wait for it."""
MEMORY_BYTES = 2 << 30
TIMEOUT_S = 60.0
STARTUP_TIMEOUT_S = 120.0


class DecodingWorker:
    """A process that decodes one picture at a time; to be used by one thread at a time."""

    def __init__(self, limits: PictureLimits = UPLOAD_LIMITS, memory_bytes: int = MEMORY_BYTES) -> None:
        """Nothing is started yet.

        Args:
            limits: How large a picture may be, by its header.
            memory_bytes: What the process may allocate.
        """
        self._limits, self._memory_bytes = limits, memory_bytes
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None

    def decode(self, data: bytes, timeout_s: float = TIMEOUT_S) -> np.ndarray:
        """The upright (h, w, 3) uint8 RGB pixels of a picture.

        Args:
            data: The bytes of the file.
            timeout_s: How long decoding may take.

        Raises:
            UnreadablePhotoError: It is no picture, too large, or takes too much memory or time.
        """
        open_picture(BytesIO(data), self._limits)  # the header, before anything is sent
        connection = self._started()
        try:
            connection.send_bytes(data)
            if not connection.poll(timeout_s):
                self.stop()
                raise UnreadablePhotoError(PhotoReason.DECODED_TOO_LONG.phrase(seconds=round(timeout_s)))
            reply = connection.recv()
            if isinstance(reply, str):
                raise UnreadablePhotoError(reply)
            pixels = np.empty(reply, np.uint8)
            connection.recv_bytes_into(pixels.data.cast("B"))
        except (EOFError, OSError):  # the process died: the kernel or a decoder ended it
            self.stop()
            raise UnreadablePhotoError(PhotoReason.DECODER_DIED.phrase()) from None
        return pixels

    def stop(self) -> None:
        """End the process; the next picture starts another one."""
        if self._process is not None:
            _end(self._process)
        self._process = self._connection = None

    def _started(self) -> Connection:
        if self._connection is not None and self._process is not None and self._process.is_alive():
            return self._connection
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=_serve, args=(theirs, self._limits, self._memory_bytes), name="classface-decoder", daemon=True
        )
        try:
            process.start()
            theirs.close()
            weakref.finalize(self, _end, process)
            if not ours.poll(STARTUP_TIMEOUT_S):
                raise EOFError
            ours.recv()
        except (EOFError, OSError):
            if process.pid is not None:
                _end(process)
            raise UnreadablePhotoError(PhotoReason.DECODER_NOT_STARTED.phrase()) from None
        self._process, self._connection = process, ours
        return ours


def _end(process: SpawnProcess) -> None:
    process.kill()
    process.join(10)


def _serve(connection: Connection, limits: PictureLimits, memory_bytes: int) -> None:
    """What the process does: decode what comes until the other end is closed."""
    from classface_assets.vision.photos.decoding import decode_photo

    import cv2  # isort: skip  (before the limit: libraries reserve memory)

    cv2.setNumThreads(1)
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    connection.send("ready")
    while True:
        try:
            data = connection.recv_bytes()
        except EOFError:
            return
        try:
            pixels = decode_photo(data, limits=limits).pixels
        except UnreadablePhotoError as error:
            connection.send(error.reason)
        except MemoryError:
            connection.send(PhotoReason.DECODER_OUT_OF_MEMORY.phrase())
        except Exception as error:  # whatever a decoder raises, the server lives
            connection.send(PhotoReason.DECODER_FAILED.phrase(error=type(error).__name__))
        else:
            connection.send(pixels.shape)
            connection.send_bytes(np.ascontiguousarray(pixels).data.cast("B"))
