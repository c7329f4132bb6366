"""Files with several pictures: which one is searched, and how many others are neither thumbnail nor preview of it.

Sources: TIFF 6.0 (NewSubfileType, SubIFDs) and the Multi-Picture Format (CIPA DC-007-2009, 5.2.3.3 MP entries).
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from PIL import Image, ImageFile, TiffImagePlugin

from classface_assets.core.faces.photo_reasons import PhotoReason

Tags = TiffImagePlugin.ImageFileDirectory_v2

NEW_SUBFILE_TYPE, SUBFILE_TYPE, WIDTH, HEIGHT, SUB_IFDS = 254, 255, 256, 257, 330
REDUCED, MASK = 1, 4  # bits of NewSubfileType
MAX_PAGES = 10_000
MAX_THUMBNAIL_SIDE = (
    512  # a picture no longer than that, and of at most half the searched one's sides, is its thumbnail
)
PARTS_OF_A_PANORAMA, OTHER_ANGLES = "Multi-Frame Image (Panorama)", "Multi-Frame Image: (Multi-Angle)"
UNSPECIFIED_TYPES = ("Undefined", "Unknown")


class Page(NamedTuple):
    """One picture of a file.

    Attributes:
        width: In pixels.
        height: In pixels.
        reduced: The file marks it as a smaller copy of another one.
        mask: The file marks it as a transparency mask.
        opens: Pillow can open it.
    """

    width: int
    height: int
    reduced: bool = False
    mask: bool = False
    opens: bool = True

    @property
    def rank(self) -> tuple[bool, bool, bool, int]:
        """Sort key: the page to be searched has the largest."""
        return self.opens, not self.mask, not self.reduced, self.pixels

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.width * self.height


def select_page(picture: Image.Image) -> int:
    """The number of the page (frame) of an opened picture that is decoded and searched.

    Of a TIFF the largest full page, the first among equals; of other formats the one that opens first. The picture
    stays at its page.
    """
    if picture.format != "TIFF":
        return picture.tell()
    if not getattr(picture, "is_animated", False):
        return 0
    pages = [page for page, _ in _tiff_pages(picture)]
    return max(range(len(pages)), key=lambda number: (*pages[number].rank, -number), default=0)


def skipped_pages_note(picture: Image.Image) -> str:
    """A sentence on how many full pictures of the file are not searched, "" for none.

    Args:
        picture: At the page that is searched.
    """
    others = _count_other_pictures(picture) if getattr(picture, "is_animated", False) or _has_sub_ifds(picture) else 0
    reason = PhotoReason.OTHER_PAGE if others == 1 else PhotoReason.OTHER_PAGES
    return reason.phrase(others=str(others), pages=str(others + 1)) if others else ""


@contextmanager
def seek_page(picture: Image.Image, page: int) -> Iterator[None]:
    """Seek an opened picture to a page while the block runs."""
    before = picture.tell()
    picture.seek(page)
    try:
        yield
    finally:
        picture.seek(before)


def _count_other_pictures(picture: Image.Image) -> int:
    """How many other pictures are neither thumbnails nor previews of the one at the current page."""
    if picture.format == "TIFF":
        listed = _tiff_pages(picture) or [(Page(*picture.size), ())]
        current = picture.tell()
        own, pages = listed[current][0], [page for number, (page, _) in enumerate(listed) if number != current]
        pages += [page for _, offsets in listed for page in _sub_ifd_pages(picture, offsets)]
        return sum(not (page.reduced or page.mask or _is_preview(page, own)) for page in pages)
    own = Page(*picture.size)
    if picture.format == "MPO":
        return sum(_is_another_view(picture, number, own) for number in range(1, _frame_count(picture)))
    if picture.format == "HEIF":
        sizes = [_page_size(picture, number) for number in range(_frame_count(picture)) if number != picture.tell()]
        return sum(not _is_preview(page, own) for page in sizes)
    return 0  # GIF, WebP, PNG and AVIF: the frames of an animation


def _frame_count(picture: Image.Image) -> int:
    return int(getattr(picture, "n_frames", 1))


def _has_sub_ifds(picture: Image.Image) -> bool:
    return picture.format == "TIFF" and SUB_IFDS in _tags(picture)


def _tiff_pages(picture: Image.Image) -> list[tuple[Page, tuple[int, ...]]]:
    """All pages of the chain, each with the offsets of its SubIFDs, as far as they can be read."""
    before, pages = picture.tell(), []
    for number in range(MAX_PAGES):
        opens = True
        try:
            picture.seek(number)
        except EOFError:
            break
        except Exception:  # colours that Pillow does not know, a mask, or damage
            opens = False
        tags = _tags(picture)
        if WIDTH not in tags:  # the chain leads nowhere
            break
        offsets = tags.get(SUB_IFDS) or ()
        pages.append(
            (_page_from_tags(tags)._replace(opens=opens), offsets if isinstance(offsets, tuple) else (offsets,))
        )
    picture.seek(before)
    return pages


def _sub_ifd_pages(picture: Image.Image, offsets: tuple[int, ...]) -> Iterator[Page]:
    """The pictures in the SubIFDs of a page, where some programs put the full size or smaller copies."""
    file = picture.fp if isinstance(picture, ImageFile.ImageFile) else None
    if file is None:
        return
    for offset in offsets:
        with suppress(Exception):  # a damaged directory is no picture
            file.seek(0)
            header = file.read(16)
            tags = Tags(header if header[2:4] in (b"\x2b\0", b"\0\x2b") else header[:8])
            file.seek(offset)
            tags.load(file)
            yield _page_from_tags(tags)


def _page_from_tags(tags: Tags) -> Page:
    values = (tags.get(tag) for tag in (WIDTH, HEIGHT, NEW_SUBFILE_TYPE, SUBFILE_TYPE))
    width, height, kind, old = (value if isinstance(value, int) else 0 for value in values)
    return Page(width, height, bool(kind & REDUCED) or old == 2, bool(kind & MASK))


def _tags(picture: Image.Image) -> Tags:
    assert isinstance(picture, TiffImagePlugin.TiffImageFile)
    return picture.tag_v2


def _page_size(picture: Image.Image, page: int) -> Page:
    try:
        with seek_page(picture, page):
            return Page(*picture.size)
    except Exception:  # an entry that leads nowhere is no picture
        return Page(0, 0)


def _is_another_view(picture: Image.Image, page: int, own: Page) -> bool:
    """Whether a page of a Multi-Picture file is another picture: no stereo view, preview or gain map of `own`."""
    entries = getattr(picture, "mpinfo", {}).get(0xB002, [])
    kind = entries[page]["Attribute"]["MPType"] if page < len(entries) else "Unknown"
    if kind in (PARTS_OF_A_PANORAMA, OTHER_ANGLES):
        return True
    return kind in UNSPECIFIED_TYPES and sorted(_page_size(picture, page)[:2]) == sorted(own[:2])


def _is_preview(page: Page, own: Page) -> bool:
    """Whether a page is so small that it must be a thumbnail of `own`, or has a size that halving it gives."""
    if not page.pixels:
        return True
    if max(page[:2]) <= MAX_THUMBNAIL_SIDE and 2 * max(page[:2]) <= max(own[:2]):
        return True
    halvings = (2**times for times in range(1, 12))
    return any(abs(page.width - own.width / n) <= 1 and abs(page.height - own.height / n) <= 1 for n in halvings)
