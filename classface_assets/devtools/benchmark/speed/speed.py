"""`make bench`: ours against the loop a user would write and against `builtin`, in turns, on the same photos.

    make bench                                     the sample archive, builtin models, the whole pipeline
    make bench ARCHIVE=folder PACK=pack            a folder with photos/ and truth.csv; an InsightFace-format pack
    make bench … LARGE=folder                      also a folder of large photos, which need no truth
    make bench … LARGE=folder COPIES=128           … that many copies of each (32)
    make bench … PHOTOS=100 ROUNDS=5               only the first photos of each folder; more turns (3)
    make bench MEMORY=1 PACK=pack                  memory and second run at 500 and at 5,000 photos of one school year

Seconds depend on the machine; the ratios and the scores are what to compare.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import polars as pl
from rich.console import Console

from classface_assets.core.errors import UserError
from classface_assets.devtools.benchmark.speed.comparison import Contender, run_contender, run_in_turns
from classface_assets.devtools.benchmark.speed.detected_boxes import list_photo_files
from classface_assets.devtools.benchmark.speed.large_archive import make_school_year
from classface_assets.devtools.benchmark.speed.photo_folders import copy_each_photo, subset_of_photos
from classface_assets.devtools.benchmark.speed.speed_report import print_chain, print_scores, print_speed
from classface_assets.devtools.sample.compose import compose_sample
from classface_assets.identity.evaluation.report import evaluate
from classface_assets.orchestration.configured_resources import resolve_archive
from classface_assets.store.published.queries import boxes_in_files

BUILTIN = "builtin"
COPIES = 32


def bench(folder: Path, options: Mapping[str, str]) -> None:
    """Print the tables.

    Args:
        folder: For everything that is written.
        options: The variables that the Makefile passes.

    Raises:
        UserError: Photos or their ground truth are missing, or a contender failed.
    """
    console, pack = Console(width=110, highlight=False), options.get("PACK") or BUILTIN
    given = Path(options["ARCHIVE"]) if options.get("ARCHIVE") else None
    photos = given / "photos" if given else compose_sample(folder / "sample").photos
    if options.get("MEMORY"):
        _measure_memory(console, photos, pack, folder)
        return
    truth_file = (given or folder / "sample") / "truth.csv"
    if not truth_file.exists():
        raise UserError(f"There is no {truth_file}; an archive to measure on has photos/ and truth.csv.")
    truth, most = pl.read_csv(truth_file, infer_schema=False), int(options.get("PHOTOS") or 0)
    contenders = _contenders(console, pack)
    rounds = int(options.get("ROUNDS") or 3)
    photos = subset_of_photos(photos, most, folder / "archive")
    print_speed(console, photos, run_in_turns(contenders, photos, folder / "work", rounds), truth)
    large = Path(options.get("LARGE") or "")
    if options.get("LARGE") and large.is_dir():
        several = folder / "large many times"
        large = copy_each_photo(
            subset_of_photos(large, most, folder / "large"), several, int(options.get("COPIES") or COPIES)
        )
        print_speed(console, large, run_in_turns(contenders, large, folder / "work", rounds), None)
    else:
        console.print("No large photos: name a folder of them with LARGE=folder.")
    print_chain(console, photos, run_contender(Contender("chain", "chain", pack), photos, folder / "work"))
    found = boxes_in_files(resolve_archive(photos, folder / "work" / "data").layout.database)
    searched = truth.filter(
        pl.col("path").is_in([file.relative_to(photos).as_posix() for file in list_photo_files(photos)])
    )
    print_scores(console, evaluate(searched, found))


def _contenders(console: Console, pack: str) -> list[Contender]:
    if pack == BUILTIN:
        console.print("No loop to compare with: name a pack of InsightFace's format with PACK=folder.")
        return [Contender(BUILTIN, "ours", BUILTIN)]
    console.print(f"ours: images, detections and embeddings with {Path(pack).name}, Dagster included, to Parquet files")
    console.print("the loop: cv2.imread and FaceAnalysis.get with the same models; builtin: ours with these models")
    return [Contender("ours", "ours", pack), Contender("the loop", "loop", pack), Contender(BUILTIN, "ours", BUILTIN)]


def _measure_memory(console: Console, source: Path, pack: str, folder: Path) -> None:
    for count in (500, 5000):
        photos = make_school_year(source, folder / f"year of {count}", count)
        console.print(f"[bold]{count} photos of one school year, {Path(pack).name}[/bold]")
        print_chain(console, photos, run_contender(Contender("chain", "chain", pack), photos, folder / "work"))


if __name__ == "__main__":
    try:
        bench(Path("data/bench").absolute(), os.environ)
    except (UserError, ValueError) as error:
        raise SystemExit(f"bench: {error}") from None
