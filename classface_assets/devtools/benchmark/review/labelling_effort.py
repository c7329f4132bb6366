"""`make bench-clicks`: how many clicks it takes to name an archive, through the server as a person would.

    make bench-clicks ARCHIVES="folder" PACK=pack       a folder with photos/ and truth.csv; the pipeline runs first
    make bench-clicks ARCHIVES="data=truth.csv …"       finished data folders, each with the ground truth of its photos
    make bench-clicks … RERUN=1                         all faces are matched again once all clusters are named

The clusters are labelled in the order of the page, largest first, then the single faces, clearest first. A name is one
click, so is each face that is removed before, and so is skipping a cluster of people nobody knows. Only a face with its
true name counts, of all labelled faces, detected or not. The data folder is copied, and the copy is worked on.
"""

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from classface_assets.core.errors import UserError
from classface_assets.devtools.benchmark.accuracy.accuracy import ensure_data_folder
from classface_assets.devtools.benchmark.accuracy.ground_truth import markdown_table
from classface_assets.devtools.benchmark.review.oracle_labeller import OracleLabeller
from classface_assets.devtools.benchmark.review.server_thread import running_server
from classface_assets.identity.evaluation.ground_truth import match_to_ground_truth
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.services.identity.evaluation import read_ground_truth
from classface_assets.store.published.queries import faces_with_photos

TARGET_CLICKS, TARGET_SHARE = 1.5, 0.95
CLICK_MARKS = (0.25, 0.5, 0.75, 1.0, 1.25, TARGET_CLICKS, 2.0)


@dataclass(frozen=True)
class EffortCurve:
    """`points`: (clicks a person, share of the labelled faces with their true name), in the order of the clicks."""

    points: Sequence[tuple[float, float]]
    people: int


def measure_effort(data: Path, truth: Path, pack: str, work: Path, rerun: bool = False) -> EffortCurve:
    """Label a copy of an archive through the review server.

    Args:
        data: A finished data folder.
        truth: The ground truth of its photos.
        pack: The model pack.
        work: Where the copy lies.
        rerun: Whether all faces are matched again once all clusters are named.

    Raises:
        GroundTruthError: The ground truth cannot be used.
        DatabaseError: The data folder is not finished.
    """
    from classface_assets.review.app import create_app

    work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work) as folder:
        copy = Path(folder) / "data"
        shutil.copytree(data, copy, ignore=shutil.ignore_patterns("ledger.sqlite*", "albums", "photos"))
        archive = Archive(photos=str(data / "photos"), data=str(copy))
        found = faces_with_photos(archive.layout.database)
        judged = match_to_ground_truth(read_ground_truth(truth, found["path"].to_list()), found)
        person_of = dict(judged.drop_nulls("face_id").select("face_id", "person").iter_rows())
        with running_server(create_app(archive, Models(pack=pack))) as url:
            oracle = OracleLabeller(url, person_of, found["asset_id"].unique().sort().to_list())
            oracle.label_clusters()
            if rerun:
                oracle.rerun_recognition()
                oracle.label_clusters()
            oracle.label_single_faces()
            oracle.count_shown_names()
    people = judged["person"].n_unique()
    return EffortCurve([(clicks / people, right / judged.height) for clicks, right in oracle.curve], people)


def share_at(curve: Sequence[tuple[float, float]], clicks: float) -> float:
    """The share after that many clicks a person."""
    return next(right for used, right in reversed(curve) if used <= clicks)


def draw_curves(curves: Mapping[str, Sequence[tuple[float, float]]], file: Path) -> None:
    """Draw the curves and the target into a picture."""
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


def bench(options: Mapping[str, str], work: Path) -> None:
    """Print the table and draw the curves.

    Args:
        options: ARCHIVES, PACK and RERUN, as the Makefile passes them.
        work: Where archives are run and copied.

    Raises:
        UserError: An archive or its ground truth is missing, or a run failed.
    """
    pack, names = options.get("PACK") or "builtin", (options.get("ARCHIVES") or "").split()
    if not names:
        raise UserError('Name archives with a truth.csv each: make bench-clicks ARCHIVES="folder folder".')
    curves, table = {}, []
    for number, name in enumerate(names):
        data, truth = ensure_data_folder(name, pack, work / str(number))
        effort = measure_effort(data, truth, pack, work, bool(options.get("RERUN")))
        curve, title = effort.points, f"{data.name}, {effort.people} people"
        curves[title] = curve
        clicks = next((f"{clicks:.2f}" for clicks, share in curve if share >= TARGET_SHARE), "never")
        table.append([title, *(f"{share_at(curve, mark):.3f}" for mark in CLICK_MARKS), f"{curve[-1][1]:.3f}", clicks])
    marks = [f"{mark:g} clicks a person" for mark in CLICK_MARKS]
    print(markdown_table(["archive", *marks, "at the end", f"clicks to {TARGET_SHARE:g}"], table))
    draw_curves(curves, work / "clicks.png")
    print(f"\n{work / 'clicks.png'}")


if __name__ == "__main__":
    try:
        bench(os.environ, Path("data/bench-clicks").absolute())
    except UserError as error:
        raise SystemExit(f"Error: {error}") from None
