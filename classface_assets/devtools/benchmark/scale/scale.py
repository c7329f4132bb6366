"""`make bench-faces`: how long, and in how much memory, many faces are told apart; what a hundredth more costs then.

    make bench-faces                                      10,000 and 30,000 faces
    make bench-faces FACES="10000 100000 300000 1000000"  these; a million take half an hour and 8 GB of disk

Each run is a process of its own, from the embeddings in Parquet to the assignments in Parquet; what the faces are like
is told in `synthetic`. At up to 10,000 faces hdbscan's own fit runs beside it.
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

from classface_assets.core.errors import UserError

HDBSCAN_FACES = 10_000
HEADER = (
    "faces", "read s", "graph s", "assign s", "all s", "cores' s", "peak GB", "search", "recall", "recall@30",
    "BCubed P", "BCubed F", "+1 %: s", "share", "searched", "hdbscan's fit",
)  # fmt: skip


def measured(faces: int, folder: Path) -> dict[str, Any]:
    """Both runs of one size, and hdbscan's where it can."""
    _child("make", folder, faces)
    first = _child("assign", folder)
    fit = _child("hdbscan", folder) if faces <= HDBSCAN_FACES else None
    _child("add", folder, faces)
    return {"first": first, "second": _child("assign", folder), "hdbscan": fit}


def row_of(run: dict[str, Any]) -> list[str]:
    first, second, fit = run["first"], run["second"], run["hdbscan"]
    stages, seconds = first["seconds"], _all(first)
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
        f"{_all(second):.1f}",
        f"{_all(second) / seconds:.1%}",
        f"{second['searched']:,}",
        f"{_all(fit):.1f} s, {fit['peak_gb']:.2f} GB" if fit else "",
    ]


def growth(runs: Sequence[dict[str, Any]], stage: str | None = None) -> float:
    """The exponent e of seconds ~ faces^e, by least squares on logarithms."""
    faces = [math.log(run["first"]["faces"]) for run in runs]
    seconds = [math.log(run["first"]["seconds"][stage] if stage else _all(run["first"])) for run in runs]
    return float(np.polyfit(faces, seconds, 1)[0])


def _all(run: dict[str, Any]) -> float:
    return float(sum(run["seconds"].values()))


def _child(what: str, folder: Path, faces: int = 0) -> dict[str, Any]:
    """Raises UserError with what the process said last."""
    command = [
        sys.executable,
        "-m",
        "classface_assets.devtools.benchmark.scale.end_to_end_scale",
        what,
        str(folder),
        str(faces),
    ]
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    if child.returncode:
        said = [line for line in child.stderr.splitlines() if line.strip()]
        raise UserError(f"`{what}` failed: {said[-1] if said else child.returncode}")
    result: dict[str, Any] = json.loads(child.stdout.splitlines()[-1])
    return result


def main() -> None:
    sizes = sorted(int(size) for size in (os.environ.get("FACES") or "10000 30000").replace(",", "").split())
    runs = []
    print("| " + " | ".join(HEADER) + " |\n|" + " --- |" * len(HEADER), flush=True)
    for faces in sizes:
        with tempfile.TemporaryDirectory(prefix="classface-faces-", dir=os.environ.get("WORK") or None) as folder:
            runs.append(measured(faces, Path(folder)))
        print("| " + " | ".join(row_of(runs[-1])) + " |", flush=True)
    if len(runs) > 1:
        stages = ", ".join(f"{stage} {growth(runs, stage):.2f}" for stage in ("read", "graph", "assign"))
        print(f"\nSeconds grow with faces to the power of {growth(runs):.2f} ({stages}).")


if __name__ == "__main__":
    try:
        main()
    except (UserError, ValueError) as error:
        raise SystemExit(f"bench-faces: {error}") from None
