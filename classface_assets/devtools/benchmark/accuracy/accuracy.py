"""`make bench-identity`: how well faces are grouped and named, as Markdown tables, means over archives.

    make bench-identity ARCHIVES="a b" PACK=pack       folders with photos/ and truth.csv; the chain runs first
    make bench-identity ARCHIVES="data=truth.csv …"    finished data folders, each with the truth of its photos
    make bench-identity … TUNE=1                       also chooses the other methods' settings anew (tuning)

All methods get the same vectors of the same faces. Settings were chosen on other people than those of the table of
test people: see `labelled.is_dev`. Naming: half of the people are labelled in two of their years, and the rest of their
faces is asked for.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from classface_assets.core.errors import UserError
from classface_assets.defs.runner import PipelineRunner, select_years, stderr_console
from classface_assets.devtools.benchmark.accuracy.ground_truth import (
    LabelledArchive,
    is_anybody,
    is_dev,
    is_test,
    load_labelled_archive,
    markdown_table,
    mean_score,
    score_cells,
)
from classface_assets.devtools.benchmark.accuracy.recognition import measure_recognition
from classface_assets.devtools.benchmark.accuracy.tuning import (
    IMMICH_RULE,
    TUNED_IMMICH,
    choose_settings,
    distance_scale,
    grouping_method,
)
from classface_assets.identity.settings import settings_for
from classface_assets.orchestration.instance import prepare_instance
from classface_assets.orchestration.resources import resolve_archive, resolve_models

BASELINE_METHODS = ("hdbscan", "dbscan", "agglomerative")
SCORES = ("precision", "recall", "F")


def bench(asked: Mapping[str, str], folder: Path) -> None:
    """What the variables ask for; archives are run in `folder`. Raises UserError."""
    pack, names = asked.get("PACK") or "builtin", (asked.get("ARCHIVES") or "").split()
    if not names:
        raise UserError('Name archives with a truth.csv each: make bench-identity ARCHIVES="folder folder".')
    archives = [
        load_labelled_archive(*ensure_data_folder(name, pack, folder / str(number)), pack)
        for number, name in enumerate(names)
    ]
    name = Path(pack).name
    print(f"\n## {name}: {len(archives)} archives, {sum(a.faces.height for a in archives):,} faces\n")
    ways: dict[str, tuple[str, Mapping[str, Any]]] = {"temporal": ("temporal", {})}
    ways |= {other: (other, {}) for other in BASELINE_METHODS}
    ways[f"{IMMICH_RULE}, 0.5 and 3"] = (IMMICH_RULE, {})
    tuned = TUNED_IMMICH[distance_scale(name)]
    ways[f"{IMMICH_RULE}, tuned: {tuned['max_distance']} and {tuned['min_faces']}"] = (IMMICH_RULE, tuned)
    if asked.get("TUNE"):
        dev = [archive.only(is_dev) for archive in archives]
        for other in (*BASELINE_METHODS, IMMICH_RULE):
            given, f = choose_settings(dev, name, other)
            print(f"{other}: {given}, F {f:.4f} on dev people\n", flush=True)
            ways[f"{other}, tuned here"] = (other, given)
    grouped = {title: [grouping_method(name, *found)(archive) for archive in archives] for title, found in ways.items()}
    for title, chosen in (("all people", is_anybody), ("test people only", is_test)):
        print(f"### Grouping, nobody named: BCubed of {title}\n")
        heads = ["method", *SCORES, *(f"ageing {score}" for score in SCORES)]
        print(
            markdown_table(heads, [_table_row(method, archives, labels, chosen) for method, labels in grouped.items()]),
            "\n",
        )
    print("### Naming: half of the people labelled in two of their years\n")
    heads = ["labelled", "faces asked", "accuracy", "precision of the names given"]
    rows = []
    for title, chosen in (("all people", is_anybody), ("test people only", is_test)):
        for each, what in ((1, "one face in each of two years"), (1000, "every face of two years")):
            found = [measure_recognition(archive, settings_for(name), each, chosen) for archive in archives]
            asked_of, accuracy, precision = (
                float(np.mean([getattr(n, field) for n in found])) for field in ("asked", "accuracy", "precision")
            )
            rows.append([f"{what}; {title}", f"{asked_of:,.0f}", f"{accuracy:.3f}", f"{precision:.3f}"])
    print(markdown_table(heads, rows))


def ensure_data_folder(name: str, pack: str, work: Path) -> tuple[Path, Path]:
    """The data folder and the truth of an archive, which is run first unless it is a finished data folder."""
    folder, _, truth = name.partition("=")
    found = Path(truth) if truth else Path(folder) / "truth.csv"
    if not found.exists():
        raise UserError(f"There is no {found}; name an archive with truth.csv, or DATA=TRUTH.csv.")
    if truth or (Path(folder) / "classface.duckdb").exists():
        return Path(folder), found
    archive = resolve_archive(Path(folder) / "photos", work)
    instance, _ = prepare_instance(archive.layout)
    with instance:
        chain = PipelineRunner(instance, archive, resolve_models(pack), stderr_console())
        stopped = chain.run(select_years(archive.layout, None), lambda line: print(line, file=sys.stderr))
    if stopped:
        raise UserError(f"{folder} ({stopped[0].year}): {stopped[0].reason}")
    return work, found


def _table_row(
    method: str, archives: Sequence[LabelledArchive], labels: Sequence[np.ndarray], chosen: Any
) -> list[str]:
    row = [method]
    for ageing in (False, True):
        row += score_cells(mean_score([a.score(of, chosen, ageing) for a, of in zip(archives, labels, strict=True)]))
    return row


if __name__ == "__main__":
    try:
        bench(os.environ, Path("data/bench-identity").absolute())
    except UserError as error:
        raise SystemExit(f"bench-identity: {error}") from None
