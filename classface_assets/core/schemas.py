"""The columns of the tables and the fixed values in them: Parquet frames between the assets, and the DuckDB tables.

Every column is defined here once. Names of columns, tables and values are stored in archives and never change.
"""

from enum import StrEnum

import polars as pl


class PhotoStatus(StrEnum):
    """What a file of the photos folder is (`image_assets.status`)."""

    OK = "ok"
    DUPLICATE = "duplicate"
    """The same picture as another file, which is the one that counts."""
    UNREADABLE = "unreadable"
    NOT_A_PHOTO = "not a photo"
    WITHHELD = "withheld"
    """Never stored: a photo that may not be shown for the purpose asked for."""


READABLE = [PhotoStatus.OK.value, PhotoStatus.DUPLICATE.value]
"""The statuses of files whose picture can be read."""


class DetectionStatus(StrEnum):
    """What a detection row is: a face, or the one row of a photo without faces or that could not be decoded."""

    FACE = "ok"
    NO_FACE = "no face"
    FAILED = "failed"


END_OF_JPEG = b"\xff\xd9"
"""The two bytes that a whole JPEG ends with, of a photo or of the chip of a face."""
CLUSTER_PREFIX = "unknown_cluster_"
NOISE_PREFIX = "unknown_noise_"


def is_unknown_cluster(cluster_id: str = "cluster_id") -> pl.Expr:
    """Whether the column holds the id of a cluster of unknown faces: `unknown_cluster_{N}`, or a piece of one."""
    return pl.col(cluster_id).str.starts_with(CLUSTER_PREFIX)


def is_noise(cluster_id: str = "cluster_id") -> pl.Expr:
    """Whether the column holds the id of a single unknown face that is in no cluster: `unknown_noise_{face id}`."""
    return pl.col(cluster_id).str.starts_with(NOISE_PREFIX)


def noise_id(face_id: str = "face_id") -> pl.Expr:
    """The cluster id of an unknown face that is in no cluster."""
    return pl.format(f"{NOISE_PREFIX}{{}}", pl.col(face_id))


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
        "status": pl.String(),  # PhotoStatus
        "reason": pl.String(),
        "taken_at_source": pl.String(),  # exif | xmp | iptc | file name | folder | school year | "" when unknown
        "utc_offset": pl.Int16(),  # minutes east of Greenwich, where the camera knew
        "has_orientation": pl.Boolean(),  # the file has an EXIF orientation, so a camera knew which way is up
        "file_digest": pl.String(),  # of the file's bytes; null of what is no photo, and in older parts
        "page": pl.Int16(),  # of a file with several pages the one that is searched, from 0; null in older parts
        "dates": pl.List(pl.Struct({"at": pl.Datetime("us"), "source": pl.String(), "utc_offset": pl.Int16()})),
        "taken_at_doubt": pl.String(),  # the surest date and its source where it is not believed, else ""
        "read_again": pl.Boolean(),  # the file may be readable though size and time are the same; null in older parts
    }
)
DETECTIONS = pl.Schema(
    {
        "asset_id": pl.String(),
        "face_id": pl.String(),  # null on the one row of a photo with no face or that failed
        "status": pl.String(),  # DetectionStatus
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
        "strip_search": pl.Int16(),  # the version of the search of long strips; null of other photos and in older parts
        "created_at": pl.Datetime("us"),
    }
)
"""One row per face, or one for a photo without any, as it is read back: without the chip."""
DETECTION_ROWS = pl.Schema(
    {name: dtype for name, dtype in DETECTIONS.items() if name != "created_at"} | {"chip": pl.Binary()}
)
"""The same as a detector writes it: with the chip (JPEG), the upright picture of the face alone."""
ASSIGNMENTS = pl.Schema(
    {
        "face_id": pl.String(),
        "cluster_id": pl.String(),
        "person_id": pl.String(),
        "assignment_score": pl.Float32(),
        "assignment_reason": pl.String(),
        "assignment_margin": pl.Float32(),  # lead over the next best person; null where none was measured
        "assignment_probability": pl.Float32(),  # that the face belongs there; null where labelled, alone or unknown
    }
)
PERSONS = pl.Schema(
    {
        "id": pl.String(),
        "name": pl.String(),
        "status": pl.String(),  # PersonStatus (store.model.person_kinds)
        "merged_into_id": pl.String(),
        "created_at": pl.Datetime("us"),
        "updated_at": pl.Datetime("us"),
        "kind": pl.String(),  # PersonKind
        "consent": pl.Boolean(),  # for albums; null where nobody answered
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
        cluster_id VARCHAR, person_id VARCHAR, assignment_score FLOAT, assignment_reason VARCHAR,
        assignment_margin FLOAT, assignment_probability FLOAT, created_at TIMESTAMP, updated_at TIMESTAMP,
        model VARCHAR, embedding_size INTEGER,
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
    "ledger": """
        ledger_id VARCHAR NOT NULL, decisions BIGINT NOT NULL, last_event_id BIGINT, last_event_at VARCHAR,
        last_event_kind VARCHAR""",
}
