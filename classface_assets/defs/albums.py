"""The asset `albums`: the pages, thumbnails and students' folders of one school year.

The asset `album_site`: the index, a page for each student across the years, and the coverage report.
"""

from dataclasses import asdict
from typing import Any

import dagster as dg
import polars as pl
from pydantic import Field

from classface_assets.albums.anonymization import head_area
from classface_assets.albums.files import site_files, site_inputs, year_album_files
from classface_assets.albums.names import year_path
from classface_assets.albums.publication import publish
from classface_assets.albums.site import build_site
from classface_assets.albums.year_page import build_year_album
from classface_assets.core.geometry import boxes_intersect
from classface_assets.core.layout import ArchiveLayout
from classface_assets.defs.automation import WHEN_ALL_ALBUMS_ARE_READY, WHEN_ALL_YEARS_ARE_READY
from classface_assets.defs.identity.identities import identities
from classface_assets.defs.memoized import cached_result, input_fingerprint, record_result
from classface_assets.defs.metadata import OWNERS, PUBLISH_POOL, materialize_result
from classface_assets.orchestration.failures import report_user_errors
from classface_assets.orchestration.partitions import school_year_partitions
from classface_assets.orchestration.progress import Progress
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.store.artifacts.memoization import InputFingerprint
from classface_assets.store.catalog.school_year import active_detection_settings, detection_parts
from classface_assets.store.consent.allowed_photos import (
    WITHHELD_STATUS,
    AllowedPhotos,
    RefusedFaces,
    load_allowed_photos,
)
from classface_assets.store.consent.photos import PhotoVerdict
from classface_assets.store.files.duckdb import query_database
from classface_assets.store.model.purposes import Purpose

APPEARANCES_SQL = """
    SELECT f.id AS face_id, f.asset_id, a.path, a.school_year, a.taken_at, a.width, a.height,
           f.bbox_x, f.bbox_y, f.bbox_w, f.bbox_h, f.quality_score, f.cluster_id, f.person_id, p.name AS person_name,
           f.assignment_score, f.assignment_reason
    FROM face_instances f
    JOIN image_assets a ON a.asset_id = f.asset_id AND a.status = 'ok'
    LEFT JOIN persons p ON p.id = f.person_id
    WHERE (p.id IS NULL OR (p.status <> 'hidden' AND p.kind NOT IN ('not a student', 'not a face')))
"""

CHIPS_PER_STUDENT = 3


