"""`make bench`: times the chain on an archive with known truth, against itself in the same run, and scores it.

    make bench                              the sample archive, builtin models
    make bench ARCHIVE=folder PACK=pack     a folder with photos/ and truth.csv; another model pack

Seconds depend on the machine; the ratios and the scores are what to compare.
"""

import os
import shutil
import time
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.table import Table

from classface_assets.demo import FOUND
from classface_assets.errors import UserError
from classface_assets.home import prepare
from classface_assets.identity.evaluate import Evaluation, evaluate
from classface_assets.resources import archive_for, models_for
from classface_assets.running import Chain, chosen_years
from classface_assets.sample.compose import compose_sample
from classface_assets.store.database import query


def bench(folder: Path, given: Path | None, pack: str | None) -> None:
    """Run the chain twice in an emptied folder and print times, ratios and scores. Raises UserError."""
    shutil.rmtree(folder, ignore_errors=True)
    photos = given / "photos" if given else compose_sample(folder).photos
    truth = (given or folder) / "truth.csv"
    if not truth.exists():
        raise UserError(f"There is no {truth}; an archive to measure on has photos/ and truth.csv.")
    archive, models = archive_for(photos, folder / "made"), models_for(pack)
    instance, _ = prepare(archive.layout)
    with instance:
        chain, years = Chain(instance, archive, models, Console(quiet=True)), chosen_years(archive.layout, None)
        first, again = (_seconds(chain, years) for _ in range(2))
    (images,) = query(archive.layout.database, "SELECT count(*) FROM image_assets WHERE status = 'ok'").row(0)
    (faces,) = query(archive.layout.database, "SELECT count(*) FROM face_instances").row(0)
    print(f"{images} photos, {faces} faces, {len(years)} school years, pack {models.describe(archive.layout).key}")
    print(f"Whole chain: {first:.1f} s, {images / first:.1f} photos a second")
    print(f"Again with nothing new: {again:.1f} s, {again / first:.2f} of the first run")
    _print_scores(evaluate(pl.read_csv(truth, infer_schema=False), query(archive.layout.database, FOUND)))


def _seconds(chain: Chain, years: list[str]) -> float:
    """How long the chain takes. Raises UserError, with the reason, when a step fails."""
    start = time.monotonic()
    stopped = chain.run(years, lambda _: None)
    if stopped:
        raise UserError(f"{stopped[0].year} ({stopped[0].job}): {stopped[0].reason}")
    return time.monotonic() - start


def _print_scores(found: Evaluation) -> None:
    table = Table("faces", "found", "precision", "recall", "F", title="BCubed, nobody named")
    for name, score in (("all", found.bcubed), ("ageing people", found.ageing_bcubed)):
        if score:
            numbers = (f"{value:.3f}" for value in (score.precision, score.recall, score.f))
            table.add_row(name, f"{found.detected / found.faces:.4f}" if name == "all" else "", *numbers)
    Console(width=100).print(table)


if __name__ == "__main__":
    given = os.environ.get("ARCHIVE")
    try:
        bench(Path("data/bench").absolute(), Path(given) if given else None, os.environ.get("PACK") or None)
    except UserError as error:
        raise SystemExit(f"bench: {error}") from None
