"""A PDF for print: pages with a heading and page numbers, text of every script, and pictures of one resolution."""

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO

from PIL import Image

from classface_assets.albums.exports.print.fonts import TEXT_FONT, choose_fonts
from classface_assets.albums.exports.print.streamed_pdf import PictureStore, write_streamed

if TYPE_CHECKING:
    from fpdf import FPDF

MARGIN = 14.0
"""Millimetres, on every side."""
PRINT_DPI = 220
JPEG_QUALITY = 88
GREY = 100
BOLD = 650.0
"""Weight of headings in the variable font."""


class PageSize(StrEnum):
    """Sizes of paper."""

    A4 = "a4"
    LETTER = "letter"


@dataclass(frozen=True)
class PrintOptions:
    """How a PDF is printed.

    Attributes:
        title: Of the document, on its first page.
        page: The size of the paper.
    """

    title: str
    page: PageSize = PageSize.A4


@dataclass(frozen=True)
class TextStyle:
    """How a text is printed; the size is in points."""

    size: float = 9.0
    bold: bool = False
    centred: bool = False


class PrintDocument:
    """A PDF that is being written, from top to bottom; lengths in millimetres. A context: its pictures are in a file.

    Attributes:
        missing: Characters that no font has; they are printed as squares.
    """

    def __init__(self, options: PrintOptions, texts: Iterable[str]) -> None:
        """Begin a document.

        Args:
            options: How it is printed.
            texts: All texts that it will hold, for the choice of fonts.
        """
        self._fonts = choose_fonts([options.title, *texts, "0123456789 ,.–…()"])
        self.missing = self._fonts.missing
        self._pdf = _new_pdf(options, self._fonts.printable(options.title), self._fonts.files)
        self._pictures = PictureStore()
        self.pages = 0

    def __enter__(self) -> "PrintDocument":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pictures.close()

    @property
    def width(self) -> float:
        """Between the margins."""
        return float(self._pdf.epw)

    @property
    def bottom(self) -> float:
        """Down to which there is room on a page."""
        return float(self._pdf.h - MARGIN - 6)

    @property
    def top(self) -> float:
        """Where a page begins."""
        return MARGIN

    def add_page(self) -> None:
        """Begin a page; every page has its number at the foot."""
        self._pdf.add_page()
        self.pages += 1
        self._pdf.set_text_color(GREY)
        self._pdf.set_font(TEXT_FONT, size=8)
        self._pdf.set_xy(MARGIN, self._pdf.h - MARGIN)
        self._pdf.cell(self.width, 4, str(self.pages), align="C")
        self._pdf.set_text_color(0)

    def heading(self, text: str, y: float, size: float = 17) -> float:
        """Print a heading, in the outline too; returns where it ends."""
        self._pdf.start_section(self._fonts.printable(text))
        return self.text(text, (MARGIN, y), self.width, TextStyle(size, bold=True)) + 2

    def text(self, text: str, at: tuple[float, float], width: float, style: TextStyle = TextStyle()) -> float:
        """Print text at x and y, in as many lines as it needs; returns where it ends."""
        self._pdf.set_font(TEXT_FONT, style="B" if style.bold else "", size=style.size)
        self._pdf.set_xy(*at)
        shown, align = self._fonts.printable(text), "C" if style.centred else "L"
        self._pdf.multi_cell(width, _line(style.size), shown, align=align, new_x="LEFT", new_y="NEXT")
        return float(self._pdf.get_y())

    def text_height(self, text: str, width: float, size: float = 9) -> float:
        """How high a text will be."""
        from fpdf.enums import MethodReturnValue

        self._pdf.set_font(TEXT_FONT, size=size)
        shown = self._fonts.printable(text)
        height = self._pdf.multi_cell(
            width, _line(size), shown, dry_run=True, output=MethodReturnValue.HEIGHT, align="L"
        )
        assert isinstance(height, float)
        return height

    def picture(self, picture: Image.Image, x: float, y: float, width: float, height: float) -> None:
        """Print a picture, reduced to the resolution of prints."""
        wide, high = round(width / 25.4 * PRINT_DPI), round(height / 25.4 * PRINT_DPI)
        if picture.width > wide:
            picture = picture.resize((wide, max(high, 1)), Image.Resampling.LANCZOS)
        jpeg = io.BytesIO()
        picture.save(jpeg, "JPEG", quality=JPEG_QUALITY)
        self._pictures.store(self._pdf.image(jpeg, x, y, width, height))

    def frame(self, x: float, y: float, width: float, height: float) -> None:
        """Print an empty frame, where a picture is missing."""
        self._pdf.set_draw_color(190)
        self._pdf.set_fill_color(244)
        self._pdf.rect(x, y, width, height, style="DF")

    def write(self, out: BinaryIO) -> None:
        """Write the PDF, picture by picture; nothing can be added to it after that."""
        write_streamed(self._pdf, out)


def _new_pdf(options: PrintOptions, title: str, fonts: Mapping[str, Path]) -> "FPDF":
    from fpdf import FPDF

    pdf = FPDF(format=options.page.value)
    pdf.set_margin(MARGIN)
    pdf.c_margin = 0  # text begins where pictures do
    pdf.set_auto_page_break(False)
    pdf.set_title(title)
    for name, file in fonts.items():
        pdf.add_font(name, fname=file)
    pdf.add_font(TEXT_FONT, style="B", fname=fonts[TEXT_FONT], variations={"wght": BOLD})
    pdf.set_fallback_fonts([name for name in fonts if name != TEXT_FONT], exact_match=False)
    pdf.set_text_shaping(True)
    return pdf


def _line(size: float) -> float:
    """The height of a line of that size in points."""
    return size * 0.353 * 1.3
