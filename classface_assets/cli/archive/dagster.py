"""`classface dagster-config`: where Dagster's records of an archive are, and how many runs go on at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from classface_assets.cli.common import archive_options
from classface_assets.cli.output import JSON, echo_json

if TYPE_CHECKING:
    from classface_assets.core.layout import ArchiveLayout
    from classface_assets.orchestration.records.database import RecordsDatabase, RunSettings
    from classface_assets.orchestration.resources import Archive

LAUNCHERS = ("default", "docker", "k8s", "ray")


@click.command("dagster-config")
@archive_options
@click.option(
    "--postgres",
    metavar="URL",
    help="Records in this PostgreSQL database, such as postgresql://user:password@host/dagster; or env:NAME, the "
    "environment variable that holds it wherever Dagster runs, so that no password is in a file.",
)
@click.option("--sqlite", is_flag=True, help="Records in SQLite files of this machine again.")
@click.option("--max-runs", type=click.IntRange(1, 1000), help="How many runs go on at a time.")
@click.option(
    "--max-runs-per-archive",
    type=click.IntRange(1, 1000),
    help="How many of them may be of one archive, where several share a Dagster.",
)
@click.option(
    "--launcher",
    type=click.Choice(LAUNCHERS),
    help="What starts the processes of runs: this machine, or Docker, Kubernetes, a Ray cluster, with the extra of "
    "that name.",
)
@click.option("--image", default="", help="The image of the containers (docker, k8s).")
@click.option("--network", default="", help="The network of the containers (docker).")
@click.option("--service-account", default="", help="The service account of the jobs (k8s).")
@click.option("--config-map", default="", help="The config map that holds dagster.yaml (k8s).")
@click.option("--ray-address", default="", help="The job server, such as http://head:8265 (ray).")
@click.option("--take-over", is_flag=True, help="The database may hold the records of another archive, or of this one "
              "where it was before.")  # fmt: skip
@JSON
def dagster_config_command(
    archive: Archive, postgres: str | None, sqlite: bool, take_over: bool, as_json: bool, **given: Any
) -> None:
    """Where Dagster's records of runs are; with options, move them: to PostgreSQL, which several machines can use.

    Old records stay where they are. The new ones show what there is, so nothing is computed again. Where the old ones
    are out of reach for good, they are left all the same; whether a run still goes on can then not be seen in them.
    """
    from classface_assets.orchestration.records.database import parse_database, records_database, require_reachable

    home = archive.layout.dagster_home
    if postgres and sqlite:
        raise click.UsageError("--postgres and --sqlite exclude one another.")
    runs = _run_settings(given)
    if postgres or sqlite or runs.is_set:
        database = parse_database(postgres) if postgres else None if sqlite else records_database(home)
        if database is not None:
            require_reachable(database)
        _change(archive, database, runs, take_over=take_over)
    database = records_database(home)
    if as_json:
        echo_json({"records": database.shown if database else str(home), "home": str(home)})
    else:
        click.echo(f"Dagster's records are in {database.shown if database else home}; its settings, in {home}.")


def _run_settings(given: Mapping[str, Any]) -> RunSettings:
    """Where runs go on, and how many, by the options of the command."""
    from classface_assets.orchestration.records.database import RunSettings
    from classface_assets.orchestration.records.launchers.settings import Launcher, LauncherSettings

    names = ("image", "network", "service_account", "config_map", "ray_address")
    places = {name: given[name] for name in names}
    if any(places.values()) and not given["launcher"]:
        raise click.UsageError("Name the launcher that these options are for, with --launcher.")
    launcher = LauncherSettings(Launcher(given["launcher"]), **places) if given["launcher"] else None
    return RunSettings(given["max_runs"], given["max_runs_per_archive"], launcher)


def _change(archive: Archive, database: RecordsDatabase | None, runs: RunSettings, *, take_over: bool) -> None:
    from classface_assets.defs.automation import ALL_YEARS_ASSETS, YEAR_ASSETS
    from classface_assets.orchestration.archive_lock import archive_lock
    from classface_assets.orchestration.records.database import claim, write_settings
    from classface_assets.services.first_run.shared_dagster import layouts_sharing, show_in_dagster

    layout = archive.layout
    with archive_lock(layout, "classface dagster-config", click.echo, wait=False):
        _require_idle(layout)
        sharing = layouts_sharing(layout)
        if database is not None:
            for one in sharing:
                claim(database, str(one.data), name=one.name, take_over=take_over)
        write_settings(layout.dagster_home, database, runs)
        count = sum(show_in_dagster(one, YEAR_ASSETS, ALL_YEARS_ASSETS) for one in sharing)
        if count:
            click.echo(f"New records, with {count:,} outputs that there are. Restart `dagster dev`.", err=True)


def _require_idle(layout: ArchiveLayout) -> None:
    """Require that no run goes on: by the present records, or by the processes here where those cannot be reached.

    A change that keeps the present records has connected to them before, so here they are about to be left.

    Raises:
        RunInProgressError: A run is in progress, or may be.
    """
    from classface_assets.orchestration.instance import RunInProgressError, open_instance, require_idle
    from classface_assets.orchestration.records.database import (
        RecordsDatabaseError,
        records_database,
        require_reachable,
    )
    from classface_assets.orchestration.records.local_processes import dagster_processes

    try:
        present = records_database(layout.dagster_home)
        if present is not None:
            require_reachable(present)  # Dagster itself would try for ten seconds, with a warning each time
    except RecordsDatabaseError as error:
        if processes := dagster_processes(layout.dagster_home):
            raise RunInProgressError(
                f"Dagster still runs here with the old records (process {', '.join(map(str, processes))}); "
                "stop it, and try again."
            ) from None
        click.echo(f"Whether a run of this archive still goes on elsewhere could not be seen: {error}", err=True)
    else:
        with open_instance(layout) as instance:
            require_idle(instance)


COMMANDS = (dagster_config_command,)
