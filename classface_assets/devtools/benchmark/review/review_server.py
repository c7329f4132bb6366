"""`make bench-review`: how long the review server takes over a synthetic archive of 100,000 faces.

FACES and LABELLED change the numbers. Printed are CPU seconds and wall seconds of the first request, a page of 100
clusters, the start page, a label, and the page after it, for which the view of the archive is built again.
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
    """A published archive without photo files: five faces a photo, a long tail of cluster sizes, some people named."""
    rng, photos = np.random.default_rng(0), max(1, faces // 5)
    photo_ids = [str(uuid.UUID(bytes=rng.bytes(16))) for _ in range(photos)]
    years = [f"{year}-{year + 1}" for year in range(1990, 2020)]
    clusters = np.repeat(np.arange(faces), np.minimum(rng.zipf(1.6, faces), LARGEST_CLUSTER))[:faces]
    rng.shuffle(clusters)
    left = np.arange(faces) % 5 * 100.0
    images = {
        "asset_id": photo_ids,
        "school_year": [years[i % len(years)] for i in range(photos)],
        "path": [f"{years[i % len(years)]}/{i}.jpg" for i in range(photos)],
    }
    rows = {
        "id": [str(uuid.UUID(bytes=rng.bytes(16))) for _ in range(faces)],
        "asset_id": [photo_ids[i // 5 % photos] for i in range(faces)],
        **dict(zip(_BOX_COLUMNS, (left, *[np.full(faces, 80.0)] * 3), strict=True)),
        "quality_score": rng.random(faces),
        "cluster_id": [f"{CLUSTER_PREFIX}{n}" for n in clusters],
        "assignment_score": rng.random(faces),
    }
    archive, now = Archive(photos=str(folder / "photos"), data=str(folder / "data")), datetime.now(UTC)
    table = pl.DataFrame(rows).with_columns(created_at=pl.lit(now.replace(tzinfo=None)))
    photo_rows = pl.DataFrame(images).with_columns(status=pl.lit("ok"), reason=pl.lit(""), width=4000, height=3000)
    publish_database(archive.layout.database, {"image_assets": photo_rows, "face_instances": table})
    ledger = archive.open_ledger()
    for number, (_, group) in enumerate(table.sort("cluster_id").head(labelled).group_by("cluster_id")):
        faces_of_group = group.select("id", "asset_id", *_BOX_COLUMNS).iter_rows()
        ledger.label(
            f"Person {number}", [FaceRef(face, photo, (x, y, w, h)) for face, photo, x, y, w, h in faces_of_group]
        )
    return archive


_BOX_COLUMNS = ("bbox_x", "bbox_y", "bbox_w", "bbox_h")


def main() -> None:
    """Print a line for each measurement."""
    from classface_assets.review.app import create_app

    faces, labelled = int(os.environ.get("FACES") or 100_000), int(os.environ.get("LABELLED") or 2_000)
    with (
        tempfile.TemporaryDirectory() as folder,
        running_server(create_app(compose_archive(Path(folder), faces, labelled), Models(pack="builtin"))) as url,
    ):
        page = f"{url}{API}/clusters?pageSize=100"
        print(f"{faces:,} faces, {labelled:,} of them labelled")
        _timed("first request", lambda: _fetch(page))
        cluster = json.loads(_timed("page of 100 clusters", lambda: _fetch(page)))["items"][0]["clusterId"]
        _timed("start page", lambda: _fetch(f"{url}/"))
        _timed("label", lambda: _fetch(f"{url}{API}/clusters/{cluster}/label", b'{"name": "Somebody"}'))
        _timed("page after the label", lambda: _fetch(page))


def _fetch(url: str, body: bytes | None = None) -> bytes:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as response:
        return bytes(response.read())


def _timed(what: str, act: Callable[[], bytes]) -> bytes:
    wall, cpu = time.perf_counter(), time.process_time()
    response = act()
    print(f"{what:<22} {time.process_time() - cpu:6.3f} s CPU {time.perf_counter() - wall:6.3f} s")
    return response


if __name__ == "__main__":
    main()
