"""The assets `albums`, of one school year, and `album_site`, the pages over all school years."""

from collections.abc import Callable, Sequence
from typing import Any

import dagster as dg
import polars as pl
from pydantic import Field

from classface_assets.albums.anonymization import faces_near_covered
from classface_assets.albums.files import site_files, site_inputs, year_album_files
from classface_assets.albums.names import year_path
from classface_assets.albums.pages.site import SiteContents, build_site
from classface_assets.albums.pages.year_page import YearContents, build_year_album
from classface_assets.core.failpoints import Failpoint, reached
from classface_assets.core.languages import ENGLISH, use_language
from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.schemas import PhotoStatus
from classface_assets.defs.albums.photo_rows import load_row_finder, record_rows
from classface_assets.defs.albums.target import (
    NOTHING_DONE,
    AlbumTarget,
    is_as_published,
    metadata_of,
    opened_target,
)
from classface_assets.defs.albums.written_pages import load_written_pages, record_written_pages
from classface_assets.defs.asset_factory import PUBLISH_POOL, archive_asset
from classface_assets.defs.automation import when_all_albums_are_ready, when_all_years_are_ready
from classface_assets.defs.identity.identities import identities
from classface_assets.defs.memoized import Output, compute_unless_cached, input_fingerprint
from classface_assets.defs.metadata import materialize_result
from classface_assets.orchestration.progress import ProgressReporter
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.orchestration.school_year_runs.years import step_year
from classface_assets.services.photos.album_people import album_people
from classface_assets.store.artifacts.memoization import NO_DIGESTS, InputFingerprint, OutputRecord
from classface_assets.store.catalog.school_year import SchoolYearStore
from classface_assets.store.consent.allowed_photos import (
    WITHHELD_STATUS,
    AllowedPhotos,
    RefusedFaces,
    load_allowed_photos,
)
from classface_assets.store.consent.photos import PhotoVerdict
from classface_assets.store.decisions.reconciliation import chosen_covers
from classface_assets.store.decisions.replay import replay
from classface_assets.store.maintenance.album_files import album_record, unchanged_digests
from classface_assets.store.model.events import COVER_KINDS
from classface_assets.store.model.purposes import Purpose
from classface_assets.store.published.queries import album_faces

CHIPS_PER_STUDENT = 3


@archive_asset(
    per_year=True,
    deps=[identities],
    group_name="albums",
    kinds={"html", "pillow"},
    publishes=True,
    automate=when_all_years_are_ready,
    code_version="1",
)
def albums(
    context: dg.AssetExecutionContext, archive: Archive, models: Models, progress: dg.ResourceParam[ProgressReporter]
) -> dg.MaterializeResult:
    """One school year's album: a page of its photos with who is in them, and a folder of photos for each student.

    The photos are hard links where the disk allows it, else copies. Thumbnails stay from run to run. The new album
    takes the place of the old one only when it is complete. With data at a URL it is then copied there.

    People who may not be shown are on no page, in no folder and no thumbnail: photos of them are left out, or shown
    with the face covered (the setting `refused` of the archive); then the folders hold covered copies, and the
    originals stay as they are.
    """
    year, layout = step_year(context), archive.layout
    store = SchoolYearStore(layout, models.describe(layout).detector_version, year)
    photos, faces = album_contents(archive, year)
    fingerprint, former = album_fingerprint(store, photos, faces, archive.language), album_record(layout, year)
    with opened_target(layout) as target:

        def build() -> Output:
            contents = YearContents(year, photos, add_best_chips(store, faces), load_row_finder(layout, year))
            with progress.task(f"{year}: making the album", photos.height) as advance, use_language(archive.language):
                return _publish_album(layout, contents, lambda *_: advance(1), target, former)

        is_there = target is None or is_as_published(fingerprint, target.year_digest(year, photos, faces))
        return compute_unless_cached(fingerprint, build, reuse=is_there)


