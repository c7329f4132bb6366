"""`make bench-identity`: how well faces are clustered and identified, as Markdown tables, means over archives.

    make bench-identity ARCHIVES="a b" PACK=pack       folders with photos/ and truth.csv; the pipeline runs first
    make bench-identity ARCHIVES="data=truth.csv …"    finished data folders, each with the ground truth of its photos
    make bench-identity … TUNE=1                       also tunes the settings of the other methods

All methods get the same vectors of the same faces. The settings were tuned on other people than the test people: see
`ground_truth.is_dev`. Identification: half of the people are labelled in two of their school years, and the rest of
their faces is to be identified.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from classface_assets.core.errors import UserError
from classface_assets.defs.runner.console import stderr_console
from classface_assets.defs.runner.pipeline import PipelineRunner
from classface_assets.defs.runner.school_years import select_years
from classface_assets.devtools.benchmark.accuracy.certainty import certainty_rows
from classface_assets.devtools.benchmark.accuracy.ground_truth import (
    LabelledArchive,
    PersonFilter,
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
from classface_assets.orchestration.configured_resources import resolve_archive, resolve_models
from classface_assets.orchestration.instance import prepare_instance

BASELINE_METHODS = ("hdbscan", "dbscan", "agglomerative")
SCORES = ("precision", "recall", "F")


def bench(options: Mapping[str, str], folder: Path) -> None:
    """Print the tables.

    Args:
        options: ARCHIVES, PACK and TUNE, as the Makefile passes them.
        folder: Where archives are run that are no finished data folders.

    Raises:
        UserError: An archive or its ground truth is missing, or a run failed.
    """
    pack, names = options.get("PACK") or "builtin", (options.get("ARCHIVES") or "").split()
    if not names:
        raise UserError('Name archives with a truth.csv each: make bench-identity ARCHIVES="folder folder".')
    archives = [
        load_labelled_archive(*ensure_data_folder(name, pack, folder / str(number)), pack)
        for number, name in enumerate(names)
    ]
    pack_name = Path(pack).name
    print(f"\n## {pack_name}: {len(archives)} archives, {sum(a.faces.height for a in archives):,} faces\n")
    _print_clustering(archives, pack_name, _compared_methods(archives, pack_name, bool(options.get("TUNE"))))
    _print_identification(archives, pack_name)
    print("\n### How sure a face is, nobody named\n")
    certainty = certainty_rows(archives, settings_for(pack_name))
    print(markdown_table(["probability", "faces", "mean probability", "right"], certainty))


def _compared_methods(
    archives: Sequence[LabelledArchive], pack: str, tune: bool
) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """Title → (method, settings in place of the pack's own)."""
    tuned = TUNED_IMMICH[distance_scale(pack)]
    methods: dict[str, tuple[str, Mapping[str, Any]]] = {"temporal": ("temporal", {})}
    methods |= {other: (other, {}) for other in BASELINE_METHODS}
    methods[f"{IMMICH_RULE}, 0.5 and 3"] = (IMMICH_RULE, {})
    methods[f"{IMMICH_RULE}, tuned: {tuned['max_distance']} and {tuned['min_faces']}"] = (IMMICH_RULE, tuned)
    if tune:
        dev_archives = [archive.only(is_dev) for archive in archives]
        for other in (*BASELINE_METHODS, IMMICH_RULE):
            settings, f = choose_settings(dev_archives, pack, other)
            print(f"{other}: {settings}, F {f:.4f} on dev people\n", flush=True)
            methods[f"{other}, tuned here"] = (other, settings)
    return methods


def _print_clustering(
    archives: Sequence[LabelledArchive], pack: str, methods: Mapping[str, tuple[str, Mapping[str, Any]]]
) -> None:
    clustered = {
        title: [grouping_method(pack, *method)(archive) for archive in archives] for title, method in methods.items()
    }
    header = ["method", *SCORES, *(f"ageing {score}" for score in SCORES)]
    for title, selected in (("all people", is_anybody), ("test people only", is_test)):
        print(f"### Clustering, nobody named: BCubed of {title}\n")
        rows = [_table_row(method, archives, labels, selected) for method, labels in clustered.items()]
        print(markdown_table(header, rows), "\n")


def _print_identification(archives: Sequence[LabelledArchive], pack: str) -> None:
    print("### Identification: half of the people labelled in two of their years\n")
    rows = []
    for title, selected in (("all people", is_anybody), ("test people only", is_test)):
        for faces_a_year, labelled in ((1, "one face in each of two years"), (1000, "every face of two years")):
            found = [measure_recognition(archive, settings_for(pack), faces_a_year, selected) for archive in archives]
            faces, accuracy, precision = (
                float(np.mean([getattr(metrics, field) for metrics in found]))
                for field in ("queried", "accuracy", "precision")
            )
            rows.append([f"{labelled}; {title}", f"{faces:,.0f}", f"{accuracy:.3f}", f"{precision:.3f}"])
    print(markdown_table(["labelled", "faces to identify", "accuracy", "precision of the names given"], rows))


def ensure_data_folder(name: str, pack: str, work: Path) -> tuple[Path, Path]:
    """The data folder of an archive and its ground truth.

    Args:
        name: A folder with photos/ and truth.csv, through which the pipeline runs first; or DATA=TRUTH.csv.
        pack: The model pack.
        work: The data folder of that run.

    Raises:
        UserError: There is no ground truth, or the run failed.
    """
    folder, _, truth = name.partition("=")
    truth_file = Path(truth) if truth else Path(folder) / "truth.csv"
    if not truth_file.exists():
        raise UserError(f"There is no {truth_file}; name an archive with truth.csv, or DATA=TRUTH.csv.")
    if truth or (Path(folder) / "classface.duckdb").exists():
        return Path(folder), truth_file
    archive = resolve_archive(Path(folder) / "photos", work)
    instance, _ = prepare_instance(archive.layout)
    with instance:
        runner = PipelineRunner(instance, archive, resolve_models(pack), stderr_console())
        failures = runner.run(select_years(archive.layout, None), lambda line: print(line, file=sys.stderr))
    if failures:
        raise UserError(f"{folder} ({failures[0].year}): {failures[0].reason}")
    return work, truth_file


def _table_row(
    method: str, archives: Sequence[LabelledArchive], labels: Sequence[np.ndarray], selected: PersonFilter
) -> list[str]:
    """BCubed of all labelled faces, and of those whose age is known."""
    row = [method]
    for ageing in (False, True):
        scores = [archive.score(own, selected, ageing) for archive, own in zip(archives, labels, strict=True)]
        row += score_cells(mean_score(scores))
    return row


if __name__ == "__main__":
    try:
        bench(os.environ, Path("data/bench-identity").absolute())
    except UserError as error:
        raise SystemExit(f"bench-identity: {error}") from None
