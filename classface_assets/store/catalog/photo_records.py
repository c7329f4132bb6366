"""Records of the photos that decisions are about, by which they are recognised when their file changes.

That is their path, size and perceptual hash; and the labelled faces that are in no photo any more. The ledger has the
decisions themselves. All of this can be deleted; it is made again from the photos that are there.
"""

from collections.abc import Set

import polars as pl

from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import Location
from classface_assets.core.schemas import PhotoStatus
from classface_assets.store.decisions.reconciliation import lost_labels
from classface_assets.store.files.duckdb import DatabaseError, query_database
from classface_assets.store.files.parquet import read_parquet_or_empty, write_parquet
from classface_assets.store.model.decisions import Decisions

PHOTO_RECORDS = pl.Schema(
    {
        "asset_id": pl.String(),
        "path": pl.String(),
        "school_year": pl.String(),
        "width": pl.Int32(),  # of the upright photo
        "height": pl.Int32(),
        "rotation": pl.Int16(),
        "phash": pl.String(),
        "taken_at": pl.Datetime("us"),  # null where the camera did not say
    }
)
LOST_LABELS = pl.Schema(
    dict.fromkeys(("face_id", "person_id", "asset_id", "path", "school_year"), pl.String()),
)
COMPARED_PHOTOS = pl.Schema({"asset_id": pl.String(), "decided": pl.Boolean()})


def photos_with_decisions(decisions: Decisions) -> set[str]:
    """The asset ids of the photos with decisions about them or their faces, and of the other photos of their shots."""
    marks = (*decisions.labels.values(), *decisions.removed_labels.values(), *decisions.rejected.values())
    linked = [face for link in decisions.links for face in (link.a, link.b)]
    faces = (*linked, *decisions.drawn.values(), *decisions.erased_faces.values())
    photos = {mark.asset_id for mark in marks} | {face.asset_id for face in faces} | decisions.photo_marks.keys()
    return photos | {other for photo in photos for other in decisions.same_shots.others(photo)}


def update_photo_records(
    layout: ArchiveLayout, images: pl.DataFrame, decided: Set[str], erased: Set[str]
) -> pl.DataFrame:
    """Record the photos with decisions: as they are now, or as they were last seen if they are gone.

    What was never recorded is taken from the last publication. Photos with an erased face are recorded beside the list
    of erased people too: tables may be deleted, an erasure stays.

    Args:
        layout: The archive.
        images: As in FaceCatalog.
        decided: The asset ids of the photos with decisions.
        erased: The asset ids of the photos with an erased face.

    Returns:
        PHOTO_RECORDS.
    """
    is_decided = pl.col("asset_id").is_in(list(decided))
    now = _photo_records(images.filter(is_decided, pl.col("status") == PhotoStatus.OK))
    file = layout.table("photos_with_decisions")
    recorded = pl.concat(
        [read_parquet_or_empty(file, PHOTO_RECORDS), read_parquet_or_empty(erased_photos_file(layout), PHOTO_RECORDS)]
    )
    before = recorded.filter(is_decided).unique("asset_id", keep="first").join(now, on="asset_id", how="anti")
    gone = decided - set(now["asset_id"]) - set(before["asset_id"])
    rows = pl.concat([now, before, *([_published_records(layout, gone)] if gone else [])]).sort("asset_id")
    write_parquet(rows, file)
    of_erased = rows.filter(pl.col("asset_id").is_in(list(erased)))
    if of_erased.height or recorded.filter(pl.col("asset_id").is_in(list(erased))).height:
        write_parquet(of_erased, erased_photos_file(layout))
    return rows


def erased_photos_file(layout: ArchiveLayout) -> Location:
    """The records of the photos with an erased face, beside the list of erased people."""
    return layout.data / "erased_photos.parquet"


def compared_photos(layout: ArchiveLayout) -> tuple[set[str], set[str]]:
    """The photos that were compared with one another before, and those of them with decisions."""
    rows = read_parquet_or_empty(layout.table("photos_compared"), COMPARED_PHOTOS)
    return set(rows["asset_id"]), set(rows.filter("decided")["asset_id"])


