"""How often students appear, of an archive: as rows for pages and files, and as lines for the terminal."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from classface_assets.albums.exports.contents import SelectionError, fold_class
from classface_assets.albums.exports.student_coverage import (
    DEFAULT_GOAL,
    CoverageSummary,
    goal_sentence,
    student_coverage,
    summarize,
)
from classface_assets.albums.exports.tables import TableFormat, encode_table
from classface_assets.core.languages import gettext
from classface_assets.orchestration.resources import Archive
from classface_assets.orchestration.settings.file import read_settings, set_values
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.services.exports.contents import current_view, load_contents
from classface_assets.store.model.purposes import Purpose

SHOWN_STUDENTS = 50


@dataclass(frozen=True, eq=False)
class CoverageReport:
    """How often students appear.

    Attributes:
        goal: How often they should.
        years: All school years there are, latest first.
        students: STUDENT_COVERAGE of the chosen years and class.
        summaries: Of each chosen school year and its classes.
        not_shown: How many students of the rosters are not counted, as they may not be shown.
    """

    goal: int
    years: tuple[str, ...]
    students: pl.DataFrame
    summaries: tuple[CoverageSummary, ...]
    not_shown: int

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "goal": self.goal,
            "summaries": [asdict(summary) for summary in self.summaries],
            "students": self.students.with_columns((pl.col("appearances") < self.goal).alias("below_goal")).to_dicts(),
            "not_shown": self.not_shown,
        }

    def csv(self) -> bytes:
        """The students as CSV, as spreadsheets read it."""
        return encode_table(self.students.with_columns(pl.lit(self.goal).alias("goal")), TableFormat.CSV)


def lasting_goal(archive: Archive) -> int:
    """The goal of the archive: its setting `coverage_goal`, else the built-in one."""
    return read_settings(archive.layout.local).coverage_goal or DEFAULT_GOAL


def remember_goal(archive: Archive, goal: int) -> None:
    """Make a goal the archive's own.

    Raises:
        SettingsError: `classface.toml` cannot be understood.
    """
    set_values(archive.layout.local, {"coverage_goal": goal})
    archive.share()


def measure_coverage(
    archive: Archive, goal: int | None = None, year: str = "", school_class: str = "", view: ArchiveView | None = None
) -> CoverageReport:
    """How often students appear in the photos that albums may show.

    Args:
        archive: The archive.
        goal: How often they should appear; None: as often as the setting of the archive says.
        year: A school year; "" for all.
        school_class: A class; "" for all.
        view: The archive as it is now; None to read it.

    Raises:
        SelectionError: There is no such school year or class.
        DatabaseError: Nothing is published yet.
    """
    view, measured_by = view or current_view(archive), goal or lasting_goal(archive)
    contents = load_contents(archive, view, Purpose.ALBUM)
    key, roster = ("student coverage", archive.refused), contents.roster
    rows = view.derived(key, lambda: student_coverage(contents.photos, contents.faces, roster))
    years = tuple(sorted({*rows["school_year"], *contents.photos["school_year"]}, reverse=True))
    if year:
        if year not in years:
            raise SelectionError(
                gettext("There is no school year %(year)s; choose one of %(years)s.", year=year, years=", ".join(years))
            )
        rows, roster = rows.filter(pl.col("school_year") == year), roster.filter(pl.col("school_year") == year)
    if school_class:
        wanted = pl.col("class").map_elements(fold_class, return_dtype=pl.String) == fold_class(school_class)
        rows, roster = rows.filter(wanted), roster.filter(wanted)
        if rows.is_empty():
            raise SelectionError(gettext("No student is in a class %(name)s.", name=school_class))
    hidden = roster.filter(~pl.col("may_be_shown")).height
    return CoverageReport(measured_by, years, rows, tuple(summarize(rows, measured_by)), hidden)


def coverage_lines(report: CoverageReport) -> Iterator[str]:
    """The report as lines of text: each year and class, then the students who appear too rarely."""
    if report.students.is_empty():
        yield "No student is named in a photo, and no roster was imported."
        return
    for summary in report.summaries:
        if summary.school_class is None:
            yield f"{summary.school_year}: {goal_sentence(summary, report.goal)}"
        elif summary.school_class:
            yield (
                f"  {summary.school_class}\t{summary.below} of {summary.students} below the goal"
                f"\t{summary.mean:.1f} photos a student"
            )
    below = report.students.filter(pl.col("appearances") < report.goal)
    for row in below.head(SHOWN_STUDENTS).iter_rows(named=True):
        yield f"  {row['name']}\t{row['class']}\t{row['school_year']}\t{_times(row['appearances'])}"
    if below.height > SHOWN_STUDENTS:
        yield f"  … and {below.height - SHOWN_STUDENTS:,} more; --csv lists them all."
    if report.not_shown:
        yield f"Not counted, as they may not be shown: {report.not_shown:,} on the roster."


def _times(appearances: int) -> str:
    return "in no photo" if not appearances else "1 photo" if appearances == 1 else f"{appearances} photos"
