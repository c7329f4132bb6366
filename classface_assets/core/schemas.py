"""The columns of the tables that others rely on: Parquet frames between the assets, and the DuckDB file's tables."""

import polars as pl

IMAGES = pl.Schema(
    {
        "asset_id": pl.String(),  # of the picture, whatever its metadata; in older parts of the file's bytes
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
        "taken_at_source": pl.String(),  # exif | xmp | iptc | file name | folder | school year | "" when unknown
        "utc_offset": pl.Int16(),  # minutes east of Greenwich, where the camera knew
        "has_orientation": pl.Boolean(),  # the file has an EXIF orientation, so a camera knew which way is up
        "file_digest": pl.String(),  # of the file's bytes; null of what is no photo, and in older parts
        "page": pl.Int16(),  # of a file with several pages the one that is searched, from 0; null in older parts
        "dates": pl.List(pl.Struct({"at": pl.Datetime("us"), "source": pl.String(), "utc_offset": pl.Int16()})),
        "taken_at_doubt": pl.String(),  # the surest date and its source where it is not believed, else ""
    }
)
# What is gathered of the detections: all but the chips.
DETECTIONS = pl.Schema(
    {
        "asset_id": pl.String(),
        "face_id": pl.String(),
        "status": pl.String(),
        "reason": pl.String(),
        "bbox_x": pl.Float32(),
        "bbox_y": pl.Float32(),
        "bbox_w": pl.Float32(),
        "bbox_h": pl.Float32(),
        "landmarks": pl.List(pl.Float32()),
        "detection_confidence": pl.Float32(),
        "quality_score": pl.Float32(),
        "blur": pl.Float32(),
        "yaw": pl.Float32(),
        "pitch": pl.Float32(),
        "roll": pl.Float32(),
        "brightness": pl.Float32(),
        "outside": pl.Float32(),
        "rotation": pl.Int16(),  # degrees clockwise by which the photo, after EXIF, was turned to be upright
        "phash": pl.String(),  # hex of 256 bits
        "orientation": pl.Int16(),  # of the file when it was searched: boxes and rotation are of the photo upright so
        "created_at": pl.Datetime("us"),
    }
)
ASSIGNMENTS = pl.Schema(
    {
        "face_id": pl.String(),
        "cluster_id": pl.String(),
        "person_id": pl.String(),
        "assignment_score": pl.Float32(),
        "assignment_reason": pl.String(),
        "margin": pl.Float32(),  # lead over the next person; null where there is none to measure, and in older tables
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
        "kind": pl.String(),  # student | staff | not a student | not a face
        "consent": pl.Boolean(),  # for albums; null where nobody said
        "consent_album": pl.Boolean(),  # false where it was refused, or an answer was not understood
        "consent_yearbook": pl.Boolean(),
        "consent_web": pl.Boolean(),
    }
)
PHOTO_CONSENT = pl.Schema(
    {
        "asset_id": pl.String(),
        "purpose": pl.String(),  # album | yearbook | web
        "verdict": pl.String(),  # safe | review | withheld
        "withheld_persons": pl.List(pl.String()),  # ids of those in the photo who may not be shown
        "unknown_faces": pl.Int32(),
    }
)

DUCKDB_TABLES = {
    "image_assets": """
        asset_id VARCHAR, school_year VARCHAR NOT NULL, path VARCHAR PRIMARY KEY, width INTEGER,
        height INTEGER, taken_at TIMESTAMP, status VARCHAR NOT NULL, reason VARCHAR NOT NULL, taken_at_source VARCHAR,
        utc_offset SMALLINT, rotation SMALLINT, near_group VARCHAR, file_digest VARCHAR, taken_at_doubt VARCHAR,
        orientation SMALLINT, page SMALLINT""",
    "face_instances": """
        id VARCHAR PRIMARY KEY, asset_id VARCHAR NOT NULL, bbox_x FLOAT NOT NULL, bbox_y FLOAT NOT NULL,
        bbox_w FLOAT NOT NULL, bbox_h FLOAT NOT NULL, landmarks FLOAT[], detection_confidence FLOAT,
        quality_score FLOAT, blur FLOAT, yaw FLOAT, pitch FLOAT, roll FLOAT, brightness FLOAT, outside FLOAT,
        cluster_id VARCHAR, person_id VARCHAR, assignment_score FLOAT, assignment_reason VARCHAR, created_at TIMESTAMP,
        margin FLOAT,
        UNIQUE (asset_id, bbox_x, bbox_y, bbox_w, bbox_h)""",
    "persons": """
        id VARCHAR PRIMARY KEY, name VARCHAR NOT NULL, status VARCHAR NOT NULL, merged_into_id VARCHAR,
        created_at TIMESTAMP, updated_at TIMESTAMP, kind VARCHAR NOT NULL, consent BOOLEAN,
        consent_album BOOLEAN, consent_yearbook BOOLEAN, consent_web BOOLEAN""",
    "person_prototypes": """
        id VARCHAR PRIMARY KEY, person_id VARCHAR NOT NULL, face_instance_id VARCHAR, role VARCHAR NOT NULL,
        school_year VARCHAR, created_at TIMESTAMP""",
    "face_assignment_events": """
        id BIGINT PRIMARY KEY, created_at TIMESTAMP, actor VARCHAR, kind VARCHAR NOT NULL, payload VARCHAR NOT NULL,
        undone BOOLEAN NOT NULL""",
    "clusters": """
        cluster_id VARCHAR PRIMARY KEY, size INTEGER NOT NULL, mean_quality FLOAT, sample_faces VARCHAR[],
        school_years VARCHAR[]""",
    "photo_consent": """
        asset_id VARCHAR NOT NULL, purpose VARCHAR NOT NULL, verdict VARCHAR NOT NULL,
        withheld_persons VARCHAR[] NOT NULL, unknown_faces INTEGER NOT NULL, PRIMARY KEY (asset_id, purpose)""",
}
