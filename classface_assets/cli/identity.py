"""`classface cluster-dual …`: grouping and naming faces from the command line, in Dagster runs that its UI shows."""

import sys
from collections.abc import Mapping
from typing import Any

import click

from classface_assets.cli.common import METHODS, PACK, archive_options, echo_newer_decisions

PERSON_THRESHOLD = click.option(
    "--person-threshold", type=click.FloatRange(-1, 1), help="Least likeness to a known person."
)


@click.command("cluster-dual")
@archive_options
@PACK
@click.option("--method", type=click.Choice(METHODS), help="How unknown faces are grouped [temporal].")
@PERSON_THRESHOLD
@click.option("--cluster-threshold", type=click.FloatRange(-1, 1), help="Least likeness of groups that join.")
@click.option("--min-cluster-size", type=click.IntRange(2), help="Smaller groups are single faces [2].")
@click.option("--quality-threshold", type=click.FloatRange(0, 1), help="Group no unknown face of less quality [0].")
@click.option("--similarity-threshold", type=click.FloatRange(-1, 1), help="Compare no faces less alike than this.")
@click.option("--max-faces", type=click.IntRange(0), help="Group at most so many, the best [all].")
@click.option("--max-clusters", type=click.IntRange(0), help="Keep at most so many, the largest [all].")
@click.option("--time-bucket", metavar="YYYY-MM", help="Group only faces of photos taken in this month anew [all].")
@click.option("--scope", type=click.Choice(["all", "school year", "event"]), help="Within what faces are one [all].")
@click.option("--all-anew", is_flag=True, help="Group all unknown faces anew, not only those that came.")
@click.option("--include-identified", is_flag=True, help="Group faces as unknown that nobody labelled but are known.")
def cluster_dual(archive: Any, pack: str | None, **settings: Any) -> None:
    """Known people first, then clusters of the unknown; publishes, and prints what came of it.

    For this once: the next `classface run` takes the settings that were measured or calibrated.
    """
    if settings["time_bucket"]:
        _validate_month(settings["time_bucket"])
    work = _service(archive, pack)
    _run_or_exit(work, settings, command="classface cluster-dual")
    _echo_summary(work)


@click.command("assign")
@archive_options
@PACK
@click.option("--method", "assign", type=click.Choice(["prototype", "centroid", "vote", "knn"]), help="[prototype]")
@PERSON_THRESHOLD
@click.option("--person-margin", type=click.FloatRange(0, 2), help="Least lead over the next person.")
@click.option("-k", "knn_neighbours", type=click.IntRange(1), help="Labelled faces that knn asks [5].")
@click.option("--similarity-threshold", type=click.FloatRange(-1, 1), help="knn asks no face less alike than this.")
@click.option("--voting/--no-voting", "use_voting", default=None, help="Whether they vote, or the nearest decides.")
@click.option("--follow/--no-follow", "follow_years", default=None, help="Follow people through the years [yes].")
def assign_command(archive: Any, pack: str | None, **settings: Any) -> None:
    """Give faces to the people who are named, by a method of choice, for this once."""
    work = _service(archive, pack)
    work.require_named_person()
    _run_or_exit(work, settings, command="classface assign")
    _echo_summary(work)


@click.command("reassign")
@archive_options
@PACK
@click.option("--use-trained-model", is_flag=True, help="By the head that learned from the names, if it was promoted.")
@PERSON_THRESHOLD
def reassign(archive: Any, pack: str | None, use_trained_model: bool, person_threshold: float | None) -> None:
    """Give faces to the people who are named anew, with the plain vectors or the trained model."""
    work = _service(archive, pack)
    work.require_named_person()
    if use_trained_model:
        work.require_promoted_head()
    given = {"person_threshold": person_threshold}
    _run_or_exit(work, given, use_head=use_trained_model, command="classface reassign")
    _echo_summary(work)


@click.command("centroids")
@archive_options
@PACK
def centroids(archive: Any, pack: str | None) -> None:
    """What known people look like: labelled faces a year, how alike they are, and who looks like whom."""
    table, alike = _service(archive, pack).centroids()
    for person, year, faces, likeness in table.iter_rows():
        click.echo(f"{person}\t{year}\t{faces} {'face' if faces == 1 else 'faces'}\tlikeness {likeness:.2f}")
    for one, other, likeness in alike:
        click.echo(f"{one} and {other} look alike ({likeness:.2f}): a clearer lead is asked for between them.")


@click.command("split")
@archive_options
@PACK
@click.argument("cluster")
@click.option("--min-cluster-size", type=click.IntRange(1), default=3, show_default=True)
def split(archive: Any, pack: str | None, cluster: str, min_cluster_size: int) -> None:
    """A cluster holds several people: part it. Kept in the ledger, so that no re-run joins them; `undo` does."""
    work = _service(archive, pack)
    pieces = work.split(cluster, min_cluster_size)
    _run_or_exit(work, {}, command="classface split")
    for name, faces in pieces:
        click.echo(f"{name}: {faces} faces")
    click.echo(f'Name them: classface label {pieces[0][0]} "Name"')


@click.command("changes")
@archive_options
@click.option("--most", type=click.IntRange(0), default=20, show_default=True, help="Faces shown one by one.")
def changes(archive: Any, most: int) -> None:
    """What moved when the students were last published, and why."""
    from classface_assets.services.queries import change_lines
    from classface_assets.store.files.duckdb import query_database

    query_database(archive.layout.database, "SELECT 1")
    persons = archive.open_ledger().decisions().persons
    names = {f"person_{person.id}": person.display_name for person in persons.values()}
    for line in change_lines(archive, lambda cluster: names.get(cluster, cluster), most):
        click.echo(line)


COMMANDS = (cluster_dual, assign_command, reassign, centroids, split, changes)


def _service(archive: Any, pack: str | None) -> Any:
    from classface_assets.orchestration.resources import resolve_models
    from classface_assets.services.identification import IdentificationService

    return IdentificationService(archive, resolve_models(pack))


def _run_or_exit(work: Any, settings: Mapping[str, Any], *, use_head: bool = True, command: str) -> None:
    from classface_assets.defs.runner import run_identification

    reasons = run_identification(work, settings, use_head=use_head, command=command)
    for reason in reasons:
        click.echo(f"classface: {reason}", err=True)
    if reasons:
        sys.exit(1)


def _echo_summary(work: Any) -> None:
    for line in work.summary():
        click.echo(line)
    echo_newer_decisions(work.archive)
    click.echo("`classface run` carries it into the albums.")


def _validate_month(text: str) -> None:
    year, _, month = text.partition("-")
    if not (len(year) == 4 and year.isdigit() and len(month) == 2 and month.isdigit() and 1 <= int(month) <= 12):
        raise click.BadParameter(f"{text!r} is no month; write it as 2019-05.", param_hint="--time-bucket")
