"""A PDF of fpdf2 that is written picture by picture: its pictures lie in a temporary file, not in memory.

fpdf2 collects all pictures, and then the whole file, in memory; its `output_producer_class` is where to change that.
"""

import tempfile
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from fpdf import FPDF
    from fpdf.image_datastructures import ImageInfo
    from fpdf.output import OutputProducer


@dataclass(frozen=True, eq=False)
class StoredPicture:
    """The bytes of a picture in a file."""

    file: BinaryIO
    start: int
    size: int

    def __bytes__(self) -> bytes:
        self.file.seek(self.start)
        return self.file.read(self.size)


class PictureStore:
    """A temporary file of pictures, in a folder that only this user can read; closing it removes it."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="classface-print-")  # noqa: SIM115  # `close` does
        self._size = 0

    def store(self, info: "ImageInfo") -> None:
        """Move the bytes of a picture that was placed from memory to the file; those of one placed twice lie there."""
        data = info["data"]
        if isinstance(data, bytes):
            self._file.seek(self._size)
            self._file.write(data)
            info["data"] = StoredPicture(self._file, self._size, len(data))
            self._size += len(data)

    def close(self) -> None:
        """Remove the file."""
        self._file.close()


class WrittenBytes:
    """What fpdf2 takes for the buffer of its output: what is added is written at once, and only counted."""

    def __init__(self, out: BinaryIO) -> None:
        self._out, self._size = out, 0

    def __len__(self) -> int:
        return self._size

    def __iadd__(self, data: bytes) -> "WrittenBytes":
        self._out.write(data)
        self._size += len(data)
        return self


def write_streamed(pdf: "FPDF", out: BinaryIO) -> None:
    """Write a PDF whose pictures may be stored pictures; nothing can be added to it after that."""
    identity = uuid.uuid4().hex.upper()
    pdf.file_id = lambda: f"<{identity}><{identity}>"  # type: ignore[method-assign]  # fpdf2's is a hash of its buffer
    pdf.output(output_producer_class=_producer_class(out))


def _producer_class(out: BinaryIO) -> "type[OutputProducer]":
    from fpdf.output import OutputProducer, PDFXObject

    class StreamedOutput(OutputProducer):
        """Reads a picture when it is written."""

        def __init__(self, fpdf: "FPDF") -> None:
            super().__init__(fpdf)
            self.buffer = WrittenBytes(out)  # type: ignore[assignment]

        def _add_image(self, info: dict[str, object]) -> PDFXObject:
            stored = info["data"]
            if not isinstance(stored, StoredPicture):
                return super()._add_image(info)
            picture = super()._add_image(info | {"data": b""})
            picture.length = stored.size
            picture.content_stream = stored.__bytes__  # type: ignore[method-assign]
            return picture

    return StreamedOutput