def album_contents(archive: Archive, year: str | None = None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The files (`PhotosAllowed.photos`) and the faces that albums show, of one school year or of all."""
    ledger, refused = archive.open_ledger(), RefusedFaces(archive.refused)
    allowed = load_allowed_photos(archive.layout.database, ledger, Purpose.ALBUM, refused, year)
    return allowed.photos, appearances(archive.layout, allowed, year)


def appearances(layout: ArchiveLayout, allowed: AllowedPhotos, year: str | None = None) -> pl.DataFrame:
    """Every face with its photo and its person's name, in photos that may be shown, of one school year or of all.

    Not of people who are hidden, are no students, or may not be shown. `cropped`: whether the face may be shown as a
    picture of its own. Without score and reason, which no album shows: a label elsewhere may change them, and no page
    changes with them.
    """
    of_year, given = ("", []) if year is None else ("AND a.school_year = ?", [year])
    rows = query_database(layout.database, f"{APPEARANCES_SQL} {of_year} ORDER BY a.path, f.bbox_x, f.id", given)
    photos = allowed.photos.filter(pl.col("status") == "ok")
    shown = ~pl.col("face_id").is_in(list(allowed.refused_faces)) & pl.col("path").is_in(photos["path"].implode())
    rows = rows.filter(shown).drop("assignment_score", "assignment_reason")
    return rows.with_columns(~pl.col("face_id").is_in(_faces_near_covered(rows, photos)).alias("cropped"))


def _faces_near_covered(faces: pl.DataFrame, photos: pl.DataFrame) -> list[str]:
    """The faces of which a picture would show some of a covered one: their ids."""
    boxes = ("bbox_x", "bbox_y", "bbox_w", "bbox_h")
    covered = photos.drop_nulls("cover").select("path", "covered")
    met = faces.select("face_id", "path", *boxes).join(covered, on="path").iter_rows()
    return [
        face
        for face, _, x, y, w, h, near in met
        if any(boxes_intersect(head_area((x, y, w, h)), other) for other in near)
    ]


@dg.asset(
    partitions_def=school_year_partitions,
    deps=[identities],
    group_name="albums",
    kinds={"html", "pillow"},
    owners=OWNERS,
    automation_condition=WHEN_ALL_YEARS_ARE_READY,
)
@report_user_errors
def albums(
    context: dg.AssetExecutionContext, archive: Archive, models: Models, progress: dg.ResourceParam[Progress]
) -> dg.MaterializeResult:
    """One school year's album: a page of its photos with who is in them, and a folder of photos for each student.

    The photos are hard links where the disk allows it, else copies. Thumbnails are kept from run to run. The new album
    takes the place of the old one only when it is whole. With data at a URL it is then copied there.

    Who may not be shown is in no page, folder or thumbnail: their photos are left out, or shown with the face covered
    (the setting `refused` of the archive); then the folders hold covered copies, and the originals stay as they are.
    """
    year, layout = context.partition_key, archive.layout
    detector = models.describe(layout).detector_version
    photos, faces = album_contents(archive, year)
    stamp = album_fingerprint(layout, detector, year, photos, faces)
    if same := cached_result(stamp):
        return same
    faces = add_best_chips(layout, detector, year, faces)
    with progress.task(f"{year}: making the album", photos.height) as advance:
        album = build_year_album(layout.albums, layout.photos, year, photos, faces, lambda *_: advance(1))
    home = layout.published_albums
    copied: dict[str, Any] = (
        asdict(publish(layout.albums, home, [year_path(year), "thumbs", "faces", "style.css"])) if home else {}
    )
    told = materialize_result(
        album.photos,
        students=album.students,
        photos_in_folders=album.linked,
        copied_for_lack_of_hard_links=album.copied,
        thumbnails_made=album.thumbnails_made,
        missing=list(album.missing),
        photos_withheld=photos.filter(pl.col("status") == WITHHELD_STATUS).height,
        photos_with_a_face_covered=photos.drop_nulls("cover").height,
        photos_to_review=photos.filter(pl.col("verdict") == PhotoVerdict.REVIEW.value).height,
        page=dg.MetadataValue.path(str((home or layout.albums) / year_path(year) / "index.html")),
        **copied,
    )
    if album.missing:  # tried again by the next run
        return told
    outputs = year_album_files(layout.albums, year, photos, faces)
    return record_result(stamp, told, outputs, thumbnails_made=0, **dict.fromkeys(copied, 0))


def album_fingerprint(
    layout: ArchiveLayout, detector: str, year: str, photos: pl.DataFrame, faces: pl.DataFrame
) -> InputFingerprint:
    """The stamp of a year's album, to be made of its files and `appearances`."""
    made_of = photos, faces, detector, active_detection_settings(layout, detector, year)
    return input_fingerprint(layout, "albums", made_of, str(layout.data), year=year)


def add_best_chips(layout: ArchiveLayout, detector: str, year: str, faces: pl.DataFrame) -> pl.DataFrame:
    """The faces with a column `chip`, filled for the best of each student alone: an album shows one chip a student."""
    order = (
        faces.filter("cropped")
        .drop_nulls("cluster_id")
        .sort("quality_score", "face_id", descending=[True, False], nulls_last=True)
    )
    best = order.group_by("cluster_id", maintain_order=True).head(CHIPS_PER_STUDENT)["face_id"].to_list()
    parts = detection_parts(layout, detector, year, active_detection_settings(layout, detector, year) or "")
    chips = parts.read_matching("face_id", best, ["face_id", "chip"]) if best else pl.DataFrame()
    if not chips.width:
        return faces.with_columns(pl.lit(None, pl.Binary()).alias("chip"))
    return faces.join(chips, on="face_id", how="left")


class SiteConfig(dg.Config):
    school: str = Field(default="", description="The school's name, as the index's title.")


@dg.asset(
    deps=[albums, identities],
    group_name="albums",
    kinds={"html"},
    owners=OWNERS,
    pool=PUBLISH_POOL,
    automation_condition=WHEN_ALL_ALBUMS_ARE_READY,
)
@report_user_errors
def album_site(config: SiteConfig, archive: Archive) -> dg.MaterializeResult:
    """The album's index, every student growing up across the years, and the report of what was found and what was not.

    Open `albums/index.html` in a browser; it needs no server.
    """
    layout = archive.layout
    out, home = layout.albums, layout.published_albums
    photos, faces = album_contents(archive)
    years = sorted(set(photos["school_year"]))
    stamp = site_fingerprint(layout, photos, faces, config)
    told = cached_result(stamp)
    if told is None:
        site = build_site(out, years, photos, faces, config.school)
        told = materialize_result(
            site.pages,
            named_students=site.named,
            unknown_students=site.unknown,
            school_years=site.years,
            removed=list(site.removed),
            index=dg.MetadataValue.path(str((home or out) / "index.html")),
        )
        told = record_result(stamp, told, site_files(out), removed=[])
    if home is None:
        return told
    return dg.MaterializeResult(metadata={**(told.metadata or {}), **asdict(publish(out, home, thorough=True))})


def site_fingerprint(
    layout: ArchiveLayout, photos: pl.DataFrame, faces: pl.DataFrame, config: SiteConfig
) -> InputFingerprint:
    """The stamp of the site, to be made of all files, of all `appearances`, and of the albums that are there."""
    years = sorted(set(photos["school_year"]))
    made_of = photos, faces, site_inputs(layout.albums, years, photos, faces), config.model_dump()
    return input_fingerprint(layout, "album_site", made_of, str(layout.data))
