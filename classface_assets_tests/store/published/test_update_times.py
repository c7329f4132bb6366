"""When a published face last changed."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from classface_assets.store.files.duckdb import publish_database, query_database
from classface_assets.store.published.update_times import with_update_times

FOUND = datetime(2020, 5, 1, 12, tzinfo=UTC).replace(tzinfo=None)


def faces(**clusters: str) -> dict[str, pl.DataFrame]:
    rows = {
        "id": list(clusters),
        "asset_id": [f"p{face}" for face in clusters],
        **dict.fromkeys(("bbox_x", "bbox_y", "bbox_w", "bbox_h"), [1.0] * len(clusters)),
        "person_id": pl.Series([None] * len(clusters), dtype=pl.String),
        "cluster_id": list(clusters.values()),
        "created_at": [FOUND] * len(clusters),
    }
    return {"face_instances": pl.DataFrame(rows)}


def publish(database: Path, **clusters: str) -> dict[str, datetime]:
    publish_database(database, with_update_times(database, faces(**clusters)))
    return dict(query_database(database, "SELECT id, updated_at FROM face_instances").iter_rows())


def test_only_a_face_with_another_cluster_has_another_time(tmp_path: Path) -> None:
    database = tmp_path / "faces.duckdb"
    assert publish(database, a="unknown_cluster_1", b="unknown_cluster_1") == {"a": FOUND, "b": FOUND}
    moved = publish(database, a="unknown_cluster_1", b="unknown_cluster_2", c="unknown_cluster_2")
    assert moved["a"] == moved["c"] == FOUND and moved["b"] > FOUND
    assert publish(database, a="unknown_cluster_1", b="unknown_cluster_2", c="unknown_cluster_2") == moved


def test_a_database_that_cannot_be_read_is_no_obstacle(tmp_path: Path) -> None:
    database = tmp_path / "faces.duckdb"
    database.write_bytes(b"damaged")
    assert publish(database, a="unknown_cluster_1") == {"a": FOUND}
