"""The numbers of the coverage report: every input file accounted for, every face named, clustered or single."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from classface_assets.site.people import NOISE
from classface_assets.site.pictures import Picture

_OF_PHOTOS = {"status": pl.String, "asset_id": pl.String, "near_group": pl.String}


@dataclass(frozen=True)
class YearCoverage:
    """Counts of one school year: files = photos + duplicates + unread; faces = named + clustered + single.

    `scenes` are the photos with a burst, or the sizes of one picture, counted once.
    """

    year: str
    files: int
    photos: int
    scenes: int
    duplicates: int
    unread: int
    faces: int
    named: int
    clustered: int
    single: int
    students: int
    clusters: int


def coverage_of(years: Sequence[str], photos: pl.DataFrame, faces: pl.DataFrame) -> list[YearCoverage]:
    """One row a year, in the order given, for years with no file too."""
    return [
        _year(year, photos.filter(pl.col("school_year") == year), faces.filter(pl.col("school_year") == year))
        for year in years
    ]


def unread_files(photos: pl.DataFrame, lost: Sequence[Picture]) -> list[tuple[str, str, str, str]]:
    """Files in no album or searched in part, as (school year, path, status, reason), duplicates among them.

    `lost` are photos that were read once, but of which no thumbnail could be made later.
    """
    partly = (pl.col("status") == "ok") & (pl.col("reason") != "")
    told = photos.with_columns(pl.when(partly).then(pl.lit("partly searched")).otherwise("status").alias("status"))
    rows = told.filter(pl.col("status") != "ok").select("school_year", "path", "status", "reason").rows()
    reason = "gone or could not be opened when the album was made"
    later = [(picture.key[0], picture.path, "missing", reason) for picture in lost]
    return sorted(rows + later)


def total_of(rows: Sequence[YearCoverage], faces: pl.DataFrame) -> YearCoverage:
    """All years as one row; students and clusters that live through many years count once."""
    whole = _year("", pl.DataFrame(schema=_OF_PHOTOS), faces)
    summed = ("files", "photos", "scenes", "duplicates", "unread", "faces", "named", "clustered", "single")
    return replace(whole, **{name: sum(getattr(row, name) for row in rows) for name in summed})


def _year(year: str, photos: pl.DataFrame, faces: pl.DataFrame) -> YearCoverage:
    status = photos["status"]
    ok, duplicates = (status == "ok").sum(), (status == "duplicate").sum()
    named = faces.filter(pl.col("person_name").is_not_null())
    single = pl.col("cluster_id").is_null() | pl.col("cluster_id").str.starts_with(NOISE)
    clustered = faces.filter(pl.col("person_name").is_null() & ~single)
    return YearCoverage(
        year=year,
        files=photos.height,
        photos=int(ok),
        scenes=photos.filter(status == "ok").select(pl.coalesce("near_group", "asset_id")).n_unique(),
        duplicates=int(duplicates),
        unread=photos.height - int(ok) - int(duplicates),
        faces=faces.height,
        named=named.height,
        clustered=clustered.height,
        single=faces.height - named.height - clustered.height,
        students=named["person_id"].n_unique(),
        clusters=clustered["cluster_id"].n_unique(),
    )
