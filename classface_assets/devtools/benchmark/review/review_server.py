"""`make bench-review`: how long the review server takes over a made-up archive of 100,000 faces.

FACES and LABELLED say how many. Told are CPU seconds and wall seconds: of the first look, of a page of 100 clusters, of
the start page, of a label, and of the page after it, for which everything is laid over anew.
"""

import json
import os
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from classface_assets.core.schemas import CLUSTER_PREFIX
from classface_assets.devtools.benchmark.review.server_thread import running_server
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.store.files.duckdb import publish_database
from classface_assets.store.model.face_ref import FaceRef

API = "/api/v1/faces"
LARGEST_CLUSTER = 200


def compose_archive(folder: Path, faces: int, labelled: int) -> Archive:
    """A published archive without photos, five faces a photo, clusters with a long tail, some of them named."""
    rng, photos = np.random.default_rng(0), max(1, faces // 5)
    photo_ids = [str(uuid.UUID(bytes=rng.bytes(16))) for _ in range(photos)]
    years = [f"{year}-{year + 1}" for year in range(1990, 2020)]
    clusters = np.repeat(np.arange(faces), np.minimum(rng.zipf(1.6, faces), LARGEST_CLUSTER))[:faces]
    rng.shuffle(clusters)
    place = np.arange(faces) % 5 * 100.0
    images = {
        "asset_id": photo_ids,
        "school_year": [years[i % len(years)] for i in range(photos)],
        "path": [f"{years[i % len(years)]}/{i}.jpg" for i in range(photos)],
    }
    rows = {
        "id": [str(uuid.UUID(bytes=rng.bytes(16))) for _ in range(faces)],
        "asset_id": [photo_ids[i // 5 % photos] for i in range(faces)],
        **dict(zip(_BOX_COLUMNS, (place, *[np.full(faces, 80.0)] * 3), strict=True)),
        "quality_score": rng.random(faces),
        "cluster_id": [f"{CLUSTER_PREFIX}{n}" for n in clusters],
        "assignment_score": rng.random(faces),
    }
    archive, now = Archive(photos=str(folder / "photos"), data=str(folder / "data")), datetime.now(UTC)
    table = pl.DataFrame(rows).with_columns(created_at=pl.lit(now.replace(tzinfo=None)))
    known = pl.DataFrame(images).with_columns(status=pl.lit("ok"), reason=pl.lit(""), width=4000, height=3000)
    publish_database(archive.layout.database, {"image_assets": known, "face_instances": table})
    ledger = archive.open_ledger()
    for number, (_, group) in enumerate(table.sort("cluster_id").head(labelled).group_by("cluster_id")):
        marks = group.select("id", "asset_id", *_BOX_COLUMNS).iter_rows()
        ledger.label(f"Person {number}", [FaceRef(face, photo, (x, y, w, h)) for face, photo, x, y, w, h in marks])
    return archive


_BOX_COLUMNS = ("bbox_x", "bbox_y", "bbox_w", "bbox_h")


def main() -> None:
    """Prints a line a measurement."""
    from classface_assets.review.app import create_app

    faces, labelled = int(os.environ.get("FACES") or 100_000), int(os.environ.get("LABELLED") or 2_000)
    with (
        tempfile.TemporaryDirectory() as folder,
        running_server(create_app(compose_archive(Path(folder), faces, labelled), Models(pack="builtin"))) as url,
    ):
        page = f"{url}{API}/clusters?pageSize=100"
        print(f"{faces:,} faces, {labelled:,} of them labelled")
        _timed("first look", lambda: _fetch(page))
        cluster = json.loads(_timed("page of 100 clusters", lambda: _fetch(page)))["items"][0]["clusterId"]
        _timed("start page", lambda: _fetch(f"{url}/"))
        _timed("label", lambda: _fetch(f"{url}{API}/clusters/{cluster}/label", b'{"name": "Somebody"}'))
        _timed("page after the label", lambda: _fetch(page))


def _fetch(url: str, body: bytes | None = None) -> bytes:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return bytes(answer.read())


def _timed(what: str, act: Callable[[], bytes]) -> bytes:
    wall, cpu = time.perf_counter(), time.process_time()
    answer = act()
    print(f"{what:<22} {time.process_time() - cpu:6.3f} s CPU {time.perf_counter() - wall:6.3f} s")
    return answer


if __name__ == "__main__":
    main()
