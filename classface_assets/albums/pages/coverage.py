"""The numbers of the coverage report: every file and every face of the archive is counted somewhere."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from classface_assets.albums.cards import PhotoCard
from classface_assets.core.faces.photo_reasons import reason_sentence
from classface_assets.core.languages import marked
from classface_assets.core.schemas import PhotoStatus, is_noise

_PHOTO_COLUMNS = {"status": pl.String, "asset_id": pl.String, "near_group": pl.String}


@dataclass(frozen=True)
class YearCoverage:
    """The counts of one school year; faces are those in the photos that are shown.

    Attributes:
        year: The school year; "" for all.
        files: photos + withheld + duplicates + unread.
        photos: Photos that are shown.
        scenes: The same with a burst, or the sizes of one picture, counted once.
        duplicates: Files with the picture of another file.
        unread: Files that could not be read, or are no photos.
        faces: named + clustered + single.
        named: Faces of named people.
        clustered: Faces in unknown clusters.
        single: Faces similar to no other.
        students: Named people.
        clusters: Unknown clusters.
        withheld: Photos that may not be shown.
        covered: Photos in which a face is covered.
        review: Photos with unknown faces.
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
        """Photos in which everybody is known and may be shown."""
        return self.photos - self.covered - self.review


_STATUSES = (marked("duplicate"), marked("unreadable"), marked("not a photo"))
"""What files of the other kinds are called, for the catalogs."""


def compute_coverage(years: Sequence[str], photos: pl.DataFrame, faces: pl.DataFrame) -> list[YearCoverage]:
    """The coverage of each year, in the order given; also of years without files.

    Args:
        years: The school years.
        photos: `image_assets` of all years, every file.
        faces: APPEARANCES of all years.
    """
    return [
        _year_coverage(year, photos.filter(pl.col("school_year") == year), faces.filter(pl.col("school_year") == year))
        for year in years
    ]


def unread_files(photos: pl.DataFrame, lost: Sequence[PhotoCard]) -> list[tuple[str, str, str, str]]:
    """Files that are in no album or were searched in part, duplicates included.

    Args:
        photos: `image_assets`, every file.
        lost: Photos that were read at first, but of which no thumbnail could be made later.

    Returns:
        (school year, path, status, reason), sorted; the reason in the language in use.
    """
    partly = (pl.col("status") == PhotoStatus.OK) & (pl.col("reason") != "")
    described = photos.with_columns(
        pl.when(partly).then(pl.lit(marked("partly searched"))).otherwise("status").alias("status")
    )
    unread = ~pl.col("status").is_in([PhotoStatus.OK.value, PhotoStatus.WITHHELD.value])
    rows = described.filter(unread).select("school_year", "path", "status", "reason").rows()
    reason = marked("gone or could not be opened when the album was made")
    later = [(picture.key[0], picture.path, marked("missing"), reason) for picture in lost]
    return [(year, path, status, reason_sentence(why)) for year, path, status, why in sorted(rows + later)]


def withheld_files(photos: pl.DataFrame) -> list[tuple[str, str, str]]:
    """Photos that may not be shown, as (school year, path, reason); the reason names nobody."""
    withheld = photos.filter(pl.col("status") == PhotoStatus.WITHHELD).select("school_year", "path", "reason")
    return [(year, path, reason_sentence(why)) for year, path, why in sorted(withheld.rows())]


def total_coverage(rows: Sequence[YearCoverage], faces: pl.DataFrame) -> YearCoverage:
    """The coverage of all years; students and clusters with faces in several years count once."""
    whole = _year_coverage("", pl.DataFrame(schema=_PHOTO_COLUMNS), faces)
    photo_counts = ("files", "photos", "scenes", "duplicates", "unread", "withheld", "covered", "review")
    summed = (*photo_counts, "faces", "named", "clustered", "single")
    return replace(whole, **{name: sum(getattr(row, name) for row in rows) for name in summed})


def _year_coverage(year: str, photos: pl.DataFrame, faces: pl.DataFrame) -> YearCoverage:
    status = photos["status"]
    ok, duplicates, withheld = (
        (status == one).sum() for one in (PhotoStatus.OK, PhotoStatus.DUPLICATE, PhotoStatus.WITHHELD)
    )
    shown = photos.filter(status == PhotoStatus.OK)
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
    """A column on consent, which a frame may lack: then all null."""
    return photos[name] if name in photos.columns else pl.Series(name, [None] * photos.height, pl.String)
