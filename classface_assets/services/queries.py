"""What the command line says of people: the faces of a cluster, the names, the counts.

What the command about changes tells: which faces moved when the students were last published.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl

from classface_assets.core.errors import UserError
from classface_assets.identity.evaluation.summary import CHANGES_SCHEMA, change_counts
from classface_assets.orchestration.resources import Archive
from classface_assets.store.files.duckdb import query_database
from classface_assets.store.files.parquet import read_parquet_or_empty
from classface_assets.store.model.decisions import Decisions
from classface_assets.store.model.face_ref import FaceRef


class UnknownClusterError(UserError):
    """No face has that cluster id or face id."""


class UnknownPhotoError(UserError):
    """No photo lies there."""


def find_faces(database: Path, cluster: str) -> list[FaceRef]:
    """The faces of a cluster, or the one face of that id. Raises UnknownClusterError."""
    sql = "SELECT id, asset_id, bbox_x, bbox_y, bbox_w, bbox_h FROM face_instances WHERE cluster_id = ? OR id = ?"
    rows = query_database(database, sql + " ORDER BY id", [cluster, cluster]).rows()
    if not rows:
        raise UnknownClusterError(
            f"There is no cluster or face {cluster}; `classface stats` shows the largest unknown clusters, "
            "and the album writes each one's id on its page."
        )
    return [FaceRef(face, photo, (x, y, w, h)) for face, photo, x, y, w, h in rows]


def find_photo(database: Path, photo: str) -> str:
    """The asset id of the photo of that path below the photos folder, or of that id. Raises UnknownPhotoError."""
    sql = "SELECT asset_id FROM image_assets WHERE (path = ? OR asset_id = ?) AND asset_id IS NOT NULL LIMIT 1"
    found = query_database(database, sql, [photo, photo])["asset_id"].to_list()
    if not found:
        raise UnknownPhotoError(
            f"There is no photo {photo}; name it as it lies in the photos folder, as 2019-2020/a.jpg."
        )
    return found[0]


def list_people(database: Path, decisions: Decisions) -> list[tuple[str, int, str]]:
    """Name, number of faces, and school years of every person, by name; who was merged is no person any more."""
    sql = """
        SELECT f.person_id, count(*) AS n, string_agg(DISTINCT a.school_year, ', ' ORDER BY a.school_year) AS years
        FROM face_instances f JOIN image_assets a ON a.asset_id = f.asset_id AND a.status = 'ok'
        WHERE f.person_id IS NOT NULL GROUP BY f.person_id"""
    counts = (
        {person: (n, years) for person, n, years in query_database(database, sql).iter_rows()}
        if database.exists()
        else {}
    )
    kept = [p for p in decisions.persons.values() if p.status != "merged" and not p.erased and p.kind != "not a face"]
    rows = [(p.display_name + " (hidden)" * (p.status == "hidden"), *counts.get(p.id, (0, ""))) for p in kept]
    return sorted(rows, key=lambda row: row[0].casefold())


def stats_lines(database: Path) -> Iterator[str]:
    """Files by status, faces named and not, and the largest unknown clusters."""
    statuses = query_database(
        database, "SELECT status, count(*) AS n FROM image_assets GROUP BY status ORDER BY n DESC, status"
    )
    yield "Files:    " + (", ".join(f"{n:,} {status}" for status, n in statuses.iter_rows()) or "none")
    sql = """
        SELECT count(*) AS faces, count(person_id) AS named, count(DISTINCT person_id) AS people,
               count(*) FILTER (cluster_id LIKE 'unknown_cluster_%') AS grouped,
               count(DISTINCT cluster_id) FILTER (cluster_id LIKE 'unknown_cluster_%') AS clusters,
               count(*) FILTER (cluster_id LIKE 'unknown_noise_%') AS single
        FROM face_instances"""
    faces, named, people, grouped, clusters, single = query_database(database, sql).row(0)
    yield f"Faces:    {faces:,}: {named:,} named, {grouped:,} in unknown clusters, {single:,} single"
    yield f"Students: {people:,} named, {clusters:,} unknown"
    largest = query_database(
        database, "SELECT cluster_id, size FROM clusters WHERE cluster_id LIKE 'unknown_cluster_%' "
        "ORDER BY size DESC, cluster_id LIMIT 5",
    )  # fmt: skip
    for cluster, size in largest.iter_rows():
        yield f'  {size:>4} faces  name them: classface label {cluster} "Name"'


def change_lines(archive: Archive, name_of: Callable[[str], str], most: int) -> Iterator[str]:
    """What moved when it was last published: counts by kind, then face, from, to and why."""
    moved = read_parquet_or_empty(archive.layout.table("changes"), CHANGES_SCHEMA)
    if moved.is_empty():
        yield "Nothing moved when the students were last published."
        return
    for old, new, faces in change_counts(moved).iter_rows():
        yield f"{faces:>7,}  {old} -> {new}"
    shown = moved.filter(pl.col("from").is_not_null()).head(most)
    for face, old, new, reason in shown.iter_rows():
        yield f"{face}  {name_of(old)} -> {name_of(new or 'nothing')}  {reason}"
    left = moved.filter(pl.col("from").is_not_null()).height - shown.height
    if left:
        yield f"… and {left:,} more; --most shows more of them."
