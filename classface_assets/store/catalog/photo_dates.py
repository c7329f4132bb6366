"""Which of a photo's dates is believed: not one that contradicts its school year, nor one of a clock that was reset.

This is decided whenever the parts are read and never stored in them: the school year of a folder may be set later, and
a run under a wrong system clock must spoil nothing.
"""

from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl

from classface_assets.core.schemas import PhotoStatus

EMBEDDED_SOURCES = ("exif", "xmp", "iptc")  # a clock wrote them; names are written by people
SCHOOL_YEAR_SOURCE = "school year"
# What cameras, phones and programs show that lost the time: the first moments of their clocks. 1904 is QuickTime's,
# 1970 that of Unix, 1980 of DOS and so of most cameras, 2001 of Apple's programs.
RESET_MOMENTS = [
    *(datetime(year, 1, 1) for year in (1900, 1904, 1970, 1980, 2000, 2001)),  # noqa: DTZ001
    datetime(2002, 12, 8, 12),  # noqa: DTZ001
]
# Nobody took a digital photo on these days: a clock that goes on from its first moment.
RESET_DAYS = [date(1904, 1, 1), date(1970, 1, 1), date(1980, 1, 1)]


def resolve_dates(images: pl.DataFrame, start_of_year: datetime | None) -> pl.DataFrame:
    """Choose the date of each file: the most reliable one that is believed, else the first day of its school year.

    Args:
        images: IMAGES as stored; older parts hold one date, the oldest without a source one from EXIF.
        start_of_year: The first day of the school year; None for a folder that is none.

    Returns:
        IMAGES with taken_at, taken_at_source and utc_offset of that date. `taken_at_doubt` holds the most reliable date
        where that is not believed.
    """
    rows = images.with_row_index("row")
    one = pl.col("taken_at_source").fill_null("exif").alias("source")
    known = rows.filter(pl.col("taken_at").is_not_null())
    old = known.filter(pl.col("dates").is_null()).select("row", pl.col("taken_at").alias("at"), one, "utc_offset")
    listed = known.filter(pl.col("dates").list.len() > 0).select("row", "dates").explode("dates").unnest("dates")
    dates = pl.concat([old, listed.select(old.columns)]).with_columns(doubted=_is_doubted(start_of_year))
    first = dates.group_by("row", maintain_order=True).agg(pl.all().first())
    believed = dates.filter(~pl.col("doubted")).group_by("row", maintain_order=True).agg(pl.all().first())
    text = pl.format("{} {}", "source", pl.col("at").dt.strftime("%Y-%m-%d %H:%M:%S"))
    doubt = first.filter("doubted").select("row", text.alias("taken_at_doubt"))
    rows = (
        rows.drop("taken_at", "taken_at_source", "utc_offset", "taken_at_doubt")
        .join(believed.rename({"at": "taken_at", "source": "taken_at_source"}).drop("doubted"), on="row", how="left")
        .join(doubt, on="row", how="left")
    )
    by_folder = pl.col("taken_at").is_null() & (pl.col("status") == PhotoStatus.OK) & pl.lit(start_of_year is not None)
    start = pl.lit(start_of_year, pl.Datetime("us"))
    return (
        rows.sort("row")
        .with_columns(
            pl.when(by_folder).then(start).otherwise("taken_at").alias("taken_at"),
            pl.when(by_folder)
            .then(pl.lit(SCHOOL_YEAR_SOURCE))
            .otherwise(pl.col("taken_at_source").fill_null(""))
            .alias("taken_at_source"),
            pl.col("taken_at_doubt").fill_null(""),
        )
        .select(images.columns)
    )


def _is_doubted(start_of_year: datetime | None) -> pl.Expr:
    """Whether a date `at` of that `source` is not believed.

    With a school year: more than a year before or after it, or later than tomorrow and not in it. Without: later than
    tomorrow, or of a day on which clocks start. A clock's first moment itself is believed of no clock.
    """
    at, by_clock = pl.col("at"), pl.col("source").is_in(EMBEDDED_SOURCES)
    reset = by_clock & at.is_in(pl.lit(pl.Series(RESET_MOMENTS, dtype=pl.Datetime("us"))).implode())
    future = at > _latest_today() + timedelta(days=1)
    if start_of_year is None:
        first_day = by_clock & at.dt.date().is_in(pl.lit(pl.Series(RESET_DAYS)).implode())
        return reset | future | first_day
    last = _years_later(start_of_year, 1)
    outside = (at < _years_later(start_of_year, -1)) | (at >= _years_later(start_of_year, 2))
    return reset | outside | (future & ~at.is_between(start_of_year, last, closed="left"))


def _latest_today() -> datetime:
    """The time now; where the clock was set back, that of the installation of this program, which was not earlier."""
    installed = datetime.fromtimestamp(Path(__file__).stat().st_mtime)  # noqa: DTZ006
    return max(datetime.now(), installed)  # noqa: DTZ005


def _years_later(day: datetime, years: int) -> datetime:
    return day.replace(year=day.year + years)
