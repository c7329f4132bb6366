"""Detected faces matched with what is known of them: from a ground truth file, or from labels that were held out.

One table for both (GROUND_TRUTH_SCHEMA), one row per face whose person is known:
    person str, school_year str, year i32 (null when unknown), ageing bool, detected bool, face_id str (null when it was
    not detected), cluster str (of its own where it has none), unknown bool (in an unknown cluster), named str (the
    person that it was assigned to, null where there is none), queried bool (others of its person are labelled, and it
    is not).
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping

import polars as pl

from classface_assets.core.errors import UserError
from classface_assets.core.geometry import Box, match_boxes

UNKNOWN_PERSON = "somebody whom the truth does not know"
_TEXTS, _FLAGS = ("person", "school_year", "face_id", "cluster", "named"), ("ageing", "detected", "unknown", "queried")
GROUND_TRUTH_SCHEMA = {"year": pl.Int32, **dict.fromkeys(_TEXTS, pl.String), **dict.fromkeys(_FLAGS, pl.Boolean)}
FOUND_COLUMNS = {"face_id": pl.String, "person_id": pl.String, "labelled": pl.Boolean}
TRUTH_COLUMNS = ("school_year", "path", "person", "age", "x", "y", "w", "h")


class GroundTruthError(UserError):
    """A file that is no ground truth of these photos."""


def validate_truth(truth: pl.DataFrame, paths: Collection[str]) -> pl.DataFrame:
    """Check a ground truth.

    Args:
        truth: TRUTH_COLUMNS as text.
        paths: Of the archive's photos.

    Returns:
        The truth itself.

    Raises:
        GroundTruthError: A column is missing, a box is not four numbers, or no photo is of the archive.
    """
    missing = [column for column in TRUTH_COLUMNS if column not in truth.columns]
    if missing:
        raise GroundTruthError(f"the truth has no column {', '.join(missing)}; it needs {', '.join(TRUTH_COLUMNS)}")
    wrong = truth.filter(pl.any_horizontal(pl.col(c).cast(pl.Float64, strict=False).is_null() for c in "xywh"))
    if wrong.height:
        raise GroundTruthError(f"the box of a face in {wrong['path'][0]} is no four numbers x, y, w, h")
    if not set(truth["path"]) & set(paths):
        raise GroundTruthError(
            f"none of its {truth['path'].n_unique()} photos is in the archive; is it of another one?"
        )
    return truth


def match_to_ground_truth(truth: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """Match the boxes of a ground truth with detected faces; those that match no box are left out.

    Args:
        truth: path, person, age (empty or null where unknown), x, y, w, h in pixels of the upright photo, perhaps
            school_year.
        found: path, bbox_x, bbox_y, bbox_w, bbox_h, cluster_id, perhaps face_id, person_id, labelled (bool).

    Returns:
        GROUND_TRUTH_SCHEMA.
    """
    faces = _with_columns_of(found, FOUND_COLUMNS).with_row_index("row")
    rows_of = dict(faces.group_by("path").agg("row").iter_rows())
    boxes: list[Box] = list(faces.select("bbox_x", "bbox_y", "bbox_w", "bbox_h").iter_rows())
    photos = [
        rows for _, rows in _with_columns_of(truth, {"school_year": pl.String}).group_by("path", maintain_order=True)
    ]
    places: list[int | None] = []
    for rows in photos:
        here = rows_of.get(rows["path"][0], [])
        true_boxes: list[Box] = [
            (x, y, w, h) for x, y, w, h in rows.select(pl.col(*"xywh").cast(pl.Float64)).iter_rows()
        ]
        places += [None if j is None else here[j] for j in match_boxes(true_boxes, [boxes[i] for i in here])]
    if not photos:
        return pl.DataFrame(schema=GROUND_TRUTH_SCHEMA)
    known = pl.concat(photos).with_columns(pl.Series("row", places, pl.UInt32))
    rows = known.join(faces.drop("path"), on="row", how="left", maintain_order="left")
    rows = rows.with_columns(pl.col("labelled").fill_null(False))
    true_name = _true_names(rows)
    who = pl.col("person_id").replace_strict(true_name, default=UNKNOWN_PERSON, return_dtype=pl.String)
    return ground_truth_table(
        rows.with_columns(
            year=pl.col("school_year").str.extract(r"(\d{4})").cast(pl.Int32),
            ageing=pl.col("age").cast(pl.String).fill_null("") != "",
            named=pl.when(pl.col("person_id").is_not_null() & ~pl.col("labelled")).then(who),
            queried=pl.col("person").is_in(list(true_name.values())) & ~pl.col("labelled"),
        )
    )


def ground_truth_table(rows: pl.DataFrame) -> pl.DataFrame:
    """GROUND_TRUTH_SCHEMA from rows with cluster_id (null: not detected) in the place of cluster and unknown."""
    alone = pl.col("cluster_id").is_null() | pl.col("cluster_id").str.starts_with("unknown_noise")
    own = pl.format("alone_{}", pl.int_range(pl.len()))
    return rows.with_columns(
        detected=pl.col("cluster_id").is_not_null(),
        cluster=pl.when(alone).then(own).otherwise(pl.col("cluster_id")),
        unknown=pl.col("cluster_id").str.starts_with("unknown_cluster").fill_null(False),
    ).select(pl.col(name).cast(kind) for name, kind in GROUND_TRUTH_SCHEMA.items())


def _true_names(rows: pl.DataFrame) -> dict[str, str]:
    """For each person id the true name of most of its labelled faces."""
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    for person_id, person in rows.filter("labelled").drop_nulls("person_id").select("person_id", "person").iter_rows():
        votes[person_id][person] += 1
    return {person_id: min(count, key=lambda name: (-count[name], name)) for person_id, count in votes.items()}


def _with_columns_of(rows: pl.DataFrame, schema: Mapping[str, pl.DataType | type[pl.DataType]]) -> pl.DataFrame:
    return rows.with_columns(
        pl.lit(None, kind).alias(name) for name, kind in schema.items() if name not in rows.columns
    )
