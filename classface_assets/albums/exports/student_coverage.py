"""How often each student appears in the photos of a school year, and who does not at all.

Files that no album shows are in `pages.coverage`; here it is people who are counted.
"""

from dataclasses import dataclass
from enum import StrEnum

import polars as pl

from classface_assets.albums.cards import GROUP_PHOTO_FACES, album_photos
from classface_assets.core.languages import format_number, gettext, ngettext

DEFAULT_GOAL = 3
PORTRAIT_SHARE = 0.15
"""Of the photo's height that the only face in it is at least high, where it is a portrait."""


class PhotoKind(StrEnum):
    """What a photo is, by the faces in it."""

    PORTRAIT = "portrait"
    """One face, and a large one."""
    CANDID = "candid"
    """Anything else."""
    GROUP = "group"
    """Seven faces or more, such as a class photo."""


STUDENT_COVERAGE = pl.Schema(
    {
        "school_year": pl.String(),
        "class": pl.String(),  # "" where no roster says it
        "name": pl.String(),
        "student_id": pl.String(),
        "person_id": pl.String(),  # null: on the roster, and not named in any photo
        "on_roster": pl.Boolean(),
        "appearances": pl.Int32(),  # photos, a burst or near duplicates counted once
        "photos": pl.Int32(),  # every photo counted
        "candids": pl.Int32(),  # of the appearances
        "portraits": pl.Int32(),
        "group_photos": pl.Int32(),
    }
)


@dataclass(frozen=True)
class CoverageSummary:
    """The students of a school year, or of a class in it.

    Attributes:
        school_year: The school year.
        school_class: The class; "" for students of whom no roster says it, None for all of the year.
        students: How many there are.
        below: How many appear less often than the goal, `missing` ones among them.
        missing: How many do not appear at all.
        mean: Appearances of a student.
        candids: Candids of a student.
    """

    school_year: str
    school_class: str | None
    students: int
    below: int
    missing: int
    mean: float
    candids: float

    @property
    def share_below(self) -> float:
        """The share of the students that appear less often than the goal."""
        return self.below / self.students if self.students else 0.0


def student_coverage(photos: pl.DataFrame, faces: pl.DataFrame, roster: pl.DataFrame) -> pl.DataFrame:
    """How often each student appears: STUDENT_COVERAGE, by school year (latest first), class and name.

    Counted are those on the rosters who may be shown, and everybody else who is named in a photo of the year.

    Args:
        photos: Every file that may be shown, `ExportContents.photos`.
        faces: Their faces, `ExportContents.faces`.
        roster: `contents.ROSTER`.
    """
    named = faces.drop_nulls("person_id").join(_kinds(photos, faces), on=["asset_id", "school_year"])
    counted = named.group_by("school_year", "person_id").agg(
        pl.col("person_name").first().alias("seen_name"),
        pl.col("scene").n_unique().alias("appearances"),
        pl.col("asset_id").n_unique().alias("photos"),
        *(
            pl.col("scene").filter(pl.col("kind") == kind.value).n_unique().alias(column)
            for kind, column in (
                (PhotoKind.CANDID, "candids"),
                (PhotoKind.PORTRAIT, "portraits"),
                (PhotoKind.GROUP, "group_photos"),
            )
        ),
    )
    listed = roster.filter("may_be_shown").with_columns(pl.lit(True).alias("on_roster"))
    listed = pl.concat(
        [
            listed.filter(pl.col("person_id").is_null()),
            listed.drop_nulls("person_id").unique(["person_id", "school_year"], keep="first", maintain_order=True),
        ]
    )
    rows = listed.join(counted, on=["school_year", "person_id"], how="full", coalesce=True)
    numbers = ("appearances", "photos", "candids", "portraits", "group_photos")
    rows = rows.with_columns(
        pl.coalesce("name", "seen_name").alias("name"),
        pl.col("class", "student_id").fill_null(""),
        pl.col("on_roster").fill_null(value=False),
        pl.col(numbers).fill_null(0),
    )
    rows = rows.select(STUDENT_COVERAGE.names()).cast(STUDENT_COVERAGE)
    order = ["school_year", "class", "appearances", "name", "student_id"]
    return rows.sort(order, descending=[True, False, False, False, False])


def summarize(coverage: pl.DataFrame, goal: int) -> list[CoverageSummary]:
    """Each school year, latest first, as a whole and then by class."""
    appearances = pl.col("appearances")
    figures = (
        pl.len().alias("students"),
        (appearances < goal).sum().alias("below"),
        (appearances == 0).sum().alias("missing"),
        appearances.cast(pl.Float64).mean().alias("mean"),
        pl.col("candids").cast(pl.Float64).mean().alias("candids"),
    )
    years = coverage.group_by("school_year", maintain_order=True).agg(pl.lit(None, pl.String).alias("class"), *figures)
    classes = coverage.group_by("school_year", "class").agg(*figures)
    place = pl.col("school_year").replace_strict(
        {year: number for number, year in enumerate(years["school_year"])}, return_dtype=pl.Int64
    )
    rows = pl.concat([years, classes.select(years.columns)]).sort(place, "class", nulls_last=False)
    return [CoverageSummary(*row) for row in rows.iter_rows()]


def goal_sentence(summary: CoverageSummary, goal: int) -> str:
    """How many students appear less often than the goal.

    >>> goal_sentence(CoverageSummary("2019-2020", None, 30, 12, 1, 4.0, 2.0), 3)
    '12 students appear fewer than 3 times, 1 of them not at all.'
    """
    if not summary.below:
        if goal == 1:
            return gettext("Every student appears at least once.")
        return gettext("Every student appears at least %(goal)s times.", goal=goal)
    if goal == 1:
        return ngettext("%(num)s student appears in no photo.", "%(num)s students appear in no photo.", summary.below)
    if not summary.missing:
        return ngettext(
            "%(num)s student appears fewer than %(goal)s times.",
            "%(num)s students appear fewer than %(goal)s times.",
            summary.below,
            goal=goal,
        )
    return ngettext(
        "%(num)s student appears fewer than %(goal)s times, %(missing)s of them not at all.",
        "%(num)s students appear fewer than %(goal)s times, %(missing)s of them not at all.",
        summary.below,
        goal=goal,
        missing=format_number(summary.missing),
    )


def _kinds(photos: pl.DataFrame, faces: pl.DataFrame) -> pl.DataFrame:
    """asset_id, school_year, `scene` and `kind` of every photo that is shown and has a face."""
    shown = album_photos(photos).select(
        "asset_id", "school_year", "height", pl.coalesce("near_group", "asset_id").alias("scene")
    )
    people = faces.group_by("asset_id").agg(pl.len().alias("faces"), pl.col("bbox_h").max().alias("face_height"))
    large = pl.col("face_height") >= PORTRAIT_SHARE * pl.col("height")
    kind = (
        pl.when(pl.col("faces") >= GROUP_PHOTO_FACES)
        .then(pl.lit(PhotoKind.GROUP.value))
        .when((pl.col("faces") == 1) & large)
        .then(pl.lit(PhotoKind.PORTRAIT.value))
        .otherwise(pl.lit(PhotoKind.CANDID.value))
    )
    return shown.join(people, on="asset_id").select("asset_id", "school_year", "scene", kind.alias("kind"))
