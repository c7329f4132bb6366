"""`make demo`: compose the sample archive, run the pipeline on it, name the students, and print what it found."""

import shutil
import time
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.table import Table

from classface_assets.core.errors import UserError
from classface_assets.core.geometry import match_boxes
from classface_assets.core.schemas import CLUSTER_PREFIX
from classface_assets.defs.runner.console import stderr_console
from classface_assets.defs.runner.pipeline import PipelineRunner
from classface_assets.defs.runner.school_years import select_years
from classface_assets.devtools.sample.compose import compose_sample
from classface_assets.identity.evaluation.report import EvaluationReport, evaluate
from classface_assets.orchestration.configured_resources import resolve_archive, resolve_models
from classface_assets.orchestration.instance import prepare_instance
from classface_assets.orchestration.resources import Archive
from classface_assets.services.queries import find_faces, stats_lines
from classface_assets.store.published.queries import boxes_in_files


def run_demo(folder: Path) -> bool:
    """Run the demo in a folder of its own, which is emptied first; returns whether every step succeeded."""
    console, start = Console(width=100), time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    sample = compose_sample(folder)
    console.print(f"Composed {sample.photo_count} photos of {sample.person_count} people in {sample.photos}")
    archive, models = resolve_archive(sample.photos, folder), resolve_models("builtin")
    instance, _ = prepare_instance(archive.layout)
    truth = pl.read_csv(sample.truth, infer_schema=False)
    with instance:
        runner = PipelineRunner(instance, archive, models, stderr_console())
        years = select_years(archive.layout, None)
        failures = runner.run(years, console.print)
        if not failures:
            alone = evaluate(truth, boxes_in_files(archive.layout.database))
            named = label_clusters(archive, truth)
            console.print(f"Named {named} unknown clusters, as `classface label` does; running again with the names")
            failures = runner.run(years, console.print)
    for failure in failures:
        console.print(f"[red]{failure.year}[/red] ({failure.job}): {failure.reason}", highlight=False)
    if failures:
        return False
    labelled = evaluate(truth, boxes_in_files(archive.layout.database))
    _print_findings(console, archive, alone, labelled, time.monotonic() - start)
    return True


def label_clusters(archive: Archive, truth: pl.DataFrame) -> int:
    """Label each unknown cluster with the name that most of its faces have in the ground truth; returns the count."""
    found = boxes_in_files(archive.layout.database)
    votes: dict[str, list[str]] = {}
    for (path,), rows in truth.group_by(["path"], maintain_order=True):
        faces = found.filter(pl.col("path") == path)
        boxes = [(x, y, w, h) for x, y, w, h in faces.select("bbox_x", "bbox_y", "bbox_w", "bbox_h").iter_rows()]
        expected = [
            (float(x), float(y), float(w), float(h)) for x, y, w, h in rows.select("x", "y", "w", "h").iter_rows()
        ]
        for person, row in zip(rows["person"], match_boxes(expected, boxes), strict=True):
            if row is not None and faces["cluster_id"][row].startswith(CLUSTER_PREFIX):
                votes.setdefault(faces["cluster_id"][row], []).append(person)
    ledger = archive.open_ledger()
    for cluster, people in sorted(votes.items()):
        ledger.label(max(sorted(set(people)), key=people.count), find_faces(archive.layout.database, cluster))
    return len(votes)


def _print_findings(
    console: Console, archive: Archive, alone: EvaluationReport, named: EvaluationReport, seconds: float
) -> None:
    table = Table("against the known truth", "faces found", "precision", "recall", "F (BCubed)")
    for what, score in (("with nobody named", alone), ("after naming the clusters", named)):
        b = score.bcubed
        found = f"{score.detected} of {score.faces}"
        table.add_row(what, found, f"{b.precision:.3f}", f"{b.recall:.3f}", f"{b.f:.3f}")
    console.print()
    for line in stats_lines(archive.layout.database):
        console.print(line, highlight=False)
    console.print(table)
    console.print(f"People: {named.people} in truth. Seconds: {seconds:.0f}", highlight=False)
    console.print(f"Album: {archive.layout.albums / 'index.html'}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    try:
        raise SystemExit(0 if run_demo(Path("data/demo").absolute()) else 1)
    except UserError as error:
        raise SystemExit(f"demo: {error}") from None
