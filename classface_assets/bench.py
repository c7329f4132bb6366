"""`make bench`: ours against the loop a user would write and against `builtin`, in turns, on the same photos.

    make bench                                     the sample archive, builtin models, the whole chain
    make bench ARCHIVE=folder PACK=pack            a folder with photos/ and truth.csv; an InsightFace-format pack
    make bench … LARGE=folder                      also a folder of large photos, which need no truth
    make bench … LARGE=folder COPIES=128           … each of them copied so often (32)
    make bench … PHOTOS=100 ROUNDS=5               of each folder the first so many photos; so many turns (3)
    make bench MEMORY=1 PACK=pack                  memory and second run at 500 and at 5,000 photos of one school year

Seconds depend on the machine; the ratios and the scores are what to compare.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table

from classface_assets.benchmark.boxes import files_of
from classface_assets.benchmark.compare import Contender, against_truth, found_by, median, run, run_in_turns
from classface_assets.benchmark.large_year import make_year
from classface_assets.demo import FOUND
from classface_assets.errors import UserError
from classface_assets.identity.evaluate import Evaluation, evaluate
from classface_assets.resources import archive_for
from classface_assets.sample.compose import compose_sample
from classface_assets.store.database import query

BUILTIN = "builtin"
COPIES = 32
Runs = Mapping[str, Sequence[Mapping[str, Any]]]


def bench(folder: Path, asked: Mapping[str, str]) -> None:
    """What the variables ask for, in a folder of its own. Raises UserError."""
    console, pack = Console(width=110, highlight=False), asked.get("PACK") or BUILTIN
    given = Path(asked["ARCHIVE"]) if asked.get("ARCHIVE") else None
    photos = given / "photos" if given else compose_sample(folder / "sample").photos
    if asked.get("MEMORY"):
        _memory(console, photos, pack, folder)
        return
    truth_file = (given or folder / "sample") / "truth.csv"
    if not truth_file.exists():
        raise UserError(f"There is no {truth_file}; an archive to measure on has photos/ and truth.csv.")
    truth, most = pl.read_csv(truth_file, infer_schema=False), int(asked.get("PHOTOS") or 0)
    contenders = _contenders(console, pack)
    rounds = int(asked.get("ROUNDS") or 3)
    photos = _some(photos, most, folder / "archive")
    _print_speed(console, photos, run_in_turns(contenders, photos, folder / "work", rounds), truth)
    large = Path(asked.get("LARGE") or "")
    if asked.get("LARGE") and large.is_dir():
        several = folder / "large many times"
        large = _each_several_times(_some(large, most, folder / "large"), several, int(asked.get("COPIES") or COPIES))
        _print_speed(console, large, run_in_turns(contenders, large, folder / "work", rounds), None)
    else:
        console.print("No large photos: name a folder of them with LARGE=folder.")
    _print_chain(console, photos, run(Contender("chain", "chain", pack), photos, folder / "work"))
    found = query(archive_for(photos, folder / "work" / "data").layout.database, FOUND)
    seen = truth.filter(pl.col("path").is_in([file.relative_to(photos).as_posix() for file in files_of(photos)]))
    _print_scores(console, evaluate(seen, found))


def _contenders(console: Console, pack: str) -> list[Contender]:
    if pack == BUILTIN:
        console.print("No loop to compare with: name a pack of InsightFace's format with PACK=folder.")
        return [Contender(BUILTIN, "ours", BUILTIN)]
    console.print(f"ours: images, detections and embeddings with {Path(pack).name}, Dagster included, to Parquet files")
    console.print("the loop: cv2.imread and FaceAnalysis.get with the same models; builtin: ours with these models")
    return [Contender("ours", "ours", pack), Contender("the loop", "loop", pack), Contender(BUILTIN, "ours", BUILTIN)]


def _some(photos: Path, most: int, folder: Path) -> Path:
    """The folder itself, or another with its first `most` photos."""
    files = files_of(photos)
    if not files:
        raise UserError(f"There are no photos in {photos}.")
    if not most or most >= len(files):
        return photos
    shutil.rmtree(folder, ignore_errors=True)
    for file in files[:most]:
        target = folder / file.relative_to(photos)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, target)
    return folder


def _each_several_times(photos: Path, folder: Path, times: int = COPIES) -> Path:
    """Each photo so often, by zero bytes at its end a file of its own: so few would show the start, not the speed.

    Dagster's own two seconds, which an archive pays once a school year, are a sixth of the time of 56 photos.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file in files_of(photos):
        for number in range(times):
            (folder / f"{file.stem}_{number}{file.suffix}").write_bytes(file.read_bytes() + bytes(number))
    return folder


