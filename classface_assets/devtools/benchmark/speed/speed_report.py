"""The tables of the speed benchmark: each contender's speed, memory and faces, the whole pipeline, and its scores."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table

from classface_assets.devtools.benchmark.speed.comparison import count_shared_faces, match_to_truth, median_of
from classface_assets.devtools.benchmark.speed.detected_boxes import list_photo_files
from classface_assets.identity.evaluation.report import EvaluationReport

Runs = Mapping[str, Sequence[Mapping[str, Any]]]


def print_speed(console: Console, photos: Path, runs: Runs, truth: pl.DataFrame | None) -> None:
    """Photos a second and memory of each contender, then its faces against the truth or against each other's."""
    count = len(list_photo_files(photos))
    table = Table("", "photos a second", "CPU s a photo", "peak MB", "faces", title=f"{count} photos of {photos}")
    if truth is not None:
        table.add_column("recall")
        table.add_column("match no label")
    for name, own in runs.items():
        cells = [f"{count / median_of(own, 'seconds'):.2f}", f"{median_of(own, 'cpu_s') / count:.3f}"]
        cells.append(f"{max(one['peak_mb'] for one in own):.0f}")
        cells.append(str(sum(map(len, own[0]["faces"].values()))))
        if truth is not None:
            score = match_to_truth(truth, own[0]["faces"])
            cells.append(f"{score.found / max(1, score.labelled):.4f} of {score.labelled}")
            cells.append(f"{score.unlabelled} ({score.unlabelled / max(1, score.detected):.1%})")
        table.add_row(name, *cells)
    console.print(table)
    first, *others = runs
    for name in others:
        seconds, cpu = (median_of(runs[name], key) / median_of(runs[first], key) for key in ("seconds", "cpu_s"))
        console.print(f"{first}: {seconds:.2f} times the photos a second of {name}, {cpu:.2f} times in CPU time")
        for one, other in ((first, name), (name, first)) if truth is None else ():
            faces, both = count_shared_faces(runs[one][0]["faces"], runs[other][0]["faces"])
            console.print(f"Of the {faces} faces of {one}, {other} found {both}.")
    again = median_of(runs[first], "again_s")
    console.print(f"{first}, again with nothing new: {again:.2f} s, Dagster's own time included\n")


def print_chain(console: Console, photos: Path, result: Mapping[str, Any]) -> None:
    """Time and memory of the whole pipeline, and Dagster's share of a run with nothing new."""
    count = len(list_photo_files(photos))
    console.print(
        f"Whole pipeline to the albums: {result['seconds']:.1f} s, {count / result['seconds']:.1f} photos a second, "
        f"peak {result['peak_mb']:.0f} MB.\n"
        f"Again with nothing new: {result['again_seconds']:.1f} s (CPU {result['again_cpu_s']:.1f}); of that the same "
        f"jobs with nothing in them, Dagster alone: {result['bare_seconds']:.1f} s (CPU {result['bare_cpu_s']:.1f}).\n"
    )


def print_scores(console: Console, found: EvaluationReport) -> None:
    """BCubed of all faces, and of people whose age is known."""
    table = Table("faces", "found", "precision", "recall", "F", title="BCubed, nobody named")
    for name, score in (("all", found.bcubed), ("ageing people", found.ageing_bcubed)):
        if score:
            numbers = (f"{value:.3f}" for value in (score.precision, score.recall, score.f))
            table.add_row(name, f"{found.detected / found.faces:.4f}" if name == "all" else "", *numbers)
    console.print(table)
