"""Contenders side by side: run in turns, their figures, their faces held against the truth or against each other's."""

import json
import shutil
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from classface_assets.core.errors import UserError
from classface_assets.core.geometry import Box, match_boxes

BoxesByPhoto = Mapping[str, Sequence[Box]]


@dataclass(frozen=True)
class Contender:
    """How it is called in the tables, which of `contenders` it is, and with which pack."""

    name: str
    kind: str
    pack: str


@dataclass(frozen=True)
class DetectionCounts:
    """Labelled faces, those found, detections in all, and those that match no labelled face."""

    labelled: int
    found: int
    detected: int
    unlabelled: int


def run_contender(contender: Contender, photos: Path, work: Path) -> dict[str, Any]:
    """One run in an emptied work folder and a process of its own. Raises UserError with what the process said last."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    command = [sys.executable, "-m", "classface_assets.devtools.benchmark.speed.contenders"]
    child = subprocess.run(
        [*command, contender.kind, str(photos), contender.pack, str(work)], capture_output=True, text=True, check=False
    )
    if child.returncode:
        said = [line for line in child.stderr.splitlines() if line.strip()]
        raise UserError(f"{contender.name} failed: {said[-1] if said else child.returncode}")
    result: dict[str, Any] = json.loads((work / "result.json").read_text())
    return result


def run_in_turns(
    contenders: Sequence[Contender], photos: Path, work: Path, rounds: int
) -> dict[str, list[dict[str, Any]]]:
    """A B C, A B C, …: what disturbs the machine disturbs all of them. The runs of each, by its name."""
    runs: dict[str, list[dict[str, Any]]] = {contender.name: [] for contender in contenders}
    for _ in range(rounds):
        for contender in contenders:
            runs[contender.name].append(run_contender(contender, photos, work))
    return runs


def median_of(runs: Sequence[Mapping[str, float]], key: str) -> float:
    return statistics.median(one[key] for one in runs)


def match_to_truth(truth: pl.DataFrame, found: BoxesByPhoto) -> DetectionCounts:
    """Faces of the labelled photos that were looked at, held against the labels (path, x, y, w, h)."""
    labelled = hits = detected = 0
    for (path,), rows in truth.group_by(["path"], maintain_order=True):
        if path not in found:
            continue
        wanted = [tuple(map(float, row)) for row in rows.select("x", "y", "w", "h").iter_rows()]
        matched = match_boxes(wanted, found[str(path)])  # type: ignore[arg-type]
        labelled, detected = labelled + len(wanted), detected + len(found[str(path)])
        hits += sum(place is not None for place in matched)
    return DetectionCounts(labelled, hits, detected, detected - hits)


def count_shared_faces(some: BoxesByPhoto, others: BoxesByPhoto) -> tuple[int, int]:
    """How many faces `some` has, and how many of them `others` has too."""
    both = sum(place is not None for path in some for place in match_boxes(some[path], others.get(path, [])))
    return sum(map(len, some.values())), both
