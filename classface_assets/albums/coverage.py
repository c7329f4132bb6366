"""The numbers of the coverage report: every input file accounted for, every face named, clustered or single."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from classface_assets.albums.cards import PhotoCard
from classface_assets.core.schemas import is_noise

_OF_PHOTOS = {"status": pl.String, "asset_id": pl.String, "near_group": pl.String}
WITHHELD = "withheld"
"""The status of a photo that may not be shown."""


@dataclass(frozen=True)
class YearCoverage:
    """Counts of one school year: files = photos + withheld + duplicates + unread; faces = named + clustered + single.

    `scenes` are the photos with a burst, or the sizes of one picture, counted once. Of the photos, `covered` show
    somebody who is covered, and `review` have faces of nobody known; in the rest, all are known and may be shown.
    Faces are those of the photos that are shown.
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
    withheld: int
    covered: int
    review: int

    @property
    def safe(self) -> int:
        return self.photos - self.covered - self.review


def compute_coverage(years: Sequence[str], photos: pl.DataFrame, faces: pl.DataFrame) -> list[YearCoverage]:
    """One row a year, in the order given, for years with no file too."""
    return [
        _year_coverage(year, photos.filter(pl.col("school_year") == year), faces.filter(pl.col("school_year") == year))
        for year in years
    ]


def unread_files(photos: pl.DataFrame, lost: Sequence[PhotoCard]) -> list[tuple[str, str, str, str]]:
    """Files in no album or searched in part, as (school year, path, status, reason), duplicates among them.

    `lost` are photos that were read once, but of which no thumbnail could be made later.
    """
    partly = (pl.col("status") == "ok") & (pl.col("reason") != "")
    told = photos.with_columns(pl.when(partly).then(pl.lit("partly searched")).otherwise("status").alias("status"))
    unread = ~pl.col("status").is_in(["ok", WITHHELD])
    rows = told.filter(unread).select("school_year", "path", "status", "reason").rows()
    reason = "gone or could not be opened when the album was made"
    later = [(picture.key[0], picture.path, "missing", reason) for picture in lost]
    return sorted(rows + later)


def withheld_files(photos: pl.DataFrame) -> list[tuple[str, str, str]]:
    """Photos that may not be shown, as (school year, path, reason); never because of whom."""
    return sorted(photos.filter(pl.col("status") == WITHHELD).select("school_year", "path", "reason").rows())


def total_coverage(rows: Sequence[YearCoverage], faces: pl.DataFrame) -> YearCoverage:
    """All years as one row; students and clusters that live through many years count once."""
    whole = _year_coverage("", pl.DataFrame(schema=_OF_PHOTOS), faces)
    of_files = ("files", "photos", "scenes", "duplicates", "unread", "withheld", "covered", "review")
    summed = (*of_files, "faces", "named", "clustered", "single")
    return replace(whole, **{name: sum(getattr(row, name) for row in rows) for name in summed})


def _year_coverage(year: str, photos: pl.DataFrame, faces: pl.DataFrame) -> YearCoverage:
    status = photos["status"]
    ok, duplicates, withheld = ((status == one).sum() for one in ("ok", "duplicate", WITHHELD))
    shown = photos.filter(status == "ok")
    verdict, cover = _optional_column(shown, "verdict"), _optional_column(shown, "cover")
    named = faces.filter(pl.col("person_name").is_not_null())
    single = pl.col("cluster_id").is_null() | is_noise()
    clustered = faces.filter(pl.col("person_name").is_null() & ~single)
    return YearCoverage(
        year=year,
        files=photos.height,
        photos=int(ok),
        scenes=shown.select(pl.coalesce("near_group", "asset_id")).n_unique(),
        duplicates=int(duplicates),
        unread=photos.height - int(ok) - int(duplicates) - int(withheld),
        faces=faces.height,
        named=named.height,
        clustered=clustered.height,
        single=faces.height - named.height - clustered.height,
        students=named["person_id"].n_unique(),
        clusters=clustered["cluster_id"].n_unique(),
        withheld=int(withheld),
        covered=cover.len() - cover.null_count(),
        review=int((cover.is_null() & (verdict == "review").fill_null(value=False)).sum()),
    )


def _optional_column(photos: pl.DataFrame, name: str) -> pl.Series:
    """What was asked of who may be shown; nothing where it was not."""
    return photos[name] if name in photos.columns else pl.Series(name, [None] * photos.height, pl.String)
