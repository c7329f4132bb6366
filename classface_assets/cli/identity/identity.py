"""`classface cluster-dual`, `assign`, `split` …: clustering and identification, as Dagster runs that its UI shows."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from classface_assets.cli.common import METHODS, PACK, PRESET, archive_options, echo_newer_decisions, newer_decisions
from classface_assets.cli.completion import complete_years
from classface_assets.cli.messages import echo_sentence
from classface_assets.cli.output import JSON, echo_json

if TYPE_CHECKING:
    from classface_assets.orchestration.resources import Archive
    from classface_assets.services.identity.identification import IdentificationService

PERSON_THRESHOLD = click.option(
    "--person-threshold", type=click.FloatRange(-1, 1), help="Least similarity to a known person."
)

ONLY_SCHOOL_YEAR = click.option(
    "--school-year",
    "only_school_year",
    shell_complete=complete_years,
    help="Only faces of this school year change [all].",
)
ONLY_EVENT = click.option(
    "--event", "only_event", metavar="FOLDER", help="Only faces in this folder change, such as 2019-2020/sports [all]."
)
QUEUE = click.option("--queue", is_flag=True, help="Start the run in the background, and print its id.")


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
@click.option(
    "--min-samples", type=click.IntRange(1), help="Neighbours that make a face's surroundings dense: hdbscan, dbscan."
)
@click.option(
    "--unknown-eps",
    type=click.FloatRange(0, 2, min_open=True),
    help="Greatest distance between faces that are joined: dbscan, agglomerative.",
)
@click.option(
    "--epsilon", type=click.FloatRange(0, 2), help="Clusters that are nearer than this distance are one: hdbscan."
)
@click.option(
    "--linkage",
    type=click.Choice(["average", "single", "complete"]),
    help="What the distance between groups is: agglomerative.",
)
@click.option(
    "--metric",
    type=click.Choice(["cosine", "euclidean"]),
    default="cosine",
    show_default=True,
    help="What --unknown-eps and --epsilon are given in.",
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
@ONLY_SCHOOL_YEAR
@ONLY_EVENT
@PRESET
@QUEUE
@JSON
def cluster_dual(archive: Archive, pack: str | None, preset: str | None, **settings: Any) -> None:
    """Match faces with known people, cluster the others, publish, and print a summary.

    The settings apply to this run only: the next `classface run` uses the default or calibrated ones. An option that
    belongs to one method chooses it.
    """
    from classface_assets.services.identity.method_options import cosine_distance, with_method

    output = RunOutput(settings.pop("queue"), settings.pop("as_json"))
    metric = settings.pop("metric")
    settings["eps"] = cosine_distance(settings.pop("unknown_eps"), metric)
    settings["cluster_selection_epsilon"] = cosine_distance(settings.pop("epsilon"), metric)
    if settings["time_bucket"] is not None:
        settings["time_bucket"] = f"{settings['time_bucket']:%Y-%m}"
    service = _service(archive, pack)
    _run_or_queue(service, with_method(_preset_values(service, preset) | settings), "classface cluster-dual", output)


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
@ONLY_SCHOOL_YEAR
@ONLY_EVENT
@click.option(
    "--since",
    "only_since",
    metavar="YYYY-MM-DD",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Only faces that were found on this day or later change [all].",
)
@click.option(
    "--max-faces",
    "only_max_faces",
    type=click.IntRange(1),
    help="Only this many faces change, the best unlabelled [all].",
)
@PRESET
@QUEUE
@JSON
def assign_command(archive: Archive, pack: str | None, preset: str | None, **settings: Any) -> None:
    """Match faces with the named people by another method or threshold, for this run only."""
    output = RunOutput(settings.pop("queue"), settings.pop("as_json"))
    if settings["only_since"] is not None:
        settings["only_since"] = f"{settings['only_since']:%Y-%m-%d}"
    service = _service(archive, pack)
    service.require_named_person()
    given = {name: value for name, value in settings.items() if value is not None}
    _run_or_queue(service, _preset_values(service, preset) | given, "classface assign", output)


@click.command("reassign")
@archive_options
@PACK
@click.option(
    "--use-trained-model", is_flag=True, help="With the projection trained on the labels, if it was promoted."
)
@PERSON_THRESHOLD
@JSON
def reassign(
    archive: Archive, pack: str | None, use_trained_model: bool, person_threshold: float | None, as_json: bool
) -> None:
    """Match all faces with the named people again, with the plain vectors or the trained model."""
    service = _service(archive, pack)
    service.require_named_person()
    if use_trained_model:
        service.require_promoted_head()
    given = {"person_threshold": person_threshold}
    _run_or_exit(service, given, use_head=use_trained_model, command="classface reassign", as_json=as_json)
    _echo_summary(service, as_json)


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
@JSON
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
@JSON
def centroids(archive: Archive, pack: str | None, as_json: bool) -> None:
    """Labelled faces of each person and year, their similarity to the centroid, and people who look similar."""
    found = _service(archive, pack).centroids()
    if as_json:
        echo_json(found)
        return
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
    echo_sentence(f'Name them: `classface label {clusters[0][0]} "Name"`')


@click.command("changes")
@archive_options
@click.option("--most", type=click.IntRange(0), default=20, show_default=True, help="How many faces are listed.")
@JSON
def changes(archive: Archive, most: int, as_json: bool) -> None:
    """Which faces changed their person or cluster when the students were last published, and why."""
    from classface_assets.identity.evaluation.summary import CHANGES_SCHEMA
    from classface_assets.services.queries import change_lines
    from classface_assets.store.files.parquet import read_parquet_or_empty
    from classface_assets.store.published.queries import require_published

    require_published(archive.layout.database)
    if as_json:
        echo_json(read_parquet_or_empty(archive.layout.table("changes"), CHANGES_SCHEMA).head(most))
        return
    persons = archive.open_ledger().decisions().persons
    names = {f"person_{person.id}": person.display_name for person in persons.values()}
    for line in change_lines(archive, lambda cluster: names.get(cluster, cluster), most):
        click.echo(line)


COMMANDS = (cluster_dual, assign_command, reassign, train, train_matching, centroids, split, changes)


def _service(archive: Archive, pack: str | None) -> IdentificationService:
    from classface_assets.orchestration.configured_resources import resolve_models
    from classface_assets.services.identity.identification import IdentificationService

    return IdentificationService(archive, resolve_models(pack, archive))


def _preset_values(service: IdentificationService, preset: str | None) -> dict[str, Any]:
    """The run config that a preset comes to in this archive."""
    if preset is None:
        return {}
    from classface_assets.services.identity.presets import Preset, calibrated_settings, preset_values

    layout = service.archive.layout
    return preset_values(calibrated_settings(layout, service.models.describe(layout)), Preset(preset))


@dataclass(frozen=True)
class RunOutput:
    """Whether a command waits for its run, and what it prints: `queue` the id of the run, else a summary of it."""

    queue: bool
    as_json: bool


def _run_or_queue(
    service: IdentificationService, settings: Mapping[str, object], command: str, output: RunOutput
) -> None:
    """Run with these settings and print a summary, or start the run in the background and print its id."""
    if not output.queue:
        _run_or_exit(service, settings, command=command, as_json=output.as_json)
        _echo_summary(service, output.as_json)
        return
    import uuid

    from classface_assets.review.runs.launcher import RunSpec, launch

    service.require_published()
    config = {"config": {name: value for name, value in settings.items() if value is not None}}
    run_id = str(uuid.uuid4())
    launch(
        RunSpec("identify", ops={"cluster_assignments": config, "identities": config}),
        run_id,
        service.archive,
        service.models,
    )
    if output.as_json:
        echo_json({"run_id": run_id})
        return
    click.echo(run_id)
    click.echo("The run goes on in the background; Runs in `classface review` shows it.", err=True)


def _run_or_exit(
    service: IdentificationService,
    settings: Mapping[str, object],
    *,
    use_head: bool = True,
    training: Mapping[str, object] | None = None,
    command: str,
    as_json: bool = False,
) -> None:
    """Run with these settings, and those of the head's training; exit code 1 if a step failed."""
    from classface_assets.defs.runner.partial_runs import run_identification

    reasons = run_identification(service, settings, use_head=use_head, training=training or {}, command=command)
    for reason in reasons:
        click.echo(f"classface: {reason}", err=True)
    if reasons:
        if as_json:
            echo_json({"succeeded": False, "failures": reasons})
        sys.exit(1)


def _echo_training(report: Mapping[str, Any]) -> None:
    """Print each epoch, and whether the head is used."""
    click.echo("epoch  train loss  held-out loss  separation of people held out")
    for epoch in report.get("epochs", []):
        numbers = [epoch[name] for name in ("train_loss", "held_out_loss", "held_out_separation")]
        cells = ["-" if number is None else f"{number:.4f}" for number in numbers]
        click.echo(f"{epoch['epoch']:>5}{cells[0]:>12}{cells[1]:>15}{cells[2]:>31}")
    click.echo(report["reason"])
    if not report.get("promoted"):
        click.echo("What to do about it: “Tuning and troubleshooting” in `classface review` under Help.")


def _echo_summary(service: IdentificationService, as_json: bool = False) -> None:
    if as_json:
        echo_json({"succeeded": True, **service.counts(), "newer_decisions": newer_decisions(service.archive)})
        return
    for line in service.summary():
        click.echo(line)
    echo_newer_decisions(service.archive)
    echo_sentence("`classface run` brings it into the albums.")