def set_compared_photos(layout: ArchiveLayout, photos: Set[str], decided: Set[str]) -> None:
    """Record that these photos were compared."""
    ids = sorted(photos | decided)
    write_parquet(
        pl.DataFrame({"asset_id": ids, "decided": [i in decided for i in ids]}, schema=COMPARED_PHOTOS),
        layout.table("photos_compared"),
    )


def update_lost_labels(
    layout: ArchiveLayout, decisions: Decisions, faces: pl.DataFrame, records: pl.DataFrame
) -> pl.DataFrame:
    """Write LOST_LABELS: the labelled faces that are in no photo any more, with the file in which they were last."""
    rows = [
        (f, decisions.canonical_id(mark.person_id), mark.asset_id) for f, mark in lost_labels(decisions, faces).items()
    ]
    lost = pl.DataFrame(rows, schema=["face_id", "person_id", "asset_id"], orient="row").cast(pl.String)
    found = lost.join(records.select("asset_id", "path", "school_year"), on="asset_id", how="left")
    found = found.select(LOST_LABELS.names()).sort("school_year", "path", "face_id", nulls_last=True)
    write_parquet(found, layout.table("lost_labels"))
    return found


def lost_label_report(layout: ArchiveLayout, decisions: Decisions, most: int = 20) -> list[str]:
    """Lines about the labelled faces that are in no photo any more, of at most `most` photos; none where all are."""
    rows = read_parquet_or_empty(layout.table("lost_labels"), LOST_LABELS)
    alive = {person.id for person in decisions.persons.values() if not person.erased}
    rows = rows.filter(pl.col("person_id").is_in(list(alive)))
    if rows.is_empty():
        return []
    faces = "1 labelled face is" if rows.height == 1 else f"{rows.height:,} labelled faces are"
    lines = [
        f"{faces} no longer in any photo. The names are stored, and apply again when the photo comes back: put "
        "the file back, or label the face where it is now."
    ]
    photos = rows.group_by("path", "school_year", maintain_order=True).agg("person_id")
    for path, _, people in photos.head(most).iter_rows():
        names = ", ".join(sorted({decisions.persons[person].name for person in people}))
        lines.append(f"  {path or 'a photo that is not known any more'}: {names}")
    if photos.height > most:
        lines.append(f"  … and {photos.height - most:,} more photos")
    return lines


def camera_time(images: pl.DataFrame) -> pl.Expr:
    """`taken_at` of EXIF, believed or not: even a clock that is wrong distinguishes two shots."""
    believed = pl.when(pl.col("taken_at_source") == "exif").then("taken_at")
    if "dates" not in images.columns:
        return believed.alias("taken_at")
    exif = pl.element().filter(pl.element().struct.field("source") == "exif").struct.field("at")
    return pl.coalesce(pl.col("dates").list.eval(exif).list.first(), believed).alias("taken_at")


def _photo_records(images: pl.DataFrame) -> pl.DataFrame:
    return images.unique("asset_id", keep="first", maintain_order=True).with_columns(camera_time(images)).select(
        pl.col(name).cast(dtype) for name, dtype in PHOTO_RECORDS.items()
    )  # fmt: skip


def _published_records(layout: ArchiveLayout, gone: Set[str]) -> pl.DataFrame:
    """The records of photos in the last publication, which does not have their hashes."""
    if not layout.database.exists():
        return pl.DataFrame(schema=PHOTO_RECORDS)
    try:
        rows = query_database(layout.database, f"SELECT * FROM image_assets WHERE status = '{PhotoStatus.OK}'")
    except DatabaseError:  # it is made again by this run, and only helps to recognise photos from before
        return pl.DataFrame(schema=PHOTO_RECORDS)
    rows = rows.filter(pl.col("asset_id").is_in(list(gone)))
    return _photo_records(rows.with_columns(pl.lit(None, pl.String).alias("phash")))
