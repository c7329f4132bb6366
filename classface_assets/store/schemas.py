"""The columns of the tables that others rely on: Parquet frames between the assets, and the DuckDB file's tables."""

import polars as pl

IMAGES = pl.Schema(
    {
        "asset_id": pl.String(),
        "school_year": pl.String(),
        "path": pl.String(),
        "size": pl.Int64(),
        "mtime_ns": pl.Int64(),
        "width": pl.Int32(),
        "height": pl.Int32(),
        "orientation": pl.Int32(),
        "taken_at": pl.Datetime("us"),
        "status": pl.String(),
        "reason": pl.String(),
    }
)
ASSIGNMENTS = pl.Schema(
    {
        "face_id": pl.String(),
        "cluster_id": pl.String(),
        "person_id": pl.String(),
        "assignment_score": pl.Float32(),
        "assignment_reason": pl.String(),
    }
)
PERSONS = pl.Schema(
    {
        "id": pl.String(),
        "name": pl.String(),
        "status": pl.String(),
        "merged_into_id": pl.String(),
        "created_at": pl.Datetime("us"),
        "updated_at": pl.Datetime("us"),
    }
)

TABLES = {
    "image_assets": """
        asset_id VARCHAR, school_year VARCHAR NOT NULL, path VARCHAR PRIMARY KEY, width INTEGER,
        height INTEGER, taken_at TIMESTAMP, status VARCHAR NOT NULL, reason VARCHAR NOT NULL""",
    "face_instances": """
        id VARCHAR PRIMARY KEY, asset_id VARCHAR NOT NULL, bbox_x FLOAT NOT NULL, bbox_y FLOAT NOT NULL,
        bbox_w FLOAT NOT NULL, bbox_h FLOAT NOT NULL, landmarks FLOAT[], detection_confidence FLOAT,
        quality_score FLOAT, blur FLOAT, cluster_id VARCHAR, person_id VARCHAR, assignment_score FLOAT,
        assignment_reason VARCHAR, created_at TIMESTAMP, UNIQUE (asset_id, bbox_x, bbox_y, bbox_w, bbox_h)""",
    "persons": """
        id VARCHAR PRIMARY KEY, name VARCHAR NOT NULL, status VARCHAR NOT NULL, merged_into_id VARCHAR,
        created_at TIMESTAMP, updated_at TIMESTAMP""",
    "person_prototypes": """
        id VARCHAR PRIMARY KEY, person_id VARCHAR NOT NULL, face_instance_id VARCHAR, role VARCHAR NOT NULL,
        school_year VARCHAR, created_at TIMESTAMP""",
    "face_assignment_events": """
        id BIGINT PRIMARY KEY, created_at TIMESTAMP, actor VARCHAR, kind VARCHAR NOT NULL, payload VARCHAR NOT NULL,
        undone BOOLEAN NOT NULL""",
    "clusters": """
        cluster_id VARCHAR PRIMARY KEY, size INTEGER NOT NULL, mean_quality FLOAT, sample_faces VARCHAR[],
        school_years VARCHAR[]""",
}
