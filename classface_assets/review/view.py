"""What is known right now: the published snapshot with the ledger laid over it, so that a decision shows at once.

Read again only when the database file or the ledger has changed. Nothing here loops over faces; what people said is
carried onto them by joins.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from classface_assets.review.overlay import laid_over
from classface_assets.store.carry import Said, said
from classface_assets.store.database import query
from classface_assets.store.ledger import Ledger
from classface_assets.store.replay import Decisions, Event, fold, replay
from classface_assets.store.snapshot import EXEMPLARS

SAMPLES = 5
_FACES = """
    SELECT f.id AS face_id, f.asset_id, a.path, a.school_year, a.taken_at, a.width AS photo_width,
           a.height AS photo_height, f.bbox_x, f.bbox_y, f.bbox_w, f.bbox_h, f.detection_confidence, f.quality_score,
           f.cluster_id, f.person_id, f.assignment_score, f.assignment_reason, f.created_at
    FROM face_instances f JOIN image_assets a ON a.asset_id = f.asset_id AND a.status = 'ok'"""
_PHOTOS = """
    SELECT asset_id, path, school_year, taken_at, width, height, coalesce(rotation, 0) AS rotation
    FROM image_assets WHERE status = 'ok'"""


@dataclass(frozen=True)
class Snapshot:
    """The published file: faces, photos, the number of the last event that was known when it was made, and the faces
    that were confirmed then."""

    faces: pl.DataFrame
    photos: pl.DataFrame
    known_until: int
    confirmed: frozenset[str]


@dataclass(frozen=True)
class View:
    """All that pages and answers show.

    `version` changes with the view. `faces`: face_id, asset_id, path, school_year, taken_at, photo_width, photo_height,
    bbox_x/y/w/h (pixels of the upright photo), detection_confidence, quality_score, cluster_id, person_id, person_name,
    assignment_score, assignment_reason, confirmed, created_at; without what is no face and without erased people.
    `clusters`: cluster_id, size, mean_quality, mean_score, sample_faces (best first), school_years, person_id,
    person_name. `persons`: id, name, folded (see `fold`), status, kind, merged_into_id, face_count, confirmed_count,
    prototype_count, school_years, created_at, updated_at. `photos`: asset_id, path, school_year, taken_at, width,
    height, rotation. `published`: the faces without what was said since.
    """

    version: str
    faces: pl.DataFrame
    clusters: pl.DataFrame
    persons: pl.DataFrame
    photos: pl.DataFrame
    published: pl.DataFrame
    decisions: Decisions
    said: Said
    events: Sequence[Event]

    def face(self, face_id: str) -> dict[str, Any] | None:
        """The row of one face; None where there is none."""
        return _row(self.faces, "face_id", face_id)

    def photo(self, asset_id: str) -> dict[str, Any] | None:
        """The row of one photo; None where there is none."""
        return _row(self.photos, "asset_id", asset_id)

    def faces_of(self, cluster_id: str) -> pl.DataFrame:
        return self.faces.filter(pl.col("cluster_id") == cluster_id)

    def pick(self, face_ids: Sequence[str]) -> pl.DataFrame:
        """The rows of these faces, in their order; those that are not there are left out."""
        wanted = pl.DataFrame({"face_id": list(face_ids)}, schema={"face_id": pl.String})
        return wanted.join(self.faces, on="face_id", how="inner", maintain_order="left")


class Views:
    """Hands out the view of the moment; several threads may ask."""

    def __init__(self, database: Path, ledger: Ledger) -> None:
        self._database, self._ledger = database, ledger
        self._lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        """Read everything again, the next time: names may have been taken out of the ledger."""
        self._events: list[Event] = []
        self._snapshot: tuple[object, Snapshot] | None = None
        self._view: tuple[object, View] | None = None

    def now(self) -> View:
        """Raises DatabaseError while nothing is published, LedgerError when the ledger cannot be read."""
        version = file_version(self._database), self._ledger.last()
        view = self._view
        if view is not None and view[0] == version:
            return view[1]
        with self._lock:
            view = self._view
            if view is None or view[0] != version:
                events = self._said()
                view = self._view = version, view_of(self._published(version[0], events), events)
            return view[1]

    def _said(self) -> list[Event]:
        """Only what is new is read: events are never changed, but for the names of people who are erased or struck."""
        new = self._ledger.events(after=self._events[-1].id if self._events else 0)
        if any(event.kind in ("person_erased", "roster_struck") for event in new) and self._events:
            self._events, new = [], self._ledger.events()
        self._events = [*self._events, *new]
        return self._events

    def _published(self, file: object, events: Sequence[Event]) -> Snapshot:
        if self._snapshot is None or self._snapshot[0] != file:
            self._snapshot = file, read_snapshot(self._database, events)
        return self._snapshot[1]


def read_snapshot(database: Path, events: Sequence[Event]) -> Snapshot:
    """Raises DatabaseError."""
    last = query(database, "SELECT coalesce(max(id), 0) AS last FROM face_assignment_events").item()
    faces, photos = query(database, _FACES), query(database, _PHOTOS)
    faces = faces.with_columns(pl.col("created_at").dt.replace_time_zone("UTC"))
    faces = faces.sort("face_id")
    confirmed = frozenset(said(replay(events, last), faces).confirmed)
    return Snapshot(faces, photos.sort("asset_id"), last, confirmed)


def view_of(snapshot: Snapshot, events: Sequence[Event]) -> View:
    """The snapshot as the events up to now have changed it."""
    decisions = replay(events)
    now = said(decisions, snapshot.faces)
    faces = laid_over(snapshot.faces, decisions, now, snapshot.confirmed, events, snapshot.known_until)
    last = events[-1] if events else None
    version = f"{snapshot.known_until}-{len(faces)}-{last.id if last else 0}"
    clusters = cluster_rows(faces)
    persons = person_rows(decisions, faces)
    return View(version, faces, clusters, persons, snapshot.photos, snapshot.faces, decisions, now, events)


def cluster_rows(faces: pl.DataFrame) -> pl.DataFrame:
    """One row a cluster, largest first."""
    best_first = faces.sort("quality_score", "face_id", descending=[True, False], nulls_last=True)
    return (
        best_first.group_by("cluster_id", maintain_order=True)
        .agg(
            pl.len().alias("size"),
            pl.col("quality_score").mean().alias("mean_quality"),
            pl.col("assignment_score").mean().alias("mean_score"),
            pl.col("face_id").head(SAMPLES).alias("sample_faces"),
            pl.col("school_year").unique().sort().alias("school_years"),
            pl.col("person_id", "person_name").first(),
        )
        .sort("size", "cluster_id", descending=[True, False])
    )


def person_rows(decisions: Decisions, faces: pl.DataFrame) -> pl.DataFrame:
    """One row a person, whether seen or not, by name; those who were erased are left out."""
    fields = ("id", "name", "status", "kind", "merged_into_id", "created_at", "updated_at")
    known = [person for person in decisions.persons.values() if not person.erased]
    rows = [tuple(getattr(person, name) for name in fields) for person in known]
    schema = dict.fromkeys(fields, pl.String()) | dict.fromkeys(fields[-2:], pl.Datetime("us", "UTC"))
    persons = pl.DataFrame(rows, schema=schema, orient="row").with_columns(
        pl.Series("folded", [fold(person.name) for person in known], pl.String)
    )
    seen = (
        faces.drop_nulls("person_id")
        .group_by("person_id")
        .agg(
            pl.len().alias("face_count"),
            pl.col("confirmed").sum().alias("confirmed_count"),
            _prototypes().alias("prototype_count"),
            pl.col("school_year").unique().sort().alias("school_years"),
        )
    )
    return (
        persons.join(seen, left_on="id", right_on="person_id", how="left", maintain_order="left")
        .with_columns(pl.col("^.*_count$").fill_null(0), pl.col("school_years").fill_null([]))
        .sort("folded", "id")
    )


def _prototypes() -> pl.Expr:
    """How many a group of faces gives: up to three exemplars and a centroid a school year, of what is confirmed."""
    a_year = pl.col("school_year").filter("confirmed").value_counts().struct.field("count")
    return a_year.clip(upper_bound=EXEMPLARS).sum() + a_year.len()


def _row(rows: pl.DataFrame, column: str, name: str) -> dict[str, Any] | None:
    """The row of that name of rows that are sorted by it, found without a look at all of them."""
    number = rows[column].search_sorted(name)
    found = number < rows.height and rows[column][number] == name
    return rows.row(number, named=True) if found else None


def file_version(file: Path) -> tuple[int, ...] | None:
    """What changes when another file is put in its place; None when there is none."""
    try:
        status = file.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size
