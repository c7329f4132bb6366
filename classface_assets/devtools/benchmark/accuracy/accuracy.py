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
from classface_assets.defs.runner import Chain, chosen_years, terminal
from classface_assets.devtools.benchmark.accuracy.ground_truth import (
    Labelled,
    anybody,
    cells,
    is_dev,
    is_test,
    load,
    markdown,
    mean,
)
from classface_assets.devtools.benchmark.accuracy.recognition import name_the_rest
from classface_assets.devtools.benchmark.accuracy.tuning import IMMICH, TUNED_IMMICH, choose, scale, way
from classface_assets.identity.settings import settings_for
from classface_assets.orchestration.instance import prepare
from classface_assets.orchestration.resources import archive_for, models_for

OTHERS = ("hdbscan", "dbscan", "agglomerative")
SCORES = ("precision", "recall", "F")


def bench(asked: Mapping[str, str], folder: Path) -> None:
    """What the variables ask for; archives are run in `folder`. Raises UserError."""
    pack, names = asked.get("PACK") or "builtin", (asked.get("ARCHIVES") or "").split()
    if not names:
        raise UserError('Name archives with a truth.csv each: make bench-identity ARCHIVES="folder folder".')
    archives = [load(*finished(name, pack, folder / str(number)), pack) for number, name in enumerate(names)]
    name = Path(pack).name
    print(f"\n## {name}: {len(archives)} archives, {sum(a.faces.height for a in archives):,} faces\n")
    ways: dict[str, tuple[str, Mapping[str, Any]]] = {"temporal": ("temporal", {})}
    ways |= {other: (other, {}) for other in OTHERS}
    ways[f"{IMMICH}, 0.5 and 3"] = (IMMICH, {})
    tuned = TUNED_IMMICH[scale(name)]
    ways[f"{IMMICH}, tuned: {tuned['max_distance']} and {tuned['min_faces']}"] = (IMMICH, tuned)
    if asked.get("TUNE"):
        dev = [archive.only(is_dev) for archive in archives]
        for other in (*OTHERS, IMMICH):
            given, f = choose(dev, name, other)
            print(f"{other}: {given}, F {f:.4f} on dev people\n", flush=True)
            ways[f"{other}, tuned here"] = (other, given)
    grouped = {title: [way(name, *found)(archive) for archive in archives] for title, found in ways.items()}
    for title, chosen in (("all people", anybody), ("test people only", is_test)):
        print(f"### Grouping, nobody named: BCubed of {title}\n")
        heads = ["method", *SCORES, *(f"ageing {score}" for score in SCORES)]
        print(markdown(heads, [_row(method, archives, labels, chosen) for method, labels in grouped.items()]), "\n")
    print("### Naming: half of the people labelled in two of their years\n")
    heads = ["labelled", "faces asked", "accuracy", "precision of the names given"]
    rows = []
    for title, chosen in (("all people", anybody), ("test people only", is_test)):
        for each, what in ((1, "one face in each of two years"), (1000, "every face of two years")):
            found = [name_the_rest(archive, settings_for(name), each, chosen) for archive in archives]
            asked_of, accuracy, precision = (
                float(np.mean([getattr(n, field) for n in found])) for field in ("asked", "accuracy", "precision")
            )
            rows.append([f"{what}; {title}", f"{asked_of:,.0f}", f"{accuracy:.3f}", f"{precision:.3f}"])
    print(markdown(heads, rows))


def finished(name: str, pack: str, work: Path) -> tuple[Path, Path]:
    """The data folder and the truth of an archive, which is run first unless it is a finished data folder."""
    folder, _, truth = name.partition("=")
    found = Path(truth) if truth else Path(folder) / "truth.csv"
    if not found.exists():
        raise UserError(f"There is no {found}; name an archive with truth.csv, or DATA=TRUTH.csv.")
    if truth or (Path(folder) / "classface.duckdb").exists():
        return Path(folder), found
    archive = archive_for(Path(folder) / "photos", work)
    instance, _ = prepare(archive.layout)
    with instance:
        chain = Chain(instance, archive, models_for(pack), terminal())
        stopped = chain.run(chosen_years(archive.layout, None), lambda line: print(line, file=sys.stderr))
    if stopped:
        raise UserError(f"{folder} ({stopped[0].year}): {stopped[0].reason}")
    return work, found


def _row(method: str, archives: Sequence[Labelled], labels: Sequence[np.ndarray], chosen: Any) -> list[str]:
    row = [method]
    for ageing in (False, True):
        row += cells(mean([a.score(of, chosen, ageing) for a, of in zip(archives, labels, strict=True)]))
    return row


if __name__ == "__main__":
    try:
        bench(os.environ, Path("data/bench-identity").absolute())
    except UserError as error:
        raise SystemExit(f"bench-identity: {error}") from None
