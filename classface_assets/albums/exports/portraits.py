"""The best portrait of each student in each school year: which face, and how well it does.

The score is the product of seven factors between 0 and 1, so that one bad property is not made up for by good ones:

- quality: the detector's score of the face;
- frontal: 1 for a face that looks into the camera, 0 at 60 degrees to a side, less by half at 30 up or down;
- size: by the width between the eyes, 1 where the portrait need not be enlarged;
- sharp: by the variance of the face's Laplacian;
- alone: 1 without other faces in the photo, 0.85 with one, 0.6 with many; 0.5 of that if another face reaches into the
  crop;
- whole: the share of the crop that lies in the photo, squared;
- sure: 1 where a person named the face, else the probability that it is the student.

Whether the eyes are open is not known: no model of the pipeline measures it.
"""

from collections.abc import Iterator

import numpy as np
import polars as pl

from classface_assets.albums.exports.head_crop import HEAD_SHARE, HEIGHT, INTEROCULAR_PER_HEAD, plan_crop

PORTRAITS = pl.Schema(
    {
        "person_id": pl.String(),
        "person_name": pl.String(),
        "school_year": pl.String(),
        "face_id": pl.String(),
        "asset_id": pl.String(),
        "score": pl.Float64(),
        "quality": pl.Float64(),
        "frontal": pl.Float64(),
        "size": pl.Float64(),
        "sharp": pl.Float64(),
        "alone": pl.Float64(),
        "whole": pl.Float64(),
        "sure": pl.Float64(),
    }
)
FULL_SIZE_INTEROCULAR = HEIGHT * HEAD_SHARE * INTEROCULAR_PER_HEAD
"""Pixels between the eyes of a portrait that is not enlarged."""
SHARP_LAPLACIAN = 120.0
LEAST = 0.05
"""No factor but `whole` and `sure` is less: a bad portrait is better than a worse one."""
UNMEASURED_PROBABILITY = 0.9


def best_portraits(faces: pl.DataFrame, photos: pl.DataFrame, subjects: pl.DataFrame | None = None) -> pl.DataFrame:
    """The best face of each named person in each school year: PORTRAITS, by name and year.

    Args:
        faces: All faces of the photos, columns as `ExportContents.faces`.
        photos: The photos, with asset_id, school_year, width and height.
        subjects: The faces to choose from; None: all named ones.
    """
    scored = score_portraits(faces, photos, subjects)
    ordered = scored.sort("score", "face_id", descending=[True, False])
    best = ordered.unique(["person_id", "school_year"], keep="first", maintain_order=True)
    return best.sort("person_name", "person_id", "school_year")


def score_portraits(faces: pl.DataFrame, photos: pl.DataFrame, subjects: pl.DataFrame | None = None) -> pl.DataFrame:
    """The score of every face that may be a portrait, see the module: PORTRAITS. Arguments as `best_portraits`."""
    chosen = portrait_candidates(faces if subjects is None else subjects, photos)
    crowd = faces.group_by("asset_id").agg(pl.len().alias("crowd"))
    chosen = chosen.join(crowd, on="asset_id", how="left")
    measured = pl.DataFrame(
        list(_crop_factors(chosen, faces)),
        schema={"face_id": pl.String(), "whole": pl.Float64(), "clear": pl.Float64()},
        orient="row",
    )
    rows = chosen.join(measured, on="face_id", how="left").with_columns(
        pl.col("quality_score").fill_null(0.5).clip(LEAST, 1).alias("quality"),
        _frontal().alias("frontal"),
        (_interocular() / FULL_SIZE_INTEROCULAR).clip(LEAST, 1).sqrt().alias("size"),
        (pl.col("blur").fill_null(SHARP_LAPLACIAN / 2) / SHARP_LAPLACIAN).clip(LEAST, 1).sqrt().alias("sharp"),
        (pl.col("clear") * (0.6 + 0.4 * 0.6 ** (pl.col("crowd") - 1))).alias("alone"),
        pl.when("confirmed").then(1.0).otherwise(pl.col("assignment_probability").fill_null(UNMEASURED_PROBABILITY))
        .cast(pl.Float64).alias("sure"),
    )  # fmt: skip
    factors = ("quality", "frontal", "size", "sharp", "alone", "whole", "sure")
    score = pl.reduce(lambda a, b: a * b, [pl.col(name) for name in factors])
    return rows.with_columns(score.alias("score")).select(PORTRAITS.names()).cast(PORTRAITS)


def portrait_candidates(faces: pl.DataFrame, photos: pl.DataFrame) -> pl.DataFrame:
    """The named faces that a portrait can be cut from, with the width and height of their photos."""
    can_be_cut = pl.col("cropped") & (pl.col("landmarks").list.len() == 10)
    sizes = photos.select("asset_id", "school_year", "width", "height").drop_nulls()
    return faces.drop_nulls("person_id").filter(can_be_cut).join(sizes, on=["asset_id", "school_year"])


def _frontal() -> pl.Expr:
    """By how far the head is turned; unknown angles count as half."""
    yaw, pitch = pl.col("yaw").abs(), pl.col("pitch").abs()
    sideways = (1 - (yaw / 60) ** 2).clip(LEAST, 1)
    up_or_down = (1 - (pitch / 42) ** 2).clip(LEAST, 1)
    return (sideways * up_or_down).fill_null(0.5).fill_nan(0.5)


def _interocular() -> pl.Expr:
    x = pl.col("landmarks").list.get(2) - pl.col("landmarks").list.get(0)
    y = pl.col("landmarks").list.get(3) - pl.col("landmarks").list.get(1)
    return (x**2 + y**2).sqrt()


def _crop_factors(chosen: pl.DataFrame, faces: pl.DataFrame) -> Iterator[tuple[str, float, float]]:
    """Face id, `whole`, and 1 or 0.5 where another face reaches into the crop."""
    in_photo = {
        asset: others.select("face_id", "bbox_x", "bbox_y", "bbox_w", "bbox_h").rows()
        for (asset,), others in faces.join(chosen, on="asset_id", how="semi").group_by("asset_id")
    }
    columns = ("face_id", "asset_id", "landmarks", "width", "height")
    for face, asset, landmarks, width, height in chosen.select(columns).iter_rows():
        crop = plan_crop(landmarks, width, height)
        corners = crop.corners()
        (left, top), (right, bottom) = corners.min(0), corners.max(0)
        margin = 0.03 * crop.height
        is_crowded = any(
            left + margin < x + w and x < right - margin and top + margin < y + h and y < bottom - margin
            for other, x, y, w, h in in_photo[asset]
            if other != face
        )
        yield face, float(np.square(crop.inside)), 0.5 if is_crowded else 1.0
