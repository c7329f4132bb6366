"""`make bench-clicks`: how many clicks it takes to name an archive, through the server as a person would.

    make bench-clicks ARCHIVES="folder" PACK=pack       a folder with photos/ and truth.csv; the chain runs first
    make bench-clicks ARCHIVES="data=truth.csv …"       finished data folders, each with the truth of its photos
    make bench-clicks … RERUN=1                         everybody is recognised again once all groups are named

The groups are looked at as the page shows them, largest first, then the single faces, clearest first. A name is one
click, so is each face that is taken out first, and so is passing over a group of people nobody knows. Only a face that
has its true name counts, of all labelled faces, found or not. The data folder is copied, and the copy is worked on.
"""

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from classface_assets.core.errors import UserError
from classface_assets.devtools.benchmark.accuracy.accuracy import ensure_data_folder
from classface_assets.devtools.benchmark.accuracy.ground_truth import markdown_table
from classface_assets.devtools.benchmark.review.oracle_labeller import OracleLabeller
from classface_assets.devtools.benchmark.review.server_thread import running_server
from classface_assets.identity.evaluation.ground_truth import match_to_ground_truth, validate_truth
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.store.published.queries import faces_with_photos

TARGET_CLICKS, TARGET_SHARE = 1.5, 0.95
CLICK_MARKS = (0.25, 0.5, 0.75, 1.0, 1.25, TARGET_CLICKS, 2.0)


def measure_effort(
    data: Path, truth: Path, pack: str, work: Path, rerun: bool = False
) -> tuple[list[tuple[float, float]], int]:
    """The curve of an archive (clicks a person, share of the labelled faces that have their name), and how many people.

    Raises UserError.
    """
    from classface_assets.review.app import create_app

    work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work) as folder:
        copy = Path(folder) / "data"
        shutil.copytree(data, copy, ignore=shutil.ignore_patterns("ledger.sqlite*", "albums", "photos"))
        archive = Archive(photos=str(data / "photos"), data=str(copy))
        found = faces_with_photos(archive.layout.database)
        rows = match_to_ground_truth(
            validate_truth(pl.read_csv(truth, infer_schema=False), found["path"].to_list()), found
        )
        people = rows["person"].n_unique()
        known = dict(rows.drop_nulls("face_id").select("face_id", "person").iter_rows())
        with running_server(create_app(archive, Models(pack=pack))) as url:
            knower = OracleLabeller(url, known, found["asset_id"].unique().sort().to_list())
            knower.label_clusters()
            if rerun:
                knower.rerun_recognition()
                knower.label_clusters()
            knower.label_single_faces()
            knower.look()
    return [(clicks / people, right / rows.height) for clicks, right in knower.curve], people


def share_at(curve: Sequence[tuple[float, float]], clicks: float) -> float:
    """The share after so many clicks a person."""
    return next(right for used, right in reversed(curve) if used <= clicks)


def draw_curves(curves: Mapping[str, Sequence[tuple[float, float]]], file: Path) -> None:
    """The curves as a picture, with the goal."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for name, curve in curves.items():
        axes.plot([clicks for clicks, _ in curve], [100 * right for _, right in curve], label=name)
    axes.plot([TARGET_CLICKS], [100 * TARGET_SHARE], "k+", markersize=12, label="goal")
    axes.set(xlabel="clicks a person", ylabel="labelled faces with their true name, %", xlim=(0, None), ylim=(0, 100))
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=120)


def bench(asked: Mapping[str, str], work: Path) -> None:
    """What the variables ask for. Raises UserError."""
    pack, names = asked.get("PACK") or "builtin", (asked.get("ARCHIVES") or "").split()
    if not names:
        raise UserError('Name archives with a truth.csv each: make bench-clicks ARCHIVES="folder folder".')
    curves, table = {}, []
    for number, name in enumerate(names):
        data, truth = ensure_data_folder(name, pack, work / str(number))
        curve, people = measure_effort(data, truth, pack, work, bool(asked.get("RERUN")))
        shown = f"{data.name}, {people} people"
        curves[shown] = curve
        goal = next((f"{clicks:.2f}" for clicks, right in curve if right >= TARGET_SHARE), "never")
        table.append([shown, *(f"{share_at(curve, mark):.3f}" for mark in CLICK_MARKS), f"{curve[-1][1]:.3f}", goal])
    heads = [
        "archive",
        *(f"{mark:g} clicks a person" for mark in CLICK_MARKS),
        "at the end",
        f"clicks to {TARGET_SHARE:g}",
    ]
    print(markdown_table(heads, table))
    draw_curves(curves, work / "clicks.png")
    print(f"\n{work / 'clicks.png'}")


if __name__ == "__main__":
    try:
        bench(os.environ, Path("data/bench-clicks").absolute())
    except UserError as error:
        raise SystemExit(f"Error: {error}") from None