def _print_speed(console: Console, photos: Path, runs: Runs, truth: pl.DataFrame | None) -> None:
    """Photos a second and memory of each contender, then its faces against the truth or against each other's."""
    count = len(files_of(photos))
    table = Table("", "photos a second", "CPU s a photo", "peak MB", "faces", title=f"{count} photos of {photos}")
    if truth is not None:
        table.add_column("recall")
        table.add_column("match no label")
    for name, own in runs.items():
        cells = [f"{count / median(own, 'seconds'):.2f}", f"{median(own, 'cpu_s') / count:.3f}"]
        cells.append(f"{max(one['peak_mb'] for one in own):.0f}")
        cells.append(str(sum(map(len, own[0]["faces"].values()))))
        if truth is not None:
            score = against_truth(truth, own[0]["faces"])
            cells.append(f"{score.found / max(1, score.labelled):.4f} of {score.labelled}")
            cells.append(f"{score.unlabelled} ({score.unlabelled / max(1, score.detected):.1%})")
        table.add_row(name, *cells)
    console.print(table)
    first, *others = runs
    for name in others:
        seconds, cpu = (median(runs[name], key) / median(runs[first], key) for key in ("seconds", "cpu_s"))
        console.print(f"{first}: {seconds:.2f} times the photos a second of {name}, {cpu:.2f} times in CPU time")
        for one, other in ((first, name), (name, first)) if truth is None else ():
            faces, both = found_by(runs[one][0]["faces"], runs[other][0]["faces"])
            console.print(f"Of the {faces} faces of {one}, {other} found {both}.")
    again = median(runs[first], "again_s")
    console.print(f"{first}, again with nothing new: {again:.2f} s, Dagster's own time included\n")


def _print_chain(console: Console, photos: Path, result: Mapping[str, Any]) -> None:
    count = len(files_of(photos))
    console.print(
        f"Whole chain to the albums: {result['seconds']:.1f} s, {count / result['seconds']:.1f} photos a second, "
        f"peak {result['peak_mb']:.0f} MB.\n"
        f"Again with nothing new: {result['again_seconds']:.1f} s (CPU {result['again_cpu_s']:.1f}); of that the same "
        f"jobs with nothing in them, Dagster alone: {result['bare_seconds']:.1f} s (CPU {result['bare_cpu_s']:.1f}).\n"
    )


def _memory(console: Console, source: Path, pack: str, folder: Path) -> None:
    for count in (500, 5000):
        photos = make_year(source, folder / f"year of {count}", count)
        console.print(f"[bold]{count} photos of one school year, {Path(pack).name}[/bold]")
        _print_chain(console, photos, run(Contender("chain", "chain", pack), photos, folder / "work"))


def _print_scores(console: Console, found: Evaluation) -> None:
    table = Table("faces", "found", "precision", "recall", "F", title="BCubed, nobody named")
    for name, score in (("all", found.bcubed), ("ageing people", found.ageing_bcubed)):
        if score:
            numbers = (f"{value:.3f}" for value in (score.precision, score.recall, score.f))
            table.add_row(name, f"{found.detected / found.faces:.4f}" if name == "all" else "", *numbers)
    console.print(table)


if __name__ == "__main__":
    try:
        bench(Path("data/bench").absolute(), os.environ)
    except (UserError, ValueError) as error:
        raise SystemExit(f"bench: {error}") from None
