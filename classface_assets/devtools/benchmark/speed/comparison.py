"""Contenders run in turns, and their detections compared with the ground truth or with one another's."""

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
    """What is measured.

    Attributes:
        name: Its name in the tables.
        kind: A key of `contenders.CONTENDERS`.
        pack: The model pack.
    """

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
    """Run a contender in a process of its own.

    Args:
        contender: Which one.
        photos: The photos to work on.
        work: A folder, which is emptied first.

    Returns:
        Its figures, as `contenders` describes them.

    Raises:
        UserError: It failed; with the last line that it printed.
    """
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    command = [sys.executable, "-m", "classface_assets.devtools.benchmark.speed.contenders"]
    child = subprocess.run(
        [*command, contender.kind, str(photos), contender.pack, str(work)], capture_output=True, text=True, check=False
    )
    if child.returncode:
        lines = [line for line in child.stderr.splitlines() if line.strip()]
        raise UserError(f"{contender.name} failed: {lines[-1] if lines else child.returncode}")
    result: dict[str, Any] = json.loads((work / "result.json").read_text())
    return result


def run_in_turns(
    contenders: Sequence[Contender], photos: Path, work: Path, rounds: int
) -> dict[str, list[dict[str, Any]]]:
    """Run the contenders as A B C, A B C, …, so that a busy machine affects all of them alike.

    Returns:
        The figures of each run, by the contender's name.
    """
    runs: dict[str, list[dict[str, Any]]] = {contender.name: [] for contender in contenders}
    for _ in range(rounds):
        for contender in contenders:
            runs[contender.name].append(run_contender(contender, photos, work))
    return runs


def median_of(runs: Sequence[Mapping[str, float]], key: str) -> float:
    """The median of one figure over the runs."""
    return statistics.median(one[key] for one in runs)


def match_to_truth(truth: pl.DataFrame, found: BoxesByPhoto) -> DetectionCounts:
    """Compare the boxes in the labelled photos that were searched with the labels (path, x, y, w, h)."""
    labelled = hits = detected = 0
    for (path,), rows in truth.group_by(["path"], maintain_order=True):
        if path not in found:
            continue
        expected = [tuple(map(float, row)) for row in rows.select("x", "y", "w", "h").iter_rows()]
        matched = match_boxes(expected, found[str(path)])  # type: ignore[arg-type]
        labelled, detected = labelled + len(expected), detected + len(found[str(path)])
        hits += sum(place is not None for place in matched)
    return DetectionCounts(labelled, hits, detected, detected - hits)


def count_shared_faces(some: BoxesByPhoto, others: BoxesByPhoto) -> tuple[int, int]:
    """How many boxes there are in `some`, and how many of them match one in `others`."""
    both = sum(place is not None for path in some for place in match_boxes(some[path], others.get(path, [])))
    return sum(map(len, some.values())), both
