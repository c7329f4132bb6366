"""Folders of pages that are replaced as a whole, in which a page of which nothing changed is neither rendered nor read.

Of each page is known from which values it was rendered, as a digest of them, and how its file was on the disk then.
"""

import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b, sha256
from pathlib import Path

from classface_assets.albums.disk import rebuild_folder
from classface_assets.albums.pages.classes import SchoolClass
from classface_assets.albums.students import Student


@dataclass(frozen=True)
class WrittenPage:
    """A page as it was written.

    Attributes:
        inputs: The digest of all that it shows.
        size: In bytes.
        mtime_ns: Time of change in nanoseconds.
        digest: The SHA-256 of its bytes.
    """

    inputs: str
    size: int
    mtime_ns: int
    digest: str

    def is_in(self, file: Path) -> bool:
        """Whether the file is the one that was written."""
        try:
            status = os.stat(file)  # noqa: PTH116
        except OSError:
            return False
        return (status.st_size, status.st_mtime_ns) == (self.size, self.mtime_ns)


WrittenPages = Mapping[str, WrittenPage]
"""Path below the albums folder → the page."""


@dataclass(frozen=True)
class Page:
    """A page that is to be in a folder.

    Attributes:
        name: The name of its file.
        inputs: The digest of all that it shows.
        render: Renders it.
    """

    name: str
    inputs: str
    render: Callable[[], str]


@dataclass(frozen=True)
class ReplacedPages:
    """What became of a folder of pages.

    Attributes:
        pages: All its pages.
        rendered: How many of them were rendered.
        removed: The former pages that no longer exist, as paths below the albums folder.
    """

    pages: dict[str, WrittenPage]
    rendered: int
    removed: tuple[str, ...]


def replace_pages(out: Path, folder: str, pages: Iterable[Page], known: WrittenPages) -> ReplacedPages:
    """Swap in a folder of these pages; those that would be as they are now are taken over from the old one.

    Args:
        out: The albums folder.
        folder: The name of the folder below it.
        pages: The pages, with names of their own.
        known: The pages that were written by this version of the program, in the language in use.
    """
    before = {page.name for page in (out / folder).glob("*.html")}
    written: dict[str, WrittenPage] = {}
    rendered = 0
    with rebuild_folder(out / folder) as building:
        for page in pages:
            path = f"{folder}/{page.name}"
            there = known.get(path)
            if there is not None and there.inputs == page.inputs and there.is_in(out / path):
                _take_over(out / path, building / page.name)
                written[path] = there
            else:
                written[path] = _write(building / page.name, page)
                rendered += 1
    removed = (f"{folder}/{name}" for name in before if f"{folder}/{name}" not in written)
    return ReplacedPages(written, rendered, tuple(removed))


def inputs_digest(*values: object) -> str:
    """A digest of numbers, texts and None, and of tuples and lists of them."""
    return blake2b(repr(values).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def student_inputs(student: Student) -> tuple[object, ...]:
    """What links to a student show of them."""
    return student.key, student.name, student.known


def class_inputs(school_class: SchoolClass | None) -> tuple[object, ...]:
    """What links to a class show of it."""
    return () if school_class is None else (school_class.year, school_class.name)


def _take_over(old: Path, new: Path) -> None:
    """The same file under a name in the new folder; a copy with the same time where the disk has no hard links."""
    try:
        os.link(old, new)
    except OSError:
        shutil.copy2(old, new)


def _write(file: Path, page: Page) -> WrittenPage:
    content = page.render().encode()
    file.write_bytes(content)
    status = file.stat()
    return WrittenPage(page.inputs, status.st_size, status.st_mtime_ns, sha256(content).hexdigest())
