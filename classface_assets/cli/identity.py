"""`classface cluster-dual`, `assign`, `split` …: clustering and identification, as Dagster runs that its UI shows."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from classface_assets.cli.common import METHODS, PACK, archive_options, echo_newer_decisions

if TYPE_CHECKING:
    from classface_assets.orchestration.resources import Archive
    from classface_assets.services.identification import IdentificationService

PERSON_THRESHOLD = click.option(
    "--person-threshold", type=click.FloatRange(-1, 1), help="Least similarity to a known person."
)


@click.command("cluster-dual")
@archive_options
@PACK
@click.option("--method", type=click.Choice(METHODS), help="How unknown faces are clustered [temporal].")
@PERSON_THRESHOLD
@click.option("--cluster-threshold", type=click.FloatRange(-1, 1), help="Least similarity of clusters that are merged.")
@click.option("--min-cluster-size", type=click.IntRange(2), help="Smaller clusters become single faces [2].")
@click.option(
    "--quality-threshold", type=click.FloatRange(0, 1), help="Leave unknown faces of less quality unclustered [0]."
)
@click.option(
    "--similarity-threshold", type=click.FloatRange(-1, 1), help="Ignore pairs of faces that are less similar."
)
@click.option("--max-faces", type=click.IntRange(0), help="Cluster at most this many faces, the best [all].")
@click.option("--max-clusters", type=click.IntRange(0), help="Keep at most this many clusters, the largest [all].")
@click.option(
    "--time-bucket",
    metavar="YYYY-MM",
    type=click.DateTime(["%Y-%m"]),
    help="Cluster only faces of photos taken in this month again [all].",
)
@click.option(
    "--scope",
    type=click.Choice(["all", "school year", "event"]),
    help="Faces are clustered together only within one of these [all].",
)
@click.option("--all-anew", is_flag=True, help="Cluster all unknown faces again, not only the new ones.")
@click.option(
    "--include-identified",
    is_flag=True,
    help="Cluster also the faces that were matched with a person but not labelled.",
)
def cluster_dual(archive: Archive, pack: str | None, **settings: Any) -> None:
    """Match faces with known people, cluster the others, publish, and print a summary.

    The settings apply to this run only: the next `classface run` uses the default or calibrated ones.
    """
    if settings["time_bucket"] is not None:
        settings["time_bucket"] = f"{settings['time_bucket']:%Y-%m}"
    service = _service(archive, pack)
    _run_or_exit(service, settings, command="classface cluster-dual")
    _echo_summary(service)


@click.command("assign")
@archive_options
@PACK
@click.option("--method", "assign", type=click.Choice(["prototype", "centroid", "vote", "knn"]), help="[prototype]")
@PERSON_THRESHOLD
@click.option("--person-margin", type=click.FloatRange(0, 2), help="Least margin over the next person.")
@click.option("-k", "knn_neighbours", type=click.IntRange(1), help="How many labelled faces knn looks up [5].")
@click.option(
    "--similarity-threshold", type=click.FloatRange(-1, 1), help="Least similarity of the faces that knn looks up."
)
@click.option(
    "--voting/--no-voting", "use_voting", default=None, help="Whether these faces vote, or the nearest decides."
)
@click.option(
    "--follow/--no-follow", "follow_years", default=None, help="Propagate identities through the school years [yes]."
)
def assign_command(archive: Archive, pack: str | None, **settings: Any) -> None:
    """Match faces with the named people by another method or threshold, for this run only."""
    service = _service(archive, pack)
    service.require_named_person()
    _run_or_exit(service, settings, command="classface assign")
    _echo_summary(service)


@click.command("reassign")
@archive_options
@PACK
@click.option(
    "--use-trained-model", is_flag=True, help="With the projection trained on the labels, if it was promoted."
)
@PERSON_THRESHOLD
def reassign(archive: Archive, pack: str | None, use_trained_model: bool, person_threshold: float | None) -> None:
    """Match all faces with the named people again, with the plain vectors or the trained model."""
    service = _service(archive, pack)
    service.require_named_person()
    if use_trained_model:
        service.require_promoted_head()
    given = {"person_threshold": person_threshold}
    _run_or_exit(service, given, use_head=use_trained_model, command="classface reassign")
    _echo_summary(service)


@click.command("train")
@archive_options
@PACK
@click.option("--architecture", type=click.Choice(["residual", "mlp"]), help="What the head is made of [residual].")
@click.option("--epochs", type=click.IntRange(1), help="Passes over the labelled faces, at most [20].")
@click.option("--margin", type=click.FloatRange(0, 2, min_open=True), help="Margin of the triplet loss [0.2].")
@click.option("--batch-size", type=click.IntRange(4), help="Faces a training step [32].")
@click.option("--learning-rate", type=click.FloatRange(0, 1, min_open=True), help="Adam's step size [0.0001].")
@click.option("--min-people", type=click.IntRange(2), help="With fewer people nothing is trained [5].")
@click.option("--min-faces-per-person", type=click.IntRange(2), help="Labelled faces that a person needs [2].")
@click.option("--quality-threshold", type=click.FloatRange(0, 1), help="Faces of less quality do not train [0].")
@click.option("--seed", type=int, help="The same seed and labels give the same head [0].")
@click.option("--resume", is_flag=True, default=None, help="Train the last head on, rather than a new one.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome, with every epoch, as JSON.")
def train(archive: Archive, pack: str | None, as_json: bool, **settings: Any) -> None:
    """Train a projection head on the labels, test it on people it never saw, and publish with it if it won."""
    from classface_assets.store.artifacts.checkpoints import load_report

    service = _service(archive, pack)
    service.require_named_person()
    _run_or_exit(service, {}, training=settings, command="classface train")
    report = load_report(archive.layout.head)
    if as_json:
        click.echo(json.dumps(report, indent=1))
        return
    _echo_training(report)
    _echo_summary(service)


train_matching = copy.copy(train)
train_matching.name = "train-matching"


@click.command("centroids")
@archive_options
@PACK
def centroids(archive: Archive, pack: str | None) -> None:
    """Labelled faces of each person and year, their similarity to the centroid, and people who look similar."""
    found = _service(archive, pack).centroids()
    for person, year, faces, similarity in found.by_year.iter_rows():
        click.echo(f"{person}\t{year}\t{faces} {'face' if faces == 1 else 'faces'}\tsimilarity {similarity:.2f}")
    for pair in found.lookalikes:
        click.echo(
            f"{pair.person} and {pair.other} look similar ({pair.similarity:.2f}): a match needs a larger margin."
        )


@click.command("split")
@archive_options
@PACK
@click.argument("cluster")
@click.option("--min-cluster-size", type=click.IntRange(1), default=3, show_default=True)
def split(archive: Archive, pack: str | None, cluster: str, min_cluster_size: int) -> None:
    """Split a cluster that holds several people. Recorded in the ledger, so no later run merges them; `undo` does."""
    service = _service(archive, pack)
    clusters = service.split(cluster, min_cluster_size)
    _run_or_exit(service, {}, command="classface split")
    for name, faces in clusters:
        click.echo(f"{name}: {faces} faces")
    click.echo(f'Name them: classface label {clusters[0][0]} "Name"')


@click.command("changes")
@archive_options
@click.option("--most", type=click.IntRange(0), default=20, show_default=True, help="How many faces are listed.")
def changes(archive: Archive, most: int) -> None:
    """Which faces changed their person or cluster when the students were last published, and why."""
    from classface_assets.services.queries import change_lines
    from classface_assets.store.published.queries import require_published

    require_published(archive.layout.database)
    persons = archive.open_ledger().decisions().persons
    names = {f"person_{person.id}": person.display_name for person in persons.values()}
    for line in change_lines(archive, lambda cluster: names.get(cluster, cluster), most):
        click.echo(line)


COMMANDS = (cluster_dual, assign_command, reassign, train, train_matching, centroids, split, changes)


def _service(archive: Archive, pack: str | None) -> IdentificationService:
    from classface_assets.orchestration.resources import resolve_models
    from classface_assets.services.identification import IdentificationService

    return IdentificationService(archive, resolve_models(pack))


def _run_or_exit(
    service: IdentificationService,
    settings: Mapping[str, object],
    *,
    use_head: bool = True,
    training: Mapping[str, object] | None = None,
    command: str,
) -> None:
    """Run with these settings, and those of the head's training; exit code 1 if a step failed."""
    from classface_assets.defs.runner import run_identification

    reasons = run_identification(service, settings, use_head=use_head, training=training or {}, command=command)
    for reason in reasons:
        click.echo(f"classface: {reason}", err=True)
    if reasons:
        sys.exit(1)


def _echo_training(report: Mapping[str, Any]) -> None:
    """Print each epoch, and whether the head is used."""
    click.echo("epoch  train loss  held-out loss  separation of people held out")
    for epoch in report.get("epochs", []):
        numbers = [epoch[name] for name in ("train_loss", "held_out_loss", "held_out_separation")]
        cells = ["-" if number is None else f"{number:.4f}" for number in numbers]
        click.echo(f"{epoch['epoch']:>5}{cells[0]:>12}{cells[1]:>15}{cells[2]:>31}")
    click.echo(report["reason"])


def _echo_summary(service: IdentificationService) -> None:
    for line in service.summary():
        click.echo(line)
    echo_newer_decisions(service.archive)
    click.echo("`classface run` brings it into the albums.")