def _publish_album(
    layout: ArchiveLayout,
    contents: YearContents,
    advance: Callable[..., None],
    target: AlbumTarget | None,
    former: OutputRecord | None,
) -> Output:
    """Build the album of a school year, and publish it where the data are at a URL.

    Of pictures that are as the record of the former album has them, the digests are taken from there.
    """
    year, photos, faces = contents.year, contents.photos, contents.faces
    album = build_year_album(layout.albums, layout.photos, contents, advance)
    record_rows(layout, year, contents.row_finder)
    copied: dict[str, Any] = {}
    if target is not None:
        published = target.publish_year(year, photos, faces)
        copied = metadata_of(published, target.year_digest(year, photos, faces))
    result = materialize_result(
        album.photos,
        students=album.students,
        photos_in_folders=album.linked,
        copied_for_lack_of_hard_links=album.copied,
        thumbnails_made=album.thumbnails_made,
        missing=list(album.missing),
        photos_withheld=photos.filter(pl.col("status") == WITHHELD_STATUS).height,
        photos_with_a_face_covered=photos.drop_nulls("cover").height,
        photos_to_review=photos.filter(pl.col("verdict") == PhotoVerdict.REVIEW.value).height,
        page=dg.MetadataValue.path(str((layout.published_albums or layout.albums) / year_path(year) / "index.html")),
        **copied,
    )
    if album.missing:
        return Output(result, is_complete=False)
    if target is not None:
        return Output(result, (), {"thumbnails_made": 0, **NOTHING_DONE})
    files = year_album_files(layout.albums, year, photos, faces)
    digests = unchanged_digests(layout, former) if former else NO_DIGESTS
    return Output(result, files, {"thumbnails_made": 0}, digested=layout.albums, digests=digests)


def album_fingerprint(
    store: SchoolYearStore, photos: pl.DataFrame, faces: pl.DataFrame, language: str = ENGLISH
) -> InputFingerprint:
    """The fingerprint of a school year's album.

    Args:
        store: The school year, with the faces of the detector in use.
        photos: See `album_contents`.
        faces: See `album_contents`.
        language: Of the album.
    """
    inputs = photos, faces, store.detector, store.active_settings(), *_other_than_english(language)
    return input_fingerprint(store.layout, "albums", inputs, str(store.layout.data), year=store.year)


class SiteConfig(dg.Config):
    """What the index says of the school."""

    school: str = Field(default="", description="The school's name, as the index's title.")


@archive_asset(
    deps=[albums, identities],
    group_name="albums",
    kinds={"html"},
    publishes=True,
    pool=PUBLISH_POOL,
    automate=when_all_albums_are_ready,
    code_version="1",
)
def album_site(config: SiteConfig, archive: Archive) -> dg.MaterializeResult:
    """The album's index, every student growing up across the years, and the report of what was found and what was not.

    Open `albums/index.html` in a browser; it needs no server.
    """
    layout = archive.layout
    contents = site_contents(archive)
    with use_language(archive.language), opened_target(layout) as target:
        fingerprint = site_fingerprint(layout, contents, config, archive.language)
        is_there = target is None or is_as_published(fingerprint, target.site_digest())
        return compute_unless_cached(
            fingerprint, lambda: _publish_site(config, layout, contents, target), reuse=is_there
        )


def _publish_site(
    config: SiteConfig, layout: ArchiveLayout, contents: SiteContents, target: AlbumTarget | None
) -> Output:
    known = load_written_pages(layout, config.school)
    site = build_site(layout.albums, contents.years, contents, config.school, known)
    record_written_pages(layout, config.school, site.written)
    reached(Failpoint.PAGES_RECORDED)
    copied: dict[str, Any] = {}
    if target is not None:
        published = target.publish_site(contents)
        copied = metadata_of(published, target.site_digest())
    result = materialize_result(
        site.pages,
        pages_changed=site.rendered,
        named_students=site.named,
        unknown_students=site.unknown,
        school_years=site.years,
        removed=_file_list(site.removed),
        index=dg.MetadataValue.path(str((layout.published_albums or layout.albums) / "index.html")),
        **copied,
    )
    unchanged = {"removed": _file_list([]), "pages_changed": 0}
    if target is not None:
        return Output(result, (), {**unchanged, **NOTHING_DONE})
    digests = {layout.albums / path: page.digest for path, page in site.written.items()}
    return Output(result, site_files(layout.albums), unchanged, digested=layout.albums, digests=digests)


