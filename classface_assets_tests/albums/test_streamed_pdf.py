"""PDFs that are written picture by picture: the same file as fpdf2 writes from memory, in little of it."""

import datetime as dt
import io
import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
from fpdf import FPDF
from PIL import Image

from classface_assets.albums.exports.print.streamed_pdf import PictureStore, write_streamed


def jpeg(number: int, side: int) -> io.BytesIO:
    """A picture that cannot be compressed much."""
    noise = np.random.default_rng(number).integers(0, 255, (side, side, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "JPEG", quality=90)
    return file


def made_pdf(pictures: int, side: int = 40, store: Callable[..., None] = lambda _: None) -> FPDF:
    """Two pictures a page; the first one is on every page."""
    pdf = FPDF()
    pdf.set_creation_date(dt.datetime(2020, 1, 2, tzinfo=dt.UTC))
    pdf.set_font("helvetica")
    for number in range(1, pictures):
        pdf.add_page()
        pdf.cell(text=f"Page {number}")
        for place, picture in enumerate((0, number)):
            store(pdf.image(jpeg(picture, side), 10, 20 + 60 * place, 50, 50))
    return pdf


def test_a_streamed_pdf_is_the_one_that_fpdf2_writes_from_memory() -> None:
    pictures, out = PictureStore(), io.BytesIO()
    write_streamed(made_pdf(5, store=pictures.store), out)
    pictures.close()
    without_id = [re.sub(rb"/ID .*", b"", content) for content in (out.getvalue(), bytes(made_pdf(5).output()))]
    assert without_id[0] == without_id[1] and b"/ID [<" in out.getvalue()
    assert out.getvalue().count(b"DCTDecode") == 5


def test_memory_does_not_grow_with_the_pictures_of_a_pdf(tmp_path: Path) -> None:
    pictures, size, file = PictureStore(), len(jpeg(0, 400).getvalue()), tmp_path / "large.pdf"
    made_pdf(2)  # what is loaded once is not measured
    tracemalloc.start()
    try:
        with file.open("wb") as out:
            write_streamed(made_pdf(40, 400, pictures.store), out)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        pictures.close()
    assert file.stat().st_size > 40 * size > 5_000_000
    assert peak < 12 * size, f"{peak / size:.0f} pictures in memory"
