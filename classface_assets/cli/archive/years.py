"""`classface years …`: the school year of each photo folder, and setting it by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from classface_assets.cli.common import archive_options
from classface_assets.cli.groups import DefaultGroup
from classface_assets.cli.messages import echo_sentence
from classface_assets.cli.output import JSON, echo_json

if TYPE_CHECKING:
    from classface_assets.orchestration.resources import Archive


years_group = DefaultGroup(
    "years", "The school years of the photos folder; alone: the list of folders with their school year, and why."
)


@years_group.default
@years_group.command("list")
@archive_options
@JSON
def list_(archive: Archive, as_json: bool) -> None:
    """List the folders: path, school year, clear or a guess, why; separated by tabs. Needs no run before."""
    from classface_assets.services.school_years import dated_folders, year_lines

    if as_json:
        echo_json(dated_folders(archive.layout))
        return
    for line in year_lines(archive.layout):
        click.echo(line)


@years_group.command("set")
@archive_options
@click.argument("folder")
@click.argument("year")
def set_(archive: Archive, folder: str, year: str) -> None:
    """FOLDER (its path in the photos folder) is of the school year YEAR, as 2019-2020; `none`: of no school year."""
    from classface_assets.services.school_years import set_folder_year

    echo_sentence(
        f"{folder}: {set_folder_year(archive.layout, folder, year)}. The next `classface run` moves its photos there."
    )


@years_group.command("unset")
@archive_options
@click.argument("folder")
def unset(archive: Archive, folder: str) -> None:
    """Remove the year that was set for FOLDER: its name gives its school year again."""
    from classface_assets.services.school_years import unset_folder_year

    unset_folder_year(archive.layout, folder)
    echo_sentence(f"{folder}: as its name says. The next `classface run` moves its photos there.")


@years_group.command()
@archive_options
def sync(archive: Archive) -> None:
    """Register every school year with Dagster, so that --partition knows it."""
    from classface_assets.orchestration.instance import prepare_instance
    from classface_assets.orchestration.school_year_runs.partitions import held_back_sentence, held_back_years
    from classface_assets.store.catalog.school_years import year_folders

    instance, new = prepare_instance(archive.layout)
    instance.dispose()
    found = year_folders(archive.layout)
    held = held_back_years(archive.layout, found)
    if held:
        click.echo(held_back_sentence(archive.layout, held), err=True)
    click.echo(f"{len(found) - len(held)} school years, new: {', '.join(new) or 'none'}")


COMMANDS = (years_group,)
