"""The queries on the published database that several rooms need: faces with their photos, and counts of both.

Every function reads the DuckDB file as it is now and raises DatabaseError while nothing is published.
"""

from pathlib import Path

import polars as pl

from classface_assets.core.schemas import CLUSTER_PREFIX, NOISE_PREFIX, PhotoStatus
from classface_assets.store.files.duckdb import query_database

_FACES_IN_PHOTOS = f"face_instances f JOIN image_assets a ON a.asset_id = f.asset_id AND a.status = '{PhotoStatus.OK}'"
_BOX = "f.bbox_x, f.bbox_y, f.bbox_w, f.bbox_h"


def require_published(database: Path) -> None:
    """Raises DatabaseError, with what to do, before the first run."""
    query_database(database, "SELECT count(*) AS n FROM face_instances")


def faces_with_photos(database: Path) -> pl.DataFrame:
    """Every face with the photo that it is in; photos are those that could be read, each once."""
    # A file that an older version published lacks these columns.
    there = query_database(database, "SELECT * FROM face_instances LIMIT 0").columns
    margin, probability = (
        f"f.{column}" if column in there else f"NULL::FLOAT AS {column}"
        for column in ("assignment_margin", "assignment_probability")
    )
    return query_database(
        database,
        f"""
        SELECT f.id AS face_id, f.asset_id, a.path, a.school_year, a.taken_at, a.width AS photo_width,
               a.height AS photo_height, {_BOX}, f.detection_confidence, f.quality_score,
               f.cluster_id, f.person_id, f.assignment_score, f.assignment_reason, {margin}, {probability},
               f.created_at
        FROM {_FACES_IN_PHOTOS}""",
    )


def readable_photos(database: Path) -> pl.DataFrame:
    """Every photo that could be read, once, with its size, the quarter turns (degrees) it was given and near_group."""
    return query_database(
        database,
        "SELECT asset_id, path, school_year, taken_at, width, height, coalesce(rotation, 0) AS rotation, near_group "
        f"FROM image_assets WHERE status = '{PhotoStatus.OK}'",
    )


def files(database: Path) -> pl.DataFrame:
    """Every file of the photos folder, with what became of it: asset_id, school_year, path, status, reason."""
    return query_database(database, "SELECT asset_id, school_year, path, status, reason FROM image_assets")


def face_measures(database: Path) -> pl.DataFrame:
    """What was measured of every face: face_id, landmarks (x, y of five points), blur, yaw, pitch, roll, outside."""
    return query_database(
        database, "SELECT id AS face_id, landmarks, blur, yaw, pitch, roll, outside FROM face_instances"
    )


def face_boxes(database: Path) -> pl.DataFrame:
    """Every face with its box: face_id, asset_id, bbox_x, bbox_y, bbox_w, bbox_h."""
    return query_database(database, f"SELECT f.id AS face_id, f.asset_id, {_BOX} FROM face_instances f")


def boxes_in_files(database: Path) -> pl.DataFrame:
    """Every face in each file that shows it, copies too, by path: path, bbox_x, bbox_y, bbox_w, bbox_h, cluster_id."""
    return query_database(
        database,
        f"SELECT a.path, {_BOX}, f.cluster_id FROM face_instances f JOIN image_assets a USING (asset_id) "
        "ORDER BY a.path",
    )


def boxes_of_cluster(database: Path, cluster_or_face: str) -> pl.DataFrame:
    """The faces of a cluster, or the one face of that id, by id: face_id, asset_id, bbox_x, bbox_y, bbox_w, bbox_h."""
    return query_database(
        database,
        f"SELECT f.id AS face_id, f.asset_id, {_BOX} FROM face_instances f "
        "WHERE f.cluster_id = ? OR f.id = ? ORDER BY f.id",
        [cluster_or_face, cluster_or_face],
    )


def photo_id(database: Path, path_or_id: str) -> str | None:
    """The asset id of the photo of that path below the photos folder, or of that id."""
    sql = "SELECT asset_id FROM image_assets WHERE (path = ? OR asset_id = ?) AND asset_id IS NOT NULL LIMIT 1"
    found = query_database(database, sql, [path_or_id, path_or_id])["asset_id"].to_list()
    return found[0] if found else None


def album_faces(database: Path, year: str | None = None) -> pl.DataFrame:
    """The faces that albums may show, by path, of one school year or of all, with photo and the person's name.

    Left out are people who are hidden, no students, or no faces. Who refused is not known here.
    """
    of_year, given = ("", []) if year is None else ("AND a.school_year = ?", [year])
    return query_database(
        database,
        f"""
        SELECT f.id AS face_id, f.asset_id, a.path, a.school_year, a.taken_at, a.width, a.height, {_BOX},
               f.quality_score, f.cluster_id, f.person_id, p.name AS person_name
        FROM {_FACES_IN_PHOTOS}
        LEFT JOIN persons p ON p.id = f.person_id
        WHERE (p.id IS NULL OR (p.status <> 'hidden' AND p.kind NOT IN ('not a student', 'not a face'))) {of_year}
        ORDER BY a.path, f.bbox_x, f.id""",
        given,
    )


def people_with_faces(database: Path) -> pl.DataFrame:
    """Each person who has faces: person_id, number of faces, and their school years in one text."""
    return query_database(
        database,
        f"""
        SELECT f.person_id, count(*) AS faces,
               string_agg(DISTINCT a.school_year, ', ' ORDER BY a.school_year) AS school_years
        FROM {_FACES_IN_PHOTOS} WHERE f.person_id IS NOT NULL GROUP BY f.person_id""",
    )


def file_counts(database: Path) -> pl.DataFrame:
    """How many files have each status, the most frequent first: status, files."""
    sql = "SELECT status, count(*) AS files FROM image_assets GROUP BY status ORDER BY files DESC, status"
    return query_database(database, sql)


def face_counts(database: Path) -> dict[str, int]:
    """How many faces, faces and people with a name, faces of hidden people, in unknown clusters, clusters, and single.

    Hidden people do not count as named.
    """
    sql = f"""
        SELECT count(*) AS faces, count(p.id) AS named, count(DISTINCT p.id) AS people,
               count(f.person_id) - count(p.id) AS hidden,
               count(*) FILTER (cluster_id LIKE '{CLUSTER_PREFIX}%') AS clustered,
               count(DISTINCT cluster_id) FILTER (cluster_id LIKE '{CLUSTER_PREFIX}%') AS clusters,
               count(*) FILTER (cluster_id LIKE '{NOISE_PREFIX}%') AS single
        FROM face_instances f LEFT JOIN persons p ON p.id = f.person_id AND p.status <> 'hidden'"""
    return query_database(database, sql).row(0, named=True)


def largest_unknown_clusters(database: Path, count: int = 5) -> pl.DataFrame:
    """The unknown clusters with most faces, largest first: cluster_id, size."""
    return query_database(
        database,
        f"SELECT cluster_id, size FROM clusters WHERE cluster_id LIKE '{CLUSTER_PREFIX}%' "
        "ORDER BY size DESC, cluster_id LIMIT ?",
        [count],
    )
