"""The asset `student_coverage`: how often students appear in the photos of each school year and class."""

from collections.abc import Sequence

import dagster as dg
import polars as pl
from pydantic import Field

from classface_assets.albums.exports.student_coverage import (
    DEFAULT_GOAL,
    CoverageSummary,
    goal_sentence,
    summarize,
)
from classface_assets.albums.exports.student_coverage import student_coverage as count_appearances
from classface_assets.core.layout import ArchiveLayout
from classface_assets.defs.asset_factory import archive_asset
from classface_assets.defs.automation import when_all_years_are_ready
from classface_assets.defs.identity.identities import identities
from classface_assets.defs.memoized import Output, compute_unless_cached, input_fingerprint
from classface_assets.defs.metadata import markdown_table, materialize_result
from classface_assets.orchestration.resources import Archive
from classface_assets.services.exports.contents import current_view, load_contents
from classface_assets.store.files.parquet import write_parquet
from classface_assets.store.model.purposes import Purpose


class StudentCoverageConfig(dg.Config):
    """How often students should appear, and how many may appear less often."""

    goal: int = Field(
        default=DEFAULT_GOAL, ge=1, description="How many photos of a school year each student should be in."
    )
    most_below: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Share of the students of the latest school year that may be in fewer photos without a warning.",
    )


COVERAGE_TABLE = pl.Schema(
    {
        "school_year": pl.String(),
        "class": pl.String(),  # null: the whole school year; "": of no class
        "students": pl.Int32(),
        "below_goal": pl.Int32(),
        "in_no_photo": pl.Int32(),
        "mean_appearances": pl.Float64(),
        "mean_candids": pl.Float64(),
        "goal": pl.Int32(),
        "most_below": pl.Float64(),  # share of the students that may be below it without a warning
    }
)
"""Numbers only: who is meant is computed from the published database and the ledger whenever somebody asks."""


@archive_asset(
    columns=COVERAGE_TABLE,
    deps=[identities],
    group_name="albums",
    kinds={"parquet"},
    automate=when_all_years_are_ready,
    code_version="1",
)
def student_coverage(config: StudentCoverageConfig, archive: Archive) -> dg.MaterializeResult:
    """How often students appear in the photos that albums may show, by school year and class; how many do not at all.

    A burst and near duplicates count once. Students of the rosters count whether they were seen or not; those who may
    not be shown are left out. `classface coverage` lists the students.
    """
    contents = load_contents(archive, current_view(archive), Purpose.ALBUM)
    appearances = count_appearances(contents.photos, contents.faces, contents.roster).drop("name", "student_id")
    fingerprint = input_fingerprint(archive.layout, "student_coverage", appearances, config.model_dump())
    return compute_unless_cached(fingerprint, lambda: _summarize(config, archive.layout, appearances))


def _summarize(config: StudentCoverageConfig, layout: ArchiveLayout, appearances: pl.DataFrame) -> Output:
    summaries = summarize(appearances, config.goal)
    table = _table(summaries, config)
    write_parquet(table, layout.table("student_coverage"))
    of_years = [summary for summary in summaries if summary.school_class is None]
    latest = of_years[0] if of_years else None
    result = materialize_result(
        table.height,
        summary=goal_sentence(latest, config.goal) if latest else "Nobody is named yet.",
        latest_school_year=latest.school_year if latest else "",
        students_below_the_goal=latest.below if latest else 0,
        students_in_no_photo=latest.missing if latest else 0,
        goal=config.goal,
        most_below=config.most_below,
        by_school_year=markdown_table(_shown(table), most=60),
    )
    return Output(result, [layout.table("student_coverage")])


def _shown(table: pl.DataFrame) -> pl.DataFrame:
    """Of each school year, without what is the same in all: a wider table is cut on Dagster's page."""
    years = table.filter(pl.col("class").is_null())
    return years.select("school_year", "students", "below_goal", "in_no_photo", "mean_appearances", "mean_candids")


def _table(summaries: Sequence[CoverageSummary], config: StudentCoverageConfig) -> pl.DataFrame:
    rows = [
        (
            one.school_year,
            one.school_class,
            one.students,
            one.below,
            one.missing,
            one.mean,
            one.candids,
            config.goal,
            config.most_below,
        )
        for one in summaries
    ]
    return pl.DataFrame(rows, schema=COVERAGE_TABLE, orient="row")
