"""`classface workspace …`: several archives in one Dagster, each under its name."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from classface_assets.cli.common import PACK, archive_options
from classface_assets.cli.output import JSON, echo_json

if TYPE_CHECKING:
    from classface_assets.orchestration.resources import Archive
    from classface_assets.services.first_run.shared_dagster import SharedDagster


@click.group("workspace")
def workspace_group() -> None:
    """Several archives in one Dagster: its `workspace.yaml`, and the list of archives in its home."""


def dagster_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that name the shared Dagster to a command."""
    file = click.option("--file", default="workspace.yaml", show_default=True, help="The workspace of that Dagster.")
    home = click.option(
        "--home", help="The home of that Dagster [DAGSTER_HOME, else `dagster_home` beside the workspace]."
    )
    return file(home(command))


def _shared(file: str, home: str | None) -> SharedDagster:
    from classface_assets.services.first_run.shared_dagster import HOME_FOLDER, SharedDagster

    workspace = Path(file).expanduser().absolute()
    given = home or os.environ.get("DAGSTER_HOME")
    return SharedDagster(Path(given).expanduser().absolute() if given else workspace.parent / HOME_FOLDER, workspace)


@workspace_group.command()
@archive_options
@click.argument("name")
@dagster_options
@PACK
@click.option("--together", is_flag=True, help="Load it in the one process of all archives that were added so.")
@click.option("--ledger-variable", metavar="NAME", default="", help="The environment variable with its ledger's URL.")
def add(archive: Archive, name: str, file: str, home: str | None, pack: str | None, **given: Any) -> None:
    """Add an archive to a Dagster under NAME: letters from A to Z, digits and _.

    From then on `classface run` and the review server of this archive use that Dagster too. The archive's data stay
    where they are.
    """
    from classface_assets.defs.automation import ALL_YEARS_ASSETS, YEAR_ASSETS
    from classface_assets.orchestration.settings.archives import RegisteredArchive
    from classface_assets.services.first_run.shared_dagster import show_in_dagster

    shared = _shared(file, home)  # first, for opening an archive's records sets DAGSTER_HOME
    places: dict[str, Any] = {"data": archive.data, "photos": archive.photos, "local": str(archive.layout.local)}
    added = shared.add(RegisteredArchive(name, **places, pack=pack or "", **given), archive)
    count = show_in_dagster(added.layout, YEAR_ASSETS, ALL_YEARS_ASSETS)
    click.echo(f"{name} is in {shared.workspace}, with {count:,} outputs that there are.")
    click.echo(f"Dagster with all its archives: DAGSTER_HOME={shared.home} dagster dev -w {shared.workspace}")


@workspace_group.command("list")
@dagster_options
@JSON
def list_(file: str, home: str | None, as_json: bool) -> None:
    """List the archives of a Dagster: name, data, photos, process; separated by tabs."""
    archives = _shared(file, home).archives().values()
    if as_json:
        echo_json([asdict(archive) for archive in archives])
        return
    for archive in archives:
        process = "together" if archive.together else "a process of its own"
        click.echo("\t".join((archive.name, archive.data, archive.photos, process)))
    if not archives:
        click.echo("There is none yet; add one: classface workspace add NAME --photos … --data …", err=True)


@workspace_group.command()
@click.argument("name")
@dagster_options
def remove(name: str, file: str, home: str | None) -> None:
    """Take the archive NAME off a Dagster, with what that has recorded of its runs; its data stay."""
    shared = _shared(file, home)
    data = shared.archives()[name].data if name in shared.archives() else ""
    problem = shared.remove(name)
    click.echo(f"{name} is no more in {shared.workspace}. Nothing in {data} was deleted.")
    if problem:
        click.echo(problem, err=True)


COMMANDS = (workspace_group,)
