"""Albums at a URL, where any machine may go on with them: what is there, whether it is as it was published, publishing.

The caller holds the lease of the archive (`Archive.publishing`), so nothing changes there meanwhile.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import polars as pl
from upath import UPath

from classface_assets.albums.files import face_crop_paths, thumbnail_paths
from classface_assets.albums.listing import counting_published
from classface_assets.albums.names import year_path
from classface_assets.albums.pages.site import SiteContents
from classface_assets.albums.publication import (
    PublishResult,
    Scope,
    list_published,
    publish_scope,
    published_sizes,
)
from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import FileEntry
from classface_assets.store.artifacts.memoization import (
    DamagedRecordError,
    InputFingerprint,
    content_digest,
    read_record,
)
from classface_assets.store.published.publishing_lease import require_lease

PUBLISHED_KEY = "published_files"
"""Key of the metadata of what is published: the digest of its files' paths and sizes at the URL."""
NOTHING_DONE = {"files_uploaded": 0, "files_removed": 0}
"""The metadata of a publication where nothing was to be done."""


@dataclass(frozen=True)
class AlbumTarget:
    """The URL of an archive's albums.

    Attributes:
        layout: The archive.
        url: Where its albums are published.
        there: The published files by their path below it; brought up to date by what is published.
    """

    layout: ArchiveLayout
    url: UPath
    there: dict[str, FileEntry]

    def counting(self) -> AbstractContextManager[None]:
        """A context in which what is published counts as there; see `counting_published`."""
        return counting_published(self.layout.albums, self.there)

    def year_digest(self, year: str, photos: pl.DataFrame, faces: pl.DataFrame) -> str:
        """A digest of the published files of a school year's album."""
        return content_digest(published_sizes(self.there, [year_path(year)], pictures_of(photos, faces)))

    def site_digest(self) -> str:
        """A digest of all published files."""
        return content_digest(published_sizes(self.there, [""], ()))

    def publish_year(self, year: str, photos: pl.DataFrame, faces: pl.DataFrame) -> PublishResult:
        """Publish the album of a school year that was just built.

        Raises:
            LeaseLostError: Another machine publishes the archive now.
            StorageError: The server fails.
        """
        require_lease(self.layout)
        scope = Scope([year_path(year)], pictures_of(photos, faces))
        return publish_scope(self.layout.albums, self.url, scope, self.there)

    def publish_site(self, contents: SiteContents) -> PublishResult:
        """Publish the pages over all years that were just built, and remove what belongs to no album any more.

        Raises:
            LeaseLostError: Another machine publishes the archive now.
            StorageError: The server fails.
        """
        require_lease(self.layout)
        years, pictures = set(map(year_path, contents.years)), pictures_of(contents.photos, contents.faces)

        def is_obsolete(path: str) -> bool:
            folder, *below = path.split("/")
            return f"years/{below[0]}" not in years if folder == "years" and below else True

        pages = sorted(page.name for page in self.layout.albums.glob("*.html"))
        scope = Scope(["students", "classes", *pages], pictures, is_obsolete)
        return publish_scope(self.layout.albums, self.url, scope, self.there)


def pictures_of(photos: pl.DataFrame, faces: pl.DataFrame) -> set[str]:
    """The thumbnails and crops that albums may have of these photos and faces, and the style sheet."""
    return {*thumbnail_paths(photos), *face_crop_paths(faces), "style.css"}


def find_target(layout: ArchiveLayout) -> AlbumTarget | None:
    """The URL of the albums, with what is there, from one listing; None where the data are local.

    Raises:
        StorageError: The server fails.
    """
    url = layout.published_albums
    return None if url is None else AlbumTarget(layout, url, list_published(url))


@contextmanager
def opened_target(layout: ArchiveLayout) -> Iterator[AlbumTarget | None]:
    """`find_target`, in a context in which what is published counts as there."""
    target = find_target(layout)
    if target is None:
        yield None
        return
    with target.counting():
        yield target


def is_as_published(fingerprint: InputFingerprint, digest: str) -> bool:
    """Whether the record of an output was made of published files with this digest."""
    try:
        return read_record(fingerprint.file).metadata.get(PUBLISHED_KEY) == ["", digest]
    except (FileNotFoundError, DamagedRecordError):
        return False


def metadata_of(result: PublishResult, digest: str) -> dict[str, int | str]:
    """What a materialization says of a publication."""
    return {
        "files_uploaded": result.files_uploaded,
        "files_removed": result.files_removed,
        PUBLISHED_KEY: digest,
    }
