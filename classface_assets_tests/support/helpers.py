"""What tests of several rooms need: a process that runs some code, events of the ledger and facts written by hand."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
from dagster._core.storage.tags import PARTITION_NAME_TAG

from classface_assets.core.geometry import Box
from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.schemas import ASSIGNMENTS, IMAGES
from classface_assets.orchestration.school_year_runs.years import expand_range, years_of_run
from classface_assets.store.catalog.faces import load_catalog
from classface_assets.store.catalog.school_year import SchoolYearStore, image_parts
from classface_assets.store.files.duckdb import publish_database
from classface_assets.store.ledger.ledger import Ledger
from classface_assets.store.model.events import Event
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.store.published.tables import build_tables

NOW = datetime(2024, 5, 4, 12, tzinfo=UTC)
BY_YEAR = ["images", "detections", "embeddings", "albums"]
ASSETS = [
    *BY_YEAR,
    *("face_tables", "knn_graph", "cluster_assignments", "projection_head", "identities", "evaluation", "album_site"),
    "student_coverage",
]
TOKEN = "a token of some length"
"""Of the review servers that tests start."""
DETECTOR, PACK, SETTINGS = "centerface-2", "builtin-1", "confidence-0.5 size-20"
ROSTER = """Name,Student ID,Class,School years,Siblings,Photo consent,Birth date
Anna Weiss,17,3a,2019-2020,18,yes,2011-02-03
Ben Weiss,18,1b,2019-2020,,no,03.04.2013
Cem Öz,19,3a,2019-20 & 2020-21,,,
"""


def python(code: str, *arguments: object) -> "subprocess.Popen[str]":
    """A real process that runs this code; its output is read as text."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def kill_at_output(process: "subprocess.Popen[str]", word: str) -> None:
    """Wait for a line of the process, then kill it where it stands."""
    assert process.stdout
    line = process.stdout.readline().strip()
    process.send_signal(signal.SIGKILL)
    _, errors = process.communicate()
    assert line == word, errors
    assert process.returncode == -signal.SIGKILL


def face(face_id: str, asset_id: str = "photo", box: Box = (0, 0, 100, 100)) -> FaceRef:
    return FaceRef(face_id, asset_id, box)


def event(number: int, kind: str, **payload: object) -> Event:
    return Event(number, NOW, "me", kind, payload)


def label_event(number: int, person: str, *faces: FaceRef) -> Event:
    return event(number, "faces_labelled", person_id=person, faces=[f.payload() for f in faces])


def names(ledger: Ledger) -> list[str]:
    return [person.name for person in ledger.decisions().persons.values()]


def who(ledger: Ledger) -> dict[str, str]:
    """Face id → name."""
    decisions = ledger.decisions()
    return {face_id: decisions.persons[mark.person_id].name for face_id, mark in decisions.labels.items()}


WRITER = """
import sys
from classface_assets.store.ledger.ledger import Ledger
from classface_assets.store.model.face_ref import FaceRef
ledger = Ledger(sys.argv[1])
for n in range(int(sys.argv[3])):
    ledger.label("anna" if n % 2 else "ANNA", [FaceRef(f"{sys.argv[2]}-{n}", "photo", (0, 0, 1, 1))])
    print(n, flush=True)
"""
"""Code that labels faces in a ledger and says so after each: its URL, how the ids begin, how many faces."""
FACES = [face(f"f{n}", f"photo {n}") for n in range(8)]
"""Each in a photo of its own."""


def add_images(layout: ArchiveLayout, year: str, *files: tuple[str, str], status: str = "ok") -> None:
    """Files of a year as (asset id, name)."""
    facts = {"size": 1, "mtime_ns": 1, "width": 640, "height": 480, "orientation": 1, "taken_at": None, "reason": ""}
    facts |= {"taken_at_source": ""}
    image_parts(layout, year).append(
        pl.DataFrame(
            [
                {**facts, "asset_id": a, "school_year": year, "path": f"{year}/{name}", "status": status}
                for a, name in files
            ],
            schema=IMAGES,
        )
    )


def face_rows(asset_id: str, *faces: str, status: str = "ok", reason: str = "", quality: float = 0.5) -> pl.DataFrame:
    """Detection rows of a photo: its faces side by side, or the one row that says why there is none."""
    rows = [(face, 10.0 + 100 * n, quality + 0.01 * n) for n, face in enumerate(faces)] or [(None, None, None)]
    return pl.DataFrame(
        {
            "asset_id": [asset_id] * len(rows),
            "face_id": pl.Series([r[0] for r in rows], dtype=pl.String),
            "status": status,
            "reason": reason,
            "bbox_x": pl.Series([r[1] for r in rows], dtype=pl.Float32),
            "bbox_y": pl.Series([10.0] * len(rows), dtype=pl.Float32),
            "bbox_w": pl.Series([80.0] * len(rows), dtype=pl.Float32),
            "bbox_h": pl.Series([80.0] * len(rows), dtype=pl.Float32),
            "landmarks": pl.Series([[1.0] * 10] * len(rows), dtype=pl.List(pl.Float32)),
            "detection_confidence": pl.Series([0.9] * len(rows), dtype=pl.Float32),
            "quality_score": pl.Series([r[2] for r in rows], dtype=pl.Float32),
            "blur": pl.Series([50.0] * len(rows), dtype=pl.Float32),
            "chip": [b"jpeg"] * len(rows),
            "created_at": pl.Series([NOW.replace(tzinfo=None)] * len(rows), dtype=pl.Datetime("us")),
        }
    )


def add_detections(layout: ArchiveLayout, year: str, *photos: pl.DataFrame, settings: str = SETTINGS) -> None:
    store = SchoolYearStore(layout, DETECTOR, year)
    store.detection_parts(settings).append(pl.concat(photos))
    store.set_active_settings(settings)


def vector_of(face_id: str) -> np.ndarray:
    vector = np.random.default_rng(list(face_id.encode())).normal(size=4).astype(np.float32)
    return vector / np.linalg.norm(vector)


def add_vectors(layout: ArchiveLayout, year: str, *faces: str) -> None:
    frame = pl.DataFrame({"face_id": list(faces), "vector": np.stack([vector_of(f) for f in faces])})
    SchoolYearStore(layout, DETECTOR, year).embedding_parts(PACK).append(frame)


def published(layout: ArchiveLayout, events: Sequence[Event], assignments: Sequence[tuple[object, ...]] = ()) -> Path:
    """The faces so far, published with these events and assignments; columns that a row leaves out are null."""
    rows = [(*row, *[None] * (len(ASSIGNMENTS) - len(row))) for row in assignments]
    frame = pl.DataFrame(rows, schema=ASSIGNMENTS, orient="row")
    publish_database(layout.database, build_tables(load_catalog(layout, DETECTOR, PACK), frame, list(events)))
    return layout.database


def requested_years(result: dg.SensorResult) -> list[str]:
    """The school years that the runs of a sensor's tick are of, those of a range one by one."""
    added = [key for one in result.dynamic_partitions_requests or [] for key in one.partition_keys]
    years: list[str] = []
    for request in result.run_requests or []:
        ends = years_of_run({PARTITION_NAME_TAG: request.partition_key} if request.partition_key else request.tags)
        assert ends is not None
        years += expand_range(*ends, added)
    return years
