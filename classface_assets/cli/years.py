"""`classface years …`: the school year of each photo folder, and setting it by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from classface_assets.cli.common import archive_options

if TYPE_CHECKING:
    from classface_assets.orchestration.resources import Archive


@click.group("years", invoke_without_command=True)
@click.pass_context
def years_group(context: click.Context, **given: str | None) -> None:
    """The school years of the photos folder; alone: the list of folders with their school year, and why."""
    if context.invoked_subcommand is None:
        context.invoke(list_, **given)
    else:  # options before the subcommand count for it
        context.default_map = {context.invoked_subcommand: {k: v for k, v in given.items() if v is not None}}


@years_group.command("list")
@archive_options
def list_(archive: Archive) -> None:
    """The folders: path, school year, clear or a guess, why; one a line, separated by tabs. Needs no run before."""
    from classface_assets.services.school_years import year_lines

    for line in year_lines(archive.layout):
        click.echo(line)


years_group.params += list_.params


@years_group.command("set")
@archive_options
@click.argument("folder")
@click.argument("year")
def set_(archive: Archive, folder: str, year: str) -> None:
    """FOLDER (its path in the photos folder) is of the school year YEAR, as 2019-2020; `none`: of no school year."""
    from classface_assets.services.school_years import set_folder_year

    click.echo(
        f"{folder}: {set_folder_year(archive.layout, folder, year)}. The next `classface run` moves its photos there."
    )


@years_group.command("unset")
@archive_options
@click.argument("folder")
def unset(archive: Archive, folder: str) -> None:
    """Remove the year that was set for FOLDER: its name gives its school year again."""
    from classface_assets.services.school_years import unset_folder_year

    unset_folder_year(archive.layout, folder)
    click.echo(f"{folder}: as its name says. The next `classface run` moves its photos there.")


@years_group.command()
@archive_options
def sync(archive: Archive) -> None:
    """Register every school year with Dagster, so that --partition knows it."""
    from classface_assets.orchestration.instance import prepare_instance
    from classface_assets.store.catalog.school_years import year_folders

    instance, new = prepare_instance(archive.layout)
    instance.dispose()
    click.echo(f"{len(year_folders(archive.layout))} school years, new: {', '.join(new) or 'none'}")


COMMANDS = (years_group,)
