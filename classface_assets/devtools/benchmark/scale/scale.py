"""`make bench-faces`: time and memory for clustering many faces, and for adding a hundredth more of them.

    make bench-faces                                      10,000 and 30,000 faces
    make bench-faces FACES="10000 100000 300000 1000000"  these; a million take ten minutes and 8 GB of disk
    make bench-faces DIMENSIONS=128                       numbers of a vector, as in the pack `builtin`; else 512

Each run is a process of its own, from the embeddings in Parquet to the assignments in Parquet; `synthetic_faces`
describes the faces. With up to 10,000 faces hdbscan's own fit is measured too.
"""

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from classface_assets.core.arrays import share_one_polars_heap
from classface_assets.core.errors import UserError
from classface_assets.devtools.benchmark.scale.synthetic_faces import DIMENSIONS

HDBSCAN_FACES = 10_000
COLUMNS = (
    "faces", "read s", "graph s", "assign s", "all s", "cores' s", "peak GB", "search", "recall", "recall@30",
    "BCubed P", "BCubed F", "+1 %: s", "share", "searched", "hdbscan's fit",
)  # fmt: skip


def measure_size(faces: int, folder: Path, dimensions: int = DIMENSIONS) -> dict[str, Any]:
    """Both runs of one size, and hdbscan's where there are few enough faces."""
    _run_child("make", folder, faces, dimensions)
    first = _run_child("assign", folder)
    fit = _run_child("hdbscan", folder) if faces <= HDBSCAN_FACES else None
    _run_child("add", folder, faces, dimensions)
    return {"first": first, "second": _run_child("assign", folder), "hdbscan": fit}


def table_row(run: dict[str, Any]) -> list[str]:
    """The cells of COLUMNS."""
    first, second, fit = run["first"], run["second"], run["hdbscan"]
    stages, seconds = first["seconds"], _total_seconds(first)
    recall = ["exact" if first[name] is None else f"{first[name]:.4f}" for name in ("recall", "recall_at_k")]
    return [
        f"{first['faces']:,}",
        *(f"{stages[stage]:.1f}" for stage in ("read", "graph", "assign")),
        f"{seconds:.1f}",
        f"{first['cpu']:.0f}",
        f"{first['peak_gb']:.2f}",
        first["way"],
        *recall,
        f"{first['precision']:.4f}",
        f"{first['f']:.4f}",
        f"{_total_seconds(second):.1f}",
        f"{_total_seconds(second) / seconds:.1%}",
        f"{second['searched']:,}",
        f"{_total_seconds(fit):.1f} s, {fit['peak_gb']:.2f} GB" if fit else "",
    ]


def growth_exponent(runs: Sequence[dict[str, Any]], stage: str | None = None) -> float:
    """The exponent e of seconds ~ faces^e, by least squares on logarithms."""
    faces = [math.log(run["first"]["faces"]) for run in runs]
    seconds = [math.log(run["first"]["seconds"][stage] if stage else _total_seconds(run["first"])) for run in runs]
    return float(np.polyfit(faces, seconds, 1)[0])


def _total_seconds(run: dict[str, Any]) -> float:
    return float(sum(run["seconds"].values()))


def _run_child(what: str, folder: Path, *numbers: int) -> dict[str, Any]:
    """Run a step of `end_to_end_scale` in a process. Raises UserError with the last line that a failed one printed."""
    module = "classface_assets.devtools.benchmark.scale.end_to_end_scale"
    command = [sys.executable, "-m", module, what, str(folder), *map(str, numbers)]
    share_one_polars_heap()  # as every command of `classface` does; the child inherits it
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    if child.returncode:
        lines = [line for line in child.stderr.splitlines() if line.strip()]
        raise UserError(f"`{what}` failed: {lines[-1] if lines else child.returncode}")
    result: dict[str, Any] = json.loads(child.stdout.splitlines()[-1])
    return result


def main() -> None:
    """Print a row for each size, and how the time grows."""
    sizes = sorted(int(size) for size in (os.environ.get("FACES") or "10000 30000").replace(",", "").split())
    dimensions = int(os.environ.get("DIMENSIONS") or DIMENSIONS)
    runs = []
    print("| " + " | ".join(COLUMNS) + " |\n|" + " --- |" * len(COLUMNS), flush=True)
    for faces in sizes:
        with tempfile.TemporaryDirectory(prefix="classface-faces-", dir=os.environ.get("WORK") or None) as folder:
            runs.append(measure_size(faces, Path(folder), dimensions))
        print("| " + " | ".join(table_row(runs[-1])) + " |", flush=True)
    if len(runs) > 1:
        stages = ", ".join(f"{stage} {growth_exponent(runs, stage):.2f}" for stage in ("read", "graph", "assign"))
        print(f"\nSeconds grow with faces to the power of {growth_exponent(runs):.2f} ({stages}).")


if __name__ == "__main__":
    try:
        main()
    except (UserError, ValueError) as error:
        raise SystemExit(f"bench-faces: {error}") from None
