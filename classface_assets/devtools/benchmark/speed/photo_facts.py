"""`make bench-facts`: the time for the facts of photos, new and unchanged, against a digest of their bytes alone.

The files are copies of one photo with other metadata each, so that no two are equal.
"""

import logging
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import dagster as dg
import numpy as np
import polars as pl
from PIL import Image
from rich.console import Console

from classface_assets.core.layout import ArchiveLayout
from classface_assets.defs.runner.console import console_log
from classface_assets.defs.runner.pipeline import PipelineRunner
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.orchestration.school_year_runs.partitions import register_school_years
from classface_assets.store.catalog.school_year import image_parts
from classface_assets.vision import photo_facts
from classface_assets.vision.picture_id.identity import content_id

YEAR = "2019-2020"
SIZES = {"6 megapixels": (3000, 2000), "24 megapixels": (6000, 4000), "thumbnail size": (720, 480)}
MAX_PIXELS = 600_000_000
READERS = 4  # as the asset `images` has


def write_photos(folder: Path, size: tuple[int, int], count: int) -> list[Path]:
    """Write JPEGs of noise and shades, as large as a camera's."""
    rng = np.random.default_rng(3)
    shades = np.linspace(0, 200, size[0], dtype=np.float32)[None, :, None]
    pixels = (shades + rng.normal(25, 9, (size[1], size[0], 3))).clip(0, 255).astype(np.uint8)
    folder.mkdir(parents=True)
    first = folder / "photo.jpg"
    exif = Image.Exif()
    exif[0x0132] = "2019:10:05 10:00:00"
    Image.fromarray(pixels).save(first, quality=88, exif=exif)
    data = first.read_bytes()
    first.unlink()
    files = [folder / f"photo {number:05}.jpg" for number in range(count)]
    for number, file in enumerate(files):
        comment = f"{number:012}".encode()
        file.write_bytes(data[:2] + b"\xff\xfe\x00\x0e" + comment + data[2:])
    return files


@contextmanager
def byte_digest_only() -> Iterator[None]:
    """Identify photos by a digest of their bytes, read in blocks, as before there were ids of pictures."""

    def ids(facts: photo_facts.PhotoFacts, file: object, _: str) -> photo_facts.PhotoFacts:
        import hashlib

        digest = hashlib.blake2b(digest_size=16)
        file.seek(0)  # type: ignore[attr-defined]
        while block := file.read(1 << 20):  # type: ignore[attr-defined]
            digest.update(block)
        return facts

    with patch.object(photo_facts, "_with_ids", ids):
        yield


def cpu_seconds(act: Callable[[], object]) -> float:
    """The CPU time of a call, which other programs on the machine change less than wall time."""
    start = time.process_time()
    act()
    return time.process_time() - start


def time_new_photos(files: Sequence[Path], rounds: int) -> tuple[float, float]:
    """Median CPU seconds for the facts of these files, by their bytes alone and now, in turns; all are in memory."""

    def read() -> None:
        with ThreadPoolExecutor(READERS) as pool:
            assert all(found.status == "ok" for found in pool.map(photo_facts.read_photo_facts, files))

    read()
    before, now = [], []
    for _ in range(rounds):
        with byte_digest_only():
            before.append(cpu_seconds(read))
        now.append(cpu_seconds(read))
    return statistics.median(before), statistics.median(now)


def time_unchanged_photos(folder: Path, count: int, rounds: int) -> tuple[float, float]:
    """Median CPU seconds of the asset `images` over a school year with nothing new, before and now.

    Before: with rows without a digest of the picture.
    """
    write_photos(folder / "photos" / YEAR, (64, 48), count)
    archive = Archive(photos=str(folder / "photos"), data=str(folder / "data"))
    layout = archive.layout
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    with dg.DagsterInstance.ephemeral() as instance:
        register_school_years(instance, layout)
        chain = PipelineRunner(instance, archive, Models(pack="builtin"), Console(quiet=True))

        def run() -> None:
            job = chain.definitions.resolve_job_def("ingest_year")
            images = [dg.AssetKey("images")]
            ran = job.execute_in_process(console_log(), instance=instance, partition_key=YEAR, asset_selection=images)
            assert ran.success

        run()
        as_now = image_parts(layout, YEAR).read()
        # Rows that are not `ok` have no digest, so these are as before, and are not read again.
        as_before = as_now.with_columns(status=pl.lit("unreadable"), file_digest=pl.lit(None, pl.String))
        before: list[float] = []
        now: list[float] = []
        for _ in range(rounds):
            for rows, times in ((as_before.drop("file_digest"), before), (as_now, now)):
                _replace_rows(layout, rows)
                run()
                times.append(cpu_seconds(run))
    return statistics.median(before), statistics.median(now)


def _replace_rows(layout: ArchiveLayout, rows: pl.DataFrame) -> None:
    parts = image_parts(layout, YEAR)
    shutil.rmtree(str(parts.folder))
    parts.append(rows)


def main() -> None:
    """Print the times and their ratios."""
    count = int(os.environ.get("PHOTOS") or 5000)
    rounds = int(os.environ.get("ROUNDS") or 5)
    console = Console()
    with tempfile.TemporaryDirectory() as work:
        for name, size in SIZES.items():
            files = write_photos(Path(work) / name, size, min(count, MAX_PIXELS // (size[0] * size[1])))
            before, now = time_new_photos(files, rounds)
            large = sum(file.stat().st_size for file in files) / len(files) / 1e6
            was, took = (f"{1000 * each / len(files):.2f}" for each in (before, now))
            console.print(
                f"Facts of {len(files)} new photos of {name} ({large:.1f} MB), CPU ms each: {was} by their bytes, "
                f"{took} now, {now / before:.2f} times as much."
            )
            assert content_id(files[0].read_bytes()) == photo_facts.read_photo_facts(files[0]).file_digest
        before, now = time_unchanged_photos(Path(work) / "unchanged", count, rounds)
        console.print(
            f"The asset `images` over {count} unchanged photos, CPU s: {before:.3f} before, {now:.3f} now, "
            f"{now / before:.2f} times as much."
        )


if __name__ == "__main__":
    main()
