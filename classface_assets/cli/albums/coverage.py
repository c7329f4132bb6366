"""`classface coverage`: how often each student appears in the photos, and who does not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from classface_assets.cli.common import archive_options
from classface_assets.cli.completion import complete_years
from classface_assets.cli.output import JSON, echo_json

if TYPE_CHECKING:
    from classface_assets.orchestration.resources import Archive


@click.command()
@archive_options
@click.option("--year", shell_complete=complete_years, default="", help="Only this school year [all].")
@click.option("--class", "school_class", default="", help="Only this class [all].")
@click.option("--goal", type=click.IntRange(1, 10_000), help="Photos a student [the setting coverage_goal, else 3].")
@click.option(
    "--csv", "csv_file", type=click.Path(dir_okay=False, path_type=Path), help="Write all students to a file."
)
@JSON
def coverage(
    archive: Archive, year: str, school_class: str, goal: int | None, csv_file: Path | None, as_json: bool
) -> None:
    """How often each student appears, by school year and class; who appears too rarely, and who in no photo at all.

    A burst and near duplicates count once. Students of the roster are counted whether they were seen or not.
    """
    from classface_assets.services.exports.coverage import coverage_lines, measure_coverage

    report = measure_coverage(archive, goal, year, school_class)
    if csv_file is not None:
        csv_file.write_bytes(report.csv())
    if as_json:
        echo_json(report.document())
        return
    for line in coverage_lines(report):
        click.echo(line)
    if csv_file is not None:
        click.echo(f"Students written to {csv_file}.")


COMMANDS = (coverage,)