def _file_list(paths: Sequence[str]) -> dg.MetadataValue:
    """One file a line."""
    return dg.MetadataValue.md("\n".join(f"- `{path}`" for path in paths) or "none")


def site_fingerprint(
    layout: ArchiveLayout, contents: SiteContents, config: SiteConfig, language: str = ENGLISH
) -> InputFingerprint:
    """The fingerprint of the pages over all school years.

    Args:
        layout: With the albums that there are.
        contents: See `site_contents`.
        config: Of the site.
        language: Of the site.
    """
    photos, faces, people = contents.photos, contents.faces, contents.people
    existing = site_inputs(layout.albums, contents.years, photos, faces)
    inputs = (
        photos,
        faces,
        people.members,
        people.siblings,
        existing,
        config.model_dump(),
        *_other_than_english(language),
    )
    return input_fingerprint(layout, "album_site", inputs, str(layout.data))


def _other_than_english(language: str) -> tuple[str, ...]:
    """The language as an input, which those of English albums do not have, so that older ones stay as they are."""
    return () if language == ENGLISH else (language,)


def site_contents(archive: Archive, photos_and_faces: tuple[pl.DataFrame, pl.DataFrame] | None = None) -> SiteContents:
    """The files, faces, classes and siblings that the pages over all school years show.

    Args:
        archive: With the published database and the ledger.
        photos_and_faces: The `album_contents` of all years, where they were read already.
    """
    photos, faces = photos_and_faces or album_contents(archive)
    return SiteContents(photos, faces, album_people(archive))


def album_contents(archive: Archive, year: str | None = None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The files (`AllowedPhotos.photos`) and the faces that albums show, of one school year or of all.

    The faces are `appearances` with `chosen`: whether somebody chose the face as the cover of its person.

    Args:
        archive: With the published database and the ledger.
        year: The school year; None for all.
    """
    ledger, refused = archive.open_ledger(), RefusedFaces(archive.refused)
    allowed = load_allowed_photos(archive.layout.database, ledger, Purpose.ALBUM, refused, year)
    faces = appearances(archive.layout, allowed, year)
    covers = chosen_covers(replay(ledger.events(kinds=COVER_KINDS)), faces)
    return allowed.photos, faces.with_columns(pl.col("face_id").is_in(list(covers.values())).alias("chosen"))


def appearances(layout: ArchiveLayout, allowed: AllowedPhotos, year: str | None = None) -> pl.DataFrame:
    """Every face with its photo and its person's name, in photos that may be shown, of one school year or of all.

    Without people who are hidden, are no students, or may not be shown. `cropped`: whether the face may be shown as a
    picture of its own. Without score and reason, which no album shows: a label elsewhere may change them, and no page
    changes with them.
    """
    rows = album_faces(layout.database, year)
    photos = allowed.photos.filter(pl.col("status") == PhotoStatus.OK)
    shown = ~pl.col("face_id").is_in(list(allowed.refused_faces)) & pl.col("path").is_in(photos["path"].implode())
    rows = rows.filter(shown)
    return rows.with_columns(~pl.col("face_id").is_in(faces_near_covered(rows, photos)).alias("cropped"))


def add_best_chips(store: SchoolYearStore, faces: pl.DataFrame) -> pl.DataFrame:
    """The faces with a column `chip`, filled only for the best of each student: an album shows one chip a student."""
    order = (
        faces.filter("cropped")
        .drop_nulls("cluster_id")
        .sort("chosen", "quality_score", "face_id", descending=[True, True, False], nulls_last=True)
    )
    best = order.group_by("cluster_id", maintain_order=True).head(CHIPS_PER_STUDENT)["face_id"].to_list()
    chips = list(store.chips(best).items())
    frame = pl.DataFrame(chips, schema={"face_id": pl.String(), "chip": pl.Binary()}, orient="row")
    return faces.join(frame, on="face_id", how="left")
